/**
 * Preparing a folder, so that it can be stopped at any point and continued: samples in their final order are cut into files of a fixed
 * number of rows, each written in one step and then noted in `unfinished.jsonl` with its checksum; the manifest comes last. What a killed
 * run noted is kept. A lock keeps a second process out; it finds the data prepared when its turn comes.
 */
import { joinPath, parentPath, UserError } from '../../platform.ts';
import type { FileLock, LockHolder, Platform } from '../../platform.ts';
import { withCleanUp } from '../../io/cleanUp.ts';
import { whileHeld } from '../../io/heldPlatform.ts';
import { readPin } from '../medvision/planVersion.ts';
import type { MedvisionSample } from '../medvision/sample.ts';
import { identityDifferences, identityHash } from './identity.ts';
import type { Identity, ImageStorage } from './identity.ts';
import { MANIFEST, manifestText, readManifest, rowCount } from './manifest.ts';
import type { Manifest, ShardEntry } from './manifest.ts';
import { checkFolder, clearLeftovers, Notes, sizeOf } from './unfinished.ts';
import { estimateLength } from './row.ts';
import type { PreparedSplit } from './row.ts';
import type { ShardJob } from './writeShard.ts';

/** Rows of a file. With pictures it is some 20 MB, what one worker holds at a time. */
const SHARD_ROWS = { pictures: 512, annotations: 16384 } as const;

export interface PrepareRequest {
  dir: string;
  identity: Identity;
  /** `--planner_version`, for the manifest. */
  pin?: string | null;
  images: ImageStorage;
  /** In final order. Read once, and only as far as workers are free to take them. */
  samples: Record<PreparedSplit, Iterable<MedvisionSample> | AsyncIterable<MedvisionSample>>;
  resizedSize: (height: number, width: number) => { height: number; width: number };
  /** Does one file; several at once, up to `workers`. */
  write: (job: ShardJob) => Promise<ShardEntry>;
  workers: number;
  /** Rows of a file; what SHARD_ROWS says unless a test wants many small files. */
  shardRows?: number;
  onProgress?: (rows: number) => void;
  /** Called when another process holds the folder, and again when it is seen to live. */
  onWait?: (holder: LockHolder) => void;
  stop?: AbortSignal;
}

export interface Prepared {
  manifest: Manifest;
  /** True where the folder was whole already and nothing was done. */
  isReused: boolean;
  /** Rows of files that an earlier, unfinished run left. */
  keptRows: number;
}

/**
 * @returns undefined when `stop` ended it early; what was done is kept
 * @throws UserError where the folder holds data of other settings, naming each of them
 */
export async function prepareFolder(platform: Platform, request: PrepareRequest): Promise<Prepared | undefined> {
  const { dir, stop } = request;
  await platform.makeDir(parentPath(dir));
  let lock: FileLock | undefined;
  try {
    // Beside the folder: nothing of the lock is ever part of the data.
    lock = await platform.lock?.(`${dir}.lock`, { onWait: request.onWait, signal: stop });
  } catch (error) {
    if (stop?.aborted) return undefined;
    throw error;
  }
  const isNew = !(await platform.exists(dir));
  const done = { rows: 0 };
  const beganAt = performance.now();
  const prepare = async (): Promise<Prepared | undefined> => {
    try {
      return await whileHeld(platform, lock, stop, (held) => prepareLocked(held.platform, { ...request, stop: held.stop }, done));
    } catch (error) {
      // A mistake in the data leaves nothing behind, unless work was that takes long: it is gone on with once the mistake is put right, or
      // there is space again.
      const isOurs = lock?.lost.aborted !== true;
      const isWorthKeeping = done.rows > 0 && performance.now() - beganAt > MS_WORTH_KEEPING;
      const isToGo = error instanceof UserError && isOurs && isNew && !isWorthKeeping;
      if (isToGo) await platform.remove(dir).catch(() => undefined); // the first error is the one to report
      throw error;
    }
  };
  return withCleanUp(prepare, async () => lock?.release());
}

const MS_WORTH_KEEPING = 60_000;

