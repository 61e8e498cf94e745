/**
 * Training with operands in f16 against the same in f32, on the recorded runs: losses of 30 steps within 2e-3 relative, the final update of what trains within
 * 2 % rms, generation token for token; and activations a hundred times too large for f16 stay finite. Needs a GPU with subgroup matrices, as
 * test/ops/matmulHalf.test.ts says; with VERNIER_EVERY_RUN=1 every recorded run is repeated, with VERNIER_BASE=nf4 over a frozen base in 4 bits.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import { generate } from '../../src/models/generate.ts';
import { NO_QUANTIZATION } from '../../src/models/quantization.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import { allOf } from '../../src/track/tracker.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { halfOf } from '../../src/tune/compute.ts';
import { plansOf } from '../../src/tune/plans.ts';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import type { ComputeDtype } from '../../src/tune/subgroupMatrix.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import { differentiate, expectNear, folderOf, grown } from '../models/gemma3/largeActivations.ts';
import { goldenCases, withSession } from '../models/golden.ts';
import type { GoldenModel } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from '../models/qwen3_vl/goldenExamples.ts';
import { smolvlm } from '../models/smolvlm/goldenExamples.ts';
import { openRun, runExamples, settingsOf } from './goldenRun.ts';
import type { Run } from './goldenRun.ts';

const STEPS = 30;
/** All six take half an hour on two cores; by default one, with two rows a step in the place of four, whose figures stay furthest from the bounds. */
const RUNS = process.env['VERNIER_EVERY_RUN'] ? undefined : ['lora_epoch_remainder'];
const ROWS: Partial<TrainSettings> = RUNS ? { gradient_accumulation_steps: 1 } : {};
const BASE: Quantization | undefined = process.env['VERNIER_BASE'] === 'nf4' ? { ...NO_QUANTIZATION, weights: 'nf4' } : undefined;
const device = await testDevice();
const hasUnits = matrixUnitsOf(device.capabilities) !== undefined;

interface Trained {
  losses: number[];
  /** What each value gained, by parameter. */
  updates: Map<string, Float32Array>;
}

async function trained(model: GoldenModel, folder: string, compute: ComputeDtype): Promise<Trained> {
  plansOf(device).compute = compute;
  const run = JSON.parse(readFileSync(`${folder}/run.json`, 'utf8')) as Run;
  const session = await openRun(device, model, run, folder, BASE);
  if (BASE) expect(session.quantizedCount).toBeGreaterThan(0);
  const values = async (): Promise<Map<string, Float32Array>> =>
    new Map(await Promise.all([...session.plan.trained.keys()].map(async (name) => [name, await session.arena.readValues(name)] as const)));
  const start = await values();
  const examples = await runExamples(model, session, run);
  const source = { length: examples.length, get: (i: number): Promise<Example> => Promise.resolve(examples[i]!) };
  const { state } = await train(session, source, { ...settingsOf(run), max_steps: STEPS, ...ROWS }, { tracker: allOf([]) });
  const updates = await values();
  for (const [name, end] of updates) end.forEach((value, i) => (end[i] = value - start.get(name)![i]!));
  session.close();
  return { losses: state.log_history.map((row) => row.loss!), updates };
}

/** @returns the largest relative difference of a loss, and the rms difference of the updates over their rms */
function compare(one: Trained, other: Trained, leftOut: ReadonlySet<string>): { loss: number; update: number } {
  expect(other.losses).toHaveLength(one.losses.length);
  let [error, size] = [0, 0];
  for (const [name, update] of one.updates) {
    if (leftOut.has(name)) continue;
    update.forEach((value, i) => {
      error += (other.updates.get(name)![i]! - value) ** 2;
      size += value ** 2;
    });
  }
  return { loss: Math.max(...one.losses.map((loss, i) => Math.abs(other.losses[i]! - loss) / loss)), update: Math.sqrt(error / size) };
}

describe.skipIf(!hasUnits).each([qwen, gemma, qwen3, smolvlm])(`training in f16 (${hasUnits ? 'here' : 'this GPU has no subgroup matrices of f16 into f32'}): $name`, (model) => {
  const runs = goldenPath('golden', model.name, 'runs');
  it.each(RUNS ?? readdirSync(runs))('%s: thirty losses and the final update are those of f32', { timeout: 1_800_000 }, async (name) => {
    const exact = await trained(model, `${runs}/${name}`, 'f32');
    const half = await trained(model, `${runs}/${name}`, halfOf({ trainsAll: name === 'full_ft' }));
    const { loss, update } = compare(exact, half, model.zeroGradients());
    console.log(`${model.name} ${name}: loss ${loss.toExponential(1)}, update ${update.toExponential(1)}`);
    expect(loss).toBeLessThanOrEqual(2e-3);
    expect(update).toBeLessThanOrEqual(0.02);
    // It was not f32.
    expect(update).toBeGreaterThan(0);
  });

  it('answers are those of the reference, token for token, from a key/value cache in f16', { timeout: 600_000 }, async () => {
    plansOf(device).compute = 'f16';
    const { baseModel } = model;
    await withSession(device, { baseModel, finetuning: { kind: 'none' } }, async (session) => {
      for (const id of goldenCases(model.name)) {
        const golden = await model.case(id);
        const { ids } = golden.facts.generated;
        const endIds = session.processor.endOfTurnIds;
        expect(await generate(device, session.model, model.promptOf(golden), { maxNewTokens: ids.length, endIds }), id).toEqual(ids);
      }
    });
  });
});

describe.skipIf(!hasUnits)('activations a hundred times larger, in f16', () => {
  // Two roundings of 2⁻¹¹ in each of some forty products in a row; the magnitudes themselves are a power of two, which costs nothing.
  it.each(['F32', 'BF16'] as const)('%s weights: the logits and gradients of f32, and finite', { timeout: 600_000 }, async (dtype) => {
    const folder = await folderOf(dtype, grown);
    plansOf(device).compute = 'f32';
    const exact = await differentiate(device, folder);
    plansOf(device).compute = 'f16';
    const half = await differentiate(device, folder);
    expect(exact.largest).toBeGreaterThan(1000);
    expectNear(half, exact, 0.02);
  });
});
