/**
 * Which weights of a model are held quantised. What the folder holds in NF4 stays so. `--quantization nf4` quantises, as transformers with
 * bitsandbytes does, every linear module but those that are skipped; embeddings, convolutions, norms and biases stay as they are, and so
 * does a head that is the embedding. A module that trains as a whole (modules_to_save) keeps full precision: its values come from the
 * folder, of a quantised folder dequantised. PEFT refuses to train a quantised one.
 */
import { bitsandbytesConfig } from '../io/quantization/bitsandbytesConfig.ts';
import { dequantizedFolder } from '../io/quantization/dequantizedFolder.ts';
import { QuantizedWeight } from '../io/quantization/nf4Weight.ts';
import type { Nf4Weight } from '../io/quantization/nf4Weight.ts';
import { skipsModule } from '../io/quantization/skipModules.ts';
import { openStoredNf4, storedNf4Names } from '../io/quantization/storedNf4.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { modulesFromParameters, OUTPUT_HEAD } from '../io/peftTargets.ts';
import { joinPath, UserError } from '../platform.ts';
import type { ModelDescription } from './model.ts';

export interface Quantization {
  /** How frozen linear weights are held. */
  weights: 'none' | 'nf4';
  /** bitsandbytes' llm_int8_skip_modules, for weights that are quantised here. */
  skipModules: readonly string[];
  /** How a frozen embedding table, and a head that is the same, is held. */
  embedding: 'none' | 'int8';
}

export const NO_QUANTIZATION: Quantization = { weights: 'none', skipModules: [], embedding: 'none' };

/** What a folder holds in NF4, and the folder as one of floats. */
export interface StoredWeights {
  stored: ReadonlyMap<string, Nf4Weight>;
  floats: ModelFolder;
}

/** @throws UserError for quantised weights of another kind, or such as contradict each other */
export async function readStored(folder: ModelFolder): Promise<StoredWeights> {
  bitsandbytesConfig(folder.config, joinPath(folder.dir, 'config.json'));
  const stored = new Map<string, Nf4Weight>();
  for (const name of storedNf4Names(folder)) stored.set(name, await openStoredNf4(folder, name));
  return { stored, floats: dequantizedFolder(folder, stored) };
}

export interface HeldQuantized {
  nf4: ReadonlyMap<string, Nf4Weight>;
  int8: ReadonlySet<string>;
}

/**
 * The weights that are held quantised, by name.
 * @param trained names of what trains
 * @throws UserError where a choice makes no sense for what trains
 */
export function heldQuantized(
  floats: ModelFolder,
  stored: ReadonlyMap<string, Nf4Weight>,
  description: ModelDescription,
  trained: ReadonlySet<string>,
  { weights, skipModules, embedding }: Quantization = NO_QUANTIZATION,
): HeldQuantized {
  const trainsAll = [...description.shapes.keys()].every((name) => trained.has(name));
  if (trainsAll && weights !== 'none') {
    throw new UserError(
      '--quantization nf4 holds frozen weights in 4 bits, and --finetune full freezes none. Train an adapter (--finetune lora), or leave ' +
        '--quantization at none.',
    );
  }
  if (trainsAll && stored.size > 0) {
    throw new UserError(
      `${floats.dir} holds weights in 4 bits, which --finetune full cannot train. Give the original model, or train an adapter ` +
        `(--finetune lora).`,
    );
  }
  const nf4 = new Map([...stored].filter(([name]) => description.shapes.has(name) && !trained.has(name)));
  // A folder that is quantised has made its choice.
  if (weights === 'nf4' && stored.size === 0) {
    const modules = modulesFromParameters(description.shapes, description.kinds);
    // A tied head is no module with a weight of its own, and may be named all the same.
    const isSkipped = skipsModule(skipModules, [...modules.map(({ name }) => name), OUTPUT_HEAD], floats.naming);
    for (const { name, kind } of modules) {
      const weight = `${name}.weight`;
      if (kind !== 'linear' || weight === description.embedding || isSkipped(name) || trained.has(weight)) continue;
      nf4.set(weight, new QuantizedWeight(floats, weight));
    }
  }
  if (embedding === 'int8' && trained.has(description.embedding)) {
    throw new UserError(
      `--quantize_embedding int8 holds a frozen table in bytes, and here ${description.embedding} trains` +
        (trainsAll
          ? ', as everything does with --finetune full. Leave it at none, or train an adapter (--finetune lora).'
          : '. Leave it at none, or take the table out of --modules_to_save.'),
    );
  }
  return { nf4, int8: new Set(embedding === 'int8' ? [description.embedding] : []) };
}
