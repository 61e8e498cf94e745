/** Qwen2.5-VL's golden inputs as Examples: the reference's own ids, labels, positions and pixels, so that only the model is under test. */
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import { IGNORE_INDEX } from '../../../src/data/example.ts';
import { Qwen2_5VLProcessor } from '../../../src/models/qwen2_5_vl/processor.ts';
import { goldenPath } from '../../io/goldenFolder.ts';
import { goldenJson, goldenTensors } from '../golden.ts';
import type { GoldenTensor } from '../golden.ts';

export const MODEL = 'qwen2_5_vl-tiny';

export interface CaseFacts {
  generation_text: string;
  images: string[];
  loss_completion: { f64: number; n_tokens: number };
  loss_reference: { f64: number; n_tokens: number };
  generated: { ids: number[]; text: string };
}

export function caseFacts(): Record<string, CaseFacts> {
  return goldenJson('golden', MODEL, 'cases', 'cases.json');
}

export interface GoldenCase {
  id: string;
  facts: CaseFacts;
  tensors: Map<string, GoldenTensor>;
  /** Learns the completion. */
  example: Example;
}

export async function goldenCase(id: string): Promise<GoldenCase> {
  const tensors = await goldenTensors('golden', MODEL, 'cases', `${id}.safetensors`);
  const facts = caseFacts()[id]!;
  const inputIds = integers(tensors, 'input_ids');
  const grids = tensors.has('image_grid_thw') ? gridsOf(integers(tensors, 'image_grid_thw')) : [];
  return {
    id,
    facts,
    tensors,
    example: {
      inputIds,
      labels: integers(tensors, 'labels_completion'),
      positionIds: tensors.has('position_ids') ? integers(tensors, 'position_ids') : textPositions(inputIds.length),
      pixelValues: tensors.has('pixel_values') ? floats(tensors, 'pixel_values') : await pixelsOf(facts.images),
      imageGrids: grids,
    },
  };
}

export interface GoldenBatch {
  examples: Example[];
  /** (labelled tokens, V) */
  logits: Float32Array;
  /** (labelled tokens) */
  nll: Float32Array;
  loss: number;
}

/** Without images the reference counts 0, 1, 2, … on every axis, and stores nothing. */
export function textPositions(length: number): Int32Array {
  return Int32Array.from({ length: 3 * length }, (_, i) => i % length);
}

/** The real rows of a padded batch, with the pixels of the cases it was made of. */
export async function goldenBatch(name: string, cases: readonly GoldenCase[]): Promise<GoldenBatch> {
  const tensors = await goldenTensors('golden', MODEL, 'batches.safetensors');
  const facts = goldenJson<Record<string, { loss: { f64: number } }>>('golden', MODEL, 'batches.json')[name]!;
  const width = tensors.get(`${name}.input_ids`)!.shape[1]!;
  const mask = integers(tensors, `${name}.attention_mask`);
  const positions = integers(tensors, `${name}.position_ids`);
  const examples = cases.map(({ example }, row) => {
    const real = [...Array(width).keys()].filter((t) => mask[row * width + t] === 1);
    const take = (tensor: string): Int32Array => {
      const data = integers(tensors, `${name}.${tensor}`);
      return Int32Array.from(real, (t) => data[row * width + t]!);
    };
    const positionIds = Int32Array.from([0, 1, 2].flatMap((axis) => real.map((t) => positions[(axis * cases.length + row) * width + t]!)));
    return { ...example, inputIds: take('input_ids'), labels: take('labels'), positionIds };
  });
  return { examples, logits: floats(tensors, `${name}.logits_completion`), nll: floats(tensors, `${name}.nll_completion`), loss: facts.loss.f64 };
}

/** The example up to its last answer: what the reference generated from. */
export function promptOf({ example }: GoldenCase): Example {
  let end = example.labels.findLastIndex((label) => label !== IGNORE_INDEX);
  while (end > 0 && example.labels[end - 1] !== IGNORE_INDEX) end--;
  const length = example.inputIds.length;
  return {
    ...example,
    inputIds: example.inputIds.slice(0, end),
    labels: example.labels.slice(0, end),
    positionIds: Int32Array.from([0, 1, 2].flatMap((axis) => [...example.positionIds.subarray(axis * length, axis * length + end)])),
  };
}

export function floats(tensors: ReadonlyMap<string, GoldenTensor>, name: string): Float32Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Float32Array)) throw new Error(`no floats '${name}'`);
  return data;
}

export function integers(tensors: ReadonlyMap<string, GoldenTensor>, name: string): Int32Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Int32Array)) throw new Error(`no integers '${name}'`);
  return data;
}

function gridsOf(flat: Int32Array): [number, number, number][] {
  return Array.from({ length: flat.length / 3 }, (_, i) => [flat[3 * i]!, flat[3 * i + 1]!, flat[3 * i + 2]!]);
}

/**
 * Some cases are stored without their pixels. They were resized by torchvision, which here and there is a level away from Pillow, as this
 * processor resizes; given the reference's resized image, it has only to normalise and cut patches.
 */
async function pixelsOf(images: readonly string[]): Promise<Float32Array> {
  if (images.length === 0) return new Float32Array(0);
  const processor = await Qwen2_5VLProcessor.load(nodePlatform, goldenPath('models', MODEL));
  const resized = await goldenTensors('golden', MODEL, 'image_processor.safetensors');
  const decoded = images.map((name) => {
    const { shape, data } = resized.get(`${name}.resized_u8.torchvision`)!;
    const [height, width] = shape.slice(-2) as [number, number];
    const plane = height * width;
    // (H, W) grey, or (3, H, W)
    const rgb = Uint8Array.from({ length: 3 * plane }, (_, i) => data[Math.floor(i / 3) + (shape.length === 3 ? (i % 3) * plane : 0)]!);
    return { width, height, data: rgb };
  });
  const content = images.map(() => ({ type: 'image' as const }));
  return processor.encode({ messages: [{ role: 'user', content }], images: [...images] }, decoded, { mask: 'completion' }).pixelValues;
}
