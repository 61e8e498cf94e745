/**
 * Takes the pictures of the Studio that the README shows, web/pictures/*.webp, in Chromium on SwiftShader: some minutes. Look at them before they are committed.
 *   node test/studio/pictures.mjs
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const outDir = fileURLToPath(new URL('../../dist/studioPictures', import.meta.url));
const program = await buildProgram(new URL('pictures.ts', import.meta.url), outDir);
const { status } = spawnSync(process.execPath, [program], { stdio: 'inherit' });
rmSync(outDir, { recursive: true, force: true });
process.exitCode = status ?? 1;
