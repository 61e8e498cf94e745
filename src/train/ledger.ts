/**
 * The books of a run: figures of steps as they are read back, log rows made of them, totals, and what of it a checkpoint keeps. Rows are
 * the same whether or not the run was interrupted between two of them.
 */
import type { UserError } from '../platform.ts';
import type { Row, Tracker } from '../track/tracker.ts';
import type { LogRow, TrainerState } from './checkpointFolder.ts';
import { stepFigures, windowFigures } from './figures.ts';
import type { StepFigures } from './figures.ts';
import type { AdamW } from './optimizer.ts';
import type { RunState } from './runState.ts';
import { Watchdog } from './watchdog.ts';
import type { WatchdogSettings } from './watchdog.ts';

export class Ledger {
  /** What the watchdog has ended the run with. */
  end: UserError | undefined;
  private readonly state: TrainerState;
  private readonly optimizer: AdamW;
  private readonly tracker: Tracker;
  private readonly watchdog: Watchdog;
  /** Steps of an earlier process that no row shows yet. */
  private carried: StepFigures[];
  /** Labelled tokens of the steps since `from`. */
  private labels: number[] = [];
  /** First step of this process that no row shows yet. */
  private from: number;
  private lossTotal: number;

  constructor(state: TrainerState, optimizer: AdamW, tracker: Tracker, settings: WatchdogSettings, saved?: RunState) {
    this.state = state;
    this.optimizer = optimizer;
    this.tracker = tracker;
    this.watchdog = new Watchdog(settings, saved);
    this.carried = saved?.pending ?? [];
    this.from = (saved?.step ?? 0) + 1;
    this.lossTotal = saved?.lossTotal ?? 0;
  }

  get skippedSteps(): number {
    return this.watchdog.skippedSteps;
  }

  /** Mean loss of all steps that log rows show. */
  get meanLoss(): number {
    const shown = this.state.global_step - this.labels.length - this.carried.length;
    return this.lossTotal / Math.max(1, shown);
  }

  /** After a step was dispatched. */
  add(labels: number): void {
    this.labels.push(labels);
  }

  /** A row of figures on the steps since the last. @throws UserError when the watchdog ends the run */
  async log(learningRate: number): Promise<void> {
    const { state, tracker } = this;
    const steps = await this.pending();
    if (steps.length === 0) return;
    const { loss, ...figures } = windowFigures(steps);
    this.lossTotal += loss * steps.length;
    this.carried = [];
    this.labels = [];
    this.from = state.global_step + 1;
    const row: LogRow = {
      step: state.global_step,
      epoch: state.epoch,
      loss,
      learning_rate: learningRate,
      ...figures,
      num_tokens: state.num_input_tokens_seen,
    };
    state.log_history.push(row);
    const { warnings, end } = this.watchdog.look(steps, state.log_history);
    if (this.skippedSteps > 0) row['skipped_steps'] = this.skippedSteps;
    const { step, ...shown } = row;
    await tracker.log(shown as Row, step);
    for (const warning of warnings) await tracker.event('warning', warning);
    if (!end) return;
    this.end = end;
    throw end;
  }

  /** A row of an evaluation. */
  async logEvaluation(row: Row): Promise<void> {
    const { state, tracker } = this;
    const numbers = Object.fromEntries(Object.entries(row).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
    state.log_history.push({ ...numbers, step: state.global_step, epoch: state.epoch });
    await tracker.log({ epoch: state.epoch, ...row }, state.global_step);
  }

  /** What a checkpoint keeps. The copies on the GPU are begun before this returns. */
  async saved(): Promise<Pick<RunState, 'pending' | 'lossTotal' | 'skippedSteps' | 'skippedInARow'>> {
    const { lossTotal } = this;
    const { skippedSteps, skippedInARow } = this.watchdog;
    return { pending: await this.pending(), lossTotal, skippedSteps, skippedInARow };
  }

  /** Steps that no row shows yet, oldest first. */
  private async pending(): Promise<StepFigures[]> {
    const { carried, labels } = this;
    const read = this.optimizer.readLog(this.from, this.from + labels.length - 1);
    return [...carried, ...(await read).map((log, index) => stepFigures(log, labels[index]!))];
  }
}
