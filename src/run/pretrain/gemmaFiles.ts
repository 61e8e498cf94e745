/**
 * The tiny Gemma 3 as files of a Hugging Face folder: a real `gemma3` configuration (SigLIP tower, average-pool projector, sliding and full
 * layers, four norms a layer, QK norms) of 1.3 million parameters, with Gemma's special tokens, chat template and image settings.
 */
import { SPECIAL_TOKENS, trainTokenizer } from './tokenizer.ts';

const IMAGE_SIZE = 112;
const SOFT_TOKENS = 16;

const CHAT_TEMPLATE = `{{- bos_token -}}
{%- set ns = namespace(prefix='') -%}
{%- if messages[0]['role'] == 'system' -%}
{%- if messages[0]['content'] is string -%}
{%- set ns.prefix = messages[0]['content'] + '\\n\\n' -%}
{%- else -%}
{%- set ns.prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
{%- endif -%}
{%- set loop_messages = messages[1:] -%}
{%- else -%}
{%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') -}}
{%- endif -%}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
{{- '<start_of_turn>' + role + '\\n' + (ns.prefix if loop.first else '') -}}
{%- if message['content'] is string -%}
{{- message['content'] | trim -}}
{%- elif message['content'] is iterable -%}
{%- for item in message['content'] -%}
{%- if item['type'] == 'image' -%}
{{- '<start_of_image>' -}}
{%- elif item['type'] == 'text' -%}
{{- item['text'] | trim -}}
{%- endif -%}
{%- endfor -%}
{%- else -%}
{{- raise_exception('Invalid content type') -}}
{%- endif -%}
{{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
`;

/** Gemma's, in its order; the rest of its reserved tokens is left out. */
const FIRST_SPECIAL = ['<pad>', '<eos>', '<bos>', '<unk>', '<mask>', '<start_of_turn>', '<end_of_turn>'];
const LAST_SPECIAL = ['<start_of_image>', '<end_of_image>', '<image_soft_token>'];
/** Runs of line ends are tokens before any merge, as Gemma's are: those around a picture join those of the text. */
const LINE_ENDS = Array.from({ length: 8 }, (_, i) => '\n'.repeat(i + 1));

interface Vocabulary {
  ids: Map<string, number>;
  merges: [string, string][];
  special: string[];
}

/**
 * The merges that trainTokenizer learns, over characters with ▁ for a space in place of GPT-2's letters for bytes; bytes stay as the
 * fallback.
 */
function vocabulary(texts: readonly string[], leastCount: number): Vocabulary {
  const turns = '<start_of_turn>user\n<start_of_turn>model\n<end_of_turn>\n';
  const trained = trainTokenizer(
    [...texts.filter((text) => !SPECIAL_TOKENS.some((token) => text.includes(token))), ...turns.split(/<[a-z_]+>/)],
    960,
    leastCount,
  );
  const { merges: learnt } = trained.model['model'] as { merges: [string, string][] };
  const isPlain = (text: string): boolean => /^[!-~Ġ]+$/.test(text);
  const said = (text: string): string => text.replaceAll('Ġ', '▁');
  const merges = learnt
    .filter(([left, right]) => isPlain(left) && isPlain(right))
    .map(([left, right]): [string, string] => [said(left), said(right)]);
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const letters = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), '▁'];
  const tokens = [...FIRST_SPECIAL, ...LINE_ENDS, ...bytes, ...merges.map(([left, right]) => left + right), ...letters, ...LAST_SPECIAL];
  const ids = new Map<string, number>();
  for (const token of tokens) if (!ids.has(token)) ids.set(token, ids.size);
  return { ids, merges, special: [...FIRST_SPECIAL, ...LINE_ENDS, ...LAST_SPECIAL] };
}

