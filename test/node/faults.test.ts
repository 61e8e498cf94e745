/**
 * A few cells of the matrix of test/faults, which tries them all: a run that meets a fault says so, leaves what is whole, and comes to the
 * same bytes when it is started again.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFaulty } from '../faults/faultyProcess.ts';
import type { Fault, FaultyEnd } from '../faults/faultyProcess.ts';
import { jobsOf } from '../faults/jobs.ts';
import type { Job, Results } from '../faults/jobs.ts';
import { buildCommandLine, tinyModel } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-faults-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const jobs = jobsOf(at('inputs'), { adapter: at('whole/out'), prepared: at('prepared'), hubRepo: 'team/faults' });
const { train, merge } = jobs as { train: Job; merge: Job };

let whole: Results;
let merged: Results;
beforeAll(async () => {
  buildCommandLine();
  cpSync(tinyModel, at('inputs/base'), { recursive: true });
  for (const job of [train, merge]) {
    const { code, error } = await start(job, at('whole'));
    if (code !== 0) throw new Error(error);
  }
  [whole, merged] = [train.results(at('whole')), merge.results(at('whole'))];
}, 60_000);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

function start(job: Job, dir: string, fault?: Fault, act?: Parameters<typeof runFaulty>[0]['act']): Promise<FaultyEnd> {
  mkdirSync(dir, { recursive: true });
  return runFaulty({ program: job.program, flags: { ...job.flags(dir), ...(existsSync(join(dir, 'out')) && job.goOn) }, ...(fault && { fault }), ...(act && { act }) });
}

/** What is not of a checkpoint more, where a run was broken off. */
const compared = (results: Results): Record<string, string> => Object.fromEntries([...results].filter(([name]) => !name.startsWith('checkpoint-') || whole.has(name)));
const checkpoints = (dir: string): string[] => readdirSync(join(dir, 'out')).filter((name) => name.startsWith('checkpoint')).sort();

async function expectTheSame(dir: string): Promise<void> {
  const { code, error } = await start(train, dir);
  expect(code, error).toBe(0);
  expect(compared(train.results(dir))).toEqual(Object.fromEntries(whole));
}

describe('a run', () => {
  it('on a disk that is full for good tries a save twice, ends, and goes on from the last checkpoint', { timeout: 60_000 }, async () => {
    const dir = at('full');
    const ended = await start(train, dir, { at: 'file open checkpoint-4\\.tmp', does: 'ENOSPC', within: '/out/' });
    expect(ended.wasMet).toBe(true);
    expect(ended.code).toBe(1);
    expect(ended.output.match(/checkpoint-4 was not saved: .*no space is left on the disk.* Training goes on/g)).toHaveLength(1);
    expect(ended.output.match(/A log cannot be written, and training goes on/g)).toHaveLength(1);
    expect(ended.error).toMatch(/^Error: checkpoint-\d was not saved: .*\nThe run up to step 2 is saved in .*checkpoint-2; .*--resume_from_checkpoint true/m);
    expect(ended.error).not.toContain('defect');
    expect(checkpoints(dir)).toEqual(['checkpoint-2']);
    await expectTheSame(dir);
  });

  it('whose log alone cannot be written says so once and comes to its end', { timeout: 60_000 }, async () => {
    const dir = at('log');
    const ended = await start(train, dir, { at: 'file appendFile trainer_log', nth: 4, does: 'EROFS', within: 'trainer_log' });
    expect([ended.wasMet, ended.code]).toEqual([true, 0]);
    expect(ended.output.match(/A log cannot be written/g)).toHaveLength(1);
    expect(compared(train.results(dir))).toEqual(Object.fromEntries(whole));
    const lines = readFileSync(join(dir, 'out/trainer_log.jsonl'), 'utf8').trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(JSON.parse(line)).toBeTypeOf('object');
  });

  it('whose GPU is lost says how to go on', { timeout: 60_000 }, async () => {
    const dir = at('lost');
    const ended = await start(train, dir, { at: 'file appendFile trainer_log', nth: 6, does: 'lose-gpu' });
    expect([ended.wasMet, ended.code]).toEqual([true, 1]);
    expect(ended.error).toMatch(/^Error: The GPU device was lost .*\nThe run up to step [24] is saved in .*; .*--resume_from_checkpoint true/m);
    await expectTheSame(dir);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('that hears %s while it loads the weights ends at once and leaves nothing', async (signal) => {
    const dir = at(signal);
    const ended = await start(train, dir, { at: 'gpu createBuffer', nth: 20, does: 'tell' }, (child) => void child.kill(signal));
    expect([ended.wasMet, ended.code]).toEqual([true, 130]);
    expect(ended.seconds).toBeLessThan(10);
    expect(ended.error).not.toContain('defect');
    expect(ended.output).toContain('nothing is lost');
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });
});

it('merging onto a full disk leaves nothing, and is made by the same command', { timeout: 60_000 }, async () => {
  const dir = at('merge');
  const ended = await start(merge, dir, { at: 'file open merged.*model\\.safetensors', does: 'ENOSPC', within: '/merged' });
  expect([ended.wasMet, ended.code]).toEqual([true, 1]);
  expect(ended.error).toContain('no space is left on the disk');
  expect(readdirSync(dir)).toEqual([]);
  expect((await start(merge, dir)).code).toBe(0);
  expect(merge.results(dir)).toEqual(merged);
});
