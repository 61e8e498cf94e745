/**
 * What ends a job of several processes, at whatever moment: a rank that is killed, stopped, or throws; Ctrl-C. Nobody is left, the last checkpoint is whole, and the same
 * command goes on. test/mpi/marathon.mjs does it many times.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { openCheckpoint } from '../../../src/train/resume.ts';
import { buildCommandLine, tinyModel } from '../trainProcess.ts';
import type { Ended, Flags } from '../trainProcess.ts';
import { adapterBytes, isHere, launch, libraries, ranksOf, until } from './launch.ts';
import type { Job } from './launch.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-mpi-faults-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const flags: Flags = {
  base_model_hf: tinyModel, train_file: at('rows.jsonl'), max_steps: 12, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.002, lora_r: 2,
  target_modules: 'q_proj,down_proj', logging_steps: 4, save_steps: 2, report_to: 'none', dataloader_num_workers: 0, mpi_timeout: 20,
};
const ENDLESS = { max_steps: 100_000, save_steps: 5, save_total_limit: 2 };

beforeAll(() => {
  buildCommandLine();
  const row = (i: number): string => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: `About ${i}.5 mm.` }], images: [] });
  writeFileSync(at('rows.jsonl'), `${Array.from({ length: 7 }, (_, i) => row(i)).join('\n')}\n`);
});

const checkpoints = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []).filter((name) => /^checkpoint-\d+$/.test(name));

async function hasSaved({ ended, said }: Job, dir: string): Promise<void> {
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  await until(() => hasEnded || checkpoints(dir).length > 0);
  expect(checkpoints(dir), said()).not.toEqual([]);
}

/** After an end of any kind: no rank lives, and every checkpoint has the bytes that it was written with. */
async function expectTidy(dir: string): Promise<void> {
  await until(() => ranksOf(`--output_dir=${dir}`).length === 0, 10_000);
  expect(checkpoints(dir).length).toBeGreaterThan(0);
  for (const name of checkpoints(dir)) await openCheckpoint(nodePlatform, join(dir, name));
}

