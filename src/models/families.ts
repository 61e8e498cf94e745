/**
 * The model families by Hugging Face `model_type`: the one list of them. A new one is a folder beside this file and an entry here.
 */
import { ONE_SPELLING } from '../io/names.ts';
import type { Naming } from '../io/names.ts';
import { ownValue } from '../io/ownValue.ts';
import { bitsandbytesConfig } from '../io/quantization/bitsandbytesConfig.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { Fields } from './configFields.ts';
import { describeGemma3, describeGemma3Text } from './gemma3/model.ts';
import { GEMMA3_SPELLINGS } from './gemma3/names.ts';
import { Gemma3Processor } from './gemma3/processor.ts';
import { describeLlama } from './llama/model.ts';
import type { ModelFamily, PixelBounds } from './model.ts';
import { describeQwen2 } from './qwen2/model.ts';
import { describeQwen2_5VL } from './qwen2_5_vl/model.ts';
import { QWEN2_5_VL_SPELLINGS } from './qwen2_5_vl/names.ts';
import { Qwen2_5VLProcessor } from './qwen2_5_vl/processor.ts';
import { describeQwen3 } from './qwen3/model.ts';
import { describeQwen3VL } from './qwen3_vl/model.ts';
import { Qwen3VLProcessor } from './qwen3_vl/processor.ts';
import { describeSmolVLM } from './smolvlm/model.ts';
import { SmolVLMProcessor } from './smolvlm/processor.ts';
import { TextProcessor } from './textProcessor.ts';

/** Of a model that reads text only, and whose modules have had one name in every version. */
const TEXT_ONLY = {
  isTextOnly: true,
  spellings: ONE_SPELLING,
  processor: (platform: Platform, dir: string) => TextProcessor.load(platform, dir),
};

/** SmolVLM is Idefics3 under a later name. */
const IDEFICS3 = {
  isTextOnly: false,
  spellings: ONE_SPELLING,
  describe: describeSmolVLM,
  processor: (platform: Platform, dir: string, pixels: PixelBounds) => SmolVLMProcessor.load(platform, dir, pixels),
  cutsTiles: true as const,
  defaultPositions: 2048,
};

const FAMILIES: Readonly<Record<string, ModelFamily>> = {
  gemma3: {
    title: 'Gemma 3, MedGemma',
    examples: ['google/medgemma-4b-it', 'google/medgemma-1.5-4b-it', 'google/gemma-3-4b-it'],
    isTextOnly: false,
    spellings: GEMMA3_SPELLINGS,
    describe: describeGemma3,
    processor: (platform, dir, pixels) => Gemma3Processor.load(platform, dir, pixels),
    defaultPositions: 131072,
  },
  gemma3_text: {
    title: 'Gemma 3 without pictures',
    examples: ['google/gemma-3-270m-it', 'google/gemma-3-1b-it'],
    ...TEXT_ONLY,
    describe: describeGemma3Text,
    defaultPositions: 131072,
  },
  idefics3: {
    title: 'Idefics3, SmolVLM',
    examples: ['HuggingFaceTB/SmolVLM-256M-Instruct', 'HuggingFaceTB/SmolVLM-500M-Instruct', 'HuggingFaceM4/Idefics3-8B-Llama3'],
    ...IDEFICS3,
  },
  llama: {
    title: 'Llama 2 and 3, SmolLM2',
    examples: ['HuggingFaceTB/SmolLM2-135M-Instruct', 'meta-llama/Llama-3.2-1B-Instruct', 'meta-llama/Llama-3.1-8B-Instruct'],
    ...TEXT_ONLY,
    describe: describeLlama,
    defaultPositions: 2048,
  },
  qwen2: {
    title: 'Qwen2, Qwen2.5',
    examples: ['Qwen/Qwen2.5-0.5B-Instruct', 'Qwen/Qwen2.5-7B-Instruct'],
    ...TEXT_ONLY,
    describe: describeQwen2,
    defaultPositions: 32768,
  },
  qwen2_5_vl: {
    title: 'Qwen2.5-VL',
    examples: ['Qwen/Qwen2.5-VL-3B-Instruct', 'Qwen/Qwen2.5-VL-7B-Instruct'],
    isTextOnly: false,
    spellings: QWEN2_5_VL_SPELLINGS,
    describe: describeQwen2_5VL,
    processor: (platform, dir, pixels) => Qwen2_5VLProcessor.load(platform, dir, pixels),
    defaultPositions: 32768,
  },
  qwen3: {
    title: 'Qwen3',
    examples: ['Qwen/Qwen3-0.6B', 'Qwen/Qwen3-4B-Instruct-2507'],
    ...TEXT_ONLY,
    describe: describeQwen3,
    defaultPositions: 32768,
  },
  qwen3_vl: {
    title: 'Qwen3-VL (dense)',
    examples: ['Qwen/Qwen3-VL-2B-Instruct', 'Qwen/Qwen3-VL-4B-Instruct', 'Qwen/Qwen3-VL-8B-Instruct'],
    isTextOnly: false,
    // Came with transformers 4.57, and is published, computed and saved under the same names since.
    spellings: ONE_SPELLING,
    describe: describeQwen3VL,
    processor: (platform, dir, pixels) => Qwen3VLProcessor.load(platform, dir, pixels),
    defaultPositions: 128000,
  },
  smolvlm: {
    title: 'SmolVLM2',
    examples: [
      'HuggingFaceTB/SmolVLM2-256M-Video-Instruct',
      'HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
      'HuggingFaceTB/SmolVLM2-2.2B-Instruct',
    ],
    ...IDEFICS3,
  },
};

