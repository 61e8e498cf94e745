/**
 * Records the ops of a forward pass and runs their backwards in reverse. An op is a function in its own file of this folder:
 * it allocates its output, dispatches its kernels and, when something upstream needs a gradient, records a closure that turns the
 * gradient of its output into gradients of its inputs. A tape owns what it allocates: everything but what `keep` takes out is
 * released with the tape, which is how the scratch of a block stays the scratch of one block.
 */
import type { Device, Kernel } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { DType } from '../gpu/tensor.ts';
import type { Specialisation } from '../gpu/kernelSource.ts';

/** Where the counter-based random numbers of this pass start; a recomputed block given the same state draws the same mask. */
export interface RandomState {
  seed: number;
  /** Micro-step counter over the whole run. */
  step: number;
}

export interface TapeOptions {
  /** Record backwards (default false: forward only). */
  grad?: boolean;
  /** Dropout is active. */
  training?: boolean;
  random?: RandomState;
  /** Label under which memory is counted. */
  label?: string;
}

/** Where a backward kernel puts a gradient: `accumulate` says whether it adds to what is there (1) or overwrites (0). */
export interface GradientTarget {
  tensor: Tensor;
  accumulate: 0 | 1;
}

interface Node {
  outputs: Tensor[];
  /** The backward reads the outputs. */
  readsOutputs: boolean;
  backward: (...dys: Tensor[]) => void;
}

export class Tape {
  readonly device: Device;
  readonly grad: boolean;
  readonly training: boolean;
  readonly random: RandomState;
  private readonly label: string;
  private nodes: Node[] = [];
  /** How many tensors share a pooled range this tape owns. */
  private readonly shares = new Map<number, number>();
  private readonly gradients = new Map<Tensor, Tensor>();

  constructor(device: Device, options: TapeOptions = {}) {
    this.device = device;
    this.grad = options.grad ?? false;
    this.training = options.training ?? false;
    this.random = options.random ?? { seed: 0, step: 0 };
    this.label = options.label ?? 'scratch';
  }

  /** A tensor owned by this tape, content undefined. */
  alloc(shape: readonly number[], dtype: DType = 'f32'): Tensor {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    const view = this.device.pool.acquire(elements * 4, this.label);
    this.shares.set(view.buffer.id, 1);
    return new Tensor(shape, dtype, view);
  }

  /** Lets go of a tensor of this tape before the tape ends. Tensors the tape does not own are left alone. */
  free(tensor: Tensor): void {
    const shares = this.shares.get(tensor.view.buffer.id);
    if (shares === undefined) return;
    if (shares > 1) this.shares.set(tensor.view.buffer.id, shares - 1);
    else {
      this.shares.delete(tensor.view.buffer.id);
      this.device.pool.release(tensor.view);
    }
  }

  /** Takes a tensor's range, and with it all reshapes of it, out of the tape's ownership: the caller releases the view to the pool. */
  keep(tensor: Tensor): Tensor {
    if (!this.owns(tensor)) throw new Error(`keep: tensor ${tensor.describe()} is not this tape's own`);
    this.shares.delete(tensor.view.buffer.id);
    return tensor;
  }

  owns(tensor: Tensor): boolean {
    return this.shares.has(tensor.view.buffer.id);
  }

  kernel(name: string, specialisation?: Specialisation): Kernel {
    return this.device.kernel(name, specialisation);
  }

  dispatch(
    kernel: Kernel,
    bindings: Readonly<Record<string, Tensor | BufferView>>,
    params: Readonly<Record<string, number>>,
    groups: number | readonly [number, number?, number?],
    operations?: number,
  ): void {
    this.device.dispatch(kernel, bindings, params, groups, operations);
  }

  /**
   * Records an op. `needsGrad` is true when an input requires a gradient or a parameter of the op is trainable. `backward` gets the
   * gradients of the outputs, in order (zeros where nothing downstream used one). Only where it says so (`readsOutputs`) are the outputs
   * themselves there still.
   */
  record(outputs: Tensor | Tensor[], needsGrad: boolean, backward: (...dys: Tensor[]) => void, { readsOutputs = false } = {}): void {
    if (!this.grad || !needsGrad) return;
    const list = Array.isArray(outputs) ? outputs : [outputs];
    for (const output of list) output.requiresGrad = true;
    this.nodes.push({ outputs: list, readsOutputs, backward });
  }

  /** Where the gradient of `x` is to be written; undefined when nobody wants it. */
  gradient(x: Tensor): GradientTarget | undefined {
    if (!x.requiresGrad) return undefined;
    const present = this.gradients.get(x);
    if (!present) {
      const tensor = this.alloc(x.shape);
      this.gradients.set(x, tensor);
      return { tensor, accumulate: 0 };
    }
    if ((this.shares.get(present.view.buffer.id) ?? 2) === 1) return { tensor: present, accumulate: 1 };
    // Another tensor's gradient lives in the same range (a residual branch): adding in place would change both.
    const own = this.alloc(x.shape);
    this.copyInto(present, own);
    this.free(present);
    this.gradients.set(x, own);
    return { tensor: own, accumulate: 1 };
  }

