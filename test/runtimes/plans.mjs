/**
 * Every plan that products and attention may be given, against float64, in every runtime. Outside of CI: SwiftShader alone takes minutes to compile them.
 *   node test/runtimes/plans.mjs                  node, deno, bun, chromium
 *   node test/runtimes/plans.mjs deno chromium    some; VERNIER_PLAN_SECONDS=600 for each at most
 *   VERNIER_DAWN_FLAGS=enable-dawn-features=allow_unsafe_apis node test/runtimes/mesa26.mjs node test/runtimes/plans.mjs node     with subgroup matrices
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';

const folder = (name) => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const program = await buildProgram(new URL('plans.ts', import.meta.url), folder('plans'));
await buildProgram(new URL('planChecks.ts', import.meta.url), folder('planChecks'));
const { status } = spawnSync(process.execPath, [program, process.env.VERNIER_PLAN_SECONDS ?? '600', ...process.argv.slice(2)], { stdio: 'inherit' });
for (const name of ['plans', 'planChecks']) rmSync(folder(name), { recursive: true, force: true });
process.exitCode = status ?? 1;
