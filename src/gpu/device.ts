/**
 * The GPU: adapter choice and report, pipelines, cached bind groups, and one command stream into which many dispatches go before it is
 * submitted. Nothing waits for the GPU except `read` and `finish`; compile errors, validation errors and a lost device surface there.
 */
import { describeGpuError, deviceLost, openAdapter, outOfMemory } from './adapter.ts';
import type { DeviceOptions } from './adapter.ts';
import { BindGroups } from './bindGroups.ts';
import type { Capabilities } from './capabilities.ts';
import { dryGpu } from './dryGpu.ts';
import { BUFFER_USAGE } from './flags.ts';
import { gridOf, MAX_GROUPS } from './grid.ts';
import { compileKernel, kernelLabel } from './kernel.ts';
import type { Kernel } from './kernel.ts';
import type { Specialisation } from './kernelSource.ts';
import { Pacing, SUBMIT_MS } from './pacing.ts';
import { ParamRing } from './paramRing.ts';
import { Pool } from './pool.ts';
import type { BufferView, GpuBuffer } from './pool.ts';
import { Profiler } from './profiler.ts';
import { Readback } from './readback.ts';
import type { Opened } from './readback.ts';
import { Tensor } from './tensor.ts';
import type { DType } from './tensor.ts';

export type { DeviceOptions } from './adapter.ts';
export type { Kernel } from './kernel.ts';

/** What happened since the device was made; a test compares two steps. */
export interface DeviceCounters {
  submits: number;
  dispatches: number;
  buffersCreated: number;
  bindGroupsCreated: number;
}

/** Bytes handed to the queue between two waits: uploads lie in memory twice until it has run. */
const UPLOAD_BYTES = 256 * 2 ** 20;

/** One GPU and its queue. What goes wrong on it is thrown by the next `read` or `finish`. */
export class Device {
  readonly gpu: GPUDevice;
  readonly capabilities: Capabilities;
  /** Nothing is made and nothing computed: the device is there to count memory. */
  readonly isDry: boolean;
  readonly maxBindingBytes: number;
  readonly pool: Pool;
  readonly profiler: Profiler;
  readonly pacing: Pacing;
  readonly counters: DeviceCounters = { submits: 0, dispatches: 0, buffersCreated: 0, bindGroupsCreated: 0 };

  private nextId = 1;
  private readonly kernels = new Map<string, Kernel>();
  private readonly bindGroups: BindGroups;
  private readonly readback: Readback;
  private readonly ring: ParamRing;
  private uploaded = 0;
  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private failure: Error | undefined;
  /** The failure is that memory ran out: the device lives, and what lay on it is as it was. */
  private isOutOfMemory = false;
  private hasGone = false;
  /**
   * An error of a command. It may follow from a buffer or kernel that does not exist, of which is heard later: then that one is the
   * failure.
   */
  private consequence: Error | undefined;
  private readonly checks = new Set<Promise<void>>();
  private destroyed = false;

  private constructor(
    gpu: GPUDevice,
    capabilities: Capabilities,
    { profile = false, submitMs = SUBMIT_MS, isDry = false }: DeviceOptions & { isDry?: boolean },
  ) {
    this.gpu = gpu;
    this.isDry = isDry;
    this.capabilities = capabilities;
    this.maxBindingBytes = capabilities.maxBindingBytes;
    this.pool = new Pool(
      (bytes) => this.createBuffer(bytes),
      capabilities.maxBufferBytes,
      () => {
        this.flush();
        this.bindGroups.clear();
      },
    );
    this.readback = new Readback(this.pool, (descriptor) => this.makeBuffer(descriptor));
    this.profiler = new Profiler(gpu, profile && capabilities.timestamps);
    this.pacing = new Pacing(submitMs, capabilities.kind);
    this.ring = new ParamRing(gpu);
    this.bindGroups = new BindGroups(gpu, this.ring.buffer, this.maxBindingBytes, this.counters);
    this.pool.reserve(this.ring.buffer.size);
    this.pool.count('kernel parameters', this.ring.buffer.size);
    void gpu.lost.then((info) => {
      if (this.destroyed) return;
      this.hasGone = true;
      this.failure ??= deviceLost(info, this.pacing);
    });
    gpu.addEventListener('uncapturederror', (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      if (error.constructor.name === 'GPUOutOfMemoryError') this.ranOutOfMemory();
      else this.consequence ??= describeGpuError(error);
    });
  }

  /** Takes the adapter with everything it offers. Throws a UserError where there is none. */
  static async create(gpu: GPU, options: DeviceOptions = {}): Promise<Device> {
    const { gpu: device, capabilities } = await openAdapter(gpu, options);
    return new Device(device, capabilities, options);
  }

  /**
   * A device that makes nothing: the same pool and the same steps as on an adapter of this kind, without one, and zeros in whatever is
   * read.
   */
  static dry(capabilities: Capabilities): Device {
    return new Device(dryGpu(), capabilities, { isDry: true, submitMs: 0 });
  }

