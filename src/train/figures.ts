/**
 * The figures of steps on their way into log rows. Steps are read from the GPU late, so between two rows a run has figures that no row
 * shows yet; a checkpoint keeps them, and the row that a resumed run writes is the one that it would have written without the break.
 */
import type { StepLog } from './optimizer.ts';

/** One optimizer step, as read back. */
export interface StepFigures {
  step: number;
  /** Mean −log p of the step's labelled tokens, in nats. */
  loss: number;
  /** Before clipping. */
  gradNorm: number;
  /** The gradient was not finite: the step changed nothing. */
  skipped: boolean;
  /** Labelled tokens, and those whose most likely token was right. */
  labels: number;
  correct: number;
}

export function stepFigures(log: StepLog, labels: number): StepFigures {
  return { step: log.step, loss: log.lossSum, gradNorm: log.gradNorm, skipped: log.skipped, labels, correct: log.correct };
}

export interface WindowFigures {
  loss: number;
  grad_norm: number;
  mean_token_accuracy: number;
}

/**
 * What a log row says of the steps since the one before. A step without a finite loss does not spoil the others' mean; alone it is shown as
 * it is.
 */
export function windowFigures(steps: readonly StepFigures[]): WindowFigures {
  const finite = steps.filter(({ loss }) => Number.isFinite(loss));
  const losses = finite.length > 0 ? finite : steps;
  const labels = steps.reduce((sum, step) => sum + step.labels, 0);
  return {
    loss: losses.reduce((sum, { loss }) => sum + loss, 0) / losses.length,
    grad_norm: steps.at(-1)!.gradNorm,
    mean_token_accuracy: labels === 0 ? 0 : steps.reduce((sum, step) => sum + step.correct, 0) / labels,
  };
}

/** Numbers as JSON has them, with words for those it lacks. */
export type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export function toJsonNumber(value: number): JsonNumber {
  return Number.isFinite(value) ? value : (String(value) as JsonNumber);
}
