/** Starting, stopping and going on: which command is given, on which recipe, and when it is refused. The programs only note it. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { parseCommandLine } from '../../../src/options/commandLine.ts';
import { trainProgram } from '../../../src/options.ts';
import type { RunDetail, RunEntry } from '../../../src/run/ui/api.ts';
import { runId } from '../../../src/run/ui/findRuns.ts';
import { line, lockOf, openScene, row, START } from './outputs.ts';
import type { Scene } from './outputs.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => {
  scene.close();
  expect(scene.failures).toEqual([]);
});

const options = { base_model_hf: '/models/tiny', train_file: '/data/rows.jsonl', val_file: '/data/val.jsonl', lora_r: 4, report_to: ['console'], quantization: 'nf4' };
const recipeOf = (asked: string): Record<string, unknown> => parse(readFileSync(/--config (\S+)/.exec(asked)![1]!, 'utf8')) as Record<string, unknown>;
const detail = async (id: string): Promise<RunDetail> => (await (await scene.get(`/api/runs/${id}`)).json()) as RunDetail;
const errorOf = async (response: Response): Promise<string> => ((await response.json()) as { error: string }).error;

it('starts a run on a recipe that the command line takes, found again by another server', async () => {
  const response = await scene.post('/api/runs', { name: 'first', options });
  expect(response.status).toBe(202);
  const { id } = (await response.json()) as { id: string };
  expect(id).toBe(await runId('first'));
  expect(scene.asked).toHaveLength(1);
  expect(scene.asked[0]).toMatch(/^train --config /);
  const recipe = recipeOf(scene.asked[0]!);
  expect(recipe).toEqual({ ...options, run_name: 'first', output_dir: join(scene.dir, 'first'), report_to: ['jsonl', 'console'] });
  const [, config = ''] = /--config (\S+)/.exec(scene.asked[0]!)!;
  const { options: parsed } = await parseCommandLine(trainProgram, ['--config', config], {}, nodePlatform);
  expect(parsed).toMatchObject({ ...recipe });
  for (const name of readdirSync(join(scene.dir, '.vernier-ui'))) expect(statSync(join(scene.dir, '.vernier-ui', name)).mode & 0o77, name).toBe(0);

  // It has no folder yet, and is there.
  expect(await detail(id)).toMatchObject({ name: 'first', state: 'running', base: '/models/tiny', settings: { lora_r: 4 }, actions: { stop: null } });
  scene.living.clear();
  expect(await detail(id)).toMatchObject({ state: 'failed', actions: { stop: 'It is not running.', resume: null } });
  const listed = (await (await scene.get('/api/runs')).json()) as RunEntry[];
  expect(listed).toMatchObject([{ id, state: 'failed' }]);
});

it('tells what is wrong with options before anything is started', async () => {
  for (const [wrong, words] of [
    [{ ...options, lora_r: 0 }, 'lora_r'],
    [{ ...options, lora_rr: 4 }, 'lora_r'],
    [{ ...options, train_file: null }, 'Nothing to train on'],
    [{ ...options, base_model_hf: null }, 'No base model'],
    [{ ...options, learning_rate: 'fast' }, 'learning_rate'],
  ] as const) {
    const response = await scene.post('/api/runs', { name: 'first', options: wrong });
    expect(response.status).toBe(422);
    expect(await errorOf(response)).toContain(words);
  }
  expect(scene.asked).toEqual([]);
  expect(readdirSync(scene.dir)).toEqual([]);
});

it('two requests for one name start one run', async () => {
  const all = await Promise.all([1, 2, 3].map(() => scene.post('/api/runs', { name: 'first', options })));
  expect(all.map(({ status }) => status).sort()).toEqual([202, 409, 409]);
  expect(scene.asked).toHaveLength(1);
});

it('stops once, whoever started it, and never by a second signal', async () => {
  scene.put('a/trainer_log.jsonl', START + row(1));
  scene.put('a/.vernier.lock', await lockOf(91));
  scene.living.add(91);
  const id = await runId('a');
  for (let i = 0; i < 3; i++) expect((await scene.post(`/api/runs/${id}/stop`, {})).status).toBe(202);
  expect(scene.asked).toEqual(['interrupt 91']);
  scene.living.delete(91);
  expect((await scene.post(`/api/runs/${id}/stop`, {})).status).toBe(409);
  const resumed = await scene.post(`/api/runs/${id}/resume`, {});
  expect(resumed.status).toBe(409);
  expect(await errorOf(resumed)).toContain('--resume_from_checkpoint true');
  expect(scene.asked).toEqual(['interrupt 91']);
});

it('resumes, evaluates and merges with the options that the run has', async () => {
  await scene.post('/api/runs', { name: 'first', options: { ...options, overwrite: true } });
  const id = await runId('first');
  scene.put('first/trainer_log.jsonl', START + row(1) + line({ event: 'finish', outcome: 'stopped' }));
  for (const action of ['resume', 'evaluate', 'merge']) expect((await scene.post(`/api/runs/${id}/${action}`, {})).status, action).toBe(409);
  scene.living.clear();
  expect((await scene.post(`/api/runs/${id}/merge`, {})).status).toBe(409); // no adapter yet
  scene.put('first/adapter_config.json', '{}');

  expect((await scene.post(`/api/runs/${id}/resume`, {})).status).toBe(202);
  expect(scene.asked[1]).toMatch(/^train --config \S+ --resume_from_checkpoint true$/);
  expect(recipeOf(scene.asked[1]!)).not.toHaveProperty('overwrite');
  scene.living.clear();

  const evaluated = (await (await scene.post(`/api/runs/${id}/evaluate`, { options: { limit: 5 } })).json()) as { id: string };
  expect(evaluated.id).toBe(await runId('first-evaluation'));
  expect(recipeOf(scene.asked[2]!)).toEqual({
    base_model_hf: '/models/tiny', quantization: 'nf4', eval_file: '/data/val.jsonl', limit: 5,
    lora_checkpoint_dir: join(scene.dir, 'first'), output_dir: join(scene.dir, 'first-evaluation'),
  });
  expect(await detail(evaluated.id)).toMatchObject({ kind: 'evaluation', state: 'running' });
  scene.living.clear();
  await scene.post(`/api/runs/${id}/evaluate`, { options: { eval_file: '/data/other.jsonl' } });
  expect(recipeOf(scene.asked[3]!)).toMatchObject({ eval_file: '/data/other.jsonl' });
  scene.living.clear();

  expect((await scene.post(`/api/runs/${id}/merge`, {})).status).toBe(202);
  expect(recipeOf(scene.asked[4]!)).toMatchObject({ merge_only: true, base_model_hf: '/models/tiny', output_dir: join(scene.dir, 'first') });
  expect((await detail(id)).actions).toMatchObject({ merge: 'It is being merged.', stop: null });
  // Resuming still has the recipe of training.
  scene.living.clear();
  await scene.post(`/api/runs/${id}/resume`, {});
  expect(recipeOf(scene.asked[5]!)).not.toHaveProperty('merge_only');
});

it('a run of elsewhere is evaluated and merged once its base and rows are named', async () => {
  scene.put('a/trainer_log.jsonl', START + row(1) + line({ event: 'finish', outcome: 'finished' }));
  scene.put('a/adapter_config.json', '{}');
  const id = await runId('a');
  expect(await errorOf(await scene.post(`/api/runs/${id}/evaluate`, {}))).toContain('Nothing to evaluate on');
  expect(await errorOf(await scene.post(`/api/runs/${id}/merge`, {}))).toContain('No base model');
  expect((await scene.post(`/api/runs/${id}/evaluate`, { options: { base_model_hf: 'b', eval_file: 'v.jsonl' } })).status).toBe(202);
  expect((await scene.post(`/api/runs/${id}/evaluate`, { options: { base_model_hf: 'b', eval_file: 'v.jsonl', output_dir: 'x' } })).status).toBe(422);
  scene.living.clear();
  expect((await scene.post(`/api/runs/${id}/merge`, { options: { base_model_hf: 'b' } })).status).toBe(202);
  expect((await scene.post(`/api/runs/${id}/resume`, {})).status).toBe(409);
});

it('no more than eight programs at a time; notes of jobs that are none are passed over', async () => {
  for (let i = 0; i < 8; i++) expect((await scene.post('/api/runs', { name: `run${i}`, options })).status).toBe(202);
  expect((await scene.post('/api/runs', { name: 'more', options })).status).toBe(503);
  scene.living.clear();
  writeFileSync(join(scene.dir, '.vernier-ui/0123456789abcdef.train.json'), '{"kind":"train","run":"../secret"}');
  writeFileSync(join(scene.dir, '.vernier-ui/0123456789abcdee.train.json'), '{"kind":"tr');
  const names = ((await (await scene.get('/api/runs')).json()) as RunEntry[]).map(({ name }) => name).sort();
  expect(names).toEqual(Array.from({ length: 8 }, (_, i) => `run${i}`));
});