describe.each(libraries.filter(isHere))('%s', (library) => {
  const dirOf = (name: string): string => at(`${library}-${name}`);
  /** Endless steps, until a checkpoint is there; then `act`, and how it ended, with the seconds that it took. */
  async function interrupted(dir: string, more: Flags, act: (ranks: readonly number[], launcher: number) => void): Promise<Ended & { seconds: number }> {
    const job = launch(library, 3, { ...flags, ...ENDLESS, ...more, output_dir: dir });
    await hasSaved(job, dir);
    const began = Date.now();
    act(ranksOf(`--output_dir=${dir}`), job.launcher.pid!);
    const ended = await job.ended;
    return { ...ended, seconds: (Date.now() - began) / 1000 };
  }

  it('a rank is killed: the job ends, and goes on to the bytes of a run that was left alone', async () => {
    const [whole, dir] = [dirOf('whole'), dirOf('killed')];
    expect((await launch(library, 2, { ...flags, output_dir: whole }).ended).code).toBe(0);
    const job = launch(library, 2, { ...flags, output_dir: dir });
    await hasSaved(job, dir);
    const [, second] = ranksOf(`--output_dir=${dir}`);
    process.kill(second!, 'SIGKILL');
    const { code, output, error } = await job.ended;
    expect(code).not.toBe(0);
    // The launcher names the rank (Open MPI) or its process (MPICH), which the start of the run has shown beside the rank.
    expect(output + error).toMatch(library === 'openmpi' ? /process rank 1 .* on\s+signal 9/ : new RegExp(`PID ${second!} RUNNING AT [^]*signal 9`));
    await expectTidy(dir);
    expect(checkpoints(dir)).not.toContain('checkpoint-12');
    const resumed = await launch(library, 2, { ...flags, output_dir: dir, resume_from_checkpoint: true }).ended;
    expect(resumed.code, resumed.output + resumed.error).toBe(0);
    expect(adapterBytes(dir).equals(adapterBytes(whole))).toBe(true);
  });

  it('a rank is stopped: the next one says so after --mpi_timeout, and ends all', async () => {
    const dir = dirOf('stopped');
    const { code, error, seconds } = await interrupted(dir, { mpi_timeout: 5 }, (ranks) => process.kill(ranks[1]!, 'SIGSTOP'));
    expect(code).not.toBe(0);
    expect(error).toMatch(/rank 2 on \S+: rank 1 on \S+ has given no sign of life for \d s/);
    expect(seconds).toBeLessThan(20);
    await expectTidy(dir);
  });

  it('a rank whose main thread waits for good, and of which nobody else can make an end, ends itself', async () => {
    const dir = dirOf('kept');
    writeFileSync(at('kept.mjs'), KEPT);
    const env = { NODE_OPTIONS: `--import=${at('kept.mjs')}`, VERNIER_TEST_FAILS: dir };
    const job = launch(library, 2, { ...flags, ...ENDLESS, mpi_timeout: 5, output_dir: dir }, { env });
    await hasSaved(job, dir);
    const [first, second] = ranksOf(`--output_dir=${dir}`);
    process.kill(first!, 'SIGSTOP');
    await until(() => !ranksOf(`--output_dir=${dir}`).includes(second!), 30_000);
    if (ranksOf(`--output_dir=${dir}`).includes(first!)) process.kill(first!, 'SIGKILL');
    expect((await job.ended).code).not.toBe(0);
    await expectTidy(dir);
  });

  it('a rank runs out of memory: it says so, with rank and host, and ends all', async () => {
    const dir = dirOf('memory');
    writeFileSync(at('fails.mjs'), FAILS);
    const job = launch(library, 3, { ...flags, ...ENDLESS, output_dir: dir }, { env: { NODE_OPTIONS: `--import=${at('fails.mjs')}`, VERNIER_TEST_FAILS: dir } });
    const { code, error } = await job.ended;
    expect(code).not.toBe(0);
    expect(error).toMatch(/^rank 2 on \S+: has failed\nRangeError: Array buffer allocation failed/m);
    await expectTidy(dir);
  });

  it('a gradient that is not finite at one rank skips the step at all', async () => {
    writeFileSync(at('spoils.mjs'), SPOILS);
    writeFileSync(at('spoilt.mjs'), SPOILT);
    const run = async (rank: number): Promise<Buffer> => {
      const dir = dirOf(`spoilt ${rank}`);
      const env = { NODE_OPTIONS: `--import=${at('spoils.mjs')}`, VERNIER_TEST_RANK: String(rank) };
      const { code, output, error } = await launch(library, 2, { ...flags, report_to: 'jsonl', output_dir: dir }, { env }).ended;
      expect(code, output + error).toBe(0);
      const log = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8');
      expect(log).toMatch(/"skipped_steps":1\b/);
      return adapterBytes(dir);
    };
    const [first, second] = [await run(0), await run(1)];
    // Whoever spoils it: a rank that had gone on with that step would have given the next sums something else.
    expect(first.equals(second)).toBe(true);
    const unspoilt = dirOf('whole');
    expect(first.equals(adapterBytes(unspoilt))).toBe(false);
  });

  it('a request to end is heard by all ranks: they save once, and the exit code says it', async () => {
    const dir = dirOf('asked');
    // Open MPI makes an end of Ctrl-C by itself within a second; SIGUSR2 it hands on.
    const { code, error, output } = await interrupted(dir, {}, (_, launcher) => process.kill(-launcher, library === 'openmpi' ? 'SIGUSR2' : 'SIGINT'));
    expect(code, output + error).toBe(130);
    expect(error.match(/Stopping, and saving what is done/g)).toHaveLength(1);
    expect(existsSync(join(dir, 'adapter_model.safetensors'))).toBe(true);
    await expectTidy(dir);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s to the launcher leaves nobody, and a whole checkpoint', async (signal) => {
    const dir = dirOf(signal);
    const { code, seconds } = await interrupted(dir, {}, (_, launcher) => process.kill(-launcher, signal));
    expect(code).not.toBe(0);
    expect(seconds).toBeLessThan(30);
    await expectTidy(dir);
  });
});

/** In the last rank, once a checkpoint is there: an allocation that fails within what waits for nobody. */
const FAILS = `
import { existsSync, readdirSync } from 'node:fs';
const dir = process.env.VERNIER_TEST_FAILS;
if ((process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === '2') {
  setInterval(() => {
    if (existsSync(dir) && readdirSync(dir).some((name) => /^checkpoint-\\d+$/.test(name))) new ArrayBuffer(2 ** 52);
  }, 20).unref();
}
`;

/** In the second rank, once a checkpoint is there: its main thread comes back no more. */
const KEPT = `
import { existsSync, readdirSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
const dir = process.env.VERNIER_TEST_FAILS;
if (isMainThread && (process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === '1') {
  setInterval(() => {
    if (existsSync(dir) && readdirSync(dir).some((name) => /^checkpoint-\\d+$/.test(name))) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }, 20).unref();
}
`;

/** The rank asked for has a NaN among the gradients of its third step, when it gives them to the sum. The place is found in the built text; where it is not, the run fails. */
const SPOILS = `
import { register } from 'node:module';
let sums = 0;
globalThis.vernierSpoilt = (values) => {
  if (values.length > 2 && ++sums === 3) values[values.length >> 1] = NaN;
  return values;
};
if ((process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === process.env.VERNIER_TEST_RANK) register('./spoilt.mjs', import.meta.url);
`;
const SPOILT = `
import { readFileSync } from 'node:fs';
const PLACE = 'new Float32Array(content)';
export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.js') || !url.includes('/dist/')) return next(url, context);
  const text = readFileSync(new URL(url), 'utf8');
  return text.includes(PLACE) ? { format: 'module', source: text.replace(PLACE, 'globalThis.vernierSpoilt(' + PLACE + ')'), shortCircuit: true } : next(url, context);
}
`;
