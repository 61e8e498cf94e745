/** What scripts import from the package: the name under dist/package (and in `exports` of package.json), and the source. */
export const ENTRIES = {
  index: 'src/index.ts',
  node: 'node/index.ts',
  web: 'web/index.ts',
  webWorker: 'web/worker.ts',
  transformers: 'src/transformers/index.ts',
};
