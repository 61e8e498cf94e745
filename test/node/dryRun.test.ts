/** `--dry_run true` as users run it: the plan, and nothing written anywhere, whatever else is asked for. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readOnlyPlatform } from '../../src/io/readOnlyPlatform.ts';
import { buildCommandLine, goldenRows, repository, runProgram, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-dry-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
const sample = join(repository, 'node/sample');
const list = (family: string): string => join(sample, 'tasks_list', readdirSync(join(sample, 'tasks_list')).find((name) => name.includes(family) && name.includes('SFT'))!);
const tasks: Flags = { data_dir: sample, tasks_list_json_path_TL: list('TL'), val_sample_limit: 2, split: 'slice' };
const common: Flags = { base_model_hf: tinyModel, dry_run: true, per_device_train_batch_size: 1, output_dir: at('run') };

beforeAll(() => {
  buildCommandLine();
  mkdirSync(at('home/cache'), { recursive: true });
  writeFileSync(at('rows.jsonl'), `${goldenRows('s01_single', 's09_textonly').join('\n')}\n`);
});

/** Runs in a home of its own. @returns what has come into existence, too */
async function dry(flags: Flags): Promise<Ended & { written: string[] }> {
  const here = (): string[] => [...readdirSync(scratch, { recursive: true, encoding: 'utf8' }), ...readdirSync(sample, { recursive: true, encoding: 'utf8' })];
  const before = new Set(here());
  const env = { HF_HUB_OFFLINE: '1', HOME: at('home'), XDG_CACHE_HOME: at('home/cache'), HF_HOME: at('home/hf') };
  const ended = await runProgram('train', { ...common, ...flags }, undefined, env);
  return { ...ended, written: here().filter((name) => !before.has(name) && !name.includes('mesa_shader_cache')) }; // which the driver makes where a GPU is opened
}

describe('--dry_run true', () => {
  it('of rows of conversations, whose pictures are looked at, writes nothing', async () => {
    const { code, output, error, written } = await dry({ train_file: at('rows.jsonl') });
    expect(error).toBe('');
    expect(output).toMatch(/Memory that the run takes on .*together +[\d.]+ MiB/s);
    expect({ code, written }).toEqual({ code: 0, written: [] });
  });

  it.each<[string, Flags]>([
    ['in a folder that is named', { prepared_ds_dir: at('prepared') }],
    ['with pictures', { process_img: true }],
  ])('of rows that would be prepared %s reads them from the volumes, with the plan of those', async (_, flags) => {
    const { code, output, error, written } = await dry({ ...tasks, ...flags });
    expect(error).toBe('');
    expect(output).toContain('would be prepared first; for the plan the rows are read from the volumes.');
    expect({ code, written }).toEqual({ code: 0, written: [] });
    const table = (text: string): string => text.slice(text.indexOf('Memory that'));
    expect(table(output)).toBe(table((await dry(tasks)).output));
  }, 60_000);

  it.each<[string, Flags]>([
    ['--merge_only', { merge_only: true, init_adapter: at('none') }],
    ['--process_dataset_only', { ...tasks, process_dataset_only: true, prepared_ds_dir: at('prepared') }],
    ['--export_jsonl', { ...tasks, export_jsonl: at('rows-of-tasks.jsonl') }],
  ])('with %s is refused', async (name, flags) => {
    const { code, error, written } = await dry(flags);
    expect(error).toBe(
      `Error: --dry_run true tells how much GPU memory a training run takes, and ${name} takes none: there is nothing to plan. Leave one of them out.\n`,
    );
    expect({ code, written }).toEqual({ code: 2, written: [] });
  });
});

it('a platform that only reads refuses whatever changes files', async () => {
  const platform = readOnlyPlatform(nodePlatform);
  const path = at('new');
  const native = platform.native!;
  const changes = [
    () => platform.makeDir(path), () => platform.writeFile(path, ''), () => platform.createFile(path), () => platform.appendFile(path, 'x'),
    () => platform.rename(at('rows.jsonl'), path), () => platform.remove(at('rows.jsonl')), () => native.symlink('rows.jsonl', path), () => native.openAppend(path),
    () => native.lock(path),
  ];
  for (const change of changes) await expect(change()).rejects.toThrow('is not written: nothing is');
  expect(readdirSync(scratch)).toEqual(expect.arrayContaining(['rows.jsonl']));
  expect(readdirSync(scratch)).not.toContain('new');
  expect((await platform.readFile(at('rows.jsonl'))).length).toBeGreaterThan(0);
});
