/** The look at the output folder before a run: it leaves no trace, whatever it finds. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkOutput, clearOutput } from '../../src/run/outputFolder.ts';
import { nodePlatform } from '../../node/platform.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-output-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

// Root may write anywhere, so a folder without permission is simulated.
const refused = (path: string): Promise<never> => Promise.reject(new UserError(`Cannot write ${path}: permission denied.`));
const readOnly: Platform = { ...nodePlatform, writeFile: refused };
const noFolders: Platform = { ...nodePlatform, makeDir: refused };

it('leaves folders as they were', async () => {
  await checkOutput(nodePlatform, join(scratch, 'a/b/c'), false);
  expect(readdirSync(scratch)).toEqual([]);
  mkdirSync(join(scratch, 'kept'));
  await checkOutput(nodePlatform, join(scratch, 'kept'), false);
  await checkOutput(nodePlatform, join(scratch, 'kept/new'), false);
  expect(readdirSync(scratch)).toEqual(['kept']);
  expect(readdirSync(join(scratch, 'kept'))).toEqual([]);
});

it.each([
  ['a folder', readOnly],
  ['a folder to be made', noFolders],
])('refuses %s without permission, and leaves nothing', async (_, platform) => {
  const dir = join(scratch, 'locked/run');
  await expect(checkOutput(platform, dir, false)).rejects.toThrow(UserError);
  await expect(checkOutput(platform, dir, false)).rejects.toThrow(`--output_dir ${dir} cannot be written. Cannot write ${dir}`);
  expect(existsSync(join(scratch, 'locked'))).toBe(false);
});

it('leaves a folder that another run has filled meanwhile', async () => {
  const busy: Platform = {
    ...nodePlatform,
    async remove(path) {
      if (path.includes('.writable')) writeFileSync(join(scratch, 'shared/of-another-run'), '');
      await nodePlatform.remove(path);
    },
  };
  await checkOutput(busy, join(scratch, 'shared/mine'), false);
  expect(readdirSync(join(scratch, 'shared'))).toEqual(['of-another-run']);
});

it('finds an earlier run, and clears its checkpoints and log when told to', async () => {
  const dir = join(scratch, 'earlier');
  for (const name of ['checkpoint-9', 'checkpoint-10', 'checkpoint-x']) mkdirSync(join(dir, name), { recursive: true });
  for (const name of ['trainer_log.jsonl', 'adapter_config.json']) writeFileSync(join(dir, name), '');
  await expect(checkOutput(nodePlatform, dir, false)).rejects.toThrow('holds checkpoint-10 of an earlier run');
  await checkOutput(nodePlatform, dir, true);
  expect(readdirSync(dir)).toHaveLength(5);
  await clearOutput(nodePlatform, dir);
  expect(readdirSync(dir).sort()).toEqual(['adapter_config.json', 'checkpoint-x']);
});
