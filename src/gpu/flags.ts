/**
 * WebGPU's flag constants, which are globals only where a GPU has been opened: a dry device has none
 * (https://www.w3.org/TR/webgpu/#namespacedef-gpubufferusage).
 */
export const BUFFER_USAGE = {
  MAP_READ: 0x1,
  MAP_WRITE: 0x2,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;

export const MAP_READ_MODE = 0x1;
export const COMPUTE_STAGE = 0x4;
