/** `node dist/train.js --report_to jsonl,tensorboard,wandb` as a process, gone on with after the newest checkpoint was lost: one history in every tracker. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WandbServer } from '../track/wandbServer.ts';
import { buildCommandLine, goldenRows, runTrain, tinyModel } from './trainProcess.ts';
import type { Flags } from './trainProcess.ts';

const KEY = '89abcdef0123456789abcdef0123456789abcdef';
const VARIABLES = ['WANDB_API_KEY', 'WANDB_BASE_URL', 'WANDB_MODE'] as const;
const before = VARIABLES.map((name) => process.env[name]);

let dir: string;
let server: WandbServer;
beforeAll(async () => {
  buildCommandLine();
  dir = mkdtempSync(join(tmpdir(), 'vernier-tracking-'));
  server = new WandbServer(KEY);
  process.env['WANDB_API_KEY'] = KEY;
  process.env['WANDB_BASE_URL'] = await server.listen();
  writeFileSync(join(dir, 'rows.jsonl'), goldenRows('s09_textonly', 's01_single').join('\n'));
});
afterAll(async () => {
  VARIABLES.forEach((name, i) => {
    if (before[i] === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before[i];
  });
  await server.close();
  rmSync(dir, { recursive: true });
});

describe('trackers of a run', () => {
  it('hold one history when it was interrupted, and never the key', async () => {
    const out = join(dir, 'out');
    const flags: Flags = {
      base_model_hf: tinyModel, train_file: join(dir, 'rows.jsonl'), lora_checkpoint_dir: out, run_name: 'tracked', per_device_train_batch_size: 1,
      gradient_accumulation_steps: 1, max_steps: 4, save_steps: 2, logging_steps: 1, report_to: 'console,jsonl,tensorboard,wandb', wandb_project: 'p', wandb_tags: 'x,y',
    };
    const first = await runTrain(flags);
    expect(first.code, first.error).toBe(0);
    const [[id, run]] = [...server.runs] as [[string, NonNullable<ReturnType<WandbServer['runs']['get']>>]];
    expect(first.output).toContain(`/team/p/runs/${id}`);
    expect(run.displayName).toBe('tracked');
    const losses = run.history.map((line) => line['train/loss']);
    expect(losses.length).toBe(4);

    rmSync(join(out, 'checkpoint-4'), { recursive: true });
    const second = await runTrain({ ...flags, resume_from_checkpoint: true });
    expect(second.code, second.error).toBe(0);
    expect([...server.runs.keys()]).toEqual([id]);
    expect(run.history.map((line) => line['train/global_step'])).toEqual([1, 2, 3, 4]);
    expect(run.history.map((line) => line['train/loss'])).toEqual(losses);
    expect(run.exitCode).toBe(0);

    const rows = readFileSync(join(out, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.filter((row) => 'loss' in row).map((row) => row['step'])).toEqual([1, 2, 3, 4]);
    expect(readdirSync(join(out, 'runs/tracked')).length).toBe(2);
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name), 'latin1').includes(KEY), file.name).toBe(false);
    expect(`${first.output}${first.error}${second.output}${second.error}`).not.toContain(KEY);
  }, 120_000);

  it('show pictures of predictions, each evaluation once', async () => {
    const out = join(dir, 'pictured');
    const [asked, plain] = goldenRows('s01_single', 's00_single');
    writeFileSync(join(dir, 'held.jsonl'), `${JSON.stringify({ ...(JSON.parse(asked!) as object), task: 'Detection' })}\n${plain!}`);
    const flags: Flags = {
      base_model_hf: tinyModel, train_file: join(dir, 'rows.jsonl'), val_file: join(dir, 'held.jsonl'), lora_checkpoint_dir: out, run_name: 'pictured', max_steps: 2,
      per_device_train_batch_size: 1, gradient_accumulation_steps: 1, save_steps: 1, eval_steps: 2, eval_generate: 3, eval_max_new_tokens: 4,
      report_to: 'console,tensorboard,wandb', track_pictures: true,
    };
    const first = await runTrain(flags);
    expect(first.code, first.error).toBe(0);
    rmSync(join(out, 'checkpoint-2'), { recursive: true });
    const second = await runTrain({ ...flags, resume_from_checkpoint: true });
    expect(second.code, second.error).toBe(0);
    expect(`${first.output}${first.error}${second.output}${second.error}`).not.toContain('No picture');
    const run = [...server.runs.values()].find(({ displayName }) => displayName === 'pictured')!;
    const pictured = run.history.filter((line) => Object.keys(line).some((key) => key.startsWith('eval/predictions/')));
    expect(pictured.map((line) => [line['train/global_step'], 'eval/loss' in line])).toEqual([[0, true], [2, true]]);
    for (const line of pictured) {
      const { caption, path, width } = line['eval/predictions/Detection/1'] as { caption: string; path: string; width: number };
      expect(caption).toMatch(/^Detection: .*held\.jsonl:1 \| answer.* \| truth \(blue\): 0\.452, 0\.352, 0\.586, 0\.608 \| IoU 0\.000$/);
      // 108×90 pixels, enlarged by 5, and a margin
      expect([width, run.files.get(path)!.subarray(1, 4).toString()]).toEqual([552, 'PNG']);
      expect((line['eval/predictions/rows/1'] as { caption: string }).caption).toContain('"0.549, 0.138, 0.804, 0.484"');
    }
  }, 120_000);

  it('a wrong key ends the run before it begins', async () => {
    process.env['WANDB_API_KEY'] = 'not-a-key';
    const { code, error } = await runTrain({ base_model_hf: tinyModel, train_file: join(dir, 'rows.jsonl'), lora_checkpoint_dir: join(dir, 'refused'), report_to: 'wandb', max_steps: 1 });
    expect(code).toBe(1);
    expect(error).toContain('does not accept the API key');
    expect(error).not.toContain('not-a-key');
  }, 120_000);
});
