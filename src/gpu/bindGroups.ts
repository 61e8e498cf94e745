/** Bind groups, one for each kernel and the ranges bound to it, kept because a training step asks for the same ones again. */
import { UserError } from '../platform.ts';
import type { Kernel } from './kernel.ts';
import type { BufferView } from './pool.ts';
import { Tensor } from './tensor.ts';

const MAX_BIND_GROUPS = 65536;

export class BindGroups {
  private readonly gpu: GPUDevice;
  private readonly params: GPUBuffer;
  private readonly maxBindingBytes: number;
  private readonly counters: { bindGroupsCreated: number };
  private readonly known = new Map<string, GPUBindGroup>();

  /** @param params the buffer of every kernel's parameters, bound at 0 with an offset that each dispatch gives */
  constructor(gpu: GPUDevice, params: GPUBuffer, maxBindingBytes: number, counters: { bindGroupsCreated: number }) {
    this.gpu = gpu;
    this.params = params;
    this.maxBindingBytes = maxBindingBytes;
    this.counters = counters;
  }

  /** @param bindings every storage array of the kernel by its name. @throws UserError for a range larger than the adapter binds */
  get(kernel: Kernel, bindings: Readonly<Record<string, Tensor | BufferView>>): GPUBindGroup {
    let key = String(kernel.id);
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
      key += `,${view.buffer.id}:${view.offset}:${view.bytes}`;
      return view;
    });
    const cached = this.known.get(key);
    if (cached) return cached;
    const group = this.gpu.createBindGroup({
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
    this.counters.bindGroupsCreated++;
    // Rows of ever new lengths would fill memory with groups that never come again; what is still used is made anew.
    if (this.known.size >= MAX_BIND_GROUPS) this.known.clear();
    this.known.set(key, group);
    return group;
  }

  /** Lets go of buffers that the groups hold. */
  clear(): void {
    this.known.clear();
  }
}