/** The folder's files but for the weights, by name. */
export function gemmaFiles(texts: readonly string[], leastCount: number): Record<string, unknown> {
  const { ids, merges, special } = vocabulary(texts, leastCount);
  const id = (token: string): number => ids.get(token) ?? -1;
  const added = special.map((content) => ({
    id: id(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: !content.startsWith('\n') && content !== '<mask>',
  }));
  const begin = { SpecialToken: { id: '<bos>', type_id: 0 } };
  const single = [begin, { Sequence: { id: 'A', type_id: 0 } }];
  const pair = [...single, { SpecialToken: { id: '<bos>', type_id: 1 } }, { Sequence: { id: 'B', type_id: 1 } }];
  const space = { String: '▁' };
  const roles = { boi_token: '<start_of_image>', eoi_token: '<end_of_image>', image_token: '<image_soft_token>' };
  return {
    'config.json': config(id, Math.ceil(ids.size / 64) * 64),
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
      post_processor: {
        type: 'TemplateProcessing',
        single,
        pair,
        special_tokens: { '<bos>': { id: '<bos>', ids: [id('<bos>')], tokens: ['<bos>'] } },
      },
      decoder: {
        type: 'Sequence',
        decoders: [{ type: 'Replace', pattern: space, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }],
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: Object.fromEntries(ids),
        merges,
      },
    },
    'tokenizer_config.json': {
      add_bos_token: true,
      add_eos_token: false,
      added_tokens_decoder: Object.fromEntries(added.map(({ id: at, ...rest }) => [String(at), rest])),
      bos_token: '<bos>',
      clean_up_tokenization_spaces: false,
      eos_token: '<eos>',
      ...roles,
      extra_special_tokens: roles,
      model_max_length: 4096,
      pad_token: '<pad>',
      padding_side: 'left',
      processor_class: 'Gemma3Processor',
      spaces_between_special_tokens: false,
      tokenizer_class: 'GemmaTokenizer',
      unk_token: '<unk>',
      use_default_system_prompt: false,
    },
    'special_tokens_map.json': { ...roles, bos_token: '<bos>', eos_token: '<eos>', pad_token: '<pad>', unk_token: '<unk>' },
    'chat_template.jinja': CHAT_TEMPLATE,
    'preprocessor_config.json': {
      do_convert_rgb: null,
      do_normalize: true,
      do_pan_and_scan: null,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      image_processor_type: 'Gemma3ImageProcessor',
      image_seq_length: SOFT_TOKENS,
      processor_class: 'Gemma3Processor',
      resample: 2,
      rescale_factor: 1 / 255,
      size: { height: IMAGE_SIZE, width: IMAGE_SIZE },
    },
    'processor_config.json': { image_seq_length: SOFT_TOKENS, processor_class: 'Gemma3Processor' },
    'generation_config.json': {
      bos_token_id: id('<bos>'),
      pad_token_id: id('<pad>'),
      eos_token_id: [id('<eos>'), id('<end_of_turn>')],
      do_sample: false,
    },
  };
}

function config(id: (token: string) => number, size: number): Record<string, unknown> {
  return {
    architectures: ['Gemma3ForConditionalGeneration'],
    model_type: 'gemma3',
    torch_dtype: 'bfloat16',
    boi_token_index: id('<start_of_image>'),
    eoi_token_index: id('<end_of_image>'),
    image_token_index: id('<image_soft_token>'),
    eos_token_id: [id('<eos>'), id('<end_of_turn>')],
    initializer_range: 0.02,
    mm_tokens_per_image: SOFT_TOKENS,
    text_config: {
      model_type: 'gemma3_text',
      vocab_size: size,
      pad_token_id: id('<pad>'),
      bos_token_id: id('<bos>'),
      eos_token_id: id('<eos>'),
      hidden_size: 128,
      intermediate_size: 256,
      num_hidden_layers: 5,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 32,
      query_pre_attn_scalar: 32,
      hidden_activation: 'gelu_pytorch_tanh',
      attention_bias: false,
      attention_dropout: 0,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
      initializer_range: 0.02,
      max_position_embeddings: 4096,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      rope_local_base_freq: 1e4,
      rope_scaling: { factor: 8, rope_type: 'linear' },
      // Layers 2 and 4 see everything, the others this many tokens: more than any prompt of the sample has.
      sliding_window: 256,
      sliding_window_pattern: 2,
    },
    vision_config: {
      model_type: 'siglip_vision_model',
      hidden_act: 'gelu_pytorch_tanh',
      attention_dropout: 0,
      layer_norm_eps: 1e-6,
      num_channels: 3,
      vision_use_head: false,
      hidden_size: 96,
      intermediate_size: 192,
      num_hidden_layers: 4,
      num_attention_heads: 3,
      image_size: IMAGE_SIZE,
      patch_size: 14,
    },
  };
}
