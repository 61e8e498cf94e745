/**
 * One training step at true size on the GPU that is there, with its memory; outside of CI (a step of 3 B parameters takes a software GPU half an hour).
 *   python test/trueSize/make.py qwen2_5_vl-3b …/qwen2_5_vl-tiny FOLDER     a folder of the true shapes with random weights
 *   python test/trueSize/reference.py FOLDER CASE.safetensors [--nf4]       transformers' loss of a row, which is left in CASE
 *   node test/trueSize/run.mjs FOLDER CASE.safetensors [--nf4] [--loss] [--offload weights|optimizer|all]     ours; --loss: no gradients
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
// Two folders below the root, as the tests are: what they import finds its files from there.
const outDir = join(root, 'dist/trueSize');
const entry = fileURLToPath(new URL('step.ts', import.meta.url));
await build({ configFile: false, root, logLevel: 'error', build: { ssr: entry, outDir, emptyOutDir: true, rollupOptions: { output: { entryFileNames: 'step.mjs' } } } });
const { status } = spawnSync(process.execPath, [join(outDir, 'step.mjs'), ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
