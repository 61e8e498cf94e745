/**
 * The tiny SmolVLM as files of a Hugging Face folder: a real `smolvlm` configuration (SigLIP tower without its head, pixel shuffle,
 * connector, Llama text) of 1.3 million parameters, with SmolVLM's special tokens and a template that renders as its own. Pictures are not
 * split: one tile of 112 pixels is what a quick start has time for.
 */
import { trainTokenizer } from './tokenizer.ts';

const IMAGE_SIZE = 112;
const PATCH_SIZE = 14;
const SCALE_FACTOR = 2;
const TILES_A_SIDE = 6;

const CHAT_TEMPLATE = `{{- '<|im_start|>' -}}
{%- for message in messages -%}
{{- message['role'] | capitalize -}}
{{- ':' if message['content'][0]['type'] == 'image' else ': ' -}}
{%- for part in message['content'] -%}
{%- if part['type'] == 'text' -%}
{{- part['text'] -}}
{%- elif part['type'] == 'image' -%}
{{- '<image>' -}}
{%- endif -%}
{%- endfor -%}
{{- '<end_of_utterance>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}
`;

/** The tokens around pictures, by place: <row_1_col_1> to <row_6_col_6>. */
const PLACES = Array.from(
  { length: TILES_A_SIDE ** 2 },
  (_, i) => `<row_${Math.floor(i / TILES_A_SIDE) + 1}_col_${(i % TILES_A_SIDE) + 1}>`,
);
/** SmolVLM's, as far as it needs them: the third is padding, the last ends a turn. */
const SPECIAL = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<global-img>',
  ...PLACES,
  '<fake_token_around_image>',
  '<image>',
  '<end_of_utterance>',
];
/**
 * As the shared one, but spaces before a digit stay by themselves: the prompt ends with "Assistant:", and the space before the answer must
 * not have become one token with it.
 */
const RUNS = String.raw`\p{N}|[\r\n]+|(?:(?! +\p{N})[^\p{N}\r\n])+| +`;

/** The folder's files but for the weights, by name. */
export function smolvlmFiles(texts: readonly string[], leastCount: number): Record<string, unknown> {
  const others = texts.filter((text) => !/^(system|user|assistant)\n$|You are a helpful/.test(text));
  const frames = others.flatMap(() => ['User:', 'Assistant:']);
  const tokenizer = trainTokenizer([...others, ...frames], 960, leastCount, { special: SPECIAL, runs: RUNS });
  const { idOf } = tokenizer;
  const roles = { bos_token: '<|im_start|>', eos_token: '<end_of_utterance>', pad_token: '<|im_end|>', unk_token: '<|endoftext|>' };
  return {
    'config.json': config(idOf, Math.ceil(tokenizer.size / 64) * 64),
    'tokenizer.json': tokenizer.model,
    'tokenizer_config.json': {
      ...tokenizer.config,
      ...roles,
      additional_special_tokens: ['<fake_token_around_image>', '<image>', '<end_of_utterance>'],
      processor_class: 'SmolVLMProcessor',
    },
    'chat_template.jinja': CHAT_TEMPLATE,
    'preprocessor_config.json': {
      do_convert_rgb: true,
      do_image_splitting: false,
      do_normalize: true,
      do_pad: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      image_processor_type: 'SmolVLMImageProcessor',
      max_image_size: { longest_edge: IMAGE_SIZE },
      processor_class: 'SmolVLMProcessor',
      resample: 1,
      rescale_factor: 1 / 255,
      size: { longest_edge: IMAGE_SIZE },
    },
    'processor_config.json': { image_seq_len: (IMAGE_SIZE / PATCH_SIZE / SCALE_FACTOR) ** 2, processor_class: 'SmolVLMProcessor' },
    'generation_config.json': {
      bos_token_id: idOf('<|im_start|>'),
      pad_token_id: idOf('<|im_end|>'),
      eos_token_id: idOf('<end_of_utterance>'),
      do_sample: false,
    },
  };
}

function config(id: (token: string) => number, size: number): Record<string, unknown> {
  return {
    architectures: ['SmolVLMForConditionalGeneration'],
    model_type: 'smolvlm',
    torch_dtype: 'bfloat16',
    image_token_id: id('<image>'),
    pad_token_id: id('<|im_end|>'),
    scale_factor: SCALE_FACTOR,
    tie_word_embeddings: true,
    vocab_size: size,
    text_config: {
      model_type: 'llama',
      vocab_size: size,
      bos_token_id: id('<|im_start|>'),
      eos_token_id: id('<end_of_utterance>'),
      pad_token_id: id('<|im_end|>'),
      hidden_size: 128,
      intermediate_size: 256,
      num_hidden_layers: 5,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 32,
      hidden_act: 'silu',
      // The large ones have none; a small one learns to look in different places from biases that start large.
      attention_bias: true,
      attention_dropout: 0,
      mlp_bias: false,
      initializer_range: 0.02,
      max_position_embeddings: 4096,
      rms_norm_eps: 1e-6,
      // As the Qwen2.5-VL beside it has: with so few tokens a base of ten thousand would leave most pairs of a head standing still.
      rope_theta: 300,
    },
    vision_config: {
      model_type: 'smolvlm_vision',
      hidden_act: 'gelu_pytorch_tanh',
      attention_dropout: 0,
      layer_norm_eps: 1e-6,
      num_channels: 3,
      hidden_size: 96,
      intermediate_size: 192,
      num_hidden_layers: 4,
      num_attention_heads: 3,
      image_size: IMAGE_SIZE,
      patch_size: PATCH_SIZE,
    },
  };
}
