/** `--resume_from_checkpoint` as users run it: after Ctrl-C, after a full disk, from a folder by name, past a damaged checkpoint; and what it refuses. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../node/platform.ts';
import { openCheckpoint } from '../../src/train/resume.ts';
import { buildCommandLine, edit, goldenRows, repository, runTrain, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-resume-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const rowsFile = at('rows.jsonl');
const flags: Flags = {
  base_model_hf: tinyModel, train_file: rowsFile, max_steps: 6, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 0.002, lora_r: 4,
  target_modules: 'q_proj,v_proj', logging_steps: 4, save_steps: 2, report_to: 'jsonl', dataloader_num_workers: 0,
};

beforeAll(async () => {
  buildCommandLine();
  writeFileSync(rowsFile, `${goldenRows('s01_single', 's09_textonly', 's12_string_content').join('\n')}\n`);
  const { code, error } = await runTrain({ ...flags, lora_checkpoint_dir: at('whole') });
  if (code !== 0) throw new Error(error);
});

const weights = (dir: string): Buffer => readFileSync(join(dir, 'adapter_model.safetensors'));
const checkpoints = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('checkpoint')).sort();
const resume = (dir: string, more: Flags = {}): Promise<Ended> => runTrain({ ...flags, lora_checkpoint_dir: dir, resume_from_checkpoint: true, ...more });

/** A copy of the finished run as it was after `step`. */
function runUpTo(step: number, name: string): string {
  const dir = at(name);
  cpSync(at('whole'), dir, { recursive: true });
  for (const one of checkpoints(dir)) if (Number(one.slice(11)) > step) rmSync(join(dir, one), { recursive: true });
  return dir;
}

describe('goes on', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('after %s, which ends with 130 and a checkpoint', async (signal) => {
    const dir = at(signal);
    const log = join(dir, 'trainer_log.jsonl');
    const more = { save_steps: -1, logging_steps: 1, lr_scheduler_type: 'constant' };
    const first = await runTrain({ ...flags, ...more, max_steps: 400, lora_checkpoint_dir: dir }, (send) => {
      const watch = setInterval(() => {
        if (!existsSync(log) || !readFileSync(log, 'utf8').includes('"step":2,')) return;
        clearInterval(watch);
        send(signal);
      }, 5);
    });
    expect(first).toMatchObject({ code: 130, error: expect.stringContaining('Stopping, and saving what is done') as string });
    const [stopped] = checkpoints(dir);
    const step = Number(stopped!.slice(11));
    expect(step).toBeLessThan(400);
    const last = step + 4;
    const uninterrupted = at(`${signal}-whole`);
    await runTrain({ ...flags, ...more, max_steps: last, lora_checkpoint_dir: uninterrupted });
    // Another horizon is told, although a constant rate makes no difference of it.
    const told = await resume(dir, { ...more, max_steps: last, report_to: 'console' });
    expect(told).toMatchObject({ code: 0, output: expect.stringMatching(/Not as it would have been without the break: the run ends at step \d+ in place of 400/) as string });
    expect(checkpoints(dir)).toEqual([stopped!, `checkpoint-${last}`].sort());
    expect(weights(dir).equals(weights(uninterrupted))).toBe(true);
  });

  it('from the start where nothing was saved yet, and from a finished run to the same end', async () => {
    const fresh = await resume(at('fresh'), { report_to: 'console' });
    expect(fresh).toMatchObject({ code: 0, output: expect.stringMatching(/no checkpoint in .*fresh yet; the run begins at its first step/) as string });
    expect(weights(at('fresh')).equals(weights(at('whole')))).toBe(true);
    const before = statSync(at('fresh', 'checkpoint-6')).mtimeMs;
    expect(await resume(at('fresh'))).toMatchObject({ code: 0 });
    expect(statSync(at('fresh', 'checkpoint-6')).mtimeMs).toBe(before);
    expect(weights(at('fresh')).equals(weights(at('whole')))).toBe(true);
  });

  it('past a damaged checkpoint, which it names and sets aside; the log has every row once', async () => {
    const dir = runUpTo(4, 'damaged');
    edit(join(dir, 'checkpoint-4/optimizer.safetensors'), (text) => `${text.slice(0, -9)}x${text.slice(-8)}`);
    mkdirSync(join(dir, 'checkpoint-6.tmp'));
    appendFileSync(join(dir, 'trainer_log.jsonl'), '{"step":9,"lo');
    const { code, error } = await resume(dir);
    expect(error).toMatch(/^Warning: .*checkpoint-4 is damaged: .*optimizer\.safetensors is not as it was written: the checksum of bytes 0 to \d+ differs/m);
    expect(error).toMatch(/^Warning: the run goes on from step 2; later checkpoints are set aside .*checkpoint-4\.superseded/m);
    expect(code).toBe(0);
    expect(checkpoints(dir)).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-4.superseded', 'checkpoint-6']);
    expect(weights(dir).equals(weights(at('whole')))).toBe(true);
    const entries = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { event?: string; step?: number });
    expect(entries.map(({ event, step }) => event ?? step)).toEqual(['start', 'finish', 'start', 'info', 4, 6, 'finish']);
  });

  it('and removes what a killed run had no time to remove, of a finished one too', async () => {
    const dir = runUpTo(6, 'killed');
    expect(checkpoints(dir)).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-6']);
    const { code, error } = await resume(dir, { save_total_limit: 2 });
    expect(code, error).toBe(0);
    expect(checkpoints(dir)).toEqual(['checkpoint-4', 'checkpoint-6']);
    expect(weights(dir)).toEqual(weights(at('whole')));
  });

  it('where blocks are not run again, whose inputs are then not kept in bf16 either, to the same bytes', async () => {
    const dir = runUpTo(2, 'kept');
    const { code, error } = await resume(dir, { gradient_checkpointing: false, saved_inputs: 'bf16' });
    expect(code, error).toBe(0);
    expect(weights(dir)).toEqual(weights(at('whole')));
  });

  it('from a checkpoint by name: in place, with a path of another spelling, and into a new folder', async () => {
    const dir = runUpTo(6, 'named');
    const inPlace = await resume(dir, { resume_from_checkpoint: `${relative(repository, join(dir, 'checkpoint-2'))}/` });
    expect(inPlace).toMatchObject({ code: 0, error: expect.stringContaining('checkpoint-4.superseded') as string });
    expect(checkpoints(dir)).toEqual(['checkpoint-2', 'checkpoint-4', 'checkpoint-4.superseded', 'checkpoint-6', 'checkpoint-6.superseded']);
    expect(weights(dir).equals(weights(at('whole')))).toBe(true);
    expect(await resume(at('moved'), { resume_from_checkpoint: at('whole', 'checkpoint-4') })).toMatchObject({ code: 0 });
    expect(weights(at('moved')).equals(weights(at('whole')))).toBe(true);
    expect(await resume(at('by-run'), { resume_from_checkpoint: at('whole') })).toMatchObject({ code: 0 });
    expect(weights(at('by-run')).equals(weights(at('whole')))).toBe(true);
    const occupied = await resume(at('moved'), { resume_from_checkpoint: at('whole', 'checkpoint-4') });
    expect(occupied).toMatchObject({ code: 1, error: expect.stringContaining('holds checkpoint-6 of an earlier run') as string });
  });
});

