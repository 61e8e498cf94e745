/**
 * A GPU many of whose devices are one beneath: it compiles each kernel once, which takes longer than what most tests do with it. Of everything else a device
 * has its own, and its buffers are destroyed with it.
 */

/** On one: what has no `destroy` stays with it, on the software GPU some 600 ranges of memory a device, of which a process has 65530. */
const DEVICES = 24;

/** Made once for each key. */
function once<Key, Made>(make: (key: Key) => Made, textOf: (key: Key) => unknown): (key: Key) => Made {
  const made = new Map<unknown, Made>();
  return (key) => {
    const text = textOf(key);
    if (!made.has(text)) made.set(text, make(key));
    return made.get(text)!;
  };
}

type Compiling = 'createShaderModule' | 'createBindGroupLayout' | 'createPipelineLayout' | 'createComputePipeline';

/** What compileKernel (src/gpu/kernel.ts) asks for. */
function compilerOf(device: GPUDevice): Pick<GPUDevice, Compiling> {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  const numberOf = (object: object): number => {
    if (!numbers.has(object)) numbers.set(object, ++last);
    return numbers.get(object)!;
  };
  return {
    createShaderModule: once(
      (one) => device.createShaderModule(one),
      ({ code }: GPUShaderModuleDescriptor) => code,
    ),
    createBindGroupLayout: once(
      (one) => device.createBindGroupLayout(one),
      ({ entries }: GPUBindGroupLayoutDescriptor) => JSON.stringify(entries),
    ),
    createPipelineLayout: once(
      (one) => device.createPipelineLayout(one),
      ({ bindGroupLayouts }: GPUPipelineLayoutDescriptor) => [...bindGroupLayouts].map((layout) => numberOf(layout!)).join(),
    ),
    createComputePipeline: once(
      (one) => device.createComputePipeline(one),
      ({ layout, compute }: GPUComputePipelineDescriptor) =>
        `${numberOf(layout as GPUPipelineLayout)} ${numberOf(compute.module)} ${compute.entryPoint}`,
    ),
  };
}

interface Beneath {
  device: GPUDevice;
  compiler: Pick<GPUDevice, Compiling>;
  /** Devices that it may still become, and those that are open. */
  left: number;
  open: number;
}

/** The device that somebody gets: in all but what is given here the one beneath. */
function deviceOver(beneath: Beneath): GPUDevice {
  const { device } = beneath;
  const buffers: GPUBuffer[] = [];
  const heard: Parameters<GPUDevice['addEventListener']>[] = [];
  let isOpen = true;
  beneath.left--;
  beneath.open++;
  const own: Partial<GPUDevice> = {
    ...beneath.compiler,
    addEventListener(...listener: Parameters<GPUDevice['addEventListener']>) {
      device.addEventListener(...listener);
      heard.push(listener);
    },
    createBuffer(descriptor) {
      const buffer = device.createBuffer(descriptor);
      buffers.push(buffer);
      return buffer;
    },
    destroy() {
      for (const buffer of buffers.splice(0)) buffer.destroy();
      for (const listener of heard.splice(0)) device.removeEventListener(...listener);
      if (isOpen && --beneath.open === 0 && beneath.left === 0) device.destroy();
      isOpen = false;
      return undefined;
    },
  };
  return over(device, own);
}

/** It with some members in the place of its own. */
function over<It extends object>(it: It, members: Partial<It>): It {
  return new Proxy(it, {
    get(_, name) {
      if (name in members) return members[name as keyof It];
      const value: unknown = Reflect.get(it, name);
      return typeof value === 'function' ? (value.bind(it) as unknown) : value;
    },
  });
}

export interface SharedGpu {
  gpu: GPU;
  /** Destroys the last device beneath. */
  release: () => Promise<undefined>;
}

/** Every device is to be asked for in the same way. */
export function sharedGpu(gpu: GPU): SharedGpu {
  let beneath: Promise<Beneath> | undefined;
  let given = 0;
  const adapterOver = (adapter: GPUAdapter): GPUAdapter =>
    over(adapter, {
      async requestDevice(descriptor) {
        if (given++ % DEVICES === 0) {
          beneath = adapter.requestDevice(descriptor).then((device) => ({ device, compiler: compilerOf(device), left: DEVICES, open: 0 }));
        }
        return deviceOver(await beneath!);
      },
    });
  const requestAdapter: GPU['requestAdapter'] = async (options) => {
    const adapter = await gpu.requestAdapter(options);
    return adapter && adapterOver(adapter);
  };
  return { gpu: { requestAdapter } as GPU, release: async () => (await beneath)?.device.destroy() };
}
