/**
 * A base model on the GPU together with what trains on it. Opening one reads the folder, decides by PEFT's rules (or full fine-tuning) what
 * trains, allocates that, loads the rest as it lies in the checkpoint, and starts the adapter (fresh, or from an adapter folder).
 */
import type { Example, Processor } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { copyCompanionFiles, statedAsFloat32, statedAsUntied } from '../io/companionFiles.ts';
import { baseModelNames } from '../hub/origin.ts';
import { openModelFolder } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { checkAdapterFits, openAdapter, readAdapter, writeAdapter } from '../io/peft.ts';
import type { Adapter, AdapterTensor, AdapterTensorSource, FittedAdapter } from '../io/peft.ts';
import type { Naming } from '../io/names.ts';
import { modulesFromParameters } from '../io/peftTargets.ts';
import type { Nf4Weight } from '../io/quantization/nf4Weight.ts';
import { openSafetensors, toFloat32, writeSafetensors } from '../io/safetensors.ts';
import { readingUntil } from '../io/stoppablePlatform.ts';
import { modelFamily, namingOf } from '../models/families.ts';
import { generate } from '../models/generate.ts';
import { withHeadOf } from '../models/head.ts';
import { allShapes, attachAdapters, initialLoraA, planTraining } from '../models/lora.ts';
import type { Finetuning, TrainingPlan } from '../models/lora.ts';
import { HEAD } from '../models/model.ts';
import { heldQuantized, readStored } from '../models/quantization.ts';
import type { HeldQuantized, Quantization } from '../models/quantization.ts';
import type { ImageAttention, Model, ModelDescription, PixelBounds } from '../models/model.ts';
import { pixelBounds } from '../models/model.ts';
import { picturesFor } from '../models/pictureFeatures.ts';
import { StreamedWeights } from '../models/streamedWeights.ts';
import { loadParameters } from '../models/loadWeights.ts';
import { Weights } from '../models/weights.ts';
import { doraNorm } from '../ops/dora.ts';
import type { Parameter } from '../ops/parameter.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { broughtWeights, withWeights } from './broughtWeights.ts';
import { ParameterArena } from './parameterArena.ts';
import type { TrainedState } from './parameterArena.ts';

const MODEL = 'model.safetensors';

export interface SessionOptions extends PixelBounds {
  /** Hugging Face model folder. */
  baseModel: string;
  /** What trains; absent with `initAdapter`, whose own configuration holds. */
  finetuning?: Finetuning;
  /** PEFT adapter folder to start from. */
  initAdapter?: string;
  /** The model is asked and not trained: no memory is set aside for gradients and the optimizer. */
  isFrozen?: boolean;
  /** Frozen weights of blocks do not stay on the GPU, AdamW's moments do not, or neither: for models larger than it. Default: none. */
  offload?: Offload;
  seed?: number;
  /** What the tokens of an image see of each other, where the family leaves a choice. */
  imageAttention?: ImageAttention;
  /** What of the frozen weights is held in fewer bits; default: what the folder holds so. */
  quantization?: Quantization;
  /** Bytes of the machine's memory for features of pictures, where nothing trains that makes them. Default 2 GiB. */
  featureBytes?: number;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Ends the opening, with its reason. */
  stop?: AbortSignal;
}

export type Offload = 'none' | 'weights' | 'optimizer' | 'all';

type SessionParts = Pick<
  Session,
  'device' | 'platform' | 'model' | 'processor' | 'plan' | 'arena' | 'baseModel' | 'naming' | 'quantizedCount' | 'isStoredNf4'
> & {
  weights: Weights;
  streamed?: StreamedWeights;
  /** Closes what streamed weights are read from. */
  closeFolder?: () => Promise<void>;
  brought: ReadonlyMap<string, AdapterTensor>;
  untiesConfig: boolean;
};

export class Session {
  readonly device: Device;
  readonly platform: Platform;
  readonly model: Model;
  readonly processor: Processor;
  readonly plan: TrainingPlan;
  readonly arena: ParameterArena;
  readonly baseModel: string;
  /** Its model_type, and how its files spell their names. */
  readonly naming: Naming;
  /** Weights held in 4 bits. */
  readonly quantizedCount: number;
  /** The folder holds weights in 4 bits, and its own choice of them. */
  readonly isStoredNf4: boolean;
  private readonly weights: Weights;
  private readonly streamed: StreamedWeights | undefined;
  private readonly closeFolder: (() => Promise<void>) | undefined;
  /** Frozen weights that came with the adapter and go with it. */
  private readonly brought: ReadonlyMap<string, AdapterTensor>;
  /** The configuration ties a head that stands alone. */
  private readonly untiesConfig: boolean;

