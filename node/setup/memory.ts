/**
 * How much GPU memory a training run takes, estimated from the shapes of the model before anything is loaded: weights as the checkpoint has them, what trains with
 * gradient and AdamW's two moments in f32, and activations with gradient checkpointing. And how much there is, where the system tells.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import process from 'node:process';
import { promisify } from 'node:util';
import type { Capabilities } from '../../src/gpu/capabilities.ts';
import type { TrainingPlan } from '../../src/models/lora.ts';
import type { ModelDescription } from '../../src/models/model.ts';

export interface MemoryNeed {
  weightBytes: number;
  trainedValues: number;
  trainedBytes: number;
  activationBytes: number;
  totalBytes: number;
  /** The largest tensor, which is split where the adapter binds less. */
  largestBytes: number;
  /** What the activations are for, in words. */
  assumption: string;
}

/** Text around an image in MedVision's prompts, and the answer. */
const TEXT_TOKENS = 350;
/** Side of the slices that are assumed. */
const SLICE = 512;
/** Tokens whose logits exist at one time. */
const LOGIT_ROWS = 256;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function estimateMemory(
  description: ModelDescription,
  plan: TrainingPlan,
  config: Readonly<Record<string, unknown>>,
  settings: { batch: number; maxPixels: number | null; isCheckpointed: boolean },
): MemoryNeed {
  const bytesOf = weightBytes(config);
  const shapes = [...description.shapes];
  const isFull = plan.config === undefined && plan.trained.size > 0;
  const weights = isFull ? 0 : shapes.reduce((sum, [, shape]) => sum + product(shape) * bytesOf, 0);
  const trainedValues = [...plan.trained.values()].reduce((sum, shape) => sum + product(shape), 0);

  const isVision = (name: string): boolean => /visual|vision/.test(name);
  const text = stack(shapes.filter(([name]) => !isVision(name)));
  const vision = stack(shapes.filter(([name]) => isVision(name)));
  const isFixed = String(config['model_type']).startsWith('gemma3');
  const pixels = Math.min(settings.maxPixels ?? Infinity, SLICE * SLICE);
  const imageTokens = vision.layers === 0 ? 0 : isFixed ? 256 : Math.ceil(pixels / (28 * 28));
  const patches = isFixed ? 4096 : imageTokens * 4;
  const tokens = settings.batch * (imageTokens + TEXT_TOKENS);
  // Inputs of all blocks, and twice (values and gradients) what one block holds while it is differentiated.
  const chain = (rows: number, { layers, width, inner }: Stack): number =>
    rows * 4 * (settings.isCheckpointed ? layers * width + 2 * (10 * width + 3 * inner) : layers * (10 * width + 3 * inner));
  const [vocabulary = 0] = description.shapes.get(description.embedding) ?? [];
  const activations = chain(tokens, text) + (vision.layers > 0 ? chain(settings.batch * patches, vision) : 0) + 2 * LOGIT_ROWS * vocabulary * 4;
  return {
    weightBytes: weights,
    trainedValues,
    trainedBytes: trainedValues * 16,
    activationBytes: activations,
    totalBytes: weights + trainedValues * 16 + activations,
    largestBytes: Math.max(...shapes.map(([, shape]) => product(shape) * bytesOf)),
    assumption: `${settings.batch} ${settings.batch === 1 ? 'row' : 'rows'} of a ${SLICE}×${SLICE} slice at a time${settings.isCheckpointed ? '' : ', without gradient checkpointing'}`,
  };
}

interface Stack {
  layers: number;
  width: number;
  inner: number;
}

/** Depth and widths from the names and shapes of the blocks' matrices. */
function stack(shapes: readonly (readonly [string, readonly number[]])[]): Stack {
  const blocks = shapes.flatMap(([name, shape]) => {
    const match = /\.(?:layers|blocks)\.(\d+)\./.exec(name);
    return match === null || shape.length < 2 ? [] : [{ layer: Number(match[1]), shape }];
  });
  const sizes = blocks.map(({ shape }) => shape);
  return {
    layers: blocks.reduce((most, { layer }) => Math.max(most, layer + 1), 0),
    width: Math.max(0, ...sizes.map((shape) => Math.min(...shape.slice(0, 2)))),
    inner: Math.max(0, ...sizes.map((shape) => Math.max(...shape.slice(0, 2)))),
  };
}

function weightBytes(config: Readonly<Record<string, unknown>>): number {
  const nested = config['text_config'];
  const inner = typeof nested === 'object' && nested !== null ? (nested as Record<string, unknown>) : {};
  const dtype = config['torch_dtype'] ?? config['dtype'] ?? inner['torch_dtype'] ?? inner['dtype'];
  return dtype === 'float32' || dtype === undefined ? 4 : 2;
}

/** WebGPU does not tell how much memory a GPU has; the system may. Undefined where it does not. */
export async function gpuMemory(device: Capabilities): Promise<{ bytes: number; source: string } | undefined> {
  if (device.kind === 'software') return { bytes: freemem(), source: "the machine's free memory" };
  if (process.platform === 'darwin') return { bytes: totalmem() * 0.75, source: 'three quarters of the unified memory' };
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', ['--query-gpu=memory.total', '--format=csv,noheader,nounits'], { timeout: 5000 });
    const mebibytes = Number(stdout.trim().split('\n')[0]);
    if (Number.isFinite(mebibytes) && mebibytes > 0) return { bytes: mebibytes * 2 ** 20, source: 'nvidia-smi' };
  } catch {
    // no NVIDIA driver
  }
  try {
    for (const card of await readdir('/sys/class/drm')) {
      const bytes = Number(await readFile(`/sys/class/drm/${card}/device/mem_info_vram_total`, 'utf8').catch(() => ''));
      if (bytes > 0) return { bytes, source: card };
    }
  } catch {
    // not Linux
  }
  return undefined;
}
