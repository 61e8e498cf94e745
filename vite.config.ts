/**
 * Builds of one core, chosen by `--mode`: `node` (the command lines in dist/), `bench` (dist/benchSpeed.js and others, for `npm run bench`), `library`
 * (dist/vernier.js, runtime-agnostic, for Deno, Bun and bundlers) and `web` (the page in dist/web).
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { ENTRIES } from './node/scripts/entries.mjs';
import { writeKernelTexts } from './node/scripts/kernelTexts.mjs';
import { offline } from './web/offline/plugin.ts';
import { ownFilesPlugin } from './web/own/plugin.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The command lines: node/<name>.ts becomes dist/<name>.js. */
const PROGRAMS =
  ['train', 'evaluate', 'ask', 'inspect', 'report', 'setup', 'models', 'scale', 'dataset', 'volume', 'ui', 'quickstart', 'prepareBase', 'bench'];
const programs = Object.fromEntries(
  PROGRAMS.map((name) => [name, at(`./node/${name}.ts`)] as const).filter(([, path]) => existsSync(path)),
);
/** The command `vernier`, which starts them. */
programs['bin/vernier'] = at('./node/vernier.ts');
/** What scripts import (`exports` of package.json): dist/package/<entry>.js, with the same chunks. */
for (const [name, path] of Object.entries(ENTRIES)) programs[`package/${name}`] = at(`./${path}`);
/** The thread that the programs start: dist/dataWorker.js. */
programs['dataWorker'] = at('./node/workers/dataWorker.ts');

const BENCHES = {
  benchSpeed: 'bench',
  benchImages: 'images',
  benchChecking: 'checking',
  benchRows: 'rows',
  benchLoading: 'loading',
  benchRanks: '../mpi/costRank',
  benchDicom: 'dicom',
};
const benches = Object.fromEntries(Object.entries(BENCHES).map(([name, file]) => [name, at(`./test/bench/${file}.ts`)]));

/** The pages of dist/web. */
const PAGES = ['index', 'ui'];

writeKernelTexts();
/** While the page is worked on. */
const kernelTexts: Plugin = {
  name: 'kernel-texts',
  configureServer({ watcher }) {
    watcher.add(at('./kernels'));
    watcher.on('all', (_, path) => {
      if (path.endsWith('.wgsl')) writeKernelTexts();
    });
  },
};

export default defineConfig(({ mode }) => ({
  plugins: mode === 'web' ? [kernelTexts, ownFilesPlugin, offline] : [kernelTexts],
  root: mode === 'web' ? at('./web') : at('.'),
  resolve: { alias: [{ find: /^numcodecs\/(?:blosc|lz4|zstd)$/, replacement: at('./web/data/noZarr.ts') }] },
  // The worker of the page is a module, and has chunks of its own.
  worker: { format: 'es' as const },
  // The page works from any folder of a server.
  base: mode === 'web' ? './' : '/',
  build:
    mode === 'node' || mode === 'bench'
      ? {
          outDir: at('./dist'),
          emptyOutDir: false,
          target: 'node20',
          ssr: true,
          minify: false,
          rollupOptions: {
            input: mode === 'bench' ? benches : programs,
            output: { entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
          },
        }
      : mode === 'library'
        ? {
            outDir: at('./dist'),
            emptyOutDir: false,
            target: 'es2022',
            minify: false,
            lib: { entry: at('./src/index.ts'), formats: ['es' as const], fileName: () => 'vernier.js' },
            rolldownOptions: { output: { codeSplitting: false } },
          }
        : {
            outDir: at('./dist/web'),
            emptyOutDir: true,
            target: 'es2022',
            chunkSizeWarningLimit: 1200,
            rollupOptions: { input: PAGES.map((name) => at(`./web/${name}.html`)) },
          },
}));
