/**
 * Rows made and files written beside the thread that trains, where the program can start others (node/workers/pool.ts); else in this one.
 */
import type { Example, Processor } from '../../data/example.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import type { VolumeCache } from '../../data/medvision/slices.ts';
import type { PictureWarnings } from '../../data/pictures/warnings.ts';
import type { ShardEntry } from '../../data/prepared/manifest.ts';
import type { ShardJob } from '../../data/prepared/writeShard.ts';
import type { Platform } from '../../platform.ts';
import { DataThread } from './dataThread.ts';
import type { DataThreadSettings } from './dataThread.ts';

/** Rows made and files written, by workers or in this thread. */
export interface DataWorkers {
  readonly count: number;
  /** @param place requests of one place (a volume, a file) go to one worker where that is quick */
  make(request: RowRequest, place: string): Promise<Example>;
  writeShard(job: ShardJob): Promise<ShardEntry>;
  close(): Promise<void>;
}

/** Starts as many threads as asked for, or as make sense on this machine. Undefined where there is nothing to start them from. */
export type StartWorkers = (settings: DataThreadSettings, asked: number) => Promise<DataWorkers | undefined>;

export interface DataWorkerOptions {
  /** Threads; 0 does the work in this thread. */
  count: number;
  /** Absent where a runtime has no threads. */
  start?: StartWorkers | undefined;
  /** Used where the work is done in this thread; workers read their own from the base model's folder. */
  processor?: Processor;
  /** The same of volumes that are open already. */
  volumes?: VolumeCache;
  /** Told what the pictures of the rows say. */
  warnings?: PictureWarnings;
  /** Where the work is done in this thread, no row is begun once it is aborted. */
  stop?: AbortSignal;
}

export async function openDataWorkers(platform: Platform, settings: DataThreadSettings, options: DataWorkerOptions): Promise<DataWorkers> {
  const { count, start, warnings } = options;
  const workers = (count > 0 ? await start?.(settings, count) : undefined) ?? inThisThread(platform, settings, options);
  if (warnings === undefined) return workers;
  return {
    count: workers.count,
    async make(request, place) {
      const example = await workers.make(request, place);
      if (example.notes) warnings.add(example.notes);
      return example;
    },
    writeShard: (job) => workers.writeShard(job),
    close: () => workers.close(),
  };
}

function inThisThread(platform: Platform, settings: DataThreadSettings, { processor, volumes, stop }: DataWorkerOptions): DataWorkers {
  const thread = new DataThread(platform, settings, { processor, volumes, stop });
  return {
    count: 0,
    make: (request) => thread.make(request),
    writeShard: (job) => thread.writeShard(job),
    close: () => Promise.resolve(),
  };
}
