/** The whole quick start, small: volumes, questions, training, adapter, report. Random weights stand in for the base, so that nothing depends on it. */
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform as platform, releaseGpu } from '../../node/platform.ts';
import { tokenizerTexts, writeInitialFolder } from '../../src/run/pretrain/baseFolder.ts';
import { RECIPES } from '../../src/run/quickstart/recipes.ts';
import { quickstart } from '../../src/run/quickstart/run.ts';
import { Device } from '../../src/gpu/device.ts';
import { readAdapter } from '../../src/io/peft.ts';
import { readTrainerState } from '../../src/train/checkpointFolder.ts';
import { openSession } from '../../src/train/session.ts';
import { namingOf } from '../../src/models/families.ts';

const sample = fileURLToPath(new URL('../../node/sample', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-quickstart-'));

afterAll(() => {
  releaseGpu();
});

it('learns, asks before and after, and leaves adapter, log and report', async () => {
  const base = join(scratch, 'base');
  await writeInitialFolder(platform, base, await tokenizerTexts(platform, sample), 1);
  const out = join(scratch, 'out');
  let said = '';
  const terminal = { write: (text: string): void => void (said += text), isTty: false, columns: 120 };
  const settings = { architecture: 'Qwen2.5-VL', base, sample, out, steps: 8, batchSize: 2, learningRate: 3e-3, seed: 1, quantization: 'none', questions: { box: 2, metric: 2, ellipse: 1 } } as const;
  const { losses, comparison, report } = await quickstart(platform, settings, terminal, new AbortController().signal);

  expect(losses.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const mean = (from: number): number => losses.slice(from, from + 3).reduce((sum, { loss }) => sum + loss, 0) / 3;
  expect(mean(5)).toBeLessThan(mean(0) - 0.5);
  expect(comparison.map(({ subject }) => subject)).toContain('Detection');
  expect(said).toMatch(/Detection +mean IoU/);

  const left = ['adapter_config.json', 'adapter_model.safetensors', 'checkpoint-8', 'report.html', 'trainer_log.jsonl', 'trainer_state.json'];
  expect(readdirSync(out)).toEqual(expect.arrayContaining(left));
  const state = await readTrainerState(platform, join(out, 'checkpoint-8'));
  expect(state.global_step).toBe(8);
  expect(state.log_history.map(({ loss }) => loss)).toEqual(losses.map(({ loss }) => loss));
  const log = readFileSync(join(out, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(log.filter((row) => 'loss' in row)).toHaveLength(8);
  expect(log.at(-1)?.['event']).toBe('finish');

  const html = readFileSync(report, 'utf8');
  expect(html.match(/<image href="data:image\/png;base64,/g)).toHaveLength(5);
  expect(html).toMatch(/one person's head/);

  // The adapter is one that a later run can go on from.
  const adapter = await readAdapter(platform, join(out, 'checkpoint-8'), namingOf('qwen2_5_vl'));
  expect([...adapter.tensors.values()].some(({ data }) => data.some((value) => value !== 0))).toBe(true);
  const device = await Device.create(await platform.gpu());
  const session = await openSession(platform, device, { baseModel: base, initAdapter: join(out, 'checkpoint-8') });
  expect(session.trainableCount).toBeGreaterThan(200_000);
  session.close();
  device.destroy();
}, 120_000);

it('ships a base below 8 MB', () => {
  expect(statSync(fileURLToPath(new URL('../../node/base/model.safetensors', import.meta.url))).size).toBeLessThan(8e6);
});

it('a base that the package has not is told before anything is written', async () => {
  const out = join(scratch, 'none');
  const settings = { ...RECIPES['smolvlm-tiny'], base: join(scratch, 'absent'), sample, out };
  const terminal = { write: (): void => undefined, isTty: false, columns: 120 };
  await expect(quickstart(platform, settings, terminal, new AbortController().signal)).rejects.toThrow(/SmolVLM is not here .*absent.*comes with the repository/);
  expect(readdirSync(scratch)).not.toContain('none');
});