  /** The compiled kernel `kernels/<name>.wgsl` with this specialisation; compiled once per device. */
  kernel(name: string, specialisation: Specialisation = {}): Kernel {
    const label = kernelLabel(name, specialisation);
    const known = this.kernels.get(label);
    if (known) return known;
    const { fault, ...compiled } = compileKernel(this.gpu, name, specialisation);
    this.watch(
      fault.then((error) => {
        if (error) this.failure ??= error;
      }),
    );
    const kernel: Kernel = { id: this.nextId++, label, ...compiled };
    this.kernels.set(label, kernel);
    return kernel;
  }

  /**
   * Adds one dispatch to the command stream. `bindings` names every storage array of the kernel, `params` every field of its Params.
   * `groups` may exceed the limit of one dimension: x is folded into y, and the kernel takes `wid.x + wid.y * groupsX` where the
   * excess is cut by its own bounds check. Where a kernel has `p.first_group`, which is set here, a dispatch too long for a submit is made
   * in several.
   * @param operations floating-point operations, where they are what takes time and not the workgroups
   */
  dispatch(
    kernel: Kernel,
    bindings: Readonly<Record<string, Tensor | BufferView>>,
    params: Readonly<Record<string, number>>,
    groups: number | readonly [number, number?, number?],
    operations = 0,
  ): void {
    const [x, y, z] = gridOf(kernel.label, groups);
    if (x * y * z === 0) return;
    const group = this.bindGroups.get(kernel, bindings);
    const { pacing } = this;
    const assumedMs = pacing.assume(x * y * z, operations);
    const count = typeof groups === 'number' ? groups : y;
    const pieces = kernel.interface.isDivisible ? pacing.pieces(kernel.id, assumedMs, count, MAX_GROUPS) : 1;
    if (pieces === 1) {
      this.encode(kernel, group, params, 0, [x, y, z], assumedMs);
      return;
    }
    const most = Math.ceil(count / pieces);
    for (let first = 0; first < count; first += most) {
      const own = Math.min(most, count - first);
      this.encode(kernel, group, params, first, typeof groups === 'number' ? [own, 1, 1] : [x, own, z], (assumedMs * own) / count);
    }
  }

