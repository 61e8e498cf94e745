/**
 * The models of the training steps, by their configurations: the true ones, blocks of their widths, and tiny ones for a GPU that the
 * processor plays.
 */

export type Json = Readonly<Record<string, unknown>>;

export interface BenchModel {
  name: string;
  /** Of Hugging Face. */
  config: Json;
  example:
    | { family: 'qwen2_5_vl'; imageToken: number; textTokens: number; labelled: number; grid: [number, number, number] }
    | { family: 'gemma3'; imageToken: number; textTokens: number; labelled: number; features: number; side: number };
}

export type Scale = 'true' | 'blocks' | 'tiny';

const QWEN = {
  model_type: 'qwen2_5_vl',
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  image_token_id: 4,
  tie_word_embeddings: true,
};

/** As the tiny model of test/golden. */
export const QWEN_TINY: Json = {
  ...QWEN,
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  vocab_size: 640,
  rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] },
  vision_config: {
    depth: 4,
    hidden_size: 64,
    num_heads: 4,
    intermediate_size: 128,
    window_size: 56,
    fullatt_block_indexes: [1, 3],
    out_hidden_size: 64,
  },
};

/** Qwen/Qwen2.5-VL-3B-Instruct. */
export const QWEN_3B: Json = {
  ...QWEN,
  hidden_size: 2048,
  num_hidden_layers: 36,
  num_attention_heads: 16,
  num_key_value_heads: 2,
  intermediate_size: 11008,
  vocab_size: 151_936,
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  vision_config: {
    depth: 32,
    hidden_size: 1280,
    num_heads: 16,
    intermediate_size: 3420,
    window_size: 112,
    fullatt_block_indexes: [7, 15, 23, 31],
    out_hidden_size: 2048,
  },
};

const GEMMA_TEXT = {
  model_type: 'gemma3_text',
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  rope_local_base_freq: 10_000,
  sliding_window: 1024,
  max_position_embeddings: 131_072,
};

function gemma(text: Json, vision: Json, imageTokens: number): Json {
  return {
    model_type: 'gemma3',
    tie_word_embeddings: true,
    mm_tokens_per_image: imageTokens,
    image_token_index: 4,
    text_config: { ...GEMMA_TEXT, ...text },
    vision_config: { model_type: 'siglip_vision_model', patch_size: 14, layer_norm_eps: 1e-6, num_channels: 3, ...vision },
  };
}

/** google/medgemma-4b-it. */
export const GEMMA_4B: Json = gemma(
  {
    hidden_size: 2560,
    num_hidden_layers: 34,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    intermediate_size: 10240,
    vocab_size: 262_208,
    query_pre_attn_scalar: 256,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  },
  { hidden_size: 1152, num_hidden_layers: 27, num_attention_heads: 16, intermediate_size: 4304, image_size: 896 },
  256,
);

const GEMMA_TINY: Json = gemma(
  {
    hidden_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    intermediate_size: 128,
    vocab_size: 640,
    query_pre_attn_scalar: 16,
  },
  { hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128, image_size: 112 },
  16,
);

/** A slice of 512×512 is 504×504 for Qwen2.5-VL, 36×36 patches, and 896×896 for Gemma 3; with the text around it some 600 tokens. */
const QWEN_SLICE: Extract<BenchModel['example'], { family: 'qwen2_5_vl' }> = {
  family: 'qwen2_5_vl',
  imageToken: 4,
  textTokens: 276,
  labelled: 32,
  grid: [1, 36, 36],
};
const GEMMA_SLICE: Extract<BenchModel['example'], { family: 'gemma3' }> = {
  family: 'gemma3',
  imageToken: 4,
  textTokens: 344,
  labelled: 32,
  features: 256,
  side: 64,
};

/** Two layers of each stack and a small vocabulary: the widths are the true ones. */
function blocksOf(config: Json): Json {
  const vision = config['vision_config'] as Json;
  const layers = 'depth' in vision ? { depth: 2, fullatt_block_indexes: [1] } : { num_hidden_layers: 2 };
  const text = { num_hidden_layers: 2, vocab_size: 4096 };
  const inner = config['text_config'] as Json | undefined;
  return { ...config, ...(inner ? { text_config: { ...inner, ...text } } : text), vision_config: { ...vision, ...layers } };
}

export function benchModels(scale: Scale): BenchModel[] {
  switch (scale) {
    case 'true':
      return [
        { name: 'Qwen2.5-VL-3B', config: QWEN_3B, example: QWEN_SLICE },
        { name: 'MedGemma-4B', config: GEMMA_4B, example: GEMMA_SLICE },
      ];
    case 'blocks':
      return [
        { name: 'two blocks of Qwen2.5-VL-3B', config: blocksOf(QWEN_3B), example: QWEN_SLICE },
        { name: 'two blocks of MedGemma-4B', config: blocksOf(GEMMA_4B), example: GEMMA_SLICE },
      ];
    case 'tiny':
      return [
        { name: 'tiny Qwen2.5-VL', config: QWEN_TINY, example: { ...QWEN_SLICE, textTokens: 40, labelled: 8, grid: [1, 8, 8] } },
        { name: 'tiny MedGemma', config: GEMMA_TINY, example: { ...GEMMA_SLICE, textTokens: 40, labelled: 8, features: 16, side: 8 } },
      ];
  }
}

/**
 * Multiplications and additions, doubled, of a step with frozen weights and recomputed blocks, roughly: every matrix of the stacks three
 * times (forward, again, gradient of its input) for each of its rows.
 */
export function stepFlop({ config, example }: BenchModel): number {
  const vision = config['vision_config'] as Record<string, number>;
  const text = (config['text_config'] ?? config) as Record<string, number>;
  const stack = (rows: number, layers: number, width: number, inner: number, gates: number): number =>
    6 * rows * layers * width * (4 * width + gates * inner);
  const patches = example.family === 'gemma3' ? example.side ** 2 : example.grid[1] * example.grid[2];
  const tokens = example.textTokens + (example.family === 'gemma3' ? example.features : patches / 4);
  const layers = vision['depth'] ?? vision['num_hidden_layers']!;
  const head = 4 * example.labelled * text['vocab_size']! * text['hidden_size']!;
  return (
    stack(tokens, text['num_hidden_layers']!, text['hidden_size']!, text['intermediate_size']!, 3) +
    stack(patches, layers, vision['hidden_size']!, vision['intermediate_size']!, example.family === 'gemma3' ? 2 : 3) +
    head
  );
}