  constructor(parts: SessionParts) {
    this.device = parts.device;
    this.platform = parts.platform;
    this.model = parts.model;
    this.processor = parts.processor;
    this.plan = parts.plan;
    this.arena = parts.arena;
    this.baseModel = parts.baseModel;
    this.naming = parts.naming;
    this.weights = parts.weights;
    this.streamed = parts.streamed;
    this.closeFolder = parts.closeFolder;
    this.brought = parts.brought;
    this.untiesConfig = parts.untiesConfig;
    this.quantizedCount = parts.quantizedCount;
    this.isStoredNf4 = parts.isStoredNf4;
  }

  /** Number of values that train. */
  get trainableCount(): number {
    return [...this.plan.trained.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  }

  /**
   * Writes what was trained into `dir`: a PEFT adapter folder, or with full fine-tuning a model folder in f32.
   * @param from where values are read and files are written, for a checkpoint saved while training goes on; default: the GPU as it is, the
   * session's platform; and what the card of an adapter says of its training
   */
  async save(dir: string, from: { state?: TrainedState; platform?: Platform; about?: string | undefined } = {}): Promise<void> {
    const { state = this.arena.live(), platform = this.platform, about } = from;
    const sources = new Map([...this.plan.trained].map(([name, shape]) => [name, { shape, data: () => state.values(name) }]));
    if (this.plan.config) {
      const config = { ...this.plan.config, ...baseModelNames(this.baseModel, platform.env('HOME')) };
      const tensors = new Map<string, AdapterTensorSource>([...this.brought, ...sources]);
      await writeAdapter(platform, dir, config, tensors, { isTextOnly: this.naming.isTextOnly, about });
      return;
    }
    await platform.makeDir(dir);
    await copyCompanionFiles(platform, this.baseModel, dir, (text) => statedAsFloat32(this.untiesConfig ? statedAsUntied(text) : text));
    const entries = [...sources].map(([name, { shape, data }]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: async () => bytesOf(await data()),
    }));
    await writeSafetensors(platform, joinPath(dir, MODEL), entries, { format: 'pt' });
  }

  /** Puts the values that `save` wrote into `dir` back on the GPU. @throws UserError where they are not those of this model and adapter */
  async load(dir: string): Promise<void> {
    this.model.pictures?.clear();
    const loaded = new Set<string>();
    if (this.plan.config) {
      const adapter = await openAdapter(this.platform, dir, this.naming);
      try {
        for (const name of adapter.tensors.keys()) {
          if (this.brought.has(name) && !this.plan.trained.has(name)) continue;
          if (!this.plan.trained.has(name))
            throw new UserError(`${dir}: ${name} is not among what trains here; the adapter is another one.`);
          this.arena.writeValues(name, await adapter.read(name));
          loaded.add(name);
        }
      } finally {
        await adapter.close();
      }
    } else {
      const file = await openSafetensors(this.platform, joinPath(dir, MODEL));
      try {
        for (const name of this.plan.trained.keys()) {
          const info = file.tensors.get(name);
          if (info === undefined) continue;
          this.arena.writeValues(name, toFloat32(await file.readRaw(name), info.dtype, `${file.path}: ${name}`));
          loaded.add(name);
        }
      } finally {
        await file.close();
      }
    }
    const missing = [...this.plan.trained.keys()].find((name) => !loaded.has(name));
    if (missing !== undefined)
      throw new UserError(`${dir} has no values for ${missing}; it is not a checkpoint of this model and adapter.`);
  }

  /** Greedy continuation of an example that ends with the assistant's header. */
  async generate(example: Example, options: { maxNewTokens: number; stop?: AbortSignal }): Promise<string> {
    const ids = await generate(this.device, this.model, example, { ...options, endIds: this.processor.endOfTurnIds });
    return this.processor.decode(ids, { skipSpecialTokens: true });
  }

  close(): void {
    this.weights.release(this.device, this.streamed);
    this.streamed?.release();
    this.arena.release();
    void this.closeFolder?.();
  }
}

