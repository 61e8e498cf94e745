/** Whole models of random weights made on the GPU, with LoRA on every linear layer: the shapes decide the speed of a training step. */
import type { Example } from '../../data/example.ts';
import type { Device } from '../../gpu/device.ts';
import type { Tensor } from '../../gpu/tensor.ts';
import { loraConfig } from '../../io/peftConfig.ts';
import { modulesFromParameters } from '../../io/peftTargets.ts';
import { modelFamily } from '../../models/families.ts';
import { attachAdapters, initialLoraA, planTraining } from '../../models/lora.ts';
import { HEAD } from '../../models/model.ts';
import type { Model } from '../../models/model.ts';
import { mropePositions } from '../../models/qwenPositions.ts';
import { Weights } from '../../models/weights.ts';
import type { Parameter } from '../../ops/parameter.ts';
import { runMicroBatch } from '../../train/microBatch.ts';
import { AdamW } from '../../train/optimizer.ts';
import { ParameterArena } from '../../train/parameterArena.ts';
import { randomTensor, randomWeight, releaseTensors } from '../../train/tuning/randomTensor.ts';
import type { Json } from './shapes.ts';

export interface RandomModelOptions {
  /** Of frozen matrices: a file of kernels/load. */
  storage: string;
  /** Layers of one shape share one set of frozen weights, so that a model of billions of parameters takes the memory of a few layers. */
  isShared?: boolean;
  /** PEFT's; default all-linear. */
  targets?: string;
}

export interface RandomModel {
  model: Model;
  arena: ParameterArena;
  adamw: AdamW;
  /** Frozen and trained. */
  parameters: { frozen: number; trained: number };
  release(): void;
}

/**
 * Undefined where nothing makes weights in that storage. @throws UserError where the GPU has no memory for it, then or when it is next
 * waited for
 */
export async function randomModel(
  device: Device,
  config: Json,
  { storage, isShared = false, targets = 'all-linear' }: RandomModelOptions,
): Promise<RandomModel | undefined> {
  const type = String(config['model_type']);
  const description = modelFamily(type, type).describe(config, type);
  const plan = planTraining(description, { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: targets }) });
  const linears = new Set(
    modulesFromParameters(description.shapes, description.kinds)
      .filter(({ kind }) => kind === 'linear')
      .map(({ name }) => `${name}.weight`),
  );
  // As bitsandbytes and PEFT have it, tables, convolutions and the head stay in the checkpoint's precision.
  const isQuantized = (name: string): boolean => linears.has(name) && name !== HEAD && name !== description.embedding;
  const tensors: Tensor[] = [];
  const shared = new Map<string, Tensor>();
  const parameters = new Map<string, Parameter>();
  let frozen = 0;
  for (const [name, shape] of description.shapes) {
    const matrix = shape.length === 1 ? shape : [shape[0]!, shape.slice(1).reduce((x, y) => x * y, 1)];
    frozen += matrix.reduce((x, y) => x * y, 1);
    // An embedding table is read row by row and is also the head; a frozen vector is a norm or a bias.
    const held = storage === 'nf4' && !isQuantized(name) ? 'bf16' : storage;
    const key = `${matrix.join('×')} ${held}`;
    const known = isShared ? shared.get(key) : undefined;
    const tensor =
      known ??
      (matrix.length === 1 ? randomTensor(device, matrix, tensors.length + 1) : randomWeight(device, matrix, tensors.length + 1, held));
    if (!tensor) {
      releaseTensors(device, ...tensors);
      return undefined;
    }
    if (!known) {
      tensors.push(tensor);
      shared.set(key, tensor);
      // Memory that is not there is heard of here, before gigabytes more are asked for.
      if (tensors.length % 32 === 0) await device.finish();
    }
    parameters.set(name, { name, tensor });
  }
  if (!parameters.has(HEAD)) parameters.set(HEAD, parameters.get(description.embedding)!);
  const arena = new ParameterArena(
    device,
    [...plan.trained].map(([name, shape]) => ({ name, shape: [...shape], decay: shape.length > 1 })),
  );
  for (const [name, shape] of plan.trained) {
    if (name.endsWith('lora_A.weight')) arena.writeValues(name, initialLoraA(name.replace(/\.lora_A\.weight$/, ''), shape, 1));
  }
  const adamw = new AdamW(device, arena, { maxGradNorm: 1 });
  await device.finish();
  return {
    model: description.build(new Weights(parameters, attachAdapters(plan, arena.parameters))),
    arena,
    adamw,
    parameters: { frozen, trained: arena.size },
    release() {
      adamw.release();
      arena.release();
      releaseTensors(device, ...tensors);
      device.trim();
    },
  };
}

/** One optimizer step on one micro-batch, put into the queue. */
export async function trainingStep(
  device: Device,
  { model, arena, adamw }: RandomModel,
  examples: readonly Example[],
  step: number,
  checkpointing: boolean,
): Promise<void> {
  arena.zeroGradients();
  const random = { seed: 1, step };
  await runMicroBatch(device, model, examples, {
    grad: true,
    training: true,
    checkpointing,
    random,
    lossScale: 1e-2,
    lossSum: adamw.lossSum,
  });
  adamw.step(1e-4);
}

/**
 * A conversation with one picture of `grid` patches: `textTokens` tokens around it, the last `labelled` of them to be learnt. For
 * Qwen2.5-VL.
 */
export function qwenExample(imageToken: number, textTokens: number, labelled: number, grid: [number, number, number] | undefined): Example {
  const features = grid ? (grid[0] * grid[1] * grid[2]) / 4 : 0;
  const { inputIds, labels } = tokens(imageToken, textTokens, labelled, features);
  const imageGrids = grid ? [grid] : [];
  return {
    inputIds,
    labels,
    positionIds: mropePositions(inputIds, imageToken, imageGrids, 2).positionIds,
    pixelValues: pixels(features * 4 * 1176),
    imageGrids,
  };
}

/** The same for Gemma 3: a picture of side × side patches of 14 × 14, pooled to `features` tokens. */
export function gemmaExample(imageToken: number, textTokens: number, labelled: number, features: number, side: number): Example {
  const { inputIds, labels } = tokens(imageToken, textTokens, labelled, features);
  return {
    inputIds,
    labels,
    positionIds: Int32Array.from(inputIds.keys()),
    pixelValues: pixels(side * side * 3 * 14 * 14),
    imageGrids: [[1, side, side]],
  };
}

function tokens(imageToken: number, textTokens: number, labelled: number, features: number): { inputIds: Int32Array; labels: Int32Array } {
  const inputIds = Int32Array.from({ length: textTokens + features }, (_, i) =>
    i >= 10 && i < 10 + features ? imageToken : 100 + ((i * 37) % 500),
  );
  return { inputIds, labels: inputIds.map((id, i) => (i < inputIds.length - labelled ? -100 : id)) };
}

function pixels(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 23 - 1);
}
