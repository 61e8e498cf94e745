/**
 * Looks at every log row and speaks up when a run has gone wrong: steps that are skipped because the gradient is not finite, a loss that
 * jumps, and, where the user has drawn a line, a loss that stays above it. Everything it needs is in the log history, so that a resumed run
 * judges as one without a break.
 */
import { UserError } from '../platform.ts';
import type { LogRow } from './checkpointFolder.ts';
import type { StepFigures } from './figures.ts';

export interface WatchdogSettings {
  /** A loss above this in `loss_watchdog_patience` rows in a row ends the run; null: no line. */
  loss_watchdog_threshold?: number | null;
  loss_watchdog_patience?: number;
}

/** Skipped steps in a row after which nothing is being learnt any more. */
const SKIPPED_AT_MOST = 25;
/** A row's loss is a jump when it is this many times the median of the rows before, and at least this much (nats) above it. */
const JUMP = { factor: 3, nats: 0.5, rows: 20, rowsAtLeast: 5 };

const ADVICE = 'Lower --learning_rate, lengthen --warmup_ratio, or look at the rows of these steps';

export class Watchdog {
  private readonly threshold: number | null;
  private readonly patience: number;
  skippedSteps: number;
  skippedInARow: number;

  constructor(settings: WatchdogSettings, saved: { skippedSteps: number; skippedInARow: number } = { skippedSteps: 0, skippedInARow: 0 }) {
    this.threshold = settings.loss_watchdog_threshold ?? null;
    this.patience = settings.loss_watchdog_patience ?? 3;
    this.skippedSteps = saved.skippedSteps;
    this.skippedInARow = saved.skippedInARow;
  }

  /**
   * `steps` are those of the last row of `history`. Returns warnings, and an error when the run must end: its checkpoints stand, and going
   * on would only cost time.
   */
  look(steps: readonly StepFigures[], history: readonly LogRow[]): { warnings: string[]; end?: UserError } {
    const warnings: string[] = [];
    let end: UserError | undefined;
    const skipped = steps.filter((step) => step.skipped).length;
    this.skippedSteps += skipped;
    for (const step of steps) {
      this.skippedInARow = step.skipped ? this.skippedInARow + 1 : 0;
      if (this.skippedInARow < SKIPPED_AT_MOST) continue;
      end ??= new UserError(
        `The gradients of ${SKIPPED_AT_MOST} steps in a row were not finite (the last is step ${step.step}); every one was skipped, so ` +
          `nothing is learnt any more. ` +
          `${ADVICE}; --resume_from_checkpoint true goes on from the last checkpoint.`,
      );
    }
    if (skipped > 0) {
      warnings.push(
        `${skipped} of the last ${steps.length} steps had a gradient that is not finite; they were skipped (${this.skippedSteps} so far).`,
      );
    }
    const losses = history.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
    end ??= this.thresholdError(losses);
    const [now, before] = [losses.at(-1)!, losses.slice(-1 - JUMP.rows, -1).filter((loss) => Number.isFinite(loss))];
    const usual = median(before);
    if (before.length >= JUMP.rowsAtLeast && now > JUMP.factor * usual && now > usual + JUMP.nats) {
      warnings.push(
        `The loss jumped to ${now.toFixed(3)}; the median of the ${before.length} rows before is ${usual.toFixed(3)}. ${ADVICE} if it ` +
          `stays there.`,
      );
    }
    return { warnings, ...(end && { end }) };
  }

  private thresholdError(losses: readonly number[]): UserError | undefined {
    const { threshold } = this;
    if (threshold === null) return undefined;
    const last = losses.slice(-this.patience);
    if (last.length < this.patience || last.some((loss) => loss <= threshold)) return undefined;
    return new UserError(
      `The loss was above --loss_watchdog_threshold ${threshold} in ${this.patience} rows in a row ` +
        `(${last.map((loss) => loss.toFixed(3)).join(', ')}); the run is ended. ` +
        `${ADVICE}; --resume_from_checkpoint true goes on from the last checkpoint.`,
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
