/** For scripts outside of CI that are written in TypeScript: one file with what it imports, bundled as the tests see it. */
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { writeKernelTexts } from '../node/scripts/kernelTexts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param {URL} source the TypeScript file
 * @param {string} outDir below the repository, where packages are found, and two folders below it, where what is imported finds its files as from a test. It is emptied; whoever
 *   asked for it removes it.
 * @returns {Promise<string>} the program, to be run by Node
 */
export async function buildProgram(source, outDir) {
  writeKernelTexts();
  const entry = fileURLToPath(source);
  const name = basename(entry).replace(/\.ts$/, '.mjs');
  await build({ configFile: false, root, logLevel: 'error', build: { ssr: entry, outDir, emptyOutDir: true, rollupOptions: { output: { entryFileNames: name } } } });
  return join(outDir, name);
}
