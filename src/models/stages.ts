/**
 * A model is a chain of stages (patch embedding, blocks, merger, token embedding, blocks). Running it keeps the input of every stage that a
 * gradient must pass; going back, each stage is run again with a recording tape, differentiated, and its scratch released. That is gradient
 * checkpointing (Chen et al. 2016), and the normal way here. With `checkpointing` off the recording tapes of the forward pass are kept;
 * with `keptStages` those of the last stages, which are differentiated first and so hold their memory for the shortest time. Results are
 * the same to the bit.
 */
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { Tape } from '../ops/tape.ts';
import type { RandomState } from '../ops/tape.ts';
import { restoreInput, saveInput } from './savedInput.ts';
import type { SavedInputs } from './savedInput.ts';

export interface Stage {
  /** The Hugging Face module this computes, for reports and taps. */
  name: string;
  /** Some parameter of the stage trains. */
  trainable: boolean;
  /**
   * Waits for the stage's weights, where they do not stay on the GPU, and sends for those of the stage after it
   * (src/models/streamedWeights.ts).
   */
  arrive?(next: string | undefined): Promise<void>;
  forward(t: Tape, x: Tensor): Tensor;
}

export interface ChainOptions {
  /** A backward pass will follow. */
  grad: boolean;
  training: boolean;
  checkpointing: boolean;
  /** With checkpointing: so many of the last stages are not run again. Default 0. */
  keptStages?: number;
  /**
   * How the inputs of stages that are run again are kept. In bf16 no tape is kept, so that results do not depend on how much memory there
   * is. Default f32.
   */
  savedInputs?: SavedInputs;
  random: RandomState;
  /** Told when the backward has gone past the last stage of this name: its parameters get nothing more from this chain. */
  onPassed?: (name: string) => void;
  /** Sees the output of every stage (tests). */
  tap?: (name: string, output: Tensor) => Promise<void> | void;
}

interface Saved {
  stage: Stage;
  x: Tensor;
  /** Set when the forward pass recorded. */
  kept?: { tape: Tape; y: Tensor };
}

export class StageChain {
  private readonly device: Device;
  private readonly options: ChainOptions;
  private saved: Saved[] = [];
  /** The last stage's output, where its tape is kept. */
  private result: Tensor | undefined;

  constructor(device: Device, options: ChainOptions) {
    this.device = device;
    this.options = options;
  }

  /**
   * Takes over `x` and returns the last stage's output, which is the caller's to release; its `requiresGrad` says whether `backward` is
   * wanted.
   */
  async run(stages: readonly Stage[], x: Tensor): Promise<Tensor> {
    let current = x;
    let needsGrad = false;
    const { checkpointing, keptStages = 0, savedInputs = 'f32' } = this.options;
    const firstKept = checkpointing ? stages.length - (savedInputs === 'f32' ? keptStages : 0) : 0;
    for (const [at, stage] of stages.entries()) {
      const inputNeedsGrad: boolean = needsGrad;
      needsGrad = this.options.grad && (inputNeedsGrad || stage.trainable);
      current.requiresGrad = inputNeedsGrad;
      await stage.arrive?.(stages[at + 1]?.name);
      const keepTape = needsGrad && at >= firstKept;
      const tape = this.tape(keepTape, keepTape ? 'kept stages' : 'scratch');
      const y = stage.forward(tape, current);
      tape.keep(y);
      if (keepTape) {
        this.saved.push({ stage, x: current, kept: { tape, y } });
      } else {
        tape.release();
        if (needsGrad) {
          this.saved.push({ stage, x: saveInput(this.device, current, savedInputs) });
        } else this.device.pool.release(current.view);
      }
      if (this.options.tap) await this.options.tap(stage.name, y);
      await this.device.pacing.turn();
      current = y;
    }
    if (this.saved.at(-1)?.kept) {
      // The caller may release what it gets before `backward`, and the kept tape is not done with its output: the caller gets a copy.
      this.result = current;
      current = new Tensor(current.shape, 'f32', this.device.pool.acquire(current.bytes, 'scratch'));
      this.device.copy(this.result.view, current.view, current.bytes);
    }
    current.requiresGrad = needsGrad;
    return current;
  }

  /** Adds the gradients of all trainable parameters for `dy`, the gradient of `run`'s result; takes over `dy`. */
  async backward(dy: Tensor): Promise<void> {
    let gradient = dy;
    // A kept tape frees its output by the id of its buffer, so that one may not be anyone else's before the tape is done: the input of a
    // stage, which is the output of the stage before, outlives that stage's backward.
    let outlived = this.result;
    this.result = undefined;
    const releaseOutlived = (): void => {
      if (outlived) this.device.pool.release(outlived.view);
      outlived = undefined;
    };
    for (let entry = this.saved.pop(); entry; entry = this.saved.pop()) {
      const { stage, kept } = entry;
      await stage.arrive?.(this.saved.at(-1)?.stage.name);
      if (!kept) releaseOutlived(); // a new tape has nothing to do with it
      const x = restoreInput(this.device, entry.x);
      const tape = kept?.tape ?? this.tape(true);
      const y = kept?.y ?? stage.forward(tape, x);
      tape.backward(y, gradient);
      const dx = tape.takeGradient(x);
      tape.release();
      this.device.pool.release(gradient.view);
      releaseOutlived();
      if (kept) outlived = x;
      else this.device.pool.release(x.view);
      if (!this.saved.some((other) => other.stage.name === stage.name)) this.options.onPassed?.(stage.name);
      if (!dx) {
        if (x.requiresGrad) throw new Error(`stage ${stage.name} delivered no gradient for its input`);
        break;
      }
      gradient = dx;
      await this.device.pacing.turn();
    }
    releaseOutlived();
  }

  /** Releases what a run that ended early still holds. */
  release(): void {
    if (this.result) this.device.pool.release(this.result.view);
    this.result = undefined;
    for (const { x, kept } of this.saved.splice(0)) {
      kept?.tape.release();
      this.device.pool.release(x.view);
    }
  }

  private tape(grad: boolean, label = 'scratch'): Tape {
    return new Tape(this.device, { grad, training: this.options.training, random: this.options.random, label });
  }
}
