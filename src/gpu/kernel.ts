/** One specialisation of one WGSL file as a pipeline, with its layout made explicit so that bind groups can be cached by it. */
import { COMPUTE_STAGE } from './flags.ts';
import { composeSource, numberedSource, parseInterface } from './kernelSource.ts';
import type { KernelInterface, Specialisation } from './kernelSource.ts';

/** One compiled specialisation of one WGSL file. */
export interface Kernel {
  readonly id: number;
  readonly label: string;
  readonly interface: KernelInterface;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly paramBytes: number;
}

/** Bytes that the Params of a dispatch may take. */
export const SLOT_BYTES = 256;

/** What tells one specialisation from another, and what messages call it. */
export function kernelLabel(name: string, specialisation: Specialisation): string {
  const set = Object.entries(specialisation).sort(([a], [b]) => (a < b ? -1 : 1));
  return set.length === 0 ? name : `${name}<${set.map(([key, value]) => `${key}=${String(value)}`).join(', ')}>`;
}

/** The pipeline is there at once; `fault` tells later whether it compiled. */
export function compileKernel(
  gpu: GPUDevice,
  name: string,
  specialisation: Specialisation,
): Pick<Kernel, 'interface' | 'pipeline' | 'layout' | 'paramBytes'> & { fault: Promise<Error | undefined> } {
  const label = kernelLabel(name, specialisation);
  const source = composeSource(name, specialisation);
  const shape = parseInterface(name, source);
  const paramBytes = Math.ceil((shape.params.length * 4) / 16) * 16;
  if (paramBytes > SLOT_BYTES) throw new Error(`kernel '${label}': Params is larger than ${SLOT_BYTES} bytes`);
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ code: source, label });
  const layout = gpu.createBindGroupLayout({
    label,
    entries: [
      { binding: 0, visibility: COMPUTE_STAGE, buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: paramBytes } },
      ...shape.storage.map(
        (entry): GPUBindGroupLayoutEntry => ({
          binding: entry.index,
          visibility: COMPUTE_STAGE,
          buffer: { type: entry.writable ? 'storage' : 'read-only-storage' },
        }),
      ),
    ],
  });
  const pipeline = gpu.createComputePipeline({
    label,
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: 'main' },
  });
  const fault = gpu
    .popErrorScope()
    .then((error) => (error ? new Error(`kernel '${label}' does not compile: ${error.message}\n${numberedSource(source)}`) : undefined));
  return { interface: shape, pipeline, layout, paramBytes, fault };
}
