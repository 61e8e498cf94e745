/** Every WGSL file under kernels/, inlined at build time, keyed by its path without folder and suffix (`rms_norm`, `lib/reduce`). */
const files: Record<string, string> = import.meta.glob('../../kernels/**/*.wgsl', { query: '?raw', import: 'default', eager: true });

export const kernelSources: ReadonlyMap<string, string> = new Map(
  Object.entries(files).map(([path, source]) => [path.replace(/^.*\/kernels\//, '').replace(/\.wgsl$/, ''), source]),
);
