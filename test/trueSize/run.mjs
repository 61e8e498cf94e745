/**
 * One training step at true size on the GPU that is there, with its memory; outside of CI (a step of 3 B parameters takes a software GPU half an hour).
 *   python test/trueSize/make.py qwen2_5_vl-3b …/qwen2_5_vl-tiny FOLDER     a folder of the true shapes with random weights
 *   python test/trueSize/reference.py FOLDER CASE.safetensors [--nf4]       transformers' loss of a row, which is left in CASE
 *   node test/trueSize/run.mjs FOLDER CASE.safetensors [--nf4] [--loss] [--offload weights|optimizer|all] [--limit GiB]     ours; --loss: no gradients
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const outDir = fileURLToPath(new URL('../../dist/trueSize', import.meta.url));
const program = await buildProgram(new URL('step.ts', import.meta.url), outDir);
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
