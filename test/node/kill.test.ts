/**
 * SIGKILL at any moment, then `--resume_from_checkpoint true`: the adapter is, to the byte, that of a run that was left alone, and the log has every row once. Moments are
 * drawn by a seed from the time that the whole run takes, and from within saves (a `checkpoint-N.tmp` is there). Three kills in a normal test; VERNIER_KILLS=30 kills
 * thirty runs, and prints in which phase each was hit.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import type { LogRow, TrainerState } from '../../src/train/checkpointFolder.ts';
import { buildCommandLine, goldenRows, runTrain, tinyModel } from './trainProcess.ts';
import type { Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-kill-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const kills = Number(process.env['VERNIER_KILLS'] ?? 3);
const seed = Number(process.env['VERNIER_KILL_SEED'] ?? 1);

const flags: Flags = {
  base_model_hf: tinyModel, train_file: at('rows.jsonl'), val_file: at('held.jsonl'), max_steps: 20, per_device_train_batch_size: 2, gradient_accumulation_steps: 1,
  learning_rate: 0.002, lora_r: 4, target_modules: 'all-linear', logging_steps: 3, save_steps: 2, save_total_limit: 3, eval_steps: 4, per_device_eval_batch_size: 1,
  load_best_model_at_end: true, report_to: 'jsonl', dataloader_num_workers: 0,
};

let wholeMs = 0;
beforeAll(async () => {
  buildCommandLine();
  writeFileSync(at('rows.jsonl'), `${goldenRows('s01_single', 's09_textonly', 's12_string_content').join('\n')}\n`);
  writeFileSync(at('held.jsonl'), `${Array.from({ length: 6 }, () => goldenRows('s09_textonly', 's12_string_content')).flat().join('\n')}\n`);
  const began = Date.now();
  const { code, error } = await runTrain({ ...flags, lora_checkpoint_dir: at('whole') });
  if (code !== 0) throw new Error(error);
  wholeMs = Date.now() - began;
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const fraction = (index: number, use: number): number => counterHash(seed, use, 0, index) / 2 ** 32;

/** Runs until the moment drawn for `index`; says what the run was doing. */
async function runAndKill(dir: string, index: number): Promise<string> {
  // Every third moment is within a save, which is short.
  const withinSave = index % 3 === 1 ? 2 + 2 * Math.floor(fraction(index, 1) * 9) : undefined;
  const afterMs = fraction(index, 2) * wholeMs;
  const began = Date.now();
  let phase = 'ended before';
  const { code, error } = await runTrain({ ...flags, lora_checkpoint_dir: dir, resume_from_checkpoint: true }, (send) => {
    const watch = setInterval(() => {
      const names = existsSync(dir) ? readdirSync(dir) : [];
      const saving = names.find((name) => name.endsWith('.tmp'));
      const isDue = withinSave === undefined ? Date.now() - began > afterMs : names.some((name) => name.endsWith('.tmp') && parseInt(name.slice(11)) >= withinSave);
      if (!isDue && Date.now() - began < 4 * wholeMs) return;
      clearInterval(watch);
      phase = saving ?? (names.length === 0 ? 'starting' : `after row ${lastRow(dir)}`);
      send('SIGKILL');
    }, 1);
  });
  if (code !== null && code !== 0) throw new Error(error);
  return phase;
}

function lastRow(dir: string): string {
  const log = join(dir, 'trainer_log.jsonl');
  const last = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').at(-1)! : '';
  return /"step":(\d+)/.exec(last)?.[1] ?? 'none';
}

const TIMINGS = new Set(['eval_runtime', 'eval_samples_per_second', 'eval_steps_per_second', 'elapsed_seconds', 'gpu_peak_bytes']);
const untimed = (row: object): object => Object.fromEntries(Object.entries(row).filter(([key]) => !TIMINGS.has(key)));

function logged(dir: string): object[] {
  const lines = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as LogRow & { event?: string });
  return lines.filter(({ event }) => event === undefined).map(untimed);
}

/** The run goes on to its end and is compared with the one that was left alone. */
async function finishAndCompare(dir: string): Promise<void> {
  const { code, error } = await runTrain({ ...flags, lora_checkpoint_dir: dir, resume_from_checkpoint: true });
  expect({ code, error: error.replace(/^Warning: max.*\n/gm, '') }).toEqual({ code: 0, error: '' });
  const names = (of: string): string[] => readdirSync(of).filter((name) => !name.endsWith('.jsonl')).sort();
  expect(names(dir)).toEqual(names(at('whole')));
  const weights = ['.', ...names(dir).filter((name) => name.startsWith('checkpoint-'))].flatMap((name) => [join(name, 'adapter_model.safetensors'), join(name, 'adapter_config.json')]);
  for (const file of weights) expect(readFileSync(join(dir, file)).equals(readFileSync(join(at('whole'), file))), file).toBe(true);
  const state = (of: string): unknown => {
    const { log_history: history, ...rest } = JSON.parse(readFileSync(join(of, 'trainer_state.json'), 'utf8')) as TrainerState;
    return { ...rest, history: history.map(untimed) };
  };
  expect(state(dir)).toEqual(state(at('whole')));
  expect(logged(dir)).toEqual(logged(at('whole')));
}

describe('killed at random moments, resumed', () => {
  if (kills <= 3) {
    it(`one run, ${kills} times`, { timeout: 300_000 }, async () => {
      for (let index = 0; index < kills; index++) await runAndKill(at('chain'), index);
      await finishAndCompare(at('chain'));
    });
    return;
  }
  it.each(Array.from({ length: kills }, (_, index) => index))('run %i', { timeout: 300_000 }, async (index) => {
    const dir = at(`run-${index}`);
    const phase = await runAndKill(dir, index);
    await finishAndCompare(dir);
    console.log(`run ${index}: killed ${phase}`);
    rmSync(dir, { recursive: true });
  });
});
