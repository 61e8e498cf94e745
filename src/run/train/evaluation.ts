/** Evaluation during training: the held-out rows and the options become the trainer's Evaluator. */
import { countOf, UserError } from '../../platform.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import { RowEvaluator } from '../../train/evaluation.ts';
import type { AnsweredRow } from '../../train/predictionPictures.ts';
import type { Evaluator } from '../../train/evaluator.ts';
import type { RunContext } from '../context.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import type { OpenRows } from '../inputs/rows.ts';

/** @throws UserError for options that choose among evaluations where there will be none; called before the GPU is opened */
export function checkEvaluation({ options }: RunContext, { validation }: FoundRows): void {
  if (options.eval_strategy !== 'no' && validation !== undefined && validation.length > 0) return;
  const wanted = [
    options.load_best_model_at_end && '--load_best_model_at_end',
    options.early_stopping_patience > 0 && '--early_stopping_patience',
  ].filter(Boolean);
  if (wanted.length === 0) return;
  const why = options.eval_strategy === 'no' ? '--eval_strategy is no' : 'there are no held-out rows';
  throw new UserError(
    `${wanted.join(' and ')} needs evaluations, and ${why}. Give --val_file (with task lists: --val_sample_limit), and --eval_strategy ` +
      `steps.`,
  );
}

/**
 * Undefined where there is nothing to evaluate on, or evaluation is switched off.
 * @param onAnswered what the model answered after so many steps
 */
export function openEvaluator(
  { options, terminal, say, evaluating }: RunContext,
  { validation }: OpenRows,
  onAnswered: (step: number, rows: readonly AnsweredRow[]) => void,
): Evaluator | undefined {
  if (validation === undefined || options.eval_strategy === 'no') return undefined;
  const asked = options.eval_generate > 0 && validation.question ? `, ${options.eval_generate} of each task also answered` : '';
  say(`${countOf(validation.length, 'row')} held out for evaluation${asked}.`);
  const takers = [
    ['wandb', 'W&B'],
    ['tensorboard', 'TensorBoard'],
  ] as const;
  const asking = takers.flatMap(([name, shown]) => (options.report_to.includes(name) ? [shown] : []));
  if (!options.track_pictures && asking.length > 0 && options.eval_generate > 0) {
    say(`Pictures of predictions stay here; --track_pictures true gives them to ${asking.join(' and ')}.`);
  }
  const isShown = terminal.isTty && options.report_to.includes('console');
  const onProgress = (done: number, total: number): void => {
    evaluating?.(done, total);
    if (isShown) terminal.write(done < total ? `${CLEAR_LINE}Evaluating: ${done} of ${total}` : CLEAR_LINE);
  };
  return new RowEvaluator(validation, { ...options, parser: 'robust' }, onProgress, onAnswered);
}
