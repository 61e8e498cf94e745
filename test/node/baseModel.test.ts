/** How an adapter will name its base: as PEFT does, without telling whose home folder it lies in. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { resolveBaseModel } from '../../src/run/inputs/baseModel.ts';
import { baseModelNames } from '../../src/hub/origin.ts';
import { parseOptions } from '../../src/options.ts';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'vernier-base-')));
const home = join(scratch, 'staff/jane');
const snapshot = join(home, '.cache/hub/models--org--q/snapshots/abc');
const before = process.cwd();

beforeAll(() => {
  for (const dir of [join(home, 'models/q'), join(home, 'work/study'), join(scratch, 'shared/q'), snapshot]) mkdirSync(dir, { recursive: true });
});
afterAll(() => {
  process.chdir(before);
  rmSync(scratch, { recursive: true });
});

async function named(from: string, base: string): Promise<string> {
  process.chdir(from);
  const platform = { ...nodePlatform, env: (name: string): string | undefined => (name === 'HOME' ? home : undefined) };
  const { options } = parseOptions({ base_model_hf: base, train_file: 'x' });
  const dir = await resolveBaseModel({ platform, options, stop: new AbortController().signal, terminal: { write: () => undefined, isTty: false, columns: 80 }, say: () => undefined, warn: () => undefined });
  expect(await nodePlatform.isDirectory(dir)).toBe(true);
  return baseModelNames(dir, home).base_model_name_or_path;
}

it('names the way there from here, the path as it was given, a hub id, or at last the name alone', async () => {
  const study = join(home, 'work/study');
  expect(await named(study, join(home, 'models/q'))).toBe('../../models/q');
  expect(await named(study, '../../models/q')).toBe('../../models/q');
  expect(await named(study, join(scratch, 'shared/q'))).toBe(join(scratch, 'shared/q'));
  expect(await named(study, snapshot)).toBe('org/q');
  expect(await named(join(scratch, 'shared'), join(home, 'models/q'))).toBe('q');
});
