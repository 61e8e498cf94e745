/**
 * A GPU that is a clock, for measuring what ranks cost where the GPU is not the processor: every dispatch takes it the same time and this machine none, a copy takes it the
 * time of a bus, and what is written to it or read from it is copied once in this machine's memory, as a driver does. It computes nothing: what is read back is zeros.
 */
import { setTimeout as pause } from 'node:timers/promises';

/** Bytes a millisecond: PCI Express 4.0, 16 lanes, as measured. */
const BUS = 20e6;

export function clockGpu(dispatchMs: number): GPU {
  /** When all that was submitted is done. */
  let end = 0;
  const take = (ms: number): void => void (end = Math.max(end, performance.now()) + ms);
  /** One after another, each in a turn of the event loop of its own, as a driver tells. */
  let told: Promise<unknown> = Promise.resolve();
  const done = (): Promise<void> => {
    const until = end;
    const mine = told.then(async () => {
      do await pause(Math.max(0, until - performance.now()));
      while (performance.now() < until);
    });
    told = mine;
    return mine;
  };
  const nothing = (): void => undefined;
  const object = (): object => ({});
  const staging = new Uint8Array(64 * 2 ** 20);
  const createBuffer = ({ size, usage }: GPUBufferDescriptor): object => {
    const content = (usage & 1) === 0 ? undefined : new ArrayBuffer(size); // MAP_READ
    return {
      size,
      mapState: 'unmapped',
      mapAsync: done,
      getMappedRange: () => content ?? new ArrayBuffer(size),
      unmap: nothing,
      destroy: nothing,
    };
  };
  const createCommandEncoder = (): object => {
    let ms = 0;
    const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: () => void (ms += dispatchMs), end: nothing };
    return {
      beginComputePass: () => pass,
      clearBuffer: nothing,
      copyBufferToBuffer: (_: unknown, __: number, ___: unknown, ____: number, bytes: number) => void (ms += bytes / BUS),
      finish: () => ({ ms }),
    };
  };
  const queue = {
    writeBuffer(_: unknown, __: number, data: ArrayBufferView, from = 0, length?: number) {
      const unit = 'BYTES_PER_ELEMENT' in data ? Number(data.BYTES_PER_ELEMENT) : 1;
      const bytes = length === undefined ? data.byteLength - from * unit : length * unit;
      for (let at = 0; at < bytes; at += staging.length)
        staging.set(new Uint8Array(data.buffer, data.byteOffset + from * unit + at, Math.min(staging.length, bytes - at)));
      take(bytes / BUS);
    },
    submit: (buffers: Iterable<{ ms: number }>) => { for (const { ms } of buffers) take(ms); },
    onSubmittedWorkDone: done,
  };
  const device = {
    lost: new Promise<never>(nothing),
    queue,
    createBuffer,
    createCommandEncoder,
    createShaderModule: () => ({ getCompilationInfo: () => Promise.resolve({ messages: [] }) }),
    createBindGroupLayout: object,
    createPipelineLayout: object,
    createComputePipeline: object,
    createBindGroup: object,
    pushErrorScope: nothing,
    popErrorScope: () => Promise.resolve(null),
    addEventListener: nothing,
    destroy: nothing,
  };
  const adapter = {
    features: new Set<string>(),
    limits: {
      maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 31 - 4, maxComputeWorkgroupStorageSize: 32768, maxComputeInvocationsPerWorkgroup: 1024,
      maxComputeWorkgroupSizeX: 1024, maxComputeWorkgroupSizeY: 1024, maxComputeWorkgroupsPerDimension: 65535,
    },
    info: { vendor: 'clock', architecture: '', device: 'a clock', description: 'a clock' },
    requestDevice: () => Promise.resolve(device),
  };
  return { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
}
