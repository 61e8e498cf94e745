/**
 * The tiny Qwen2.5-VL as files of a Hugging Face folder: a real `qwen2_5_vl` configuration (window attention, M-RoPE, tied head, grouped
 * keys) of 1.5 million parameters, Qwen's chat template and image settings.
 */
import { smartResize } from '../../data/image.ts';
import { trainTokenizer } from './tokenizer.ts';
import type { TokenizerFiles } from './tokenizer.ts';

/** Areas of 10 to 18 merged patches of 28×28: a slice of the sample becomes a picture of about 112×84. */
const MIN_PIXELS = 10 * 28 * 28;
const MAX_PIXELS = 18 * 28 * 28;

/** Qwen2-VL's template for text and still images. */
const CHAT_TEMPLATE = `{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] + '<|im_end|>\\n' -}}
{%- else -%}
{%- for content in message['content'] -%}
{%- if content['type'] == 'image' or 'image' in content or 'image_url' in content -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif 'text' in content -%}
{{- content['text'] -}}
{%- endif -%}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
`;

/** The size that these image settings give a picture, known before the folder is there. */
export function baseSize(height: number, width: number): { height: number; width: number } {
  return smartResize(height, width, { factor: 28, minPixels: MIN_PIXELS, maxPixels: MAX_PIXELS });
}

function config(tokenizer: TokenizerFiles): Record<string, unknown> {
  return {
    architectures: ['Qwen2_5_VLForConditionalGeneration'],
    model_type: 'qwen2_5_vl',
    torch_dtype: 'bfloat16',
    hidden_act: 'silu',
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 5,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    attention_dropout: 0,
    initializer_range: 0.02,
    max_position_embeddings: 4096,
    max_window_layers: 5,
    rms_norm_eps: 1e-6,
    // M-RoPE gives the width the slowest frequencies. With Qwen's base of a million they would not tell a column from the next on a grid of
    // 4 by 4; with a base much smaller than this none would be slow enough to find a word by its meaning wherever it stands.
    rope_theta: 300,
    rope_scaling: { type: 'mrope', mrope_section: [2, 3, 11] },
    sliding_window: 4096,
    use_sliding_window: false,
    tie_word_embeddings: true,
    vocab_size: Math.ceil(tokenizer.size / 64) * 64,
    bos_token_id: tokenizer.idOf('<|endoftext|>'),
    eos_token_id: tokenizer.idOf('<|im_end|>'),
    vision_start_token_id: tokenizer.idOf('<|vision_start|>'),
    vision_end_token_id: tokenizer.idOf('<|vision_end|>'),
    vision_token_id: tokenizer.idOf('<|vision_pad|>'),
    image_token_id: tokenizer.idOf('<|image_pad|>'),
    video_token_id: tokenizer.idOf('<|video_pad|>'),
    vision_config: {
      model_type: 'qwen2_5_vl',
      hidden_act: 'silu',
      in_chans: 3,
      depth: 4,
      hidden_size: 96,
      num_heads: 3,
      intermediate_size: 192,
      out_hidden_size: 128,
      patch_size: 14,
      spatial_patch_size: 14,
      temporal_patch_size: 2,
      spatial_merge_size: 2,
      tokens_per_second: 2,
      window_size: 56,
      fullatt_block_indexes: [1, 2, 3],
    },
  };
}

/** The folder's files but for the weights, by name. */
export function qwenFiles(texts: readonly string[], leastCount: number): Record<string, unknown> {
  const tokenizer = trainTokenizer(texts, 960, leastCount);
  const json = config(tokenizer);
  return {
    'config.json': json,
    'tokenizer.json': tokenizer.model,
    'tokenizer_config.json': tokenizer.config,
    'chat_template.jinja': CHAT_TEMPLATE,
    'preprocessor_config.json': {
      min_pixels: MIN_PIXELS,
      max_pixels: MAX_PIXELS,
      patch_size: 14,
      temporal_patch_size: 2,
      merge_size: 2,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_std: [0.26862954, 0.26130258, 0.27577711],
      image_processor_type: 'Qwen2VLImageProcessor',
      processor_class: 'Qwen2_5_VLProcessor',
    },
    'generation_config.json': {
      bos_token_id: json.bos_token_id,
      pad_token_id: json.bos_token_id,
      eos_token_id: [json.eos_token_id, json.bos_token_id],
      do_sample: false,
    },
  };
}
