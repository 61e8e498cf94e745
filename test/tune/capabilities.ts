/** GPUs that nobody has to have, for tests of pure planners. */
import type { Capabilities } from '../../src/gpu/capabilities.ts';

export const hardware: Capabilities = {
  vendor: 'any',
  architecture: '',
  description: 'a graphics card',
  kind: 'hardware',
  f16: false,
  subgroups: undefined,
  subgroupMatrices: [],
  timestamps: false,
  maxBindingBytes: 128 * 2 ** 20,
  maxBufferBytes: 256 * 2 ** 20,
  workgroupMemoryBytes: 16384,
};

export const software: Capabilities = { ...hardware, kind: 'software', workgroupMemoryBytes: 32768, subgroups: { min: 8, max: 8 } };
