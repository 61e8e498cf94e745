import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { parseFor } from '../../../src/options/program.ts';
import { scaleProgram } from '../../../src/options/scale.ts';
import type { ScaleOptions } from '../../../src/options/scale.ts';
import { runScale } from '../../../src/run/scale/scale.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-scale-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const optionsOf = (flags: Record<string, string>): ScaleOptions => parseFor(scaleProgram, flags).options;

async function said(flags: Record<string, string>): Promise<string> {
  let text = '';
  await runScale(nodePlatform, optionsOf(flags), { write: (part) => void (text += part), isTty: false, columns: 100 });
  return text;
}

/** Steps of 2 and 4 s in turn, of two micro-batches each; the first two take 60 s, and an evaluation 100 s. */
function logged(steps: number, world = 1): string {
  const dir = mkdtempSync(join(scratch, 'run-'));
  const rows: unknown[] = [{ event: 'start', facts: { trainable: 1_000_000 }, config: { gradient_accumulation_steps: 2, world_size: world } }];
  let at = 0;
  for (let step = 1; step <= steps; step++) {
    at += step <= 2 ? 60 : step % 2 === 0 ? 2 : 4;
    rows.push({ step, loss: 1, elapsed_seconds: at });
    if (step % 5 === 0) rows.push({ step, eval_loss: 1, elapsed_seconds: (at += 100) });
  }
  writeFileSync(join(dir, 'trainer_log.jsonl'), `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`);
  return dir;
}

it('reads micro-batch, variation and values from a log, without compiling and evaluations', async () => {
  const json = join(scratch, 'scale.json');
  const text = await said({ run: logged(22), ranks: '1,2', json });
  const { work, weak, strong } = JSON.parse(readFileSync(json, 'utf8')) as { work: Record<string, number>; weak: { step: number }[]; strong: { step: number }[] };
  expect(work['gradients']).toBe(4e6);
  expect(work['microBatch']).toBeCloseTo(1.5, 6); // ten steps of 2 s, ten of 4 s
  expect(work['variation']).toBeCloseTo((1 / 3) * Math.sqrt(20 / 19) * Math.SQRT2, 6);
  expect(weak[0]!.step).toBeCloseTo(3, 6);
  expect(strong[1]!.step).toBeGreaterThan(1.5);
  expect(text).toContain('A micro-batch takes 1.50 s at one GPU (± 48 %); gradients are 1M values, 4.0 MB.');
  expect(text).toContain('Weak scaling: 2 micro-batches a step at every GPU');
});

it('says what is missing', async () => {
  await expect(said({ run: logged(6) })).rejects.toThrow('has 4 steps of known length; 5 are needed');
  await expect(said({ run: logged(22, 4) })).rejects.toThrow('was made by 4 ranks; give one of a single GPU');
  await expect(said({ run: scratch })).rejects.toThrow('has no trainer_log.jsonl');
  expect(() => optionsOf({ values: '5' })).toThrow('Give --run, or --micro_batch_seconds, --values and --gradient_accumulation_steps.');
  expect(() => optionsOf({ run: 'x', ranks: '1,two' })).toThrow('--ranks: two is no number of GPUs');
});
