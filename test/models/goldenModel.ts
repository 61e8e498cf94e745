/** A model's golden inputs as Examples: the reference's own ids, labels, positions and pixels, so that only the model is under test. */
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { IGNORE_INDEX } from '../../src/data/example.ts';
import { canonicalName } from '../../src/io/names.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { goldenJson, goldenTensors } from './golden.ts';
import type { GoldenTensor } from './golden.ts';

export interface CaseFacts {
  generation_text: string;
  images: string[];
  loss_completion: { f64: number; n_tokens: number };
  loss_reference: { f64: number; n_tokens: number };
  generated: { ids: number[]; text: string };
}

export interface GoldenCase {
  id: string;
  facts: CaseFacts;
  tensors: Map<string, GoldenTensor>;
  /** Learns the completion. */
  example: Example;
}

export interface GoldenBatch {
  examples: Example[];
  /** (labelled tokens, V) */
  logits: Float32Array;
  /** (labelled tokens) */
  nll: Float32Array;
  loss: number;
}

export interface GoldenLayout {
  /** Folder below `golden` and `models`. */
  name: string;
  modelType: string;
  /** The reference trained on Pillow's pixels, which are the processor's own; else on torchvision's. */
  isPillow?: true;
  /** Position axes. */
  axes: 1 | 3;
  /** Pixels and grids of a case, in the layout of the family's processor; undefined where the case is stored without its pixels. */
  images(tensors: ReadonlyMap<string, GoldenTensor>): Pick<Example, 'pixelValues' | 'imageGrids'> | undefined;
}

export class GoldenModel {
  readonly layout: GoldenLayout;
  readonly name: string;
  readonly baseModel: string;

  constructor(layout: GoldenLayout) {
    this.layout = layout;
    this.name = layout.name;
    this.baseModel = goldenPath('models', layout.name);
  }

  facts(): Record<string, CaseFacts> {
    return goldenJson('golden', this.name, 'cases', 'cases.json');
  }

  /** Parameters whose gradient is zero but for rounding: a bias of all keys shifts every score of a query alike, and softmax does not see it. */
  zeroGradients(): Set<string> {
    const { noise_driven: names = [] } = goldenJson<{ noise_driven?: string[] }>('golden', this.name, 'full_grads.json');
    return new Set(names.map((name) => canonicalName(namingOf(this.layout.modelType), name)));
  }

  /** The words of the model's vocabulary. */
  vocabSize(): number {
    const config = goldenJson<{ vocab_size?: number; text_config?: { vocab_size?: number } }>('models', this.name, 'config.json');
    return (config.text_config?.vocab_size ?? config.vocab_size)!;
  }

  async case(id: string): Promise<GoldenCase> {
    const tensors = await goldenTensors('golden', this.name, 'cases', `${id}.safetensors`);
    const facts = this.facts()[id]!;
    const inputIds = integers(tensors, 'input_ids');
    const images = this.layout.images(tensors) ?? (await this.resizedImages(facts.images));
    return {
      id,
      facts,
      tensors,
      example: {
        inputIds,
        labels: integers(tensors, 'labels_completion'),
        positionIds: tensors.has('position_ids') ? integers(tensors, 'position_ids') : this.textPositions(inputIds.length),
        ...images,
      },
    };
  }

  cases(ids: readonly string[]): Promise<GoldenCase[]> {
    return Promise.all(ids.map((id) => this.case(id)));
  }

  /** Without images the reference counts 0, 1, 2, … on every axis, and stores nothing. */
  textPositions(length: number): Int32Array {
    return Int32Array.from({ length: this.layout.axes * length }, (_, i) => i % length);
  }

  /** The real rows of a padded batch, with the pixels of the cases it was made of. */
  async batch(name: string, cases: readonly GoldenCase[]): Promise<GoldenBatch> {
    const tensors = await goldenTensors('golden', this.name, 'batches.safetensors');
    const facts = goldenJson<Record<string, { loss: { f64: number } }>>('golden', this.name, 'batches.json')[name]!;
    const width = tensors.get(`${name}.input_ids`)!.shape[1]!;
    const mask = integers(tensors, `${name}.attention_mask`);
    const positions = tensors.has(`${name}.position_ids`) ? integers(tensors, `${name}.position_ids`) : undefined;
    const examples = cases.map(({ example }, row) => {
      const real = [...Array(width).keys()].filter((t) => mask[row * width + t] === 1);
      const take = (tensor: string): Int32Array => {
        const data = integers(tensors, `${name}.${tensor}`);
        return Int32Array.from(real, (t) => data[row * width + t]!);
      };
      const axes = [...Array(this.layout.axes).keys()];
      const positionIds = positions
        ? Int32Array.from(axes.flatMap((axis) => real.map((t) => positions[(axis * cases.length + row) * width + t]!)))
        : this.textPositions(real.length);
      return { ...example, inputIds: take('input_ids'), labels: take('labels'), positionIds };
    });
    return { examples, logits: floats(tensors, `${name}.logits_completion`), nll: floats(tensors, `${name}.nll_completion`), loss: facts.loss.f64 };
  }

  /** The example up to its last answer: what the reference generated from. */
  promptOf({ example }: GoldenCase): Example {
    let end = example.labels.findLastIndex((label) => label !== IGNORE_INDEX);
    while (end > 0 && example.labels[end - 1] !== IGNORE_INDEX) end--;
    return this.cut(example, end);
  }

  /** The first `end` tokens. */
  cut(example: Example, end: number): Example {
    const length = example.inputIds.length;
    const axes = [...Array(this.layout.axes).keys()];
    return {
      ...example,
      inputIds: example.inputIds.slice(0, end),
      labels: example.labels.slice(0, end),
      positionIds: Int32Array.from(axes.flatMap((axis) => [...example.positionIds.subarray(axis * length, axis * length + end)])),
    };
  }

  /**
   * Images as the reference trained on them, of the first families resized by torchvision: here and there a level away from Pillow, as the processor
   * resizes; given the resized image, it has only to normalise and cut patches.
   */
  async resizedImages(images: readonly string[]): Promise<Pick<Example, 'pixelValues' | 'imageGrids'>> {
    if (images.length === 0) return { pixelValues: new Float32Array(0), imageGrids: [] };
    const processor = await modelFamily(this.layout.modelType, '').processor(nodePlatform, this.baseModel, {});
    const resized = await goldenTensors('golden', this.name, 'image_processor.safetensors');
    const decoded = images.map((name) => {
      const { shape, data } = (resized.get(`${name}.resized_u8.torchvision`) ?? resized.get(`${name}.resized_u8.pil`))!;
      const [height, width] = shape.slice(-2) as [number, number];
      const plane = height * width;
      // (H, W) grey, or (3, H, W)
      const rgb = Uint8Array.from({ length: 3 * plane }, (_, i) => data[Math.floor(i / 3) + (shape.length === 3 ? (i % 3) * plane : 0)]!);
      return { width, height, data: rgb };
    });
    const content = images.map(() => ({ type: 'image' as const }));
    const { pixelValues, imageGrids } = processor.encode({ messages: [{ role: 'user', content }], images: [...images] }, decoded, { mask: 'completion' });
    return { pixelValues, imageGrids };
  }
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
