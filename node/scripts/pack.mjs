/**
 * `npm run pack`: vernier-VERSION.tgz, what `npm publish` takes. The programs, entries and pages of dist/ are built from new, since old
 * chunks would be packed too, and for each entry one file of types is made. It is not a hook of `npm pack`, which runs none here (.npmrc).
 * Arguments go on to `npm pack`: npm run pack -- --pack-destination DIR
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENTRIES } from './entries.mjs';
import { ensureBuilt, ensurePackages, fail, root, runProgram, say } from './steps.mjs';

/** Types that a consumer's program may not have by itself. */
const HEAD = '/// <reference lib="esnext.disposable" />\n/// <reference types="@webgpu/types" />\n';

ensurePackages();
for (const folder of ['bin', 'chunks', 'package', 'web']) rmSync(join(root, 'dist', folder), { recursive: true, force: true });
ensureBuilt(['node', 'web'], { force: true });
say('types …');
const { generateDtsBundle } = await import('dts-bundle-generator');
const names = Object.keys(ENTRIES);
const texts = generateDtsBundle(
  names.map((name) => ({ filePath: join(root, ENTRIES[name]), output: { exportReferencedTypes: false, noBanner: true } })),
  { preferredConfigPath: join(root, 'node', 'scripts', 'declarations.json') },
);
mkdirSync(join(root, 'dist', 'package'), { recursive: true });
texts.forEach((text, i) => writeFileSync(join(root, 'dist', 'package', `${names[i]}.d.ts`), HEAD + text));

const args = ['pack', '--ignore-scripts', '--loglevel=error', ...process.argv.slice(2)];
const npm = process.env.npm_execpath;
const status = npm ? runProgram(process.execPath, [npm, ...args]) : runProgram('npm', args, { shell: process.platform === 'win32' });
if (status !== 0) fail('npm pack failed; its message is above.');