/** @throws UserError for a folder, configuration or adapter that cannot be used; the reason of `stop` */
export async function openSession(platform: Platform, device: Device, options: SessionOptions): Promise<Session> {
  const reading = options.stop ? readingUntil(platform, options.stop) : platform;
  // What is read all along is also read to end a step that has begun when the run is stopped.
  const isStreaming = options.offload === 'weights' || options.offload === 'all';
  const folder = await openModelFolder(isStreaming ? platform : reading, options.baseModel, namingOf);
  let isKeptOpen = false;
  try {
    const family = modelFamily(folder.naming.modelType, joinPath(options.baseModel, 'config.json'));
    const described = family.describe(folder.config, joinPath(options.baseModel, 'config.json'), {
      ...(options.imageAttention && { imageAttention: options.imageAttention }),
    });
    const { stored, floats } = await readStored(folder);
    const description = await withHeadOf(floats, described);
    const processor = await family.processor(platform, options.baseModel, pixelBounds(options));
    const initial = options.initAdapter === undefined ? undefined : await readAdapter(reading, options.initAdapter, folder.naming);
    const fitted = initial && checkAdapterFits(initial, modulesFromParameters(allShapes(description), description.kinds));
    const brought = initial && fitted ? await broughtWeights(floats, description, initial, fitted) : new Map<string, AdapterTensor>();
    const finetuning = finetuningOf(options, fitted);
    const quantized = new Map([...stored].filter(([name]) => !brought.has(name)));
    const opened = await openModel(device, withWeights(floats, brought), description, {
      ...options,
      finetuning,
      stored: quantized,
      ...(initial && { initial }),
    });
    isKeptOpen = opened.streamed !== undefined;
    return new Session({
      device,
      platform,
      processor,
      brought,
      ...opened,
      ...(isKeptOpen && { closeFolder: () => folder.close() }),
      baseModel: options.baseModel,
      naming: folder.naming,
      isStoredNf4: stored.size > 0,
      untiesConfig: description.untiesConfig ?? false,
    });
  } finally {
    if (!isKeptOpen) await folder.close();
  }
}

/** A model on the GPU with what trains on it. */
export type OpenModel = Pick<Session, 'model' | 'plan' | 'arena' | 'quantizedCount'> & { weights: Weights; streamed?: StreamedWeights };

export type ModelOptions = Pick<SessionOptions, 'isFrozen' | 'offload' | 'seed' | 'onProgress' | 'quantization' | 'featureBytes'> & {
  finetuning: Finetuning;
  initial?: Adapter;
  /** Weights that the files hold in NF4 (`folder` has them as floats). */
  stored?: ReadonlyMap<string, Nf4Weight>;
};

/** The part of `openSession` that needs no files but those of the weights; of a dry device, only what these say of their tensors. */
export async function openModel(
  device: Device,
  folder: ModelFolder,
  description: ModelDescription,
  options: ModelOptions,
): Promise<OpenModel> {
  const plan = planTraining(description, options.finetuning);
  const quantized = heldQuantized(folder, options.stored ?? new Map(), description, new Set(plan.trained.keys()), options.quantization);
  const arena = new ParameterArena(
    device,
    [...plan.trained].map(([name, shape]) => ({ name, shape: storedShape(name, shape), decay: storedShape(name, shape).length > 1 })),
    {
      label: plan.config ? 'adapters' : 'weights',
      isFrozen: options.isFrozen ?? false,
      hasHostMoments: options.offload === 'optimizer' || options.offload === 'all',
    },
  );
  const isStreaming = (options.offload === 'weights' || options.offload === 'all') && options.finetuning.kind !== 'full';
  const streamed = isStreaming ? new StreamedWeights(device) : undefined;
  try {
    const parameters = await loadAll(device, folder, description, plan, arena, { ...options, streamed, quantized });
    const weights = new Weights(parameters, attachAdapters(plan, arena.parameters));
    await startAdapter(device, plan, arena, parameters, { ...options, streamed });
    const built = description.build(weights);
    const model = streamed?.model(built) ?? built;
    const isAsked = options.isFrozen === true || options.finetuning.kind === 'none';
    const pictures = model.vision && picturesFor(model.vision, { isAsked, bytes: options.featureBytes });
    return {
      model: pictures ? { ...model, pictures } : model,
      plan,
      arena,
      weights,
      quantizedCount: quantized.nf4.size,
      ...(streamed && { streamed }),
    };
  } catch (error) {
    streamed?.release();
    arena.release();
    throw error;
  }
}

