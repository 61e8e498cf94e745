/** The step "Model". */
import type { JSX } from 'preact';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function ModelView(_: ViewProps): JSX.Element {
  return <h2>{texts.steps.model}</h2>;
}
