/** What is said of runs: their states by lock, log and record; figures; runs that are broken, cut off or gone. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Comparison, RunDetail, RunEntry } from '../../../src/run/ui/api.ts';
import { runId } from '../../../src/run/ui/findRuns.ts';
import { paceOf } from '../../../src/run/ui/pace.ts';
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

const list = async (): Promise<RunEntry[]> => (await (await scene.get('/api/runs')).json()) as RunEntry[];
async function detail(name: string): Promise<RunDetail> {
  const response = await scene.get(`/api/runs/${await runId(name)}`);
  expect(response.status).toBe(200);
  return (await response.json()) as RunDetail;
}
const state = async (name: string): Promise<string> => (await detail(name)).state;

const finish = (outcome: string): string => line({ event: 'finish', time: 't', outcome, train_runtime: 3, files: [] });
const STATE = JSON.stringify({ global_step: 2, log_history: [{ step: 1, epoch: 0.5, loss: 3 }, { step: 2, epoch: 1, loss: 2 }, { step: 2, epoch: 1, eval_loss: 2.5 }] });

describe('the state of a run', () => {
  it('is that of its lock, then of its last line, then of what it has left', async () => {
    scene.put('a/trainer_log.jsonl', START + row(1));
    expect(await state('a')).toBe('interrupted');
    scene.put('a/.vernier.lock', await lockOf(55));
    scene.living.add(55);
    expect(await detail('a')).toMatchObject({ state: 'running', step: 1, totalSteps: 10, loss: 9, actions: { stop: null, resume: 'It is running.' } });
    scene.living.delete(55);
    expect(await state('a')).toBe('interrupted'); // killed: its lock lies there
    for (const outcome of ['finished', 'stopped', 'failed']) {
      scene.append('a/trainer_log.jsonl', finish(outcome));
      expect(await state('a')).toBe(outcome);
    }
    scene.append('a/trainer_log.jsonl', START);
    expect(await state('a')).toBe('interrupted');

    scene.put('old/trainer_state.json', STATE);
    expect(await detail('old')).toMatchObject({ state: 'finished', rows: [{ step: 1, loss: 3 }, { step: 2 }, { step: 2, eval_loss: 2.5 }] });
    scene.put('asked/evaluation.json', '{}');
    scene.put('asked/samples.jsonl', '');
    expect(await detail('asked')).toMatchObject({ state: 'interrupted', kind: 'evaluation' });
    scene.put('asked/summary.json', '{}');
    expect(await state('asked')).toBe('finished');
    scene.put('told/report.json', '{"vernier_report":1,"kind":"training","name":"told","model":"m","outcome":"stopped"}');
    expect(await state('told')).toBe('stopped');
  });

  it('of another machine is unclear until its heart is seen to beat', async () => {
    scene.put('far/trainer_log.jsonl', START + row(1));
    scene.put('far/.vernier.lock', await lockOf(5, { host: 'ward-3' }, 1));
    const first = await detail('far');
    expect(first).toMatchObject({ state: 'unclear', holder: expect.stringContaining('process 5 on ward-3 (train)') as string });
    expect(first.actions.stop).toContain('another machine');
    expect((await scene.post(`/api/runs/${first.id}/stop`, {})).status).toBe(409);
    scene.put('far/.vernier.lock', await lockOf(5, { host: 'ward-3' }, 2));
    expect(await state('far')).toBe('running');
    scene.put('far/.vernier.lock', await lockOf(6, { host: 'ward-3' }, 1));
    expect(await state('far')).toBe('unclear');
    scene.put('far/.vernier.lock', 'no lock of ours');
    expect(await state('far')).toBe('unclear');
    expect(scene.asked).toEqual([]);
  });
});

describe('what is shown', () => {
  it('figures, facts, settings without secrets, warnings, speed', async () => {
    const start = START.replace('"lora_r":4', '"lora_r":4,"hub_token":"hunter22"');
    scene.put('a/trainer_log.jsonl', start + row(1) + row(2, { gpu_peak_bytes: 5000, loss: 'NaN' }) + line({ event: 'warning', text: '<b>careful</b>' }) + line({ step: 2, eval_loss: 7 }) + row(3));
    expect(await detail('a')).toMatchObject({
      name: 'a', step: 3, totalSteps: 10, loss: 7, evalLoss: 7, model: 'tiny', peakBytes: 5000,
      facts: [['model', 'tiny'], ['rows', '8']],
      settings: { lora_r: 4, hub_token: '***' },
      warnings: ['<b>careful</b>'],
      pace: { secondsPerStep: 2, tokensPerSecond: 50 },
      rows: [{ step: 1 }, { step: 2, loss: 'NaN' }, { step: 2, eval_loss: 7 }, { step: 3 }],
    });
  });

  it('speed leaves out what comes before the first row, and earlier starts', () => {
    const of = (step: number, seconds: number): Record<string, number> => ({ step, loss: 1, elapsed_seconds: seconds, num_tokens: 10 * step });
    expect(paceOf([])).toBeUndefined();
    expect(paceOf([of(1, 60)])).toBeUndefined();
    expect(paceOf([of(1, 60), of(2, 61), { step: 2, eval_loss: 1 }, of(3, 64)])).toEqual({ secondsPerStep: 2, tokensPerSecond: 5 });
    expect(paceOf([of(1, 60), of(2, 61), of(3, 30), of(4, 34)])).toEqual({ secondsPerStep: 4, tokensPerSecond: 2.5 });
    expect(paceOf([of(1, 60), of(2, 61), of(3, 30)])).toBeUndefined();
  });

  it('runs wherever they lie below, but for parts of runs, the latest first', async () => {
    scene.put('study/knee/first/trainer_log.jsonl', START);
    scene.put('study/knee/first/checkpoint-3/trainer_state.json', STATE);
    scene.put('.hidden/trainer_log.jsonl', START);
    scene.put('a/b/c/d/e/f/g/h/trainer_log.jsonl', START);
    symlinkSync(join(scene.dir, 'study'), join(scene.dir, 'study/again'));
    await sleep(20);
    scene.put('z/trainer_log.jsonl', START);
    expect((await list()).map(({ name }) => name)).toEqual(['z', 'study/knee/first']);
  });

  it('rows of many runs, of which few are held, are read again when they are looked at', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `run${i}`);
    for (const name of names) scene.put(`${name}/trainer_log.jsonl`, START + row(1) + row(2));
    for (const _ of [1, 2]) for (const name of names) expect((await detail(name)).rows.map(({ step }) => step)).toEqual([1, 2]);
    scene.append('run0/trainer_log.jsonl', row(3));
    expect((await detail('run0')).rows.map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  it('the folder itself may be a run', async () => {
    scene.put('trainer_log.jsonl', START + row(1));
    expect((await list()).map(({ name }) => name)).toEqual(['.']);
    expect(await detail('')).toMatchObject({ name: '.', step: 1 });
  });

  it('hostile names and texts are what they are', async () => {
    const name = '<img src=x onerror=alert(1)>';
    scene.put(`${name}/trainer_log.jsonl`, START.replaceAll('tiny', '<script>alert(1)</script>') + row(1));
    expect((await list())[0]!.name).toBe(name);
    const page = await (await scene.get(`/api/runs/${await runId(name)}/report`)).text();
    expect(page).not.toMatch(/<script|<img src=x/);
  });

  it('a report is made of what there is, a crashed run among it; two are compared', async () => {
    scene.put('a/trainer_log.jsonl', START + row(1) + row(2) + row(3).slice(0, 30));
    scene.put('b/trainer_state.json', STATE);
    const [a, b] = [await runId('a'), await runId('b')];
    const page = await scene.get(`/api/runs/${a}/report`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await page.text()).toContain('Fine-tuning: first');
    const compared = (await (await scene.get(`/api/compare?runs=${a},${b}`)).json()) as Comparison;
    expect(compared.names).toEqual(['a', 'b']);
    expect(compared.about.rows).toContainEqual({ head: 'Steps', cells: ['2', '2'] });
    expect(compared.figures.rows[0]).toMatchObject({ head: 'Training: loss, last row of the log', cells: ['8.000 nats', '2.000 nats'] });
    scene.put('c/.vernier.lock', '');
    expect((await scene.get(`/api/runs/${await runId('c')}/report`)).status).toBe(409);
    expect((await scene.get(`/api/compare?runs=${a},${await runId('c')}`)).status).toBe(422);
  });
});

describe('what is broken', () => {
  it('lines, records and folders that are no such thing', async () => {
    scene.put('a/trainer_log.jsonl', `${START}{"step":1,"loss":\n\0\0\0\n"x"\n[]\n${'{"a":'.repeat(3000)}\n${row(2)}{"step":3`);
    expect((await detail('a')).rows.map(({ step }) => step)).toEqual([2]);
    scene.put('b/trainer_log.jsonl', '');
    scene.put('c/report.json', '{"vernier_report":1,');
    scene.put('d/trainer_state.json', '{');
    mkdirSync(join(scene.dir, 'e/trainer_log.jsonl'), { recursive: true });
    mkdirSync(join(scene.dir, 'f/.vernier.lock'), { recursive: true });
    writeFileSync(join(scene.dir, 'g'), '');
    await sleep(1100);
    expect((await list()).map(({ name }) => name).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    for (const name of ['b', 'c', 'd', 'e', 'f']) expect((await detail(name)).rows, name).toEqual([]);
    for (const name of ['b', 'c', 'd', 'e', 'f'])
      for (const what of ['report', 'pictures', 'said', 'files/report.json'])
        expect((await scene.get(`/api/runs/${await runId(name)}/${what}`)).status, `${name} ${what}`).toBeLessThan(500);
  });

  it('folders that go while they are looked at', async () => {
    scene.put('a/trainer_log.jsonl', START + row(1));
    scene.put('b/trainer_log.jsonl', START + row(1));
    const { id } = await detail('a');
    expect((await list()).length).toBe(2);
    rmSync(join(scene.dir, 'a'), { recursive: true });
    expect((await scene.get(`/api/runs/${id}`)).status).toBeLessThan(500);
    await sleep(1100);
    expect((await list()).map(({ name }) => name)).toEqual(['b']);
    expect((await scene.get(`/api/runs/${id}`)).status).toBe(404);
    rmSync(scene.dir, { recursive: true });
    await sleep(1100);
    expect(await list()).toEqual([]);
  });
});
