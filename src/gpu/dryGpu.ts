/**
 * A GPUDevice that makes nothing and computes nothing, for planning memory: the Device over it goes through all of its own steps (pool,
 * kernels, bind groups, parameter ring, readback), so that what it counts is what a run on a GPU counts. Whatever is read back is zeros.
 */

/** As much of GPUDevice as Device uses; a profiler is not opened on it. */
export function dryGpu(): GPUDevice {
  const nothing = (): void => undefined;
  const done = Promise.resolve();
  const noError = Promise.resolve(null);
  const object = (): object => ({});
  const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  const encoder = { beginComputePass: () => pass, clearBuffer: nothing, copyBufferToBuffer: nothing, finish: object };
  const gpu = {
    lost: new Promise<never>(nothing),
    queue: { writeBuffer: nothing, submit: nothing, onSubmittedWorkDone: () => done },
    createBuffer: ({ size }: GPUBufferDescriptor) => ({
      size,
      mapAsync: () => done,
      getMappedRange: (offset = 0, length = size - offset) => new ArrayBuffer(length),
      mapState: 'unmapped',
      unmap: nothing,
      destroy: nothing,
    }),
    createShaderModule: object,
    createBindGroupLayout: object,
    createPipelineLayout: object,
    createComputePipeline: object,
    createBindGroup: object,
    createCommandEncoder: () => encoder,
    pushErrorScope: nothing,
    popErrorScope: () => noError,
    addEventListener: nothing,
    destroy: nothing,
  };
  return gpu as unknown as GPUDevice;
}
