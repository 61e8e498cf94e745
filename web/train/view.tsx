/** The step "Train". */
import type { JSX } from 'preact';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function TrainView(_: ViewProps): JSX.Element {
  return <h2>{texts.steps.train}</h2>;
}
