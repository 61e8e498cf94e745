/** The step "Data". */
import type { JSX } from 'preact';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function DataView(_: ViewProps): JSX.Element {
  return <h2>{texts.steps.data}</h2>;
}
