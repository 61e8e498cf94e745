/** Dawn's start: nothing is said of what nobody can change, and everything else is. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { build } from 'vite';
import { withoutNotice } from '../../node/quietDawn.ts';
import { repository } from './trainProcess.ts';

const scratch = mkdtempSync(join(repository, 'node_modules', '.vernier-quiet-')); // where koffi is found
const NOTICE = (kind: string): string =>
  `Warning: maxDynamic${kind}BuffersPerPipelineLayout artificially reduced from 1000000 to 16 to fit dynamic offset allocation limit.\n`;
beforeAll(async () => {
  const output = { entryFileNames: 'quietDawn.js' };
  const entry = join(repository, 'node/quietDawn.ts');
  await build({ configFile: false, logLevel: 'silent', build: { ssr: entry, outDir: scratch, emptyOutDir: false, rollupOptions: { output } } });
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

it('takes away the two lines alone', () => {
  expect(withoutNotice(`a\n${NOTICE('Uniform')}b\n${NOTICE('Storage')}`)).toBe('a\nb\n');
  expect(withoutNotice('Warning: the driver is old.\n')).toBe('Warning: the driver is old.\n');
});

it.skipIf(process.platform === 'win32')('in a process, on pipes: the lines are gone, what else is written stands in its order, and errors are thrown', () => {
  const program = join(scratch, 'program.mjs');
  // Written past process.stderr, as a native library does.
  writeFileSync(program, `
import { writeSync } from 'node:fs';
import { quietly } from ${JSON.stringify(pathToFileURL(join(scratch, 'quietDawn.js')).href)};
writeSync(2, 'before\\n');
const value = await quietly(() => { writeSync(2, ${JSON.stringify(NOTICE('Uniform') + 'a driver speaks\n' + NOTICE('Storage'))}); return 7; });
writeSync(2, 'after ' + value + '\\n');
await quietly(() => { writeSync(2, 'last words\\n'); throw new Error('no driver'); }).catch((error) => writeSync(2, error.message + '\\n'));
`);
  const { stderr, status } = spawnSync(process.execPath, [program], { encoding: 'utf8', cwd: tmpdir() });
  expect(stderr).toBe('before\na driver speaks\nafter 7\nlast words\nno driver\n');
  expect(status).toBe(0);
});
