/** Bind groups, one for each kernel and the ranges bound to it, kept because a training step asks for the same ones again. */
import { UserError } from '../platform.ts';
import type { Kernel } from './kernel.ts';
import type { BufferView } from './pool.ts';
import { Tensor } from './tensor.ts';

/** Dispatches of a generation: a group that neither of the last two asked for is let go. */
const GENERATION = 32768;

export class BindGroups {
  private readonly gpu: GPUDevice;
  private readonly params: GPUBuffer;
  private readonly maxBindingBytes: number;
  private readonly counters: { bindGroupsCreated: number };
  private young = new Map<string, GPUBindGroup>();
  private old = new Map<string, GPUBindGroup>();
  private asked = 0;

  /** @param params the buffer of every kernel's parameters, bound at 0 with an offset that each dispatch gives */
  constructor(gpu: GPUDevice, params: GPUBuffer, maxBindingBytes: number, counters: { bindGroupsCreated: number }) {
    this.gpu = gpu;
    this.params = params;
    this.maxBindingBytes = maxBindingBytes;
    this.counters = counters;
  }

  /** @param bindings every storage array of the kernel by its name. @throws UserError for a range larger than the adapter binds */
  get(kernel: Kernel, bindings: Readonly<Record<string, Tensor | BufferView>>): GPUBindGroup {
    // Joined at the end: a string that grows by `+=` keeps its pieces, four times as much as the key.
    const parts = [kernel.id];
    const views = kernel.interface.storage.map((entry) => {
      const bound = bindings[entry.name];
      if (bound === undefined) throw new Error(`kernel '${kernel.label}': binding '${entry.name}' is not set`);
      const view = bound instanceof Tensor ? bound.view : bound;
      if (view.bytes > this.maxBindingBytes) {
        throw new UserError(
          `kernel '${kernel.label}' binds ${view.bytes} bytes as '${entry.name}'; this adapter binds at most ${this.maxBindingBytes} at ` +
            'once. Lower --per_device_train_batch_size or --max_pixels (weights are split by themselves, activations are not).',
        );
      }
      parts.push(view.buffer.id, view.offset, view.bytes);
      return view;
    });
    const key = parts.join();
    // Rows of ever new lengths would fill memory with groups that never come again.
    if (this.asked++ % GENERATION === 0) {
      this.old = this.young;
      this.young = new Map();
    }
    const young = this.young.get(key);
    if (young) return young;
    const group = this.old.get(key) ?? this.create(kernel, views);
    this.young.set(key, group);
    return group;
  }

  /** Lets go of buffers that the groups hold. */
  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  private create(kernel: Kernel, views: readonly BufferView[]): GPUBindGroup {
    this.counters.bindGroupsCreated++;
    return this.gpu.createBindGroup({
      layout: kernel.layout,
      label: kernel.label,
      entries: [
        { binding: 0, resource: { buffer: this.params, size: kernel.paramBytes } },
        ...views.map((view, at) => ({
          binding: kernel.interface.storage[at]!.index,
          resource: { buffer: view.buffer.handle, offset: view.offset, size: Math.ceil(view.bytes / 4) * 4 },
        })),
      ],
    });
  }
}
