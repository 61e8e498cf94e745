/** Evaluation during training: the held-out rows and the options become the trainer's Evaluator. */
import type { Evaluator } from '../../src/train/evaluator.ts';
import type { Session } from '../../src/train/session.ts';
import type { RunContext } from './context.ts';
import type { OpenRows } from './rows.ts';

/** Undefined where there is nothing to evaluate on, or evaluation is switched off. */
export async function openEvaluator(_context: RunContext, _session: Session, _rows: OpenRows): Promise<Evaluator | undefined> {
  return Promise.resolve(undefined);
}
