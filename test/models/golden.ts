/**
 * Whole models against the golden figures: reads the reference's own inputs, runs a micro-batch and keeps what the comparison needs. The bound of
 * every quantity comes with the data (tolerances.json, or the model's own beside its cases: how far torch's float32 is from its float64, relative to the tensor's
 * largest value); an error may be ten times that. With VERNIER_GOLDEN_REPORT=1 the worst error of each quantity is printed, in units of that noise.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { openSafetensors, toFloat32 } from '../../src/io/safetensors.ts';
import type { Model } from '../../src/models/model.ts';
import type { SavedInputs } from '../../src/models/savedInput.ts';
import { headLogits } from '../../src/ops/headLoss.ts';
import { Tape } from '../../src/ops/tape.ts';
import { lossTargets, runMicroBatch } from '../../src/train/microBatch.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session, SessionOptions } from '../../src/train/session.ts';
import { goldenNames, goldenPath } from '../io/goldenFolder.ts';

const FACTOR = 10;

export function goldenJson<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(goldenPath(...parts), 'utf8')) as T;
}

export interface GoldenTensor {
  shape: readonly number[];
  /** I64 becomes a plain number, which is exact for ids and positions. */
  data: Float32Array | Int32Array | Uint8Array;
}

/** Every tensor of a file below the golden folder. */
export function goldenTensors(...parts: string[]): Promise<Map<string, GoldenTensor>> {
  return tensorsOf(goldenPath(...parts));
}

export async function tensorsOf(path: string): Promise<Map<string, GoldenTensor>> {
  const file = await openSafetensors(nodePlatform, path);
  try {
    const tensors = new Map<string, GoldenTensor>();
    for (const [name, { dtype, shape }] of file.tensors) {
      const raw = await file.readRaw(name);
      const whole = dtype === 'U8' ? raw : dtype === 'I64' ? Int32Array.from(new BigInt64Array(raw.slice().buffer), Number) : undefined;
      tensors.set(name, { shape, data: whole ?? toFloat32(raw, dtype, name) });
    }
    return tensors;
  } finally {
    await file.close();
  }
}

type Floors = Record<string, { max_abs: number; max_rel_to_absmax: number }>;

/** Compares with the bounds of one model. */
export class Bounds {
  private readonly floors: Floors;
  private readonly worst = new Map<string, { ratio: number; label: string }>();

  constructor(model: string) {
    const own = ['golden', model, 'tolerances.json'];
    this.floors = hasGolden(...own) ? goldenJson<Floors>(...own) : goldenJson<{ tolerances: Record<string, Floors> }>('tolerances.json').tolerances[model]!;
    afterAll(() => {
      if (process.env['VERNIER_GOLDEN_REPORT']) console.table(Object.fromEntries(this.worst));
    });
  }

  /** Fails where a value is further from the golden one than ten times the noise of `quantity`. */
  expectNear(quantity: string, label: string, found: ArrayLike<number>, golden: ArrayLike<number>): void {
    expect(found.length, `${label}: values`).toBe(golden.length);
    const { error, absmax, ratio } = this.distance(quantity, found, golden);
    if (!(ratio <= (this.worst.get(quantity)?.ratio ?? -1))) this.worst.set(quantity, { ratio: Number(ratio.toFixed(2)), label });
    const what = `${label}: largest error ${error} of values up to ${absmax}, in units of float32's own noise (${quantity})`;
    expect(ratio, what).toBeLessThanOrEqual(FACTOR);
  }

  /** Fails where `expectNear` would pass, or nearly: for what must be seen to make a difference. */
  expectFar(quantity: string, label: string, found: ArrayLike<number>, golden: ArrayLike<number>): void {
    expect(this.distance(quantity, found, golden).ratio, `${label}, in units of float32's own noise (${quantity})`).toBeGreaterThan(100 * FACTOR);
  }

  private distance(quantity: string, found: ArrayLike<number>, golden: ArrayLike<number>): { error: number; absmax: number; ratio: number } {
    const floor = this.floors[quantity];
    if (!floor) throw new Error(`tolerances.json has no '${quantity}'`);
    let error = 0;
    let absmax = 0;
    for (let i = 0; i < golden.length; i++) {
      // Not Math.max: a difference that is not a number must not be lost.
      const difference = Math.abs(found[i]! - golden[i]!);
      if (!(difference <= error)) error = Number.isNaN(difference) ? Infinity : difference;
      absmax = Math.max(absmax, Math.abs(golden[i]!));
    }
    return { error, absmax, ratio: error === 0 ? 0 : error / (floor.max_rel_to_absmax * absmax) };
  }

  /** For what is zero but for rounding: no further from it than ten times the reference's own rounding. */
  expectZero(quantity: string, label: string, found: Float32Array): void {
    const floor = this.floors[quantity];
    if (!floor) throw new Error(`tolerances.json has no '${quantity}'`);
    const largest = found.reduce((most, value) => (Math.abs(value) <= most ? most : Math.abs(value)), 0);
    expect(largest / floor.max_abs, `${label}: largest value ${largest}, in units of float32's own noise (${quantity})`).toBeLessThanOrEqual(FACTOR);
  }
}

