/**
 * AdamW (Loshchilov & Hutter 2019) by the formula of torch.optim.AdamW, with the clipping of torch.nn.utils.clip_grad_norm_. The whole
 * step is on the GPU: nothing is read back to decide anything. A gradient that is not finite skips the step and counts it. What a log
 * wants to know of a step lies in a ring of rows that is read late (`readLog`), so that the CPU never waits between steps.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { ParameterArena } from './parameterArena.ts';

export interface AdamWOptions {
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  eps?: number;
  /** Applied to the arenas marked `decay` (default 0). */
  weightDecay?: number;
  /** 0: no clipping (default 0). */
  maxGradNorm?: number;
  /** Steps that `readLog` can look back (default 1024). */
  logCapacity?: number;
}

export interface StepLog {
  /** 1 for the first call of `step`, as Hugging Face's global_step. */
  step: number;
  /** Sum of −log p over the labelled tokens of the step, in nats. */
  lossSum: number;
  /** Labelled tokens whose most likely token was right. */
  correct: number;
  /** Before clipping. */
  gradNorm: number;
  /** The gradient was not finite: the step changed nothing. */
  skipped: boolean;
}

/** What a checkpoint keeps besides the moments; every number is an exact f32 or a count. */
export interface OptimizerState {
  steps: number;
  taken: number;
  skipped: number;
  biasCorrection1: number;
  biasCorrection2: number;
}

/** Elements that one workgroup of grad_norm sums: WG · SPAN vectors of 4. */
const NORM_VECTORS = 256 * 16;
const STATE_SIZE = 8;

/** Over all values of an arena, f32. `step` takes the learning rate and puts one update into the queue. */
export class AdamW {
  /** (2) f32: [sum of −log p, correct tokens]. Micro-batches add to it; `step` logs it and sets it to zero. */
  readonly lossSum: Tensor;
  private readonly device: Device;
  private readonly arena: ParameterArena;
  private readonly options: Required<AdamWOptions>;
  /** norm, coefficient, finite, skipped, taken, bias corrections 1 and 2, unused. */
  private readonly state: Tensor;
  private readonly log: Tensor;
  private readonly partials: Tensor;
  private stepsDone = 0;
  private updating: Promise<void> = Promise.resolve();

  constructor(device: Device, arena: ParameterArena, options: AdamWOptions = {}) {
    this.device = device;
    this.arena = arena;
    this.options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 0, logCapacity: 1024, ...options };
    const partials = arena.arenas.reduce((total, { bytes }) => total + normGroups(bytes), 0);
    this.partials = this.zeros([Math.max(1, partials), 2]);
    this.state = this.zeros([STATE_SIZE]);
    this.lossSum = this.zeros([2]);
    this.log = this.zeros([this.options.logCapacity, 4]);
  }

  /** Calls of `step` so far, skipped ones included. */
  get steps(): number {
    return this.stepsDone;
  }

  /** One update from the gradients in the arena, which are left as they are. With moments in host memory it is done when `settle` is. */
  step(lr: number): void {
    const { beta1, beta2, eps, weightDecay, maxGradNorm, logCapacity } = this.options;
    const { device, partials, state } = this;
    this.stepsDone++;
    let first = 0;
    for (const { bytes, gradients } of this.arena.arenas) {
      const groups = normGroups(bytes);
      device.dispatch(device.kernel('grad_norm'), { gradients, partials }, { vectors: bytes / 16, first }, groups);
      first += groups;
    }
    const complements = { beta1_complement: 1 - beta1, beta2_complement: 1 - beta2 };
    device.dispatch(
      device.kernel('step_control'),
      { partials, state, loss_sum: this.lossSum, log_rows: this.log },
      { count: first, row: this.stepsDone % logCapacity, max_norm: maxGradNorm, ...complements },
      1,
    );
    const update = (at: number, views: Record<'gradients' | 'values' | 'm' | 'v', BufferView>): void => {
      const vectors = views.values.bytes / 16;
      const shrink = this.arena.arenas[at]!.decay ? 1 - lr * weightDecay : 1;
      device.dispatch(device.kernel('adamw'), { state, ...views }, { vectors, lr, shrink, eps, ...complements }, Math.ceil(vectors / 256));
    };
    this.arena.arenas.forEach(({ values, gradients, moments }, at) => {
      if (moments) update(at, { gradients, values, ...moments });
    });
    const { hostMoments } = this.arena;
    if (!hostMoments) return;
    this.updating = hostMoments.through(({ arena, offset, m, v }) => {
      const { values, gradients } = this.arena.arenas[arena]!;
      const piece = (whole: BufferView): BufferView => ({ buffer: whole.buffer, offset: whole.offset + offset, bytes: m.bytes });
      update(arena, { gradients: piece(gradients), values: piece(values), m, v });
    });
    this.updating.catch(() => undefined); // told by `settle`
  }

  /** Waits for moments that are in host memory, which `step` has sent through the GPU; values and gradients may not be touched before. */
  async settle(): Promise<void> {
    await this.updating;
  }

  /** The log of steps `from` to `to`, both included. Waits for the GPU to reach the last `step` call. */
  async readLog(from: number, to: number): Promise<StepLog[]> {
    const { logCapacity } = this.options;
    if (from < 1 || to > this.stepsDone || from <= this.stepsDone - logCapacity) {
      throw new Error(`log of steps ${from} to ${to}: after step ${this.stepsDone} the last ${logCapacity} are kept`);
    }
    if (to < from) return [];
    const rows = await this.device.readF32(this.log);
    return Array.from({ length: to - from + 1 }, (_, i): StepLog => {
      const step = from + i;
      const [lossSum, correct, gradNorm, skipped] = rows.subarray((step % logCapacity) * 4);
      return { step, lossSum: lossSum!, correct: correct!, gradNorm: gradNorm!, skipped: skipped !== 0 };
    });
  }

  async readState(): Promise<OptimizerState> {
    const steps = this.stepsDone;
    const [, , , skipped, taken, biasCorrection1, biasCorrection2] = await this.device.readF32(this.state);
    return { steps, skipped: skipped!, taken: taken!, biasCorrection1: biasCorrection1!, biasCorrection2: biasCorrection2! };
  }

  /** Continues from a checkpoint; the moments are the arena's (`writeMoments`). The log of earlier steps is not there. */
  writeState(state: OptimizerState): void {
    this.stepsDone = state.steps;
    const values = Float32Array.of(0, 1, 1, state.skipped, state.taken, state.biasCorrection1, state.biasCorrection2, 0);
    this.device.write(this.state.view, values);
  }

  release(): void {
    for (const tensor of [this.partials, this.state, this.lossSum, this.log]) this.device.pool.release(tensor.view);
  }

  private zeros(shape: readonly number[]): Tensor {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    const tensor = new Tensor(shape, 'f32', this.device.pool.acquire(elements * 4, 'optimizer'));
    this.device.clear(tensor.view);
    return tensor;
  }
}

function normGroups(bytes: number): number {
  return Math.ceil(bytes / 16 / NORM_VECTORS);
}
