/**
 * The thread that prepares rows beside the one that trains (dist/dataWorker.js, one process, several of these): volumes opened, slices cut,
 * pictures decoded and resized, texts tokenized, Parquet files written. It keeps its own volumes and row groups, and answers one pool
 * (pool.ts) over Comlink.
 */
import { parentPort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Example } from '../../src/data/example.ts';
import type { RowRequest } from '../../src/data/exampleMaker.ts';
import type { ShardEntry } from '../../src/data/prepared/manifest.ts';
import type { ShardJob } from '../../src/data/prepared/writeShard.ts';
import { nodePlatform } from '../platform.ts';
import { DataThread } from '../../src/run/inputs/dataThread.ts';
import type { DataThreadSettings } from '../../src/run/inputs/dataThread.ts';

let thread: DataThread | undefined;

function opened(): DataThread {
  if (thread === undefined) throw new Error('the data worker was not opened');
  return thread;
}

const api = {
  open(settings: DataThreadSettings): void {
    thread = new DataThread(nodePlatform, settings);
  },
  async make(request: RowRequest): Promise<Example> {
    const example = await opened().make(request);
    // Moved, not copied; a view of a larger buffer would take its neighbours along.
    const arrays = [example.inputIds, example.labels, example.positionIds, example.pixelValues];
    const buffers = new Set(
      arrays.filter((array) => array.byteLength > 0 && array.byteLength === array.buffer.byteLength).map((array) => array.buffer),
    );
    return Comlink.transfer(example, [...buffers] as ArrayBuffer[]);
  },
  writeShard: (job: ShardJob): Promise<ShardEntry> => opened().writeShard(job),
};

export type DataWorkerApi = typeof api;

if (parentPort === null) throw new Error('dataWorker.js runs as a worker thread of the other programs; start one of those');
Comlink.expose(api, nodeEndpoint(parentPort));