  /** The gradient of `x` is `dy` itself (addition, reshape): shares the range where it can. */
  passGradient(x: Tensor, dy: Tensor): void {
    if (!x.requiresGrad) return;
    const present = this.gradients.get(x);
    if (present) {
      const target = this.gradient(x)!;
      const cells = cellsOf(x.size);
      this.dispatch(
        this.kernel('add_in_place', cells.spec),
        { y: target.tensor, x: dy },
        { size: x.size / cells.width },
        cellGroups(cells, x.size),
      );
      return;
    }
    const shares = this.shares.get(dy.view.buffer.id);
    if (shares === undefined) {
      const own = this.alloc(x.shape);
      this.copyInto(dy, own);
      this.gradients.set(x, own);
      return;
    }
    this.shares.set(dy.view.buffer.id, shares + 1);
    this.gradients.set(x, new Tensor(x.shape, 'f32', dy.view));
  }

  /** True where the gradient of `x` may be written over `dy`, which nobody else needs; `dy` is then the gradient of `x`. */
  inherit(x: Tensor, dy: Tensor): boolean {
    if (!x.requiresGrad || this.gradients.has(x) || this.shares.get(dy.view.buffer.id) !== 1) return false;
    this.passGradient(x, dy);
    return true;
  }

  /** `x` with another shape, same range. */
  reshape(x: Tensor, shape: readonly number[]): Tensor {
    const y = new Tensor(shape, x.dtype, x.view);
    if (y.size !== x.size) throw new Error(`reshape of ${x.describe()} to (${shape.join(', ')})`);
    const shares = this.shares.get(x.view.buffer.id);
    if (shares !== undefined) this.shares.set(x.view.buffer.id, shares + 1);
    this.record(y, x.requiresGrad, (dy) => this.passGradient(x, dy));
    return y;
  }

  /**
   * Runs the recorded ops in reverse from `y` with gradient `dy` (left as it is; none for a loss, whose op has its gradients ready). What
   * an op made is released as soon as its backward has run: nothing earlier reads it. Gradients of tensors the tape does not own stay until
   * `takeGradient`.
   */
  backward(y: Tensor, dy?: Tensor): void {
    if (dy) this.seed(y, dy);
    else this.zeros(y);
    this.unwind();
  }

  /** `backward` from several tensors at once. */
  backwardOf(gradients: readonly (readonly [y: Tensor, dy: Tensor])[]): void {
    for (const [y, dy] of gradients) this.seed(y, dy);
    this.unwind();
  }

  /** Takes over a gradient that `x` has from elsewhere: what the backward finds is added to it. */
  give(x: Tensor, gradient: Tensor): void {
    this.shares.set(gradient.view.buffer.id, 1);
    this.gradients.set(x, gradient);
  }

  private unwind(): void {
    for (let node = this.nodes.pop(); node; node = this.nodes.pop()) {
      const present = node.outputs.map((output) => this.gradients.get(output));
      if (!node.readsOutputs) for (const output of node.outputs) this.free(output);
      if (present.some((gradient) => gradient !== undefined)) {
        node.backward(...node.outputs.map((output, at) => present[at] ?? this.zeros(output)));
      }
      for (const output of node.outputs) {
        const gradient = this.gradients.get(output);
        if (gradient) {
          this.gradients.delete(output);
          this.free(gradient);
        }
        if (node.readsOutputs) this.free(output);
      }
    }
  }

  /** The gradient that `backward` left for a tensor from outside the tape, now the caller's; undefined when none reached it. */
  takeGradient(x: Tensor): Tensor | undefined {
    const gradient = this.gradients.get(x);
    if (!gradient) return undefined;
    this.gradients.delete(x);
    if (this.shares.get(gradient.view.buffer.id) === 1) return this.keep(gradient);
    const own = this.alloc(x.shape);
    this.copyInto(gradient, own);
    this.free(gradient);
    return this.keep(own);
  }

  /** Releases everything the tape still owns. */
  release(): void {
    this.nodes = [];
    this.gradients.clear();
    for (const id of [...this.shares.keys()]) this.device.pool.releaseById(id);
    this.shares.clear();
  }

  private seed(y: Tensor, dy: Tensor): void {
    const own = this.alloc(y.shape);
    this.copyInto(dy, own);
    this.gradients.set(y, own);
  }

  private zeros(like: Tensor): Tensor {
    const tensor = this.alloc(like.shape);
    this.gradients.set(like, tensor);
    this.device.clear(tensor.view);
    return tensor;
  }

  private copyInto(from: Tensor, to: Tensor): void {
    this.device.copy(from.view, to.view, from.size * 4);
  }
}
