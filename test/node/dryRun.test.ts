/** `--dry_run true` as users run it: the plan, and nothing written anywhere, whatever else is asked for; and the limit that plan and run keep. */
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

describe('--gpu_memory_limit', () => {
  const limited: Flags = { train_file: at('rows.jsonl'), gradient_accumulation_steps: 1, gpu_memory_limit: 9 / 1024 };
  const mebibytes = (text: string, words: RegExp): number => Number(words.exec(text)?.[1]);

  it('holds with the copy that is saved from, and the run says the figure that a refusal would say', async () => {
    const { code, output } = await dry(limited);
    expect(code).toBe(0);
    const held = mebibytes(output, /held from the system +([\d.]+) MiB/);
    const saving = mebibytes(output, /is written, ([\d.]+) MiB more/);
    const run = await runProgram('train', { ...common, ...limited, dry_run: false, max_steps: 1, report_to: 'jsonl', output_dir: at('limited') });
    expect(run.code).toBe(0);
    const said = mebibytes(run.output, /Memory: ([\d.]+) MiB by the plan/);
    expect(said).toBeLessThanOrEqual(9);
    const isShared = /GPU: .*\(software\)/.test(run.output);
    expect(Math.abs(said - held - (isShared ? saving : 0))).toBeLessThan(0.11); // each is rounded
    const refused = await dry({ ...limited, gpu_memory_limit: 1 / 1024 });
    expect(refused.code).toBe(1);
    const least = mebibytes(refused.output, /held from the system +([\d.]+) MiB/);
    expect(Math.abs(mebibytes(refused.error, /The run takes ([\d.]+) MiB/) - least - (isShared ? saving : 0))).toBeLessThan(0.11);
  }, 60_000);

  it('names for a run that keeps everything both options that round what is kept', async () => {
    const { error } = await dry({ ...limited, gradient_checkpointing: false, gpu_memory_limit: 8.5 / 1024 });
    expect(error).toMatch(/brings? (it|[\w ]+) under: .*--gradient_checkpointing true/);
    for (const way of error.split('; or ')) if (way.includes('--saved_inputs bf16')) expect(way).toContain('--gradient_checkpointing true --saved_inputs bf16');
  }, 60_000);
});

it('a platform that only reads refuses whatever changes files', async () => {
  const platform = readOnlyPlatform(nodePlatform);
  const path = at('new');
  const changes = [
    () => platform.makeDir(path), () => platform.writeFile(path, ''), () => platform.createFile(path), () => platform.appendFile(path, 'x'),
    () => platform.rename(at('rows.jsonl'), path), () => platform.remove(at('rows.jsonl')), () => platform.links!.make('rows.jsonl', path), () => platform.openAppend!(path),
    () => platform.lock!(path),
  ];
  for (const change of changes) await expect(change()).rejects.toThrow('is not written: nothing is');
  expect(readdirSync(scratch)).toEqual(expect.arrayContaining(['rows.jsonl']));
  expect(readdirSync(scratch)).not.toContain('new');
  expect((await platform.readFile(at('rows.jsonl'))).length).toBeGreaterThan(0);
});
