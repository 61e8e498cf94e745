/**
 * Merging an adapter folder into its base model. Needs no GPU. What may surprise the user of the result is returned as warnings: an adapter
 * that was trained on NF4 weights learnt to correct errors which the base it is merged into does not have; one made for another base fits
 * in shape only.
 */
import { isMergedFolder, writeMerged } from '../io/mergedFolder.ts';
import type { MergedFolder, MergeSettings } from '../io/mergedFolder.ts';
import { openModelFolder } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { openAdapter } from '../io/peft.ts';
import type { OpenAdapter } from '../io/peft.ts';
import { dequantizedFolder } from '../io/quantization/dequantizedFolder.ts';
import { modelFamily, namingOf } from '../models/families.ts';
import { withHeadOf } from '../models/head.ts';
import { heldQuantized, NO_QUANTIZATION, readStored } from '../models/quantization.ts';
import type { Quantization } from '../models/quantization.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { TRAINER_STATE } from './checkpointFolder.ts';
import { modelName, recordedQuantization } from './recordedQuantization.ts';
import type { RecordedQuantization } from './recordedQuantization.ts';

export interface MergeOptions extends MergeSettings {
  /** Folder of the base model, on which the adapter was trained. */
  baseModel: string;
  /** PEFT adapter folder. */
  adapter: string;
  /** Folder of the merged model. */
  out: string;
  /** Replace an earlier merged model at `out`. */
  overwrite?: boolean;
  /** How the weights were held that the adapter was trained on, where its run's own record does not say. */
  trained?: Quantization;
  /**
   * Merge into the values that the base has as it was held in training, which is exactly the model that was trained, in place of its own.
   */
  dequantised?: boolean;
}

export interface MergeResult extends MergedFolder {
  warnings: string[];
}

/**
 * @throws UserError for folders that cannot be used, do not fit each other, or would be overwritten; nothing is left of a merge that fails
 */
export async function mergeAdapter(platform: Platform, options: MergeOptions): Promise<MergeResult> {
  const { baseModel, adapter: adapterDir, out } = options;
  await checkMergeOutput(platform, options);
  const base = await openModelFolder(platform, baseModel, namingOf);
  try {
    const source = joinPath(baseModel, 'config.json');
    const { stored, floats } = await readStored(base);
    const layout = await withHeadOf(floats, modelFamily(base.naming.modelType, source).describe(base.config, source));
    const adapter = await openAdapter(platform, adapterDir, base.naming);
    try {
      await refuseRetrained(platform, base, adapter);
      const recorded = await recordedQuantization(platform, adapter);
      const isStoredNf4 = stored.size > 0;
      if (options.dequantised && recorded?.storedIn !== undefined && !isStoredNf4) {
        throw new UserError(
          `The adapter ${adapterDir} was trained on ${recorded.storedIn}, which holds 4 bits of its own, and --merge_base dequantised ` +
            `would make others of ${baseModel}. ` +
            `For exactly the model that was trained, merge into it: --base_model_hf ${recorded.storedIn}.`,
        );
      }
      const trained = recorded?.quantization ?? options.trained ?? NO_QUANTIZATION;
      // Asked for where nothing says that it was so: told below.
      const held: Quantization =
        trained.weights === 'none' && trained.embedding === 'none' ? { ...(options.trained ?? trained), weights: 'nf4' } : trained;
      const { nf4, int8 } = heldQuantized(floats, stored, layout, new Set(), options.dequantised ? held : NO_QUANTIZATION);
      // What the folder holds in 4 bits is seen as floats by now.
      const from = dequantizedFolder(floats, isStoredNf4 ? new Map() : nf4, int8);
      const merged = await writeMerged(platform, from, adapter, layout, out, options);
      return {
        ...merged,
        warnings: warningsFor(base, adapter, { dequantised: options.dequantised === true, recorded, trained, isStoredNf4 }),
      };
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
  for (const [source, what] of [
    [baseModel, 'the base model'],
    [adapter, 'the adapter'],
  ] as const) {
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
    throw new UserError(
      `${out} holds something other than a merged model, which --overwrite does not replace; give another --merged_model_dir, or remove ` +
        `it.`,
    );
}

/** The weights of a full fine-tuning run are no longer those that an adapter of the original base was trained on. */
async function refuseRetrained(platform: Platform, base: ModelFolder, { config, dir }: OpenAdapter): Promise<void> {
  const madeFor = config.base_model_name_or_path;
  if (madeFor === null || modelName(madeFor) === modelName(base.dir)) return;
  if (!(await platform.exists(joinPath(base.dir, TRAINER_STATE)))) return;
  throw new UserError(
    `${base.dir} is the output of full fine-tuning, and the adapter ${dir} was trained on ${madeFor}; the two do not add up. Merge it ` +
      `into ${madeFor}.`,
  );
}

interface Merged {
  dequantised: boolean;
  recorded: RecordedQuantization | undefined;
  trained: Quantization;
  isStoredNf4: boolean;
}

function warningsFor(base: ModelFolder, adapter: OpenAdapter, { dequantised, recorded, trained, isStoredNf4 }: Merged): string[] {
  const warnings: string[] = [];
  const madeFor = adapter.config.base_model_name_or_path;
  if (madeFor !== null && modelName(madeFor) !== modelName(base.dir)) {
    warnings.push(
      `The adapter was trained on ${madeFor} and is merged into ${base.dir}: the shapes fit, make sure that the weights are the same.`,
    );
  }
  const isNf4 = trained.weights === 'nf4';
  const isRounded = isNf4 || trained.embedding === 'int8';
  if (isStoredNf4) {
    warnings.push(
      `${base.dir} holds its weights in 4 bits, and the adapter is merged into their values: what rounding to 4 bits lost is not there. ` +
        `Where the original model is at hand, ` +
        'merging into that (--base_model_hf) is what is usually meant.',
    );
  } else if (dequantised && !isRounded) {
    warnings.push(
      `Nothing says that the adapter was trained on NF4 (4-bit) weights, and it is merged into those of ${base.dir}. --merge_base ` +
        `original merges it into the weights as they are.`,
    );
  } else if (!dequantised && isRounded) {
    warnings.push(
      `The adapter was trained on ${isNf4 ? 'NF4 (4-bit) weights' : 'an 8-bit embedding table'} of ${madeFor ?? 'its base'}, and is ` +
        `merged into the full-precision weights of ` +
        `${base.dir}: the merged model answers a little differently from the one that was trained. Evaluate it before use; ` +
        `${recorded?.storedIn === undefined ? '--merge_base dequantised' : `--base_model_hf ${recorded.storedIn}`} gives exactly the ` +
        `model that was trained.`,
    );
  }
  return warnings;
}
