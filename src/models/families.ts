/** The model families by Hugging Face `model_type`. A new one is a folder beside this file and a line here. */
import { ownValue } from '../io/ownValue.ts';
import { bitsandbytesConfig } from '../io/quantization/bitsandbytesConfig.ts';
import { UserError } from '../platform.ts';
import { Fields } from './configFields.ts';
import { describeGemma3, describeGemma3Text } from './gemma3/model.ts';
import { Gemma3Processor } from './gemma3/processor.ts';
import type { ModelFamily } from './model.ts';
import { describeQwen2 } from './qwen2/model.ts';
import { describeQwen2_5VL } from './qwen2_5_vl/model.ts';
import { Qwen2_5VLProcessor } from './qwen2_5_vl/processor.ts';
import { describeQwen3 } from './qwen3/model.ts';
import { describeQwen3VL } from './qwen3_vl/model.ts';
import { Qwen3VLProcessor } from './qwen3_vl/processor.ts';
import { describeSmolVLM } from './smolvlm/model.ts';
import { SmolVLMProcessor } from './smolvlm/processor.ts';
import { TextProcessor } from './textProcessor.ts';

/** Idefics3 under its later name. */
const smolvlm: ModelFamily = {
  describe: describeSmolVLM,
  processor: (platform, dir, pixels) => SmolVLMProcessor.load(platform, dir, pixels),
  defaultPositions: 2048,
};

const FAMILIES: Readonly<Record<string, ModelFamily>> = {
  gemma3: {
    describe: describeGemma3,
    processor: (platform, dir, pixels) => Gemma3Processor.load(platform, dir, pixels),
    defaultPositions: 131072,
  },
  gemma3_text: { describe: describeGemma3Text, processor: (platform, dir) => TextProcessor.load(platform, dir), defaultPositions: 131072 },
  idefics3: smolvlm,
  qwen2: { describe: describeQwen2, processor: (platform, dir) => TextProcessor.load(platform, dir), defaultPositions: 32768 },
  qwen2_5_vl: {
    describe: describeQwen2_5VL,
    processor: (platform, dir, pixels) => Qwen2_5VLProcessor.load(platform, dir, pixels),
    defaultPositions: 32768,
  },
  qwen3: { describe: describeQwen3, processor: (platform, dir) => TextProcessor.load(platform, dir), defaultPositions: 32768 },
  qwen3_vl: {
    describe: describeQwen3VL,
    processor: (platform, dir, pixels) => Qwen3VLProcessor.load(platform, dir, pixels),
    defaultPositions: 128000,
  },
  smolvlm,
};

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