  private encode(
    kernel: Kernel,
    group: GPUBindGroup,
    params: Readonly<Record<string, number>>,
    first: number,
    groups: readonly [number, number, number],
    assumedMs: number,
  ): void {
    if (this.ring.isFull || this.pacing.isFull(kernel.id, assumedMs)) this.flush();
    this.pacing.add(kernel.id, assumedMs);
    const slot = this.ring.put(kernel.label, kernel.interface.params, params, first);
    const pass = this.profiler.enabled ? this.timedPass(kernel.label) : this.openPass();
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, group, [slot]);
    pass.dispatchWorkgroups(...groups);
    if (this.profiler.enabled) {
      pass.end();
      this.pass = undefined;
    }
    this.counters.dispatches++;
  }

  /** Zeroes a range. */
  clear(view: BufferView): void {
    this.endPass();
    this.openEncoder().clearBuffer(view.buffer.handle, view.offset, view.bytes);
  }

  copy(from: BufferView, to: BufferView, bytes = from.bytes): void {
    this.endPass();
    this.openEncoder().copyBufferToBuffer(from.buffer.handle, from.offset, to.buffer.handle, to.offset, bytes);
  }

  /** Uploads bytes; what was dispatched before still sees the old content. Length is padded to 4 bytes with zeros. */
  write(view: BufferView, data: ArrayBufferView, byteOffset = 0): void {
    this.flush();
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    if (byteOffset + bytes.byteLength > view.bytes)
      throw new Error(`upload of ${byteOffset + bytes.byteLength} bytes into a range of ${view.bytes}`);
    this.uploaded += bytes.byteLength;
    const whole = bytes.byteLength & ~3;
    this.gpu.queue.writeBuffer(view.buffer.handle, view.offset + byteOffset, bytes, 0, whole);
    if (whole < bytes.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      this.gpu.queue.writeBuffer(view.buffer.handle, view.offset + byteOffset + whole, tail);
    }
  }

  /** Fills a range from pieces of at most `pieceBytes` bytes that are read when their turn comes; a dry device reads none. */
  async fill(
    view: BufferView,
    bytes: number,
    pieceBytes: number,
    read: (at: number, length: number) => Promise<ArrayBufferView>,
  ): Promise<void> {
    for (let at = 0; at < bytes && !this.isDry; at += pieceBytes) {
      this.write(view, await read(at, Math.min(pieceBytes, bytes - at)), at);
      await this.drain();
    }
  }

  /** For whoever uploads much: waits for the GPU where uploads have heaped up. */
  async drain(): Promise<void> {
    if (this.uploaded > UPLOAD_BYTES) await this.finish();
  }

  /** A new tensor from the pool with these values. */
  upload(data: Float32Array | Uint32Array | Int32Array | Uint16Array, shape: readonly number[], label: string, dtype?: DType): Tensor {
    const type = dtype ?? (data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u32');
    const view = this.pool.acquire(data.byteLength, label);
    this.write(view, data);
    return new Tensor(shape, type, view);
  }

  /** Submits what was dispatched. */
  flush(): void {
    if (!this.encoder) return;
    this.endPass();
    this.profiler.resolve(this.encoder);
    this.ring.upload();
    this.gpu.queue.submit([this.encoder.finish()]);
    this.pacing.submitted(() => this.gpu.queue.onSubmittedWorkDone());
    this.counters.submits++;
    this.encoder = undefined;
  }

  /** Copies a range back. Waits for the GPU; throws what went wrong on the way. */
  async read(view: BufferView): Promise<ArrayBuffer> {
    const { content, close } = await this.open(view);
    const copy = content.slice(0, view.bytes);
    close();
    return copy;
  }

  /** `read` into memory that is there until it is closed, padded to 4 bytes, for whoever reads much and keeps nothing of it. */
  async open(view: BufferView): Promise<Opened> {
    const opening = this.readback.open(Math.ceil(view.bytes / 4) * 4, (buffer) => {
      this.endPass();
      this.openEncoder().copyBufferToBuffer(view.buffer.handle, view.offset, buffer, 0, buffer.size);
      this.flush();
    });
    await opening.catch(() => undefined); // what it comes of is told first
    await this.settle().catch((error: unknown) => {
      opening.then(({ close }) => close()).catch(() => undefined);
      throw error;
    });
    return opening;
  }

  async readF32(tensor: Tensor): Promise<Float32Array> {
    if (tensor.dtype !== 'f32') throw new Error(`readF32 of a tensor ${tensor.describe()}`);
    const out = new Float32Array(tensor.size);
    for (const part of tensor.parts) {
      const values = new Float32Array(await this.read(part.view));
      out.set(values.subarray(0, part.rows * tensor.rowSize), part.rowStart * tensor.rowSize);
    }
    return out;
  }

  /** Waits until the GPU has done everything; throws what went wrong. */
  async finish(): Promise<void> {
    this.flush();
    this.uploaded = 0;
    await this.gpu.queue.onSubmittedWorkDone();
    await this.settle();
  }

  /** It is gone, with all that was on it. */
  get isLost(): boolean {
    return this.hasGone;
  }

  /**
   * Waits until it is known whether all buffers and kernels that were asked for exist, which does not wait for the GPU; throws where not.
   */
  async confirm(): Promise<void> {
    if (this.checks.size > 0) await this.settle();
    this.throwFailure();
  }

  /**
   * After an error: whether what lies on the GPU can still be read. Where memory had run out, the commands that were not submitted are
   * dropped and the error is forgotten, so that reading works again; what follows from another error, or from a device that is lost, cannot
   * be trusted.
   */
  async recover(): Promise<boolean> {
    if (this.isOutOfMemory && !this.hasGone) {
      this.encoder = this.pass = undefined;
      this.ring.drop();
      this.pacing.drop();
      await this.gpu.queue.onSubmittedWorkDone(); // what still follows from the error is heard of before
      await Promise.all([...this.checks]);
      this.isOutOfMemory = false;
      this.failure = this.consequence = undefined;
      this.trim();
    }
    return !this.hasGone && this.failure === undefined && this.consequence === undefined;
  }

  /** Gives all memory that is not in use back to the system. */
  trim(): void {
    this.pool.trim();
  }

  /** Once all that was opened is closed: what a device that is destroyed has mapped is nobody's memory any more. */
  destroy(): void {
    this.destroyed = true;
    this.readback.whenReturned(() => this.gpu.destroy());
  }

  private createBuffer(bytes: number): GpuBuffer {
    return {
      id: this.nextId++,
      handle: this.makeBuffer({ size: bytes, usage: BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST }),
      bytes,
    };
  }

  /** It is there at once, and heard of later where there is no memory for it. */
  private makeBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    this.gpu.pushErrorScope('out-of-memory');
    const buffer = this.gpu.createBuffer(descriptor);
    this.watch(
      this.gpu.popErrorScope().then((error) => {
        if (error) this.ranOutOfMemory(descriptor.size);
      }),
    );
    this.counters.buffersCreated++;
    return buffer;
  }

  private ranOutOfMemory(bytes?: number): void {
    if (this.isOutOfMemory || this.hasGone) return;
    this.isOutOfMemory = true;
    this.failure = outOfMemory(bytes, this.pool.report());
  }

  private openEncoder(): GPUCommandEncoder {
    this.throwFailure();
    return (this.encoder ??= this.gpu.createCommandEncoder());
  }

  private openPass(): GPUComputePassEncoder {
    return (this.pass ??= this.openEncoder().beginComputePass());
  }

  private timedPass(label: string): GPUComputePassEncoder {
    this.endPass();
    return (this.pass = this.profiler.beginPass(this.openEncoder(), label));
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }

  private watch(check: Promise<void>): void {
    const settled: Promise<void> = check.catch(() => undefined).finally(() => this.checks.delete(settled));
    this.checks.add(settled);
  }

  private async settle(): Promise<void> {
    await Promise.all([...this.checks]);
    this.throwFailure();
  }

  private throwFailure(): void {
    if (this.checks.size === 0) this.failure ??= this.consequence;
    if (this.failure) throw this.failure;
  }
}
