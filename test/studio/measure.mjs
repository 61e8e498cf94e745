/**
 * How the Studio behaves while it trains, on this machine: outside of CI, since a busy one says nothing. Prints what test/bench/RESULTS.md has.
 *   node test/studio/measure.mjs [smooth] [steps] [rows]     all of them unless some are named
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const outDir = fileURLToPath(new URL('../../dist/studioMeasure', import.meta.url));
const program = await buildProgram(new URL('measure.ts', import.meta.url), outDir);
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
