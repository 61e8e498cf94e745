/** In the worker: which GPU there is. */
import { Device } from '../../src/gpu/device.ts';
import { gpuName } from '../../src/gpu/capabilities.ts';
import { chooseCompute } from '../../src/tune/compute.ts';
import { platform } from '../here.ts';

export interface GpuFound {
  name: string;
  isSoftware: boolean;
  /** "f16", "f32", … with a word on why. */
  computes: string;
  f16: boolean;
  subgroups: boolean;
  /** Bytes of the largest range that a kernel can read. */
  maxBindingBytes: number;
}

export const gpuFunctions = {
  /** @throws UserError where there is none */
  async describeGpu(): Promise<GpuFound> {
    const device = await Device.create(await platform.gpu());
    const { capabilities } = device;
    device.destroy();
    const { kind, f16, subgroups, maxBindingBytes } = capabilities;
    return {
      name: gpuName(capabilities),
      isSoftware: kind === 'software',
      computes: chooseCompute(capabilities, 'auto').words,
      f16,
      subgroups: subgroups !== undefined,
      maxBindingBytes,
    };
  },
};
