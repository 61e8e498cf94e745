/**
 * Data workers: Node threads that each run dataWorker.js. Requests that share a volume or a file go to the same worker, which has it open,
 * unless that one is far behind the others. A worker that dies fails what it was asked for with a sentence; nothing waits for it. So does
 * one that is ended with work under way, but that is no fault of its own, and who asked has left (src/io/ahead.ts).
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Example } from '../../src/data/example.ts';
import type { RowRequest } from '../../src/data/exampleMaker.ts';
import type { ShardEntry } from '../../src/data/prepared/manifest.ts';
import type { ShardJob } from '../../src/data/prepared/writeShard.ts';
import { streamId } from '../../src/data/random.ts';
import { UserError } from '../../src/platform.ts';
import type { DataWorkers, StartWorkers } from '../../src/run/inputs/dataWorkers.ts';
import type { DataThreadSettings } from '../../src/run/inputs/dataThread.ts';
import type { DataWorkerApi } from './dataWorker.ts';

/** How many more requests a worker may have waiting than the least busy one and still be preferred. */
const PATIENCE = 4;

interface Slot {
  worker: Worker;
  api: Comlink.Remote<DataWorkerApi>;
  waiting: number;
  /**
   * Calls under way; when the worker dies, each is told. (A promise of its death in a race with every call would hold on to all of their
   * answers.)
   */
  failures: Set<(error: Error) => void>;
  gone: WorkerGone | undefined;
}

/** As many threads as asked for, but no more than the machine has cores for. 0: none. */
export function workerCount(asked: number): number {
  return Math.min(asked, availableParallelism());
}

/** dist/dataWorker.js, which lies beside the programs; undefined where this runs from its sources. */
function builtWorker(): string | undefined {
  const candidates = ['./dataWorker.js', '../dataWorker.js'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  return candidates.find((path) => existsSync(path));
}

/** As many as asked for, but no more than the machine has cores for. */
export const startWorkers: StartWorkers = (settings, asked) => startPool(settings, workerCount(asked));

/**
 * Undefined where dist/dataWorker.js is not built.
 * @param around for tests: another script, and a limit on a worker's JavaScript heap
 */
export async function startPool(
  settings: DataThreadSettings,
  count: number,
  around: { script?: string; heapMB?: number } = {},
): Promise<DataWorkers | undefined> {
  const { script = builtWorker(), heapMB } = around;
  if (script === undefined) return undefined;
  const slots = Array.from({ length: count }, () => startWorker(script, heapMB));
  const pool = new Pool(slots);
  try {
    // Memory for volumes is shared out.
    const own = { ...settings, volumeBytes: settings.volumeBytes / count };
    await Promise.all(slots.map((slot) => pool.on(slot, 'starting', (api) => api.open(own))));
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  }
}

function startWorker(script: string, heapMB: number | undefined): Slot {
  const worker = new Worker(script, { name: 'data', ...(heapMB !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMB } }) });
  worker.unref(); // a process that is done does not wait for its workers
  const slot: Slot = { worker, api: Comlink.wrap<DataWorkerApi>(nodeEndpoint(worker)), waiting: 0, failures: new Set(), gone: undefined };
  let cause: Error | undefined;
  worker.on('error', (error: Error) => {
    cause = error;
  });
  worker.on('exit', (code) => {
    const why = cause === undefined ? `exit code ${code}` : cause.message;
    slot.gone = new WorkerGone(why, cause && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY');
    for (const fail of slot.failures) fail(slot.gone);
  });
  return slot;
}

class WorkerGone extends Error {
  readonly isMemory: boolean;

  constructor(message: string, isMemory: boolean | undefined) {
    super(message);
    this.isMemory = isMemory ?? false;
  }
}

class Pool implements DataWorkers {
  private readonly slots: readonly Slot[];
  private isClosed = false;

  constructor(slots: readonly Slot[]) {
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
    for (const { api, worker } of this.slots) {
      api[Comlink.releaseProxy]();
      await worker.terminate();
    }
  }

  /** @param doing what the message says of a worker that died meanwhile */
  async on<T>(slot: Slot, doing: string, work: (api: Slot['api']) => Promise<T>): Promise<T> {
    slot.waiting++;
    slot.worker.ref();
    try {
      return await this.answered(slot, work);
    } catch (error) {
      if (this.isClosed && error instanceof WorkerGone)
        throw new Error(`The data workers were closed while one was ${doing}.`, { cause: error });
      throw revived(error, doing);
    } finally {
      slot.waiting--;
      if (slot.waiting === 0) slot.worker.unref();
    }
  }

  private answered<T>(slot: Slot, work: (api: Slot['api']) => Promise<T>): Promise<T> {
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

  private slotFor(place: string | undefined): Slot {
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
