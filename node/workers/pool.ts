/** Data workers as Node threads that each run dataWorker.js; src/run/inputs/workerPool.ts shares the work out among them. */
/// <reference path="./nodeAdapter.d.ts" />
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { DataThreadSettings } from '../../src/run/inputs/dataThread.ts';
import type { DataWorkers, StartWorkers } from '../../src/run/inputs/dataWorkers.ts';
import { WorkerGone, WorkerPool } from '../../src/run/inputs/workerPool.ts';
import type { WorkerSlot } from '../../src/run/inputs/workerPool.ts';
import type { DataWorkerApi } from './dataWorker.ts';

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
  const pool = new WorkerPool(Array.from({ length: count }, () => startWorker(script, heapMB)));
  try {
    await pool.open(settings);
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  }
}

function startWorker(script: string, heapMB: number | undefined): WorkerSlot {
  const worker = new Worker(script, { name: 'data', ...(heapMB !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMB } }) });
  worker.unref(); // a process that is done does not wait for its workers
  const api = Comlink.wrap<DataWorkerApi>(nodeEndpoint(worker));
  const slot: WorkerSlot = {
    api,
    keepsProcess: (does) => (does ? worker.ref() : worker.unref()),
    async end() {
      api[Comlink.releaseProxy]();
      await worker.terminate();
    },
    waiting: 0,
    failures: new Set(),
    gone: undefined,
  };
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