/** Every family, by `model_type`. */
export function modelFamilies(): [modelType: string, family: ModelFamily][] {
  return Object.entries(FAMILIES);
}

/** @throws UserError that begins with `source` for a model_type that is not known */
export function namingOf(modelType: string, source = 'config.json'): Naming {
  const { spellings, isTextOnly } = modelFamily(modelType, source);
  return { modelType, isTextOnly, ...spellings };
}

/** @param modelType as config.json has it @param source its path, for messages @throws UserError for one that cannot be trained */
export function modelFamily(modelType: string, source: string): ModelFamily {
  const family = ownValue(FAMILIES, modelType);
  if (!family) {
    throw new UserError(
      `${source}: model_type "${modelType}" is not known; ${Object.keys(FAMILIES).join(', ')} can be trained. Choose a base model of one ` +
        `of these.`,
    );
  }
  return {
    ...family,
    describe(config, at, options) {
      refuseOtherComputation(config, at);
      return family.describe(config, at, options);
    },
    processor(platform, dir, pixels) {
      if (!family.cutsTiles && (pixels.isSplit !== undefined || pixels.longestEdge !== undefined)) {
        throw new UserError(
          `do_image_splitting and longest_edge: ${dir} is a ${modelType} model, which cuts no images into tiles as SmolVLM does; leave ` +
            `the two out.`,
        );
      }
      return family.processor(platform, dir, pixels);
    },
  };
}

/** Keys of any model's configuration under which transformers computes something else. */
const OTHER_COMPUTATION: Readonly<Record<string, string>> = {
  quantization_config:
    "nothing: of quantised checkpoints only bitsandbytes' NF4 is read, which says so at the top of config.json. Give the original model " +
    'as the base',
  compression_config: 'nothing: compressed checkpoints are not read. Give the original model as the base',
  per_layer_config: 'nothing: layers that differ from each other are not computed',
};

function refuseOtherComputation(config: Readonly<Record<string, unknown>>, source: string): void {
  const root = new Fields(config, source, '');
  bitsandbytesConfig(config, source); // throws for what is not computed
  for (const fields of [root, root.section('text_config'), root.section('vision_config')]) {
    for (const [key, expected] of Object.entries(OTHER_COMPUTATION)) {
      const found = fields?.section(key);
      if (fields && found && !found.isEmpty && !(fields === root && key === 'quantization_config'))
        throw fields.wrong(key, found.json, expected);
    }
  }
}
