/**
 * What trains, copied into this machine's memory now and then while a run is far from its last checkpoint: a GPU that is lost takes
 * everything on it along, and so costs a minute of training and not all of it since the last save. The copy is a checkpoint that is not
 * written; the GPU makes it within its command stream, and training does not wait.
 */
import type { ParameterArena } from './parameterArena.ts';
import type { Moment } from './saving.ts';

export const COPY_EVERY_MS = 60_000;
/** Values and moments of more bytes are not copied; for a moment there are two copies. */
const COPIED_AT_MOST = 512 * 2 ** 20;

export class HostCopies {
  private readonly arena: Pick<ParameterArena, 'snapshot' | 'snapshotBytes'>;
  private readonly everyMs: number;
  private last: Moment | undefined;
  private since: number;
  private pending: Promise<void> | undefined;

  constructor(arena: Pick<ParameterArena, 'snapshot' | 'snapshotBytes'>, everyMs: number) {
    this.arena = arena;
    this.everyMs = everyMs;
    this.since = Date.now();
  }

  get isDue(): boolean {
    return this.pending === undefined && Date.now() - this.since >= this.everyMs && this.arena.snapshotBytes <= COPIED_AT_MOST;
  }

  /** A checkpoint is on its way: the next copy has time. */
  putOff(): void {
    this.since = Date.now();
  }

  /** A checkpoint of this step is complete, and an older copy of no use. */
  isSaved(step: number): void {
    if (this.last && this.last.step <= step) this.last = undefined;
  }

  /** Begins to copy the GPU as it is now. */
  take(moment: Moment): void {
    this.putOff();
    const state = this.arena.snapshot();
    const copy = { ...moment, trainerState: structuredClone(moment.trainerState), state };
    this.pending = Promise.all([moment.runState, state.arrived])
      .then(() => void (this.last = copy))
      .catch(() => undefined) // the copy before stands
      .finally(() => (this.pending = undefined));
  }

  /** The newest that is complete. */
  async newest(): Promise<Moment | undefined> {
    await this.pending;
    return this.last;
  }
}
