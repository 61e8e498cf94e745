/**
 * What a GPU can do, as plain values: what plans are made from (src/tune), what a run prints, and what a dry run may be given without a
 * GPU.
 */

/** A product of small matrices by one subgroup: (m, k) times (k, n). bf16 is in no adapter's list. */
export interface SubgroupMatrixShape {
  m: number;
  n: number;
  k: number;
  operand: string;
  result: string;
}

export type OptionalFeature = 'f16' | 'subgroups' | 'subgroupMatrices' | 'timestamps';

export interface Capabilities {
  vendor: string;
  architecture: string;
  description: string;
  /** Software: the GPU is played by the CPU (llvmpipe, SwiftShader), for which other algorithms are fast. */
  kind: 'hardware' | 'software';
  f16: boolean;
  /** Invocations in a subgroup, of which an adapter may offer several; undefined without the feature. */
  subgroups: { min: number; max: number } | undefined;
  /** Empty without the feature. */
  subgroupMatrices: readonly SubgroupMatrixShape[];
  timestamps: boolean;
  maxBindingBytes: number;
  maxBufferBytes: number;
  workgroupMemoryBytes: number;
}

/** As people are told of it. */
export function gpuName({ description, kind }: Pick<Capabilities, 'description' | 'kind'>): string {
  return `${description}${kind === 'software' ? ' (software)' : ''}`;
}

const FEATURES: Record<OptionalFeature, string> = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  subgroupMatrices: 'chromium-experimental-subgroup-matrix',
  timestamps: 'timestamp-query',
};

/** Of the draft feature, which @webgpu/types does not have. */
interface SubgroupMatrixConfig {
  M: number;
  N: number;
  K: number;
  componentType: string;
  resultComponentType: string;
}

/** The names WebGPU has for the features that are there and wanted. */
export function featuresOf(adapter: GPUAdapter, without: readonly OptionalFeature[]): GPUFeatureName[] {
  return (Object.keys(FEATURES) as OptionalFeature[])
    .filter((feature) => !without.includes(feature))
    .map((feature) => FEATURES[feature] as GPUFeatureName)
    .filter((name) => adapter.features.has(name));
}

/** @param maxBindingBytes pretend the adapter binds no more than this many bytes at once */
export function capabilitiesOf(adapter: GPUAdapter, features: readonly GPUFeatureName[], maxBindingBytes = Infinity): Capabilities {
  const { info, limits } = adapter;
  const has = (feature: OptionalFeature): boolean => features.includes(FEATURES[feature] as GPUFeatureName);
  // Browsers say less of it: vendor and architecture.
  const description = info.description || info.device || `${info.vendor} ${info.architecture}`.trim() || 'unknown adapter';
  const bindable = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize, maxBindingBytes);
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = info;
  const configs = (info as { subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[] }).subgroupMatrixConfigs ?? [];
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description,
    kind: /llvmpipe|swiftshader|lavapipe/i.test(`${description} ${info.device} ${info.architecture}`) ? 'software' : 'hardware',
    f16: has('f16'),
    subgroups: has('subgroups') ? { min: subgroupMinSize, max: subgroupMaxSize } : undefined,
    subgroupMatrices: has('subgroupMatrices')
      ? configs.map(({ M, N, K, componentType, resultComponentType }) => ({
          m: M,
          n: N,
          k: K,
          operand: componentType,
          result: resultComponentType,
        }))
      : [],
    timestamps: has('timestamps'),
    maxBindingBytes: Math.floor(bindable / 256) * 256,
    maxBufferBytes: limits.maxBufferSize,
    workgroupMemoryBytes: limits.maxComputeWorkgroupStorageSize,
  };
}

/** Invocations of a workgroup that every WebGPU device allows. */
export const MAX_INVOCATIONS = 256;

/** The size of every subgroup; undefined without subgroups, or where the adapter may choose. */
export function subgroupSizeOf({ subgroups }: Capabilities): number | undefined {
  return subgroups && subgroups.min === subgroups.max && subgroups.min > 0 ? subgroups.min : undefined;
}

/** The sizes with which kernels without workgroup memory have been run on software GPUs: of SwiftShader, and of llvmpipe with AVX. */
const VECTOR_LANES: readonly number[] = [4, 8];

/**
 * The lanes of a software GPU's subgroups, which are its vector registers: for them there are kernels without workgroup memory. Undefined
 * on any other GPU.
 */
export function vectorLanesOf(capabilities: Capabilities): number | undefined {
  const size = subgroupSizeOf(capabilities);
  return capabilities.kind === 'software' && size !== undefined && VECTOR_LANES.includes(size) ? size : undefined;
}

/** A GPU of a common kind, for plans where there is none. */
export const COMMON_GPU: Capabilities = {
  vendor: '',
  architecture: '',
  description: 'a GPU of a common kind',
  kind: 'hardware',
  f16: true,
  subgroups: { min: 32, max: 32 },
  subgroupMatrices: [],
  timestamps: false,
  maxBindingBytes: 2 ** 31 - 256,
  maxBufferBytes: 2 ** 31,
  workgroupMemoryBytes: 32768,
};
