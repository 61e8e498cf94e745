/**
 * Data workers, several as one. Requests that share a volume or a file go to the same worker, which has it open, unless that one is far
 * behind the others. A worker that dies fails what it was asked for with a sentence; nothing waits for it. So does one that is ended with
 * work under way, but that is no fault of its own, and who asked has left (src/io/ahead.ts).
 */
import type { Example } from '../../data/example.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import type { ShardEntry } from '../../data/prepared/manifest.ts';
import type { ShardJob } from '../../data/prepared/writeShard.ts';
import { streamId } from '../../data/random.ts';
import { UserError } from '../../platform.ts';
import type { DataThreadSettings } from './dataThread.ts';
import type { DataWorkers } from './dataWorkers.ts';

/** How many more requests a worker may have waiting than the least busy one and still be preferred. */
const PATIENCE = 4;

/** What a worker can be asked for. */
export interface DataWorkerCalls {
  open(settings: DataThreadSettings): Promise<void>;
  make(request: RowRequest): Promise<Example>;
  writeShard(job: ShardJob): Promise<ShardEntry>;
}

/** A worker, as the runtime that has started it gives it to the pool. */
export interface WorkerSlot {
  api: DataWorkerCalls;
  /** Whether the process waits for it. */
  keepsProcess(does: boolean): void;
  end(): Promise<void>;
  /** Requests under way; begins with 0. */
  waiting: number;
  /**
   * Calls under way; when the worker dies, each is told. (A promise of its death in a race with every call would hold on to all of their
   * answers.)
   */
  failures: Set<(error: Error) => void>;
  gone: WorkerGone | undefined;
}

export class WorkerGone extends Error {
  readonly isMemory: boolean;

  constructor(message: string, isMemory: boolean | undefined) {
    super(message);
    this.isMemory = isMemory ?? false;
  }
}

/** As one, they make rows and write files. */
export class WorkerPool implements DataWorkers {
  private readonly slots: readonly WorkerSlot[];
  private isClosed = false;

  constructor(slots: readonly WorkerSlot[]) {
    this.slots = slots;
  }

  get count(): number {
    return this.slots.length;
  }

  make(request: RowRequest, place: string): Promise<Example> {
    return this.on(this.slotFor(place), `making a row of ${place}`, (api) => api.make(request));
  }

  writeShard(job: ShardJob): Promise<ShardEntry> {
    return this.on(this.slotFor(undefined), `writing ${job.file}`, (api) => api.writeShard(job));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const { end } of this.slots) await end();
  }

  /** Begins the work of each. */
  async open(settings: DataThreadSettings): Promise<void> {
    // Memory for volumes is shared out.
    const own = { ...settings, volumeBytes: settings.volumeBytes / this.slots.length };
    await Promise.all(this.slots.map((slot) => this.on(slot, 'starting', (api) => api.open(own))));
  }

  /** @param doing what the message says of a worker that died meanwhile */
  private async on<T>(slot: WorkerSlot, doing: string, work: (api: DataWorkerCalls) => Promise<T>): Promise<T> {
    slot.waiting++;
    slot.keepsProcess(true);
    try {
      return await this.answered(slot, work);
    } catch (error) {
      if (this.isClosed && error instanceof WorkerGone)
        throw new Error(`The data workers were closed while one was ${doing}.`, { cause: error });
      throw revived(error, doing);
    } finally {
      slot.waiting--;
      if (slot.waiting === 0) slot.keepsProcess(false);
    }
  }

  private answered<T>(slot: WorkerSlot, work: (api: DataWorkerCalls) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (slot.gone !== undefined) {
        reject(slot.gone);
        return;
      }
      slot.failures.add(reject);
      void work(slot.api)
        .then(resolve, reject)
        .finally(() => slot.failures.delete(reject));
    });
  }

  private slotFor(place: string | undefined): WorkerSlot {
    const least = this.slots.reduce((best, slot) => (slot.waiting < best.waiting ? slot : best));
    const preferred = place === undefined ? undefined : this.slots[streamId(place) % this.slots.length];
    return preferred !== undefined && preferred.waiting <= least.waiting + PATIENCE ? preferred : least;
  }
}

/** Errors lose their class on the way between threads. */
function revived(error: unknown, doing: string): unknown {
  if (error instanceof WorkerGone) {
    const advice = error.isMemory
      ? 'It ran out of memory: use fewer workers (--dataloader_num_workers, --num_workers_format_dataset).'
      : 'With --dataloader_num_workers 0 and --num_workers_format_dataset 0 the work is done without workers, which shows the cause.';
    return new UserError(`A data worker stopped while ${doing} (${error.message}). ${advice}`, { cause: error });
  }
  return error instanceof Error && error.name === 'UserError' ? new UserError(error.message, { cause: error }) : error;
}
