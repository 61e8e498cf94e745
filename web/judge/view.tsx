/** The step "Judge". */
import type { JSX } from 'preact';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function JudgeView(_: ViewProps): JSX.Element {
  return <h2>{texts.steps.judge}</h2>;
}