function finetuningOf(options: SessionOptions, initial: FittedAdapter | undefined): Finetuning {
  if (initial) return { kind: 'lora', config: initial.config };
  if (!options.finetuning) throw new Error('openSession needs finetuning or initAdapter');
  return options.finetuning;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * A convolution that is its own stride is a matrix: (out, everything else); DoRA's magnitudes are a vector, whatever PEFT makes of them.
 */
function storedShape(name: string, shape: readonly number[]): number[] {
  const values = shape.reduce((a, b) => a * b, 1);
  if (shape.length <= 1) return [...shape];
  return name.endsWith('.lora_magnitude_vector') ? [values] : [shape[0]!, values / shape[0]!];
}

async function loadAll(
  device: Device,
  folder: ModelFolder,
  description: ModelDescription,
  plan: TrainingPlan,
  arena: ParameterArena,
  {
    onProgress,
    streamed,
    quantized,
  }: Pick<SessionOptions, 'onProgress'> & { streamed: StreamedWeights | undefined; quantized: HeldQuantized },
): Promise<Map<string, Parameter>> {
  // A tied table that is trained beside its frozen twin (PEFT's modules_to_save unties the two) is read once for each.
  const trainsTable = plan.trained.has(description.embedding);
  const trainsHead = plan.trained.has(HEAD);
  const parameters = await loadParameters(device, folder, description.shapes, {
    trainable: arena.parameters,
    fill: (name, rowStart, values) => {
      arena.writeRows(name, rowStart, values);
    },
    tables: [description.embedding, HEAD],
    ...(streamed && { streamed }),
    quantized,
    ...(onProgress && { onProgress }),
  });
  if (!description.tiedHead) return parameters;
  const table = parameters.get(description.embedding)!;
  if (trainsHead) {
    parameters.set(HEAD, arena.parameters.get(HEAD)!);
    await copyTied(device, folder, description, arena, true);
  } else if (trainsTable && plan.config) {
    parameters.set(HEAD, { name: HEAD, tensor: (await copyTied(device, folder, description, arena, false))!.tensor });
  } else parameters.set(HEAD, table);
  return parameters;
}

/** The embedding table read again, as the head's trainable values or as a frozen copy. */
async function copyTied(
  device: Device,
  folder: ModelFolder,
  description: ModelDescription,
  arena: ParameterArena,
  isTrained: boolean,
): Promise<Parameter | undefined> {
  const shapes = new Map([[description.embedding, description.shapes.get(description.embedding)!]]);
  const trainable = isTrained ? new Map([[description.embedding, arena.parameters.get(HEAD)!]]) : new Map<string, Parameter>();
  const loaded = await loadParameters(device, folder, shapes, {
    trainable,
    fill: (_, rowStart, values) => {
      arena.writeRows(HEAD, rowStart, values);
    },
  });
  return loaded.get(description.embedding);
}

async function startAdapter(
  device: Device,
  plan: TrainingPlan,
  arena: ParameterArena,
  parameters: ReadonlyMap<string, Parameter>,
  { initial, seed = 0, streamed }: Pick<ModelOptions, 'initial' | 'seed'> & { streamed: StreamedWeights | undefined },
): Promise<void> {
  if (initial) {
    for (const [name, { data }] of initial.tensors) if (plan.trained.has(name)) arena.writeValues(name, data);
    return;
  }
  for (const { module } of plan.resolved?.lora ?? []) {
    // lora_B starts at zero, which the arena holds already.
    const a = `${module}.lora_A.weight`;
    if (!device.isDry) arena.writeValues(a, initialLoraA(module, plan.trained.get(a)!, seed));
    const magnitude = `${module}.lora_magnitude_vector`;
    if (plan.trained.has(magnitude)) {
      // Starts as the row norms of W, so that the first output is the base model's.
      const weight = parameters.get(`${module}.weight`);
      if (!weight) throw new UserError(`DoRA on ${module}, which has no weight`);
      streamed?.makeRoom([weight.name]);
      await streamed?.arrive(weight.name);
      const norms = doraNorm(device, weight.tensor);
      arena.writeValues(magnitude, await device.readF32(norms));
      device.pool.release(norms.view);
    }
  }
}
