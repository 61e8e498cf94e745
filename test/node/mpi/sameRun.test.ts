/**
 * N processes make the run that one makes with N times the accumulation: 2, 3 and 4 ranks, by Open MPI and by MPICH, what is trained and how the loss is meant.
 * test/world/ranks.test.ts has the cases that need no processes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, goldenRows, runTrain, tinyModel } from '../trainProcess.ts';
import type { Flags } from '../trainProcess.ts';
import { adapterBytes, adapterOf, apart, isHere, launch, libraries, lossesOf, saidOf } from './launch.ts';
import type { Library } from './launch.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-mpi-same-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** 17 rows in steps of 12: the second step of an epoch has five micro-batches, so that some of four ranks have two and some one. */
const ROWS = 17;
const MICRO_BATCHES = 12;
const flags: Flags = {
  base_model_hf: tinyModel, train_file: at('rows.jsonl'), val_file: at('held.jsonl'), epoch: 2, per_device_train_batch_size: 1, learning_rate: 0.002, warmup_steps: 1,
  lora_r: 2, target_modules: 'q_proj,down_proj', lora_dropout: 0.1, logging_steps: 1, save_steps: 1, eval_steps: 2, report_to: 'none', dataloader_num_workers: 0,
};
const KINDS = {
  'token means': {},
  'means of micro-batches': { loss_reduction: 'microbatch' },
  DoRA: { use_dora: true },
  NF4: { quantization: 'nf4' },
  // In the second epoch a rank has features of rows that it had in the first, and makes those of others.
  'pictures, seen by a tower that is frozen': { train_file: at('pictures.jsonl'), target_modules: 'q_proj' },
} satisfies Record<string, Flags>;
type Kind = keyof typeof KINDS;

const row = (text: string): string => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: text }], images: [] });

beforeAll(() => {
  buildCommandLine();
  writeFileSync(at('rows.jsonl'), `${Array.from({ length: ROWS }, (_, i) => row(`About ${i}.5 mm${', or so'.repeat(i % 4)}.`)).join('\n')}\n`);
  const pictures = goldenRows('s06_single', 's05_single', 's10_twoimages');
  writeFileSync(at('pictures.jsonl'), `${Array.from({ length: ROWS }, (_, i) => pictures[i % pictures.length]!).join('\n')}\n`);
  writeFileSync(at('held.jsonl'), `${['7', 'Eight centimetres.', 'None.'].map(row).join('\n')}\n`);
});

const made = new Map<Kind, string>();
/** The run of one process, made once for each kind. */
async function alone(kind: Kind): Promise<string> {
  const dir = at(`alone ${kind}`);
  if (made.has(kind)) return dir;
  const { code, error } = await runTrain({ ...flags, ...KINDS[kind], gradient_accumulation_steps: MICRO_BATCHES, output_dir: dir });
  expect(error).toBe('');
  expect(code).toBe(0);
  made.set(kind, dir);
  return dir;
}

async function ranks(library: Library, size: number, more: Flags): Promise<string> {
  const dir = at(`${library} ${size} ${Object.values(more).join()} ${runs++}`);
  const { code, output, error } = await launch(library, size, { ...flags, ...more, gradient_accumulation_steps: MICRO_BATCHES / size, output_dir: dir }).ended;
  expect(code, output + error).toBe(0);
  expect(output).toMatch(saidOf(library));
  return dir;
}
let runs = 0;

describe.each(libraries.filter(isHere))('%s', (library) => {
  it.each<[number, Kind]>([
    [2, 'token means'],
    [3, 'token means'],
    [4, 'token means'],
    [3, 'means of micro-batches'],
    [2, 'DoRA'],
    [4, 'NF4'],
    [2, 'pictures, seen by a tower that is frozen'],
  ])('%i ranks: %s', async (size, kind) => {
    const expected = await alone(kind);
    const dir = await ranks(library, size, KINDS[kind]);
    const losses = lossesOf(expected);
    expect(losses).toHaveLength(4 + 3);
    lossesOf(dir).forEach((loss, i) => expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-5));
    expect(lossesOf(dir)).toHaveLength(losses.length);
    // The first step's learning rate is 0: its checkpoint has the adapter as the run began.
    const [end, start] = [adapterOf(expected), adapterOf(join(expected, 'checkpoint-1'))];
    const update = apart(end, start);
    expect(update).toBeGreaterThan(1e-3);
    expect(apart(adapterOf(dir), end)).toBeLessThan(1e-4 * update);
  });
});

const here = libraries.filter(isHere);
it.runIf(here.length > 0)('--reduce ordered: the same bytes again, by whichever library', async () => {
  const runs: Buffer[] = [];
  for (const library of [...here, here[0]!]) runs.push(adapterBytes(await ranks(library, 3, { reduce: 'ordered' })));
  for (const other of runs) expect(other.equals(runs[0]!)).toBe(true);
});
