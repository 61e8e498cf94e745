/**
 * Every kernel in each specialisation that it names compiles in Deno, whose Naga is stricter than Tint. Tint, Chromium's compiler, is covered by
 * `npm run check` (SwiftShader would need more than a minute for all of them).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { composeSource, parseInterface } from '../../src/gpu/kernelSource.ts';
import type { Specialisation } from '../../src/gpu/kernelSource.ts';
import { kernelSources } from '../../src/gpu/kernelSources.ts';
import { runIn } from './runIn.ts';

function specialisation(list: string): Specialisation {
  const pairs = list.split(/[\s,]+/).filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key = '', value = ''] = pair.split('=');
      const read = value === 'true' || value === 'false' ? value === 'true' : Number.isNaN(Number(value)) ? value : Number(value);
      return [key, read];
    }),
  );
}

const kernels = [...kernelSources]
  .filter(([name]) => !/^(lib|load)\//.test(name))
  .flatMap(([name, text]) =>
    ['', ...[...text.matchAll(/^\/\/ check:(.*)$/gm)].map((match) => match[1]!.trim())].map((list) => {
      const code = composeSource(name, specialisation(list));
      const { params, storage } = parseInterface(name, code);
      return { label: `${name} [${list}]`, code, storage, paramBytes: Math.ceil(params.length / 4) * 16 };
    }),
  );

// Too long for a command line.
const folder = mkdtempSync(join(tmpdir(), 'vernier-kernels-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const wrong = 'kernel with an error';
const all = [...kernels, { ...kernels[0]!, label: wrong, code: `${kernels[0]!.code}\nfn f(a: f32) -> u32 { return a; }` }];

test('every kernel compiles in Deno', async () => {
  const file = join(folder, 'kernels.json');
  writeFileSync(file, JSON.stringify(all));
  const result = (await runIn('deno', 'test/runtimes/kernels.script.mjs', { file })) as { compiled: number; leftOut: number; complaints: string[] };
  expect(result.complaints.filter((text) => !text.startsWith(wrong)).join('\n\n')).toBe('');
  // A complaint must be able to get here.
  expect(result.complaints).toHaveLength(1);
  expect(result.compiled + result.leftOut).toBe(kernels.length);
  // What is left out needs subgroups, or f16 where there is none; those are variants.
  expect(result.compiled).toBeGreaterThan(kernels.length / 2);
});