async function prepareLocked(platform: Platform, request: PrepareRequest, done: { rows: number }): Promise<Prepared | undefined> {
  const { dir, identity } = request;
  const there = await readManifest(platform, dir);
  if (there !== undefined) {
    checkIdentity(dir, there, identity);
    const files = [...there.splits.train, ...there.splits.validation];
    if (coversImages(there.images, request.images) && (await missingShards(platform, dir, there)).length === 0) {
      await clearLeftovers(platform, dir, new Set(files.map(({ file }) => file)));
      return { manifest: there, isReused: true, keptRows: rowCount(files) };
    }
  }
  await checkFolder(platform, dir);
  const hash = await identityHash({ ...identity, images: request.images });
  const notes = await Notes.open(platform, dir, hash, there?.images === request.images ? there : undefined);
  await platform.remove(joinPath(dir, MANIFEST));
  let keptRows = 0;
  const splits: Manifest['splits'] = { train: [], validation: [] };
  const tasks: Manifest['tasks'] = { train: {}, validation: {} };
  const wanted = new Set<string>();
  const running = new Set<Promise<void>>();
  let failure: Error | undefined;
  const submit = async (split: PreparedSplit, samples: MedvisionSample[]): Promise<void> => {
    const entries = splits[split];
    const place = entries.length;
    const file = `${split}-${String(place).padStart(5, '0')}.parquet`;
    wanted.add(file);
    const kept = notes.kept.get(file);
    if (kept !== undefined && kept.rows === samples.length) {
      entries.push(kept);
      keptRows += kept.rows;
      request.onProgress?.(kept.rows);
      return;
    }
    entries.push({ file, rows: samples.length, bytes: 0, sha256: '' });
    const job = jobOf(request, file, samples);
    const work = request
      .write(job)
      .then(async (entry) => {
        entries[place] = entry;
        await notes.add(entry);
        done.rows += entry.rows;
        request.onProgress?.(entry.rows);
      })
      .catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => running.delete(work));
    running.add(work);
    while (running.size >= Math.max(1, request.workers)) await Promise.race(running);
  };
  const most = request.shardRows ?? (request.images === 'none' ? SHARD_ROWS.annotations : SHARD_ROWS.pictures);
  const isOver = (): boolean => failure !== undefined || request.stop?.aborted === true;
  try {
    for (const split of ['train', 'validation'] as const) {
      let samples: MedvisionSample[] = [];
      for await (const sample of request.samples[split]) {
        if (isOver()) break;
        tasks[split][sample.task] = (tasks[split][sample.task] ?? 0) + 1;
        samples.push(sample);
        if (samples.length === most) {
          await submit(split, samples);
          samples = [];
        }
      }
      if (samples.length > 0 && !isOver()) await submit(split, samples);
    }
  } finally {
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure;
  if (request.stop?.aborted) return undefined;
  if (rowCount(splits.train) === 0)
    throw new UserError('The task lists give no training samples: check their task names, and that the plans have training cases.');
  const { pin = null } = request;
  const manifest: Manifest = { identity, ...(pin !== null && { pin: readPin(pin) }), images: request.images, splits, tasks };
  await platform.writeFile(joinPath(dir, MANIFEST), manifestText(manifest));
  await clearLeftovers(platform, dir, wanted);
  return { manifest, isReused: false, keptRows };
}

function jobOf(request: PrepareRequest, file: string, samples: MedvisionSample[]): ShardJob {
  const lengthEstimates = samples.map((sample) => estimateLength(sample, request.resizedSize(sample.height, sample.width)));
  return { dir: request.dir, file, images: request.images, samples, lengthEstimates };
}

/** @param isPartial `wanted` leaves out what is not known, which then does not count @throws UserError with every difference */
export function checkIdentity(dir: string, there: Manifest, wanted: Identity, isPartial = false): void {
  const found = isPartial ? Object.fromEntries(Object.entries(there.identity).filter(([name]) => name in wanted)) : there.identity;
  const differences = identityDifferences(found, wanted);
  if (differences.length === 0) return;
  throw new UserError(
    `${dir} holds data prepared with other settings:\n  ${differences.join('\n  ')}\n` +
      'Give the settings it was prepared with, or another --prepared_ds_dir (without one, every setting gets a folder of its own), or ' +
      'remove the folder.',
  );
}

/** Whether a folder that stores its pictures as `there` serves a run that asks for `wanted`. */
export function coversImages(there: ImageStorage, wanted: ImageStorage): boolean {
  const rank = { none: 0, embedded: 1, files: 2 };
  return rank[there] >= rank[wanted];
}

/** Files of the manifest that are not there in their full length. */
export async function missingShards(platform: Platform, dir: string, { splits }: Manifest): Promise<string[]> {
  const missing: string[] = [];
  for (const { file, bytes } of [...splits.train, ...splits.validation]) {
    const path = joinPath(dir, file);
    if (!(await platform.exists(path)) || (await sizeOf(platform, path)) !== bytes) missing.push(file);
  }
  return missing;
}
