/**
 * Every way a run can end, in every phase of its work: a table of what was left, how long it took, and whether the same command then comes to the bytes of an undisturbed run.
 * Outside of CI: it takes half an hour on two cores, and full and read-only disks are real ones (root on Linux, a small tmpfs).
 *   node test/faults/run.mjs            all cells, and RESULTS.md beside this file is written
 *   node test/faults/run.mjs training   cells whose names have the word
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from '../../node/scripts/steps.mjs';
import { buildProgram } from '../buildProgram.mjs';

if (process.env.VERNIER_DIST === undefined) ensureBuilt(['node']);
const outDir = fileURLToPath(new URL('../../dist/faults', import.meta.url));
const program = await buildProgram(new URL('matrix.ts', import.meta.url), outDir);
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
