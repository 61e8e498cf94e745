/**
 * Hugging Face has renamed the modules of both model families more than once, so checkpoints and adapters come in several spellings. Inside
 * Vernier there is one, the module names of transformers 4.52 to 4.57 (`model.language_model.layers.0…`, `lm_head`); these tables lead
 * from the others to it and back. A model family is a row of the table under its Hugging Face `model_type`.
 *
 *   hub       checkpoints as published, and adapters made with transformers ≤ 4.51
 *   current   transformers 4.52 to 4.57: what Vernier uses inside and writes into adapters
 *   v5        transformers 5, which shortens Gemma3's vision tower
 */
import { UserError } from '../platform.ts';

export type Spelling = 'hub' | 'current' | 'v5';

type Rule = readonly [pattern: RegExp, replacement: string];

interface Family {
  /** The first rule that matches applies; a name that none matches is current already. */
  toCurrent: readonly Rule[];
  fromCurrent: Record<'hub' | 'v5', readonly Rule[]>;
}

const LANGUAGE_MODEL = /^model\.language_model(?=\.|$)/;

/** Text-only models: `model.layers.0…`, `lm_head`, in every version. */
const ONE_SPELLING: Family = { toCurrent: [], fromCurrent: { hub: [], v5: [] } };

/** Idefics3 and SmolVLM, which is it: `model.vision_model`, `model.connector`, `model.text_model`, in every version. */
const IDEFICS3: Family = { toCurrent: [], fromCurrent: { hub: [], v5: [] } };

const FAMILIES: Record<string, Family> = {
  qwen2_5_vl: {
    toCurrent: [
      [/^model\.(?=(language_model|visual)(\.|$))/, 'model.'],
      [/^model(?=\.|$)/, 'model.language_model'],
      [/^visual(?=\.|$)/, 'model.visual'],
      [/^language_model\.model(?=\.|$)/, 'model.language_model'],
      [/^language_model\.lm_head(?=\.|$)/, 'lm_head'],
    ],
    fromCurrent: {
      hub: [
        [LANGUAGE_MODEL, 'model'],
        [/^model\.visual(?=\.|$)/, 'visual'],
      ],
      v5: [],
    },
  },
  gemma3: {
    toCurrent: [
      [/^(model\.)?vision_tower\.(?=(embeddings|encoder|post_layernorm|head)(\.|$))/, 'model.vision_tower.vision_model.'],
      [/^(model\.)?vision_tower(?=\.|$)/, 'model.vision_tower'],
      [/^(model\.)?multi_modal_projector(?=\.|$)/, 'model.multi_modal_projector'],
      [/^language_model\.model(?=\.|$)/, 'model.language_model'],
      [/^language_model\.lm_head(?=\.|$)/, 'lm_head'],
    ],
    fromCurrent: {
      hub: [
        [LANGUAGE_MODEL, 'language_model.model'],
        [/^model\.(?=(vision_tower|multi_modal_projector)(\.|$))/, ''],
        [/^lm_head(?=\.|$)/, 'language_model.lm_head'],
      ],
      v5: [[/^model\.vision_tower\.vision_model(?=\.|$)/, 'model.vision_tower']],
    },
  },
  gemma3_text: ONE_SPELLING,
  idefics3: IDEFICS3,
  qwen2: ONE_SPELLING,
  qwen3: ONE_SPELLING,
  // Came with transformers 4.57, and is published, computed and saved under the same names since.
  qwen3_vl: { ...ONE_SPELLING },
  smolvlm: IDEFICS3,
};

/** Whether a known model_type reads text only, and is loaded with transformers' AutoModelForCausalLM. */
export function isTextOnly(modelType: string): boolean {
  return FAMILIES[modelType] === ONE_SPELLING;
}

/** The name inside Vernier of a tensor or module that a checkpoint or adapter spells in any of the known ways. */
export function canonicalName(modelType: string, name: string): string {
  return rename(family(modelType).toCurrent, name);
}

/** A canonical name in another spelling. */
export function respell(modelType: string, name: string, spelling: Spelling): string {
  return spelling === 'current' ? name : rename(family(modelType).fromCurrent[spelling], name);
}

function rename(rules: readonly Rule[], name: string): string {
  const rule = rules.find(([pattern]) => pattern.test(name));
  return rule === undefined ? name : name.replace(rule[0], rule[1]);
}

/** @throws UserError that begins with `source`, the configuration which says so, for a model_type whose names are not known */
export function checkModelType(modelType: string, source: string): void {
  if (!Object.hasOwn(FAMILIES, modelType)) throw new UserError(`${source}: ${unknown(modelType)}`);
}

function family(modelType: string): Family {
  const found = Object.hasOwn(FAMILIES, modelType) ? FAMILIES[modelType] : undefined;
  if (found === undefined) throw new UserError(unknown(modelType));
  return found;
}

function unknown(modelType: string): string {
  return `model_type ${modelType} is not known; known are ${Object.keys(FAMILIES).join(', ')}`;
}
