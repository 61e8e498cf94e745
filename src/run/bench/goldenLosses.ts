/**
 * Losses of tiny models as transformers gives them, whose weights are drawn by a formula (test/golden/base_configs.py): nothing has to be
 * stored but the configuration and the loss, so that any machine can check its GPU. goldenLosses.json holds some of
 * test/golden/bases/configs.json.
 */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import { modelFamily } from '../../models/families.ts';
import { HEAD } from '../../models/model.ts';
import { mropePositions } from '../../models/qwenPositions.ts';
import { Weights } from '../../models/weights.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { countLabels, evaluateMicroBatch } from '../../train/microBatch.ts';
import { cutPatches } from './cutPatches.ts';
import cases from './goldenLosses.json' with { type: 'json' };
import { noise } from './noise.ts';

export interface GoldenLoss {
  config: Record<string, unknown> & { model_type: string };
  image: boolean;
  loss: number;
  /** The head is the embedding table. */
  tied: boolean;
}

export const GOLDEN_LOSSES: readonly GoldenLoss[] = cases;
/** How far a loss may be from transformers'. */
export const LOSS_BOUND = 1e-4;

const TOKENS = 40;
const IMAGE = 60;

/** A parameter's values, as the script draws them. */
export function goldenValues(name: string, shape: readonly number[], isGemma: boolean): Float32Array {
  const drawn = noise(
    name,
    shape.reduce((a, b) => a * b, 1),
  );
  const map = (of: (x: number) => number): Float32Array => Float32Array.from(drawn, of);
  if (name.includes('norm') || name.includes('.ln_q.')) {
    if (name.endsWith('bias')) return map((x) => x * 0.3);
    return isGemma && !name.includes('layer_norm') && !name.includes('post_layernorm') ? map((x) => 0.2 * x) : map((x) => 1 + 0.2 * x);
  }
  if (name.endsWith('bias')) return map((x) => x * 0.3);
  const width = name.endsWith('mm_input_projection_weight') ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1);
  return name.includes('embed') ? map((x) => x) : map((x) => (x * 2) / Math.sqrt(width));
}

/** 40 tokens, the second half learnt, and one picture of 16×16 where the case has one. */
export function goldenExample({ config: { model_type: type }, image }: Pick<GoldenLoss, 'config' | 'image'>): Example {
  const inputIds = Int32Array.from(noise('ids', TOKENS), (x) => Math.floor((x + 1) * 29));
  const labels = inputIds.map((id, t) => (t < TOKENS / 2 ? -100 : id));
  const isQwen = type === 'qwen2_5_vl' || type === 'qwen3_vl';
  let pictures: Pick<Example, 'pixelValues' | 'imageGrids'> = { pixelValues: new Float32Array(0), imageGrids: [] };
  if (image) {
    inputIds.fill(IMAGE, 6, 10);
    if (isQwen) inputIds[5] = 62;
    pictures = isQwen
      ? { pixelValues: Float32Array.from(noise('pixels', 16 * 96)), imageGrids: [[1, 4, 4]] }
      : cutPatches(Float32Array.from(noise('pixels', 3 * 256)), { images: 1, channels: 3, side: 16, patch: 4 });
  }
  const positionIds = isQwen ? mropePositions(inputIds, IMAGE, pictures.imageGrids, 2).positionIds : Int32Array.from(inputIds.keys());
  return { inputIds, labels, positionIds, ...pictures };
}

/** The loss of a case on a device, with its plans. */
export async function goldenLoss(device: Device, one: GoldenLoss): Promise<number> {
  const { config, tied } = one;
  const description = modelFamily(config.model_type, 'config.json').describe(config, 'config.json');
  const isGemma = config.model_type.startsWith('gemma');
  const parameters = new Map<string, Parameter>();
  const add = (name: string, shape: readonly number[]): void => {
    const stored = shape.length <= 1 ? shape : [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
    parameters.set(name, { name, tensor: device.upload(goldenValues(name, shape, isGemma), stored, 'weights') });
  };
  for (const [name, shape] of description.shapes) add(name, shape);
  const table = description.shapes.get(description.embedding)!;
  if (tied) parameters.set(HEAD, parameters.get(description.embedding)!);
  else if (!parameters.has(HEAD)) add(HEAD, table);
  const weights = new Weights(parameters);
  const example = goldenExample(one);
  const { sums } = await evaluateMicroBatch(device, description.build(weights), [example]);
  const [sum = NaN] = await sums;
  weights.release(device);
  return sum / countLabels(example);
}
