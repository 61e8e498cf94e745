/** Nobody's files are replaced unasked: each program beside a file that somebody else wrote under the name it is about to use, and beside its own. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOutput } from '../../src/run/outputFolder.ts';
import { nodePlatform } from '../../node/platform.ts';
import { writeInitialFolder } from '../../src/run/pretrain/baseFolder.ts';
import { DEFAULTS, quickstart } from '../../src/run/quickstart/run.ts';
import { RECIPES } from '../../src/run/quickstart/recipes.ts';
import { checkReplaceable, OWN_EXPORT, OWN_LOG, OWN_PAGE } from '../../src/io/foreignFiles.ts';
import { buildCommandLine, goldenRows, repository, runProgram, runTrain, tinyModel } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-foreign-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const foreign = (path: string, text = 'years of work\n'): string => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
beforeAll(() => {
  buildCommandLine();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('one file', () => {
  it.each([
    [OWN_PAGE, '<!doctype html><head><meta charset="utf-8"><meta name="generator" content="Vernier">', '<!doctype html><head><meta name="generator" content="Hugo">'],
    [OWN_EXPORT, '{"task_type":"BoxSize","task":"x","split":"train","image_file":"', '{"messages":[{"role":"user","content":"task_type"}]}'],
    [OWN_LOG, '{"event":"start","time":"2026-01-01T00:00:00Z","name":"x"', '{"step":1,"loss":2}'],
  ] as const)('of $what is known by how it begins', async (kind, own, other) => {
    const check = (text: string, mayReplace?: boolean): Promise<void> => checkReplaceable(nodePlatform, foreign(at('one'), text), kind, '--out', mayReplace);
    await check(own);
    await check('');
    await check(other, true);
    await expect(check(other, false)).rejects.toThrow(`--out ${at('one')} exists, and is not ${kind.what}: it would be lost. Give another --out, or --overwrite true`);
    await expect(check(other)).rejects.toThrow('or remove it.');
    await expect(checkReplaceable(nodePlatform, scratch, kind, '--out', true)).rejects.toThrow('is a folder');
  });
});

describe('the folder of a run', () => {
  it.each(['adapter_model.safetensors', 'adapter_config.json', 'model.safetensors', 'config.json', 'tokenizer.json', 'README.md', 'trainer_log.jsonl'])(
    'with a %s of somebody else is refused, and taken with --overwrite',
    async (name) => {
      const dir = at('run', name.replace('.', '_'));
      foreign(join(dir, name));
      await expect(checkOutput(nodePlatform, dir, false)).rejects.toThrow(`holds ${name}, which this run did not write`);
      await checkOutput(nodePlatform, dir, true);
      expect(readFileSync(join(dir, name), 'utf8')).toBe('years of work\n');
    },
  );

  it('with notes and pictures of somebody else is taken: nothing of them is touched', async () => {
    foreign(at('notes/ideas.txt'));
    await checkOutput(nodePlatform, at('notes'), false);
  });

  it('is refused by the program before it loads anything, with --resume_from_checkpoint too', async () => {
    foreign(at('cli/adapter_model.safetensors'));
    foreign(at('rows.jsonl'), `${goldenRows('s09_textonly').join('\n')}\n`);
    const flags = { base_model_hf: tinyModel, train_file: at('rows.jsonl'), max_steps: 1, lora_r: 2, report_to: 'none', dataloader_num_workers: 0, lora_checkpoint_dir: at('cli') };
    for (const resume_from_checkpoint of [false, true]) {
      const { code, error } = await runTrain({ ...flags, resume_from_checkpoint });
      expect(code).toBe(1);
      expect(error).toContain('holds adapter_model.safetensors');
    }
    expect(readFileSync(at('cli/adapter_model.safetensors'), 'utf8')).toBe('years of work\n');
    expect((await runTrain({ ...flags, overwrite: true })).code).toBe(0);
  });
});

it.each([
  ['samples.jsonl', ''],
  ['summary.json', '{}'],
  ['summary_metrics_AD_Task.json', '{}'],
  ['evaluation.json', '{"scores":[1]}'],
  ['evaluation.json', 'not JSON'],
])('evaluate leaves a %s (%j) of something else alone', async (name, text) => {
  const dir = at('evaluation', `${name}${text.length}`);
  foreign(join(dir, name), text);
  const flags = { samples: join(repository, 'test/golden/medvision/expected_metrics.jsonl'), output_dir: dir };
  const { code, error } = await runProgram('evaluate', flags);
  expect(code).toBe(1);
  expect(error).toContain(`holds a ${name} of something else`);
  expect(readFileSync(join(dir, name), 'utf8')).toBe(text);
  expect((await runProgram('evaluate', { ...flags, overwrite: true })).code).toBe(0);
});

it('inspect replaces its own page, and another only with --overwrite', () => {
  const inspect = (...more: string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [join(repository, 'dist/inspect.js'), at('rows.jsonl'), '--out', at('page.html'), ...more], { encoding: 'utf8' });
  foreign(at('rows.jsonl'), `${goldenRows('s09_textonly').join('\n')}\n`);
  foreign(at('page.html'), '<html>my thesis</html>');
  expect(inspect()).toMatchObject({ status: 1, stderr: expect.stringContaining('is not a page of Vernier: it would be lost') as string });
  expect(readFileSync(at('page.html'), 'utf8')).toBe('<html>my thesis</html>');
  expect(inspect('--overwrite', 'true').status).toBe(0);
  expect(inspect().status).toBe(0);
});

it('an export replaces an export, and no other rows', async () => {
  const path = foreign(at('export.jsonl'), '{"messages":[]}\n');
  const flags = {
    base_model_hf: join(repository, 'node/base'), data_dir: join(repository, 'node/sample'), report_to: 'none', process_dataset_only: true, prepared_ds_dir: at('prepared'),
    tasks_list_json_path_TL: join(repository, 'node/sample/tasks_list/tasks_MedVision-TL__train_SFT.json'), export_jsonl: path, train_sample_limit: 4, val_sample_limit: 0,
  };
  expect((await runTrain(flags)).error).toContain('is not rows that --export_jsonl wrote: it would be lost');
  expect(readFileSync(path, 'utf8')).toBe('{"messages":[]}\n');
  expect((await runTrain({ ...flags, overwrite: true })).code).toBe(0);
  expect((await runTrain(flags)).code).toBe(0);
});

it('the quick start and the writer of bases leave models alone', async () => {
  const settings = { ...DEFAULTS, ...RECIPES['medgemma-tiny'], base: join(repository, 'node/base-medgemma'), sample: 'none' };
  const start = (out: string): Promise<unknown> => quickstart(nodePlatform, { ...settings, out }, { write: () => undefined, isTty: false, columns: 80 }, new AbortController().signal);
  foreign(at('mine/adapter_model.safetensors'));
  foreign(at('page/report.html'), '<html>my thesis</html>');
  await expect(start(at('mine'))).rejects.toThrow('holds adapter_model.safetensors, which no quick start wrote');
  await expect(start(at('page'))).rejects.toThrow('is not a page of Vernier');
  await expect(writeInitialFolder(nodePlatform, at('mine'), [], 1)).rejects.toThrow('holds adapter_model.safetensors, which would be replaced');
  expect(existsSync(at('mine/config.json'))).toBe(false);
});
