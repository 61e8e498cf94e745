/**
 * The tiny bases as Hugging Face folders: their files, and their first, random weights. One for each family (qwenFiles.ts, gemmaFiles.ts,
 * smolvlmFiles.ts); all have a byte-complete tokenizer with the words of the sample's and the phantoms' prompts.
 */
import { medvisionSamples } from '../../data/medvision/samples.ts';
import { readTaskList } from '../../data/medvision/tasks.ts';
import { counterHash, streamId } from '../../data/random.ts';
import { writeSafetensors } from '../../io/safetensors.ts';
import type { Shape } from '../../models/weights.ts';
import { modelFamily } from '../../models/families.ts';
import { firstPresent, RESULT_FILES } from '../../io/foreignFiles.ts';
import type { BaseFamily } from '../../options/pretrain.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { gemmaFiles } from './gemmaFiles.ts';
import { phantomSample } from './phantom.ts';
import { baseSize, qwenFiles } from './qwenFiles.ts';
import { smolvlmFiles } from './smolvlmFiles.ts';

const FAMILIES = { qwen2_5_vl: qwenFiles, gemma3: gemmaFiles, smolvlm: smolvlmFiles } as const satisfies Record<BaseFamily, unknown>;

/**
 * Phantom prompts in the tokenizer's texts, and how many of all must share a piece of a sentence for it to become a token: labels stay
 * words.
 */
const PHANTOM_TEXTS = 300;
const LEAST_COUNT = 45;

/** Prompts of the sample's training tasks and of the phantoms, without pictures: what the tokenizer learns its words from. */
export async function tokenizerTexts(platform: Platform, sampleDir: string): Promise<string[]> {
  const texts = new Set<string>();
  for (const list of ['detect', 'AD', 'TL']) {
    const tasks = await readTaskList(platform, joinPath(sampleDir, 'tasks_list', `tasks_MedVision-${list}__train_SFT.json`));
    for await (const sample of medvisionSamples(platform, sampleDir, tasks, { split: 'train', resizedSize: baseSize }))
      texts.add(sample.prompt);
  }
  const all = texts.size + PHANTOM_TEXTS;
  for (let i = 0; texts.size < all; i++) texts.add(phantomSample(0, i, baseSize).prompt);
  const turns = '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|im_start|>assistant\n';
  const around = turns.split(/<\|[a-z_]+\|>/).filter((text) => text !== '');
  // The frame of every conversation counts as often as the prompts do.
  return [...texts].flatMap((text) => [text, ...around]);
}

/** Writes the folder with random weights in f32. */
export async function writeInitialFolder(
  platform: Platform,
  dir: string,
  texts: readonly string[],
  seed: number,
  family: BaseFamily = 'qwen2_5_vl',
): Promise<void> {
  const there = await firstPresent(platform, dir, RESULT_FILES);
  if (there !== undefined)
    throw new UserError(`--output_dir ${dir} holds ${there}, which would be replaced; give a new folder, or remove that one.`);
  const files = FAMILIES[family](texts, LEAST_COUNT);
  await platform.makeDir(dir);
  for (const [name, value] of Object.entries(files)) {
    // The tokenizer's vocabulary, a line an entry, would be most of the repository's lines.
    const text =
      typeof value === 'string' ? value : name === 'tokenizer.json' ? JSON.stringify(value) : `${JSON.stringify(value, null, 1)}\n`;
    await platform.writeFile(joinPath(dir, name), text);
  }
  const { shapes } = modelFamily(family, dir).describe(files['config.json'] as Record<string, unknown>, joinPath(dir, 'config.json'));
  const entries = [...shapes].map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: async (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(initialValues(family, name, shape, seed).buffer)),
  }));
  await writeSafetensors(platform, joinPath(dir, 'model.safetensors'), entries);
}

/**
 * Matrices normal with deviation 1/√inputs (0.02, the large models' habit, is too little for so few columns), norms and biases neutral but
 * for those of Qwen's queries and keys: these start large, so that from the first step some heads look left and some look up. With none,
 * all heads start by looking everywhere alike; where a thing is shows only to heads that do not, and a small model took thousands of steps
 * to grow the first one.
 */
function initialValues(family: BaseFamily, name: string, shape: Shape, seed: number): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const stream = streamId(name);
  if (shape.length === 1) {
    const isFused = name.endsWith('attn.qkv.bias');
    const spread = isFused ? 1 : /\.(language_model|text_model)\.layers\.\d+\.self_attn\.(q_proj|k_proj)\.bias$/.test(name) ? 1.2 : 0;
    const drawn = isFused ? (count / 3) * 2 : count; // queries and keys; the values' stay 0
    const rest = name.endsWith('.bias') ? 0 : neutralNorm(family, name);
    return Float32Array.from({ length: count }, (_, i) => (spread > 0 && i < drawn ? spread * normal(seed, stream, i) : rest));
  }
  const isTransposed = name.endsWith('mm_input_projection_weight');
  const inputs = name.includes('position_embedding') ? 4 : isTransposed ? (shape[0] ?? 1) : count / (shape[0] ?? 1);
  // What adds to the residual stream starts smaller, as in GPT-2; the table is the output head too.
  const gain = /embed_tokens|position_embedding/.test(name)
    ? 1
    : /(o_proj|out_proj|down_proj|fc2|attn\.proj)\.weight$/.test(name)
      ? 0.35
      : 0.8;
  return Float32Array.from({ length: count }, (_, i) => (gain * normal(seed, stream, i)) / Math.sqrt(inputs));
}

/** Gemma counts the weights of its text norms from 1; its post-norms alone decide how much a layer adds, however small the matrices are. */
function neutralNorm(family: BaseFamily, name: string): number {
  if (family !== 'gemma3' || name.startsWith('vision_tower')) return 1;
  return /post_(attention|feedforward)_layernorm/.test(name) ? -0.65 : 0;
}

/** Box–Muller. */
function normal(seed: number, stream: number, index: number): number {
  const first = (counterHash(seed, stream, 0, index) + 0.5) / 2 ** 32;
  const second = counterHash(seed, stream, 1, index) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(first)) * Math.cos(2 * Math.PI * second);
}
