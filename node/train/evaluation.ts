/** Evaluation during training: the held-out rows and the options become the trainer's Evaluator. */
import { RowEvaluator } from '../../src/train/evaluation.ts';
import type { Evaluator } from '../../src/train/evaluator.ts';
import type { RunContext } from './context.ts';
import type { OpenRows } from './rows.ts';

/** Undefined where there is nothing to evaluate on, or evaluation is switched off. */
export function openEvaluator({ options, terminal, say }: RunContext, { validation }: OpenRows): Evaluator | undefined {
  if (validation === undefined || options.eval_strategy === 'no') return undefined;
  const asked = options.eval_generate > 0 && validation.question ? `, ${options.eval_generate} of each task also answered` : '';
  say(`${validation.length} rows held out for evaluation${asked}.`);
  const isShown = terminal.isTty && options.report_to.includes('console');
  const onProgress = (done: number, total: number): void => {
    if (isShown) terminal.write(done < total ? `\r\x1b[KEvaluating: ${done} of ${total}` : '\r\x1b[K');
  };
  return new RowEvaluator(validation, { ...options, parser: 'robust' }, onProgress);
}
