/**
 * How the weights were held that an adapter was trained on, by what its run has left: a checkpoint's state, the run's log, or the name and
 * configuration of its base.
 */
import { readJsonObject } from '../io/modelFolder.ts';
import type { OpenAdapter } from '../io/peft.ts';
import type { Quantization } from '../models/quantization.ts';
import { joinPath, parentPath } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { LOG_FILE } from '../track/jsonl.ts';
import { listCheckpoints } from './checkpointFolder.ts';
import { RUN_STATE } from './runState.ts';

export interface RecordedQuantization {
  quantization: Quantization;
  /** The base that the adapter names, where that holds 4 bits of its own: bitsandbytes chose what is in them. */
  storedIn?: string;
}

/** Undefined where nothing says. */
export async function recordedQuantization(
  platform: Platform,
  { dir, config }: Pick<OpenAdapter, 'dir' | 'config'>,
): Promise<RecordedQuantization | undefined> {
  const quantization = (await ofState(platform, dir)) ?? (await ofLog(platform, dir));
  const madeFor = config.base_model_name_or_path;
  if (madeFor === null || !(await isStoredNf4(platform, madeFor))) return quantization && { quantization };
  return { quantization: { weights: 'nf4', skipModules: [], embedding: quantization?.embedding ?? 'none' }, storedIn: madeFor };
}

/** The name that a model has wherever it lies: the last part of a path or hub id, or what the hub's cache made of the id. */
export function modelName(place: string): string {
  const cached = /models--[^/]+?--([^/]+)\/snapshots\/[^/]+\/*$/.exec(place)?.[1];
  return cached ?? place.replace(/\/+$/, '').split('/').at(-1)!;
}

async function isStoredNf4(platform: Platform, model: string): Promise<boolean> {
  if (/nf4|bnb-4bit/i.test(modelName(model))) return true;
  if (!(await platform.exists(joinPath(model, 'config.json')))) return false;
  const named = await readJsonObject(platform, joinPath(model, 'config.json'), '');
  return /"nf4"|"load_in_4bit":true/.test(JSON.stringify(named['quantization_config'] ?? null));
}

/** The state is in each checkpoint and not in a run's own folder. */
async function ofState(platform: Platform, dir: string): Promise<Quantization | undefined> {
  const last = (await listCheckpoints(platform, dir)).at(-1);
  for (const folder of [dir, ...(last === undefined ? [] : [joinPath(dir, last.name)])]) {
    const state = joinPath(folder, RUN_STATE);
    if (!(await platform.exists(state))) continue;
    const { identity } = (await readJsonObject(platform, state, '')) as { identity?: { facts?: Record<string, unknown> } };
    const found = quantizationOf(identity?.facts);
    if (found) return found;
  }
  return undefined;
}

/** The log is in the run's folder and not in the checkpoints. */
async function ofLog(platform: Platform, dir: string): Promise<Quantization | undefined> {
  for (const folder of [dir, parentPath(dir)]) {
    const log = joinPath(folder, LOG_FILE);
    if (await platform.exists(log)) return quantizationOf(lastStart(new TextDecoder().decode(await platform.readFile(log))));
  }
  return undefined;
}

/** The options with which the last run in a log began. */
function lastStart(log: string): Record<string, unknown> | undefined {
  const line = log.split('\n').findLast((text) => text.startsWith('{"event":"start"'));
  if (line === undefined) return undefined;
  try {
    const { config } = JSON.parse(line) as { config?: Record<string, unknown> };
    return config;
  } catch {
    return undefined; // cut short by a crash
  }
}

/** Of options by name; names are a list, or joined. */
function quantizationOf(options: Record<string, unknown> | undefined): Quantization | undefined {
  const { quantization, quantization_skip_modules: names, quantize_embedding: embedding } = options ?? {};
  if (quantization === undefined) return undefined;
  const skipModules = Array.isArray(names)
    ? names.map(String)
    : typeof names === 'string'
      ? names.split(',').filter((name) => name !== '')
      : [];
  return { weights: quantization === 'nf4' ? 'nf4' : 'none', skipModules, embedding: embedding === 'int8' ? 'int8' : 'none' };
}
