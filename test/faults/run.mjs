/**
 * Every way a run can end, in every phase of its work: a table of what was left, how long it took, and whether the same command then comes to the bytes of an undisturbed run.
 * Outside of CI: it takes half an hour on two cores, and full and read-only disks are real ones (root on Linux, a small tmpfs).
 *   node test/faults/run.mjs            all cells, and RESULTS.md beside this file is written
 *   node test/faults/run.mjs training   cells whose names have the word
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { ensureBuilt } from '../../node/scripts/steps.mjs';

if (process.env.VERNIER_DIST === undefined) ensureBuilt(['node']);
const root = fileURLToPath(new URL('../..', import.meta.url));
// Two folders below the root, as the tests are: what they import finds its files from there.
const outDir = join(root, 'dist/faults');
const entry = fileURLToPath(new URL('matrix.ts', import.meta.url));
await build({ configFile: false, root, logLevel: 'error', build: { ssr: entry, outDir, emptyOutDir: true, rollupOptions: { output: { entryFileNames: 'matrix.mjs' } } } });
const { status } = spawnSync(process.execPath, [join(outDir, 'matrix.mjs'), ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
