/**
 * Writes src/gpu/kernelTexts.ts, the WGSL under kernels/ as a TypeScript module, so that src runs without a bundler in Deno and Bun.
 * Whatever builds, tests or checks does it first (vite.config.ts, test/buildProgram.mjs, `npm run check`); by itself: node
 * node/scripts/kernelTexts.mjs
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = join(root, 'src', 'gpu', 'kernelTexts.ts');

/** @param {string} folder @returns {Map<string, string>} `lib/reduce` → text */
export function readKernels(folder) {
  const names = readdirSync(folder, { recursive: true })
    .map((path) => String(path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.wgsl'));
  return new Map(names.sort().map((name) => [name.slice(0, -'.wgsl'.length), readFileSync(join(folder, name), 'utf8')]));
}

export function writeKernelTexts() {
  const entries = [...readKernels(join(root, 'kernels'))].map(([name, text]) => `  ${JSON.stringify(name)}: ${JSON.stringify(text)},\n`);
  const module =
    '/** Written by node/scripts/kernelTexts.mjs from kernels/; not to be edited. */\n' +
    `export const KERNEL_TEXTS: Readonly<Record<string, string>> = {\n${entries.join('')}};\n`;
  if (existsSync(target) && readFileSync(target, 'utf8') === module) return;
  // Several may do it at once, and none may read half a file.
  const half = `${target}.${process.pid}.tmp`;
  writeFileSync(half, module);
  renameSync(half, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeKernelTexts();
