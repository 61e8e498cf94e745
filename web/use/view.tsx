/** The step "Use". */
import type { JSX } from 'preact';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function UseView(_: ViewProps): JSX.Element {
  return <h2>{texts.steps.use}</h2>;
}