describe('refuses', () => {
  it.each<[string, Flags, RegExp]>([
    ['a folder that is not there', { resume_from_checkpoint: at('nowhere') }, /--resume_from_checkpoint .*nowhere: there is no such folder/],
    ['a folder that is no checkpoint', { resume_from_checkpoint: tinyModel }, /was not saved by this program/],
    ['other rows', { train_file: at('other.jsonl') }, /the training rows are others than they were, though as many/],
    ['another mask', { mask: 'reference' }, /--mask was "completion", now it is "reference"/],
    ['another seed', { seed: 7 }, /--seed was 1024, now it is 7/],
    ['inputs of blocks kept in another precision', { saved_inputs: 'bf16' }, /--saved_inputs was "f32", now it is "bf16"/],
  ])('%s', async (_, more, words) => {
    writeFileSync(at('other.jsonl'), `${goldenRows('s01_single', 's09_textonly', 's00_single').join('\n')}\n`);
    const dir = runUpTo(4, 'refused');
    const { code, error } = await resume(dir, more);
    expect(error).toMatch(words);
    expect(error).not.toMatch(/^\s+at |defect|undefined/m);
    expect(code).toBe(1);
    expect(checkpoints(dir)).toEqual(['checkpoint-2', 'checkpoint-4']);
    rmSync(dir, { recursive: true });
  });

  it('a damaged checkpoint that was asked for by name, and says which others there are', async () => {
    const dir = runUpTo(4, 'named-damaged');
    edit(join(dir, 'checkpoint-4/vernier_state.json'), (text) => text.replace('"step": 4', '"step": 5'));
    const { code, error } = await resume(dir, { resume_from_checkpoint: join(dir, 'checkpoint-4') });
    expect(error).toMatch(/^Error: --resume_from_checkpoint: .*checkpoint-4 is damaged: .*vernier_state\.json .* Beside it are checkpoint-2\./m);
    expect(code).toBe(1);
  });
});

/** A small file system, where this process may mount one. */
function smallDisk(kib: number): string | undefined {
  const dir = at('disk');
  mkdirSync(dir, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', dir]);
  return status === 0 ? dir : undefined;
}

it('a disk that is full at the second checkpoint leaves the first, from which the run goes on when space is freed', async (context) => {
  const large: Flags = { ...flags, target_modules: 'all-linear', lora_r: 16, save_steps: 2 };
  await runTrain({ ...large, lora_checkpoint_dir: at('large') });
  const kib = readdirSync(at('large', 'checkpoint-2')).reduce((sum, name) => sum + Math.ceil(statSync(at('large', 'checkpoint-2', name)).size / 1024), 0);
  const disk = smallDisk(Math.round(kib * 1.6));
  if (disk === undefined) return context.skip('no permission to mount; test/train/trainerFailures.test.ts does the same with a simulated disk');
  try {
    const dir = join(disk, 'run');
    const { code, error } = await runTrain({ ...large, lora_checkpoint_dir: dir });
    // The save of step 4 failed as well, was told, and the run went on: the second in a row ends it.
    expect(error).toMatch(/^Error: checkpoint-6 was not saved: Cannot write .*no space is left on the disk.*Earlier checkpoints in .*run are as they were/m);
    expect(error).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
    expect(readdirSync(dir).sort()).toEqual(['checkpoint-2', 'trainer_log.jsonl']);
    expect((await openCheckpoint(platform, join(dir, 'checkpoint-2'))).step).toBe(2);
    expect(spawnSync('mount', ['-o', `remount,size=${kib * 8}k`, disk]).status).toBe(0);
    expect(await runTrain({ ...large, lora_checkpoint_dir: dir, resume_from_checkpoint: true })).toMatchObject({ code: 0 });
    expect(weights(dir).equals(weights(at('large')))).toBe(true);
  } finally {
    spawnSync('umount', [disk]);
  }
});
