/** The import check against small trees that are wrong in one way each: it must name the file, the line and what is allowed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('./imports.mjs', import.meta.url));

function check(files: Record<string, string>): { status: number | null; errors: string[] } {
  const root = mkdtempSync(join(tmpdir(), 'vernier-imports-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const run = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
    return { status: run.status, errors: run.stderr.split('\n').filter((line) => line !== '') };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const good = {
  'src/platform.ts': 'export const a = 1;\n',
  'src/gpu/kernel.ts': "import { a } from '../platform.ts';\nconst k = import.meta.glob('../../kernels/**/*.wgsl', { query: '?raw' });\nexport const b = [a, k];\n",
  'src/ops/linear.ts': "import type { b } from '../gpu/kernel.ts';\nexport type B = typeof b;\n",
  'src/train/trainer.ts': "export type { B } from '../ops/linear.ts';\nimport { gzipSync } from 'fflate';\nexport const z = gzipSync;\n",
  'src/run/work.ts': "export { z } from '../train/trainer.ts';\n",
  'node/train.ts': "import 'node:fs';\nimport '../src/run/work.ts';\n",
};

test('a tree that runs one way passes', () => {
  expect(check(good)).toEqual({ status: 0, errors: [] });
});

/** One offence a file, all in one tree: the check must report each of them and nothing else. */
const bad: [what: string, path: string, text: string, message: string][] = [
  ['a lower layer importing a higher one', 'src/gpu/a.ts', "\nimport { x } from '../ops/linear.ts';\n", 'gpu may import kernels, platform'],
  ['a type-only import against the direction', 'src/io/a.ts', "import type { Z } from '../train/trainer.ts';", 'io may import platform'],
  ['a dynamic import against the direction', 'src/data/a.ts', "void import('../models/model.ts');", 'imports ../models/model.ts (models)'],
  ['a re-export against the direction', 'src/track/a.ts', "export * from '../gpu/kernel.ts';", 'track may import io, platform'],
  ['training importing a program\'s work', 'src/train/b.ts', "import type { Work } from '../run/context.ts';", '(run)'],
  ['kernels taken by an op', 'src/ops/a.ts', "import.meta.glob(['../../kernels/*.wgsl']);", '(kernels)'],
  ['src importing node/', 'src/train/a.ts', "import '../../node/train.ts';", '(node)'],
  ['a node: module in src', 'src/io/b.ts', "import { readFileSync } from 'node:fs';", 'imports node:fs'],
  ['a node-only package in src', 'src/gpu/b.ts', "import { create } from 'webgpu';", 'imports webgpu; packages allowed'],
  ['a builtin without its scheme', 'src/gpu/c.ts', "import fs from 'fs';", 'imports fs; packages allowed'],
  ['a computed import in src', 'src/gpu/d.ts', 'export const load = (n: string) => import(n);', 'literal names'],
  ['no extension', 'src/ops/b.ts', "import '../gpu/kernel';", '../gpu/kernel.ts'],
  ['a folder that is no layer', 'src/utils/a.ts', '', '"utils" is no layer'],
  ['the page importing the command line', 'web/start.ts', "import '../node/train.ts';", '(node)'],
];
const badRun = check({ ...good, ...Object.fromEntries(bad.map(([, path, text]) => [path, text])) });

test.each(bad)('%s is named', (_, path, text, message) => {
  const own = badRun.errors.filter((line) => line.startsWith(`${path}:`));
  expect(own).toHaveLength(1);
  expect(own[0]).toContain(`${path}:${text.startsWith('\n') ? 2 : 1}: `);
  expect(own[0]).toContain(message);
});

test('nothing else is named, and the check fails', () => {
  expect(badRun.errors).toHaveLength(bad.length);
  expect(badRun.status).toBe(1);
});

test('a cycle is named file by file, of run-time imports and of types alike', () => {
  const cyclic = check({
    'src/ops/a.ts': "import './b.ts';",
    'src/ops/b.ts': "import './c.ts';",
    'src/ops/c.ts': "\n\nimport './a.ts';",
  });
  expect(cyclic.status).toBe(1);
  expect(cyclic.errors).toEqual([expect.stringContaining('src/ops/c.ts:3: import cycle src/ops/a.ts → src/ops/b.ts → src/ops/c.ts → src/ops/a.ts')]);
  for (const type of ["import type { a } from './a.ts';", "export type B = import('./a.ts').A;", "export type { a } from './a.ts';"]) {
    const { status, errors } = check({ 'src/ops/a.ts': "import { b } from './b.ts';", 'src/ops/b.ts': type });
    expect(status).toBe(1);
    expect(errors).toEqual([expect.stringContaining('src/ops/b.ts:1: import cycle src/ops/a.ts → src/ops/b.ts → src/ops/a.ts')]);
  }
});

test('this repository passes', () => {
  const run = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
});
