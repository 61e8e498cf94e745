/** What a measured choice holds for: another GPU, driver, WebGPU or kernel may have other winners and rounds otherwise. */
import type { Device } from '../gpu/device.ts';
import { kernelSources } from '../gpu/kernelSources.ts';
import type { Platform } from '../platform.ts';

export interface PlanKey {
  adapter: string;
  driver: string;
  /** WebGPU's implementation and its version. */
  webgpu: string;
  /** Of this program's kernels and how they are dispatched. */
  kernels: string;
}

/** Raised when the same configuration is dispatched otherwise (src/tune/product.ts, attention.ts): other sums, other bits. */
const DISPATCH = 1;

export async function planKey(device: Device, platform: Platform): Promise<PlanKey> {
  const { vendor, architecture, description } = device.capabilities;
  const info = (device.gpu as { adapterInfo?: GPUAdapterInfo }).adapterInfo; // not in every implementation
  return {
    adapter: [vendor, architecture, info?.device ?? ''].filter((part) => part !== '').join(' '),
    driver: description,
    webgpu: (await platform.webgpuVersion?.()) ?? platform.name,
    kernels: (await sha256(`${DISPATCH}\n${[...kernelSources].map((entry) => entry.join('\n')).sort().join('\n')}`)).slice(0, 16),
  };
}

/** A name for files. */
export async function keyName(key: PlanKey): Promise<string> {
  return (await sha256(JSON.stringify([key.adapter, key.driver, key.webgpu, key.kernels]))).slice(0, 32);
}

/** What of `now` is not as it was, as "the driver is … and was …"; empty: nothing. */
export function keyDifferences(before: PlanKey, now: PlanKey): string[] {
  const differ = (what: string, was: string, is: string): string[] => (was === is ? [] : [`the ${what} is ${is} and was ${was}`]);
  return [
    ...differ('GPU', before.adapter, now.adapter),
    ...differ('driver', before.driver, now.driver),
    ...differ('WebGPU', before.webgpu, now.webgpu),
    ...(before.kernels === now.kernels ? [] : ['the kernels are of another version']),
  ];
}

async function sha256(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
