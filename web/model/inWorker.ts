/** In the worker: models of the hub in this origin's cache, and the memory that a run would take, before it begins. */
import { COMMON_GPU } from '../../src/gpu/capabilities.ts';
import { fetchModel } from '../../src/hub/modelFiles.ts';
import { repoCache } from '../../src/hub/cache.ts';
import { hubSettingsFromEnv, parseHubId } from '../../src/hub/settings.ts';
import { readJsonObject } from '../../src/io/modelFolder.ts';
import { trainProgram } from '../../src/options.ts';
import type { Options } from '../../src/options.ts';
import { parseFor } from '../../src/options/program.ts';
import { joinPath, UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { openDevice } from '../../src/run/device.ts';
import { findRows } from '../../src/run/inputs/rows.ts';
import { planSetup } from '../../src/run/setup/plan.ts';
import { fitRun, keptText, limitOf } from '../../src/run/train/memory.ts';
import type { PlannedGpu } from '../../src/run/train/memory.ts';
import { bytesText, SILENT } from '../../src/track/console.ts';
import { neededBytes } from '../../src/train/memoryText.ts';
import type { MemoryPlan } from '../../src/train/memoryPlan.ts';
import { platform } from '../here.ts';
import { texts } from '../texts.ts';

export interface CachedModel {
  id: string;
  /** Folder of the model, where all of it has come; null: a download that was not finished. */
  dir: string | null;
  bytes: number;
}

export interface PlanRequest {
  /** Folder of the model. */
  base: string;
  options: Readonly<Record<string, unknown>>;
  /** Files of rows; null: there are none yet, and a row of usual size stands for them. */
  rows: { train: string; val: string | null } | null;
}

export interface PlannedMemory {
  /** What the plan is for, in words. */
  assumption: string;
  /** Bytes at the peak, and the label's own largest; the largest first. */
  labels: { label: string; atPeak: number; atMost: number }[];
  peakBytes: number;
  /** What the run takes of what it may take; `limitBytes` null: nobody knows how much there is. */
  neededBytes: number;
  limitBytes: number | null;
  savingBytes: number;
  kept: string;
}

let download: AbortController | undefined;
/** Why a download ends that the user has stopped. */
const STOPPED = new UserError(texts.model.stopped);

export const modelFunctions = {
  /** Those of the hub that are in this origin's storage, whole or not. */
  async cachedModels(): Promise<CachedModel[]> {
    const { cacheDir } = await hubSettingsFromEnv(platform);
    if (cacheDir === undefined || !(await platform.exists(cacheDir))) return [];
    const found: CachedModel[] = [];
    for (const name of await platform.listDir(cacheDir)) {
      const id = /^models--(.+)$/.exec(name)?.[1]?.split('--').join('/');
      if (id === undefined) continue;
      const dir = joinPath(cacheDir, name);
      const bytes = await bytesBelow(platform, dir);
      // Of a download that was refused nothing has come.
      if (bytes > 0) found.push({ id, dir: await wholeSnapshot(platform, dir), bytes });
    }
    return found;
  },

  /**
   * Goes on with what has come of it before.
   * @param tell hears bytes that are there, and all of them
   * @returns its folder; undefined where `stopDownload` came first
   * @throws UserError in words: no such model, gated, not enough room, no network
   */
  async downloadModel(text: string, tell: (done: number, total: number) => Promise<void>): Promise<string | undefined> {
    const id = parseHubId(text.trim());
    if (id === undefined) throw new UserError(texts.model.noHubId(text.trim()));
    const own = new AbortController();
    download = own;
    const fetching = fetchModel(platform, await hubSettingsFromEnv(platform), id, {
      signal: own.signal,
      onTotal: ({ bytes, presentBytes }) => {
        void tell(presentBytes, bytes);
        void roomFor(bytes - presentBytes).catch((error: unknown) => own.abort(error));
      },
      onProgress: (done, total) => void tell(done, total),
    });
    try {
      return (await fetching).dir;
    } catch (error) {
      if (own.signal.reason === STOPPED) return undefined;
      throw error;
    }
  },

  stopDownload(): void {
    download?.abort(STOPPED);
  },

  async removeModel(id: string): Promise<void> {
    const cache = repoCache(await hubSettingsFromEnv(platform), { type: 'model', id });
    for (const dir of [cache.dir, cache.locks]) if (await platform.exists(dir)) await platform.remove(dir);
  },

  /** @throws UserError for a model or rows that cannot be used */
  async planMemory({ base, options: given, rows }: PlanRequest): Promise<PlannedMemory> {
    const named = {
      base_model_hf: base,
      train_file: rows?.train ?? 'rows',
      ...(rows !== null && rows.val !== null && { val_file: rows.val }),
    };
    const { options } = parseFor(trainProgram, { ...given, ...named, report_to: ['none'] });
    const device = await openDevice(platform, options).catch(() => undefined); // a plan needs none
    const capabilities = device?.capabilities ?? COMMON_GPU;
    device?.destroy();
    platform.releaseGpu?.();
    return rows === null ? planUsual(base, options, capabilities) : planRows(base, options, { capabilities });
  },
};

async function planUsual(base: string, options: Options, capabilities: PlannedGpu['capabilities']): Promise<PlannedMemory> {
  const config = await readJsonObject(platform, joinPath(base, 'config.json'), 'every model folder has one');
  const { memory, assumption } = await planSetup(platform, { dir: base, config, isWhole: true }, options, capabilities);
  const { bytes } = await limitOf(platform, options, capabilities);
  return planned(memory, assumption, capabilities, bytes, '');
}

async function planRows(base: string, options: Options, gpu: PlannedGpu): Promise<PlannedMemory> {
  const say = (): void => undefined;
  const context = { platform, options, stop: new AbortController().signal, terminal: SILENT, say, warn: say };
  const found = await findRows(context, base);
  if (found === undefined) throw new UserError(texts.model.stopped);
  const { rows, fit, excess } = await fitRun(context, base, found, gpu);
  const size = Math.min(options.per_device_train_batch_size, rows.train.length);
  await rows.close();
  return planned(fit.plan, texts.model.ofRows(size), gpu.capabilities, excess?.bytes ?? Infinity, keptText(fit, options));
}

function planned(plan: MemoryPlan, assumption: string, { kind }: PlannedGpu['capabilities'], limit: number, kept: string): PlannedMemory {
  const labels = Object.keys(plan.peakByLabel)
    .map((label) => ({ label, atPeak: plan.atPeak[label] ?? 0, atMost: plan.peakByLabel[label] ?? 0 }))
    .filter(({ atMost }) => atMost > 0)
    .sort((a, b) => b.atPeak - a.atPeak || b.atMost - a.atMost);
  return {
    assumption,
    labels,
    peakBytes: plan.peakBytes,
    neededBytes: neededBytes(plan, kind === 'software'),
    limitBytes: Number.isFinite(limit) ? limit : null,
    savingBytes: plan.savingBytes,
    kept,
  };
}

/** @throws UserError where the browser gives less, before it is used up */
async function roomFor(bytes: number): Promise<void> {
  const free = await platform.freeBytes?.('/');
  if (free !== undefined && free < bytes) throw new UserError(texts.model.noRoom(bytesText(bytes), bytesText(free)));
}

/** The newest that a branch or tag stands for: it is written when all of it has come. */
async function wholeSnapshot(files: Platform, repo: string): Promise<string | null> {
  const refs = joinPath(repo, 'refs');
  if (!(await files.isDirectory(refs))) return null;
  for (const ref of await files.listDir(refs)) {
    const path = joinPath(refs, ref);
    if (await files.isDirectory(path)) continue;
    const dir = joinPath(repo, 'snapshots', new TextDecoder().decode(await files.readFile(path)).trim());
    if (await files.exists(joinPath(dir, 'config.json'))) return dir;
  }
  return null;
}

async function bytesBelow(files: Platform, dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await files.listDir(dir)) {
    const path = joinPath(dir, name);
    if (await files.isDirectory(path)) bytes += await bytesBelow(files, path);
    else {
      const file = await files.openFile(path);
      bytes += file.size;
      await file.close();
    }
  }
  return bytes;
}
