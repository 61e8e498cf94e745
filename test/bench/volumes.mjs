/**
 * Prompts of many pictures, as MedGemma 1.5 is asked about volumes:
 *   node test/bench/volumes.mjs plan   the memory of a step at the true shapes of MedGemma-4B, planned: no GPU, no weights
 *   node test/bench/volumes.mjs medgemma|smolvlm|smolvlm-third [SLICES] [ROWS] [TURNS]   epochs with the features of pictures made each time, and with those that are kept
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const outDir = fileURLToPath(new URL('../../dist/benchVolumes', import.meta.url));
const program = await buildProgram(new URL('volumes.ts', import.meta.url), outDir);
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
