/**
 * Merging an adapter folder into its base model. Needs no GPU. What may surprise the user of the result is returned as warnings: an adapter that was
 * trained on NF4 weights learnt to correct errors which the base it is merged into does not have; one made for another base fits in shape only.
 */
import { isMergedFolder, writeMerged } from '../io/mergedFolder.ts';
import type { MergedFolder, MergeSettings } from '../io/mergedFolder.ts';
import { openModelFolder, readJsonObject } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { openAdapter } from '../io/peft.ts';
import type { OpenAdapter } from '../io/peft.ts';
import { dequantizedFolder } from '../io/quantization/dequantizedFolder.ts';
import { modelFamily } from '../models/families.ts';
import { withHeadOf } from '../models/head.ts';
import { heldQuantized, readStored } from '../models/quantization.ts';
import { joinPath, parentPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { LOG_FILE } from '../track/jsonl.ts';
import { listCheckpoints, TRAINER_STATE } from './checkpointFolder.ts';
import { RUN_STATE } from './runState.ts';

export interface MergeOptions extends MergeSettings {
  /** Folder of the base model, on which the adapter was trained. */
  baseModel: string;
  /** PEFT adapter folder. */
  adapter: string;
  /** Folder of the merged model. */
  out: string;
  /** Replace an earlier merged model at `out`. */
  overwrite?: boolean;
  /** Where the caller knows that the adapter was trained on NF4 weights; found in the run's own record otherwise. */
  trainedOnNf4?: boolean;
  /** Merge into the values that the base has in NF4, which is exactly what was trained, in place of its own. */
  dequantised?: { skipModules: readonly string[] };
}

export interface MergeResult extends MergedFolder {
  warnings: string[];
}

/** @throws UserError for folders that cannot be used, do not fit each other, or would be overwritten; nothing is left of a merge that fails */
export async function mergeAdapter(platform: Platform, options: MergeOptions): Promise<MergeResult> {
  const { baseModel, adapter: adapterDir, out } = options;
  await checkMergeOutput(platform, options);
  const base = await openModelFolder(platform, baseModel);
  try {
    const source = joinPath(baseModel, 'config.json');
    const { stored, floats } = await readStored(base);
    const layout = await withHeadOf(floats, modelFamily(base.modelType, source).describe(base.config, source));
    const adapter = await openAdapter(platform, adapterDir, base.modelType);
    try {
      await refuseRetrained(platform, base, adapter);
      const skipModules = options.dequantised?.skipModules ?? [];
      const { nf4 } = heldQuantized(floats, stored, layout, new Set(), { weights: options.dequantised ? 'nf4' : 'none', skipModules, embedding: 'none' });
      // What the folder holds in 4 bits is seen as floats by now.
      const from = stored.size > 0 ? floats : dequantizedFolder(floats, nf4);
      const merged = await writeMerged(platform, from, adapter, layout, out, options);
      return { ...merged, warnings: await warningsFor(platform, base, adapter, { ...options, isStoredNf4: stored.size > 0 }) };
    } finally {
      await adapter.close();
    }
  } finally {
    await base.close();
  }
}

/** @throws UserError where the merged model would take the place of something else */
export async function checkMergeOutput(
  platform: Platform,
  { baseModel, adapter, out, overwrite }: Pick<MergeOptions, 'baseModel' | 'adapter' | 'out' | 'overwrite'>,
): Promise<void> {
  const plain = (path: string): string => path.replace(/\/+$/, '');
  for (const [source, what] of [[baseModel, 'the base model'], [adapter, 'the adapter']] as const) {
    if (plain(out) === plain(source) || plain(source).startsWith(`${plain(out)}/`)) {
      throw new UserError(`The merged model cannot go to ${out}: ${what} is there (${source}). Give another --merged_model_dir.`);
    }
  }
  if (!(await platform.exists(out))) return;
  const isEmpty = (await platform.isDirectory(out)) && (await platform.listDir(out)).length === 0;
  if (isEmpty) return;
  if (!overwrite) throw new UserError(`${out} exists already; give another --merged_model_dir, or --overwrite true to replace it.`);
  // The same folder can be written in many ways, and the base model must survive all of them.
  if (!(await isMergedFolder(platform, out)))
    throw new UserError(`${out} holds something other than a merged model, which --overwrite does not replace; give another --merged_model_dir, or remove it.`);
}

/** The weights of a full fine-tuning run are no longer those that an adapter of the original base was trained on. */
async function refuseRetrained(platform: Platform, base: ModelFolder, { config, dir }: OpenAdapter): Promise<void> {
  const madeFor = config.base_model_name_or_path;
  if (madeFor === null || modelName(madeFor) === modelName(base.dir)) return;
  if (!(await platform.exists(joinPath(base.dir, TRAINER_STATE)))) return;
  throw new UserError(
    `${base.dir} is the output of full fine-tuning, and the adapter ${dir} was trained on ${madeFor}; the two do not add up. Merge it into ${madeFor}.`,
  );
}

async function warningsFor(
  platform: Platform,
  base: ModelFolder,
  adapter: OpenAdapter,
  { trainedOnNf4, dequantised, isStoredNf4 }: MergeOptions & { isStoredNf4: boolean },
): Promise<string[]> {
  const warnings: string[] = [];
  const madeFor = adapter.config.base_model_name_or_path;
  if (madeFor !== null && modelName(madeFor) !== modelName(base.dir)) {
    warnings.push(`The adapter was trained on ${madeFor} and is merged into ${base.dir}: the shapes fit, make sure that the weights are the same.`);
  }
  const isNf4 = trainedOnNf4 === true || (await recordedNf4(platform, adapter));
  if (isStoredNf4) {
    warnings.push(
      `${base.dir} holds its weights in 4 bits, and the adapter is merged into their values: what rounding to 4 bits lost is not there. Where the original model is at hand, ` +
        'merging into that (--base_model_hf) is what is usually meant.',
    );
  } else if (dequantised && !isNf4) {
    warnings.push(`Nothing says that the adapter was trained on NF4 (4-bit) weights, and it is merged into those of ${base.dir}. --merge_base original merges it into the weights as they are.`);
  } else if (!dequantised && isNf4) {
    warnings.push(
      `The adapter was trained on NF4 (4-bit) weights of ${madeFor ?? 'its base'}, and is merged into the full-precision weights of ${base.dir}: the merged model ` +
        'answers a little differently from the one that was trained. Evaluate it before use; --merge_base dequantised gives exactly the model that was trained.',
    );
  }
  return warnings;
}

/** The name that a model has wherever it lies: the last part of a path or hub id, or what the hub's cache made of the id. */
function modelName(place: string): string {
  const cached = /models--[^/]+?--([^/]+)\/snapshots\/[^/]+\/*$/.exec(place)?.[1];
  return cached ?? place.replace(/\/+$/, '').split('/').at(-1)!;
}

/** Whether the run that left the adapter, or the base that the adapter names, says NF4. */
async function recordedNf4(platform: Platform, { dir, config }: OpenAdapter): Promise<boolean> {
  const madeFor = config.base_model_name_or_path;
  if (madeFor !== null && /nf4|bnb-4bit/i.test(modelName(madeFor))) return true;
  if (madeFor !== null && (await platform.exists(joinPath(madeFor, 'config.json')))) {
    const named = await readJsonObject(platform, joinPath(madeFor, 'config.json'), '');
    if (/"nf4"|"load_in_4bit":true/.test(JSON.stringify(named['quantization_config'] ?? null))) return true;
  }
  // The state is in each checkpoint and not in a run's own folder; the log is there, and not in the checkpoints.
  const last = (await listCheckpoints(platform, dir)).at(-1);
  for (const folder of [dir, ...(last === undefined ? [] : [joinPath(dir, last.name)])]) {
    const state = joinPath(folder, RUN_STATE);
    if (!(await platform.exists(state))) continue;
    const { identity } = (await readJsonObject(platform, state, '')) as { identity?: { facts?: Record<string, unknown> } };
    if (identity?.facts?.['quantization'] !== undefined) return identity.facts['quantization'] === 'nf4';
  }
  for (const folder of [dir, parentPath(dir)]) {
    const log = joinPath(folder, LOG_FILE);
    if (await platform.exists(log)) return lastStart(new TextDecoder().decode(await platform.readFile(log)))?.['quantization'] === 'nf4';
  }
  return false;
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