/** Ids of the cases that this copy of the data has. */
export function goldenCases(model: string): string[] {
  return goldenNames('golden', model, 'cases')
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => name.replace('.safetensors', ''));
}

export function hasGolden(...parts: string[]): boolean {
  return existsSync(goldenPath(...parts));
}

export interface BatchRunOptions {
  grad?: boolean;
  /** Default 1. */
  lossScale?: number;
  /** Default true. */
  checkpointing?: boolean;
  /** Default 0. */
  keptStages?: number;
  /** Default f32. */
  savedInputs?: SavedInputs;
  /** Dropout; default false. */
  training?: boolean;
  /** Keep the output of every stage. */
  taps?: boolean;
  /** Keep the logits of every position, not only of those that predict a label. */
  everyLogit?: boolean;
}

export interface BatchRun {
  /** Mean of −log p over the labelled tokens. */
  loss: number;
  correct: number;
  /** (labelled tokens) −log p. */
  nll: Float32Array;
  /** (labelled tokens or all, V) */
  logits: Float32Array;
  /** Stage name → its output, whole. */
  taps: Map<string, Float32Array>;
}

/** One micro-batch through the model as training runs it, with what it computes on the way read back. */
export async function runBatch(session: Pick<Session, 'device' | 'model'>, examples: readonly Example[], options: BatchRunOptions = {}): Promise<BatchRun> {
  const { device } = session;
  const model = options.taps ? withVisionInChain(session.model) : session.model;
  const targets = lossTargets(device, examples);
  const zeros = (size: number): Tensor => {
    const tensor = new Tensor([size], 'f32', device.pool.acquire(size * 4, 'test'));
    device.clear(tensor.view);
    return tensor;
  };
  const lossSum = zeros(2);
  const nll = zeros(targets.count);
  const taps = new Map<string, Float32Array>();
  let logits = new Float32Array(0);
  await runMicroBatch(device, model, examples, {
    grad: options.grad ?? false,
    training: options.training ?? false,
    checkpointing: options.checkpointing ?? true,
    keptStages: options.keptStages ?? 0,
    savedInputs: options.savedInputs ?? 'f32',
    random: { seed: 0, step: 0 },
    lossScale: options.lossScale ?? 1,
    lossSum,
    nll,
    tap: async (name, output) => {
      if (options.taps) taps.set(name, await device.readF32(output));
      if (name === 'final_norm') logits = await readLogits(device, session, output, options.everyLogit ? undefined : targets.rows);
    },
  });
  const [sum, correct] = await device.readF32(lossSum);
  const run = { loss: sum! / targets.count, correct: correct!, nll: await device.readF32(nll), logits, taps };
  for (const tensor of [lossSum, nll, targets.rows, targets.labels]) device.pool.release(tensor.view);
  return run;
}

/** Without features made beforehand: the stages of the pictures are in every chain. */
export function withVisionInChain({ pictures: _, ...model }: Model): Model {
  return model;
}

/** With so many values to a patch, or by default as many as make every picture a group of its own. */
export function inGroups({ vision, ...model }: Model, widest = Infinity): Model {
  return { ...model, vision: { ...vision!, widest } };
}

async function readLogits(device: Device, session: Pick<Session, 'model'>, normed: Tensor, rows: Tensor | undefined): Promise<Float32Array<ArrayBuffer>> {
  const t = new Tape(device);
  const logits = Float32Array.from(await device.readF32(await headLogits(t, normed, session.model.head, rows, session.model.logitSoftcap)));
  t.release();
  return logits;
}

/** Gradients of all that trains, by name. */
export async function readGradients(session: Session): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  for (const [name, { grad }] of session.arena.parameters) gradients.set(name, await session.device.readF32(grad));
  return gradients;
}

/** Opens a session, hands it over, and closes it; afterwards the pool must hold what it held before. */
export async function withSession<T>(device: Device, options: SessionOptions, use: (session: Session) => Promise<T>): Promise<T> {
  const before = device.pool.report().inUseBytes;
  const session = await openSession(nodePlatform, device, options);
  let result: T;
  try {
    result = await use(session);
  } finally {
    session.close();
  }
  expect(device.pool.report().inUseBytes, 'bytes in use after the session').toBe(before);
  return result;
}

export function norm(values: Iterable<Float32Array>): number {
  let squares = 0;
  for (const array of values) for (const value of array) squares += value * value;
  return Math.sqrt(squares);
}

/** Index of the largest value of every row of (rows, width). */
export function argmaxRows(values: Float32Array, width: number): number[] {
  return Array.from({ length: values.length / width }, (_, row) => {
    const slice = values.subarray(row * width, (row + 1) * width);
    return slice.indexOf(Math.max(...slice));
  });
}
