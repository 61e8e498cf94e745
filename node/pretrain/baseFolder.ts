/**
 * The tiny base as a Hugging Face folder: a real `qwen2_5_vl` configuration (window attention, M-RoPE, tied head, grouped keys) of 1.4 million
 * parameters, its tokenizer, chat template and image settings, and its first, random weights.
 */
import { smartResize } from '../../src/data/image.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { readTaskList } from '../../src/data/medvision/tasks.ts';
import { counterHash, streamId } from '../../src/data/random.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import type { Shape } from '../../src/models/weights.ts';
import { modelFamily } from '../../src/models/families.ts';
import { joinPath } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import type { Session } from '../../src/train/session.ts';
import { phantomSample } from './phantom.ts';
import { trainTokenizer } from './tokenizer.ts';
import type { TokenizerFiles } from './tokenizer.ts';

/** Areas of 10 to 18 merged patches of 28×28: a slice of the sample becomes a picture of about 112×84. */
const MIN_PIXELS = 10 * 28 * 28;
const MAX_PIXELS = 18 * 28 * 28;

/** Phantom prompts in the tokenizer's texts, and how many of all must share a piece of a sentence for it to become a token: labels stay words. */
const PHANTOM_TEXTS = 300;
const LEAST_COUNT = 45;

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

/** The size that the folder's image settings give a picture, known before the folder is there. */
export function baseSize(height: number, width: number): { height: number; width: number } {
  return smartResize(height, width, { factor: 28, minPixels: MIN_PIXELS, maxPixels: MAX_PIXELS });
}

/** Prompts of the sample's training tasks and of the phantoms, without pictures: what the tokenizer learns its words from. */
export async function tokenizerTexts(platform: Platform, sampleDir: string): Promise<string[]> {
  const texts = new Set<string>();
  for (const list of ['detect', 'AD', 'TL']) {
    const tasks = await readTaskList(platform, joinPath(sampleDir, 'tasks_list', `tasks_MedVision-${list}__train_SFT.json`));
    for await (const sample of medvisionSamples(platform, sampleDir, tasks, { split: 'train', resizedSize: baseSize })) texts.add(sample.prompt);
  }
  const all = texts.size + PHANTOM_TEXTS;
  for (let i = 0; texts.size < all; i++) texts.add(phantomSample(0, i, baseSize).prompt);
  const turns = '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|im_start|>assistant\n';
  const around = turns.split(/<\|[a-z_]+\|>/).filter((text) => text !== '');
  // The frame of every conversation counts as often as the prompts do.
  return [...texts].flatMap((text) => [text, ...around]);
}

function modelConfig(tokenizer: TokenizerFiles): Record<string, unknown> {
  return {
    architectures: ['Qwen2_5_VLForConditionalGeneration'],
    model_type: 'qwen2_5_vl',
    torch_dtype: 'bfloat16',
    hidden_act: 'silu',
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    attention_dropout: 0,
    initializer_range: 0.02,
    max_position_embeddings: 4096,
    max_window_layers: 4,
    rms_norm_eps: 1e-6,
    // M-RoPE gives the width the slowest frequencies; with Qwen's base of a million they would not tell a column from the next on a grid of 4 by 4.
    rope_theta: 4,
    rope_scaling: { type: 'mrope', mrope_section: [2, 7, 7] },
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
      fullatt_block_indexes: [1, 3],
    },
  };
}

/** Writes the folder with random weights in f32. */
export async function writeInitialFolder(platform: Platform, dir: string, texts: readonly string[], seed: number): Promise<void> {
  const tokenizer = trainTokenizer(texts, 960, LEAST_COUNT);
  const config = modelConfig(tokenizer);
  const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;
  const image = {
    min_pixels: MIN_PIXELS,
    max_pixels: MAX_PIXELS,
    patch_size: 14,
    temporal_patch_size: 2,
    merge_size: 2,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    image_processor_type: 'Qwen2VLImageProcessor',
    processor_class: 'Qwen2_5_VLProcessor',
  };
  const generation = { bos_token_id: config.bos_token_id, pad_token_id: config.bos_token_id, eos_token_id: [config.eos_token_id, config.bos_token_id], do_sample: false };
  await platform.makeDir(dir);
  await platform.writeFile(joinPath(dir, 'config.json'), json(config));
  await platform.writeFile(joinPath(dir, 'tokenizer.json'), JSON.stringify(tokenizer.model));
  await platform.writeFile(joinPath(dir, 'tokenizer_config.json'), json(tokenizer.config));
  await platform.writeFile(joinPath(dir, 'chat_template.jinja'), CHAT_TEMPLATE);
  await platform.writeFile(joinPath(dir, 'preprocessor_config.json'), json(image));
  await platform.writeFile(joinPath(dir, 'generation_config.json'), json(generation));
  const { shapes } = modelFamily('qwen2_5_vl', dir).describe(config, joinPath(dir, 'config.json'));
  const entries = [...shapes].map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: async (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(initialValues(name, shape, seed).buffer)),
  }));
  await writeSafetensors(platform, joinPath(dir, 'model.safetensors'), entries);
}

/**
 * Norms 1, matrices normal with deviation 1/√inputs (0.02, the large models' habit, is too little for so few columns), biases 0 but for those of
 * queries and keys: these start large, so that from the first step some heads look left and some look up. With none, all heads start by looking
 * everywhere alike; where a thing is shows only to heads that do not, and a small model took thousands of steps to grow the first one.
 */
function initialValues(name: string, shape: Shape, seed: number): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const stream = streamId(name);
  if (shape.length === 1) {
    const isFused = name.endsWith('attn.qkv.bias');
    const spread = isFused ? 1 : /(q_proj|k_proj)\.bias$/.test(name) ? 1.2 : 0;
    const drawn = isFused ? (count / 3) * 2 : count; // queries and keys; the values' stay 0
    const rest = name.endsWith('.bias') ? 0 : 1;
    return Float32Array.from({ length: count }, (_, i) => (spread > 0 && i < drawn ? spread * normal(seed, stream, i) : rest));
  }
  const inputs = count / (shape[0] ?? 1);
  // What adds to the residual stream starts smaller, as in GPT-2; the table is the output head too.
  const gain = /embed_tokens/.test(name) ? 1 : /(o_proj|down_proj|attn\.proj)\.weight$/.test(name) ? 0.35 : 0.8;
  return Float32Array.from({ length: count }, (_, i) => (gain * normal(seed, stream, i)) / Math.sqrt(inputs));
}

/** Box–Muller. */
function normal(seed: number, stream: number, index: number): number {
  const first = (counterHash(seed, stream, 0, index) + 0.5) / 2 ** 32;
  const second = counterHash(seed, stream, 1, index) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(first)) * Math.cos(2 * Math.PI * second);
}

/** What goes along with the weights, unchanged. */
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'preprocessor_config.json'];

/** Writes the trained model as a folder in bf16, as large models come. The weights go last, whole: a folder that has them is complete. */
export async function writeBase(platform: Platform, session: Session, dir: string): Promise<void> {
  await platform.makeDir(dir);
  for (const file of FILES) await platform.writeFile(joinPath(dir, file), await platform.readFile(joinPath(session.baseModel, file)));
  const entries = [...session.plan.trained].map(([name, shape]) => ({
    name,
    dtype: 'BF16' as const,
    shape,
    data: async (): Promise<Uint8Array> => new Uint8Array(f32ToBf16(await session.arena.readValues(name)).buffer),
  }));
  await writeSafetensors(platform, joinPath(dir, 'model.safetensors'), entries);
}
