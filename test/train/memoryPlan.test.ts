/**
 * The plan of a run's memory, made on a device that makes nothing, is the memory of the run: the peak by label to the byte, for every family and way to train.
 * No tolerance. And what is kept where there is room changes no number.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openLimited } from '../../src/run/train/memory.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { generateBatch } from '../../src/models/generate.ts';
import { allOf } from '../../src/track/tracker.ts';
import { fitMemory, planMemory } from '../../src/train/memoryPlan.ts';
import type { MemoryPlan, PlannedRun } from '../../src/train/memoryPlan.ts';
import { neededBytes } from '../../src/train/memoryText.ts';
import { openSession } from '../../src/train/session.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import { closeDevices, compileOnce, testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { readGradients, runBatch, withSession } from '../models/golden.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from '../models/qwen3_vl/goldenExamples.ts';
import { smolvlm } from '../models/smolvlm/goldenExamples.ts';
import { expectPlanned, lora, NF4, planned, plannedText, settings } from './plannedMemory.ts';
import type { PlannedModel, Way } from './plannedMemory.ts';


await compileOnce();
afterEach(closeDevices);

/** Nothing trains that sees. */
const onText: Way['session'] = ({ name }) => ({ initAdapter: goldenPath('golden', name, 'lora', 'language_only') });

const WAYS: Record<string, Way> = {
  'LoRA, recomputed': { session: () => ({ finetuning: { kind: 'lora', config: lora } }) },
  'LoRA, kept': { session: () => ({ finetuning: { kind: 'lora', config: lora } }), run: { gradient_checkpointing: false } },
  'LoRA, two stages kept': { session: () => ({ finetuning: { kind: 'lora', config: lora } }), run: { keptStages: 2 } },
  'LoRA, saved inputs in bf16': { session: () => ({ finetuning: { kind: 'lora', config: lora } }), run: { saved_inputs: 'bf16' } },
  DoRA: { session: () => ({ finetuning: { kind: 'lora', config: { ...lora, use_dora: true } } }) },
  'modules_to_save': { session: ({ name }) => ({ initAdapter: goldenPath('golden', name, 'lora', 'modules_to_save') }) },
  'LoRA, weights offloaded': { session: () => ({ finetuning: { kind: 'lora', config: lora }, offload: 'weights' }) },
  'DoRA, all offloaded, kept': {
    session: () => ({ finetuning: { kind: 'lora', config: { ...lora, use_dora: true } }, offload: 'all' }),
    run: { gradient_checkpointing: false },
  },
  'LoRA over NF4': { session: () => ({ finetuning: { kind: 'lora', config: lora }, quantization: NF4 }) },
  'LoRA over NF4 and a table of bytes, kept': {
    session: () => ({ finetuning: { kind: 'lora', config: lora }, quantization: { ...NF4, embedding: 'int8' } }),
    run: { gradient_checkpointing: false },
  },
  'LoRA over NF4, all offloaded': { session: () => ({ finetuning: { kind: 'lora', config: lora }, quantization: NF4, offload: 'all' }) },
  'DoRA over NF4, all offloaded': { session: () => ({ finetuning: { kind: 'lora', config: { ...lora, use_dora: true } }, offload: 'all', quantization: NF4 }) },
  'LoRA on the text, features kept': { session: onText },
  'LoRA on the text, some features kept': { session: (model) => ({ ...onText(model), featureBytes: 2 ** 14 }) },
  'LoRA on the text, weights offloaded': { session: (model) => ({ ...onText(model), offload: 'weights' }) },
  'LoRA on the text over NF4, no features kept': { session: (model) => ({ ...onText(model), quantization: NF4, featureBytes: 0 }) },
  'LoRA, pictures in groups': { session: () => ({ finetuning: { kind: 'lora', config: lora } }), isGrouped: true },
  'DoRA over NF4, all offloaded, pictures in groups, kept': {
    session: () => ({ finetuning: { kind: 'lora', config: { ...lora, use_dora: true } }, offload: 'all', quantization: NF4 }),
    run: { gradient_checkpointing: false },
    isGrouped: true,
  },
  'full, optimizer offloaded': { session: () => ({ finetuning: { kind: 'full' }, offload: 'optimizer' }) },
  'full, recomputed': { session: () => ({ finetuning: { kind: 'full' } }) },
  'full, kept': { session: () => ({ finetuning: { kind: 'full' } }), run: { gradient_checkpointing: false } },
};

describe.each([qwen, gemma, qwen3, smolvlm])('the memory of a run is planned to the byte: $name', (model) => {
  it.each(Object.entries(WAYS))('%s', async (_, way) => {
    await expectPlanned(planned(model), way);
  });

  it('of other pictures in every row, seen in two epochs, is what the plan of one row says', async () => {
    const [golden] = await model.cases(['s10_twoimages']);
    const rows = [1, 2, 3, 4].map((by): Example => ({ ...golden!.example, pixelValues: golden!.example.pixelValues.map((value) => value / by) }));
    const options: SessionOptions = { baseModel: model.baseModel, ...onText(planned(model)) };
    const run = { ...settings, per_device_train_batch_size: 1, epoch: 2, max_steps: -1 };
    const device = await testDevice();
    const session = await openSession(nodePlatform, device, options);
    const source = { length: rows.length, get: (index: number): Promise<Example> => Promise.resolve(rows[index]!) };
    const { memory } = await train(session, source, run, { tracker: allOf([]) });
    const plan = await planMemory(await openSession(nodePlatform, Device.dry(device.capabilities), options), { examples: [rows[0]!], settings: run, loggingSteps: 1 });
    expect(plan.atPeak).toEqual(memory.atPeak);
    expect(plan.reservedPeakBytes).toBe(memory.reservedPeakBytes);
  });

  it('an answer, with its key/value cache', () => expectPlannedAnswer(planned(model)));
});

describe('the memory of a run is planned to the byte: qwen3, which reads text only', () => {
  const model = plannedText('qwen3/sliding');
  it.each(['LoRA, recomputed', 'LoRA, kept', 'LoRA over NF4, all offloaded', 'full, recomputed'])('%s', (way) => expectPlanned(model, WAYS[way]!));
  it('an answer, with its key/value cache', () => expectPlannedAnswer(model));
});

async function expectPlannedAnswer({ baseModel, rows }: PlannedModel): Promise<void> {
  const examples = await rows();
  const device = await testDevice();
  const peaks = [];
  for (const one of [device, Device.dry(device.capabilities)]) {
    const session = await openSession(nodePlatform, one, { baseModel, finetuning: { kind: 'none' }, isFrozen: true });
    one.pool.resetPeak();
    await generateBatch(one, session.model, examples, { maxNewTokens: 70, endIds: [] });
    const { atPeak, peakBytes, reservedPeakBytes } = one.pool.report();
    peaks.push({ atPeak, peakBytes, reservedPeakBytes });
  }
  expect(peaks[0]!.atPeak['key/value cache']).toBeGreaterThan(0);
  expect(peaks[1]).toEqual(peaks[0]);
}

describe('a limit on what the pool holds', () => {
  it('is kept by giving back what is unused, with the same run and the planned memory', async () => {
    const options: SessionOptions = { baseModel: qwen.baseModel, finetuning: { kind: 'lora', config: lora } };
    const examples = (await qwen.cases(['s10_twoimages', 's09_textonly'])).map((golden) => golden!.example);
    const source = { length: 2, get: (index: number): Promise<Example> => Promise.resolve(examples[index]!) };
    const runs = [];
    let limitBytes = Infinity;
    for (let turn = 0; turn < 2; turn++) {
      const device = await testDevice();
      device.pool.limitBytes = limitBytes;
      const session = await openSession(nodePlatform, device, options);
      const { memory, state } = await train(session, source, { ...settings, max_steps: 4 }, { tracker: allOf([]) });
      const dryDevice = Device.dry(device.capabilities);
      dryDevice.pool.limitBytes = limitBytes;
      const plan = await planMemory(await openSession(nodePlatform, dryDevice, options), { examples, settings, loggingSteps: 1 });
      expect({ ...plan.atPeak }).toEqual(memory.atPeak);
      // Known and not planned yet: under a limit the buffer that figures are read back through may be made after the rest, and comes on top.
      const readback = limitBytes === Infinity ? 0 : memory.peakByLabel['readback']!;
      expect([plan.reservedPeakBytes, plan.reservedPeakBytes + readback]).toContain(memory.reservedPeakBytes);
      limitBytes = (memory.peakBytes + memory.reservedPeakBytes) / 2;
      runs.push({ memory, figures: state.log_history.map(({ loss, grad_norm }) => [loss, grad_norm]) });
    }
    const [free, limited] = runs as [(typeof runs)[0], (typeof runs)[0]];
    expect(limited.figures).toEqual(free.figures);
    expect(limited.memory.peakBytes).toBe(free.memory.peakBytes);
    expect(limited.memory.reservedPeakBytes).toBeLessThan(free.memory.reservedPeakBytes);
  });
});

describe('a limit where a save is copied into the same memory', () => {
  it('is kept with the copy, in the plan as in the run', async () => {
    const options: SessionOptions = { baseModel: qwen.baseModel, finetuning: { kind: 'lora', config: lora } };
    const examples = (await qwen.cases(['s10_twoimages', 's09_textonly'])).map((golden) => golden!.example);
    const source = { length: 2, get: (index: number): Promise<Example> => Promise.resolve(examples[index]!) };
    const run: PlannedRun = { examples, settings, loggingSteps: 1 };
    const device = await testDevice();
    const capabilities = { ...device.capabilities, kind: 'software' as const };
    const planned = async (gpu_memory_limit: number | null): Promise<MemoryPlan> =>
      planMemory(await openLimited(nodePlatform, Device.dry(capabilities), { gpu_memory_limit }, options), run);
    const free = await planned(null);
    expect(free.savingBytes).toBeGreaterThan(0);
    const limit = (free.peakBytes + free.reservedPeakBytes) / 2 + free.savingBytes;
    const plan = await planned(limit / 2 ** 30);
    expect(neededBytes(free, true)).toBeGreaterThan(limit);
    expect(neededBytes(plan, true)).toBeLessThanOrEqual(limit);

    Object.assign(device, { capabilities }); // whatever GPU is here
    const session = await openLimited(nodePlatform, device, { gpu_memory_limit: limit / 2 ** 30 }, options);
    const { memory } = await train(session, source, { ...settings, max_steps: 4 }, { tracker: allOf([]) });
    session.close();
    expect({ ...plan.atPeak }).toEqual(memory.atPeak);
    // As above: the buffer that figures are read back through.
    expect([plan.reservedPeakBytes, plan.reservedPeakBytes + memory.peakByLabel['readback']!]).toContain(memory.reservedPeakBytes);
  });
});

describe.each([qwen, gemma, qwen3, smolvlm])('what is kept where there is room: $name', (model) => {
  const options: SessionOptions = { baseModel: model.baseModel, finetuning: { kind: 'lora', config: lora } };

  it('as many stages as fit, and none where all are run again', async () => {
    const [golden] = await model.cases(['s10_twoimages']);
    const run: PlannedRun = { examples: [golden!.example], settings: { gradient_checkpointing: true }, loggingSteps: 1 };
    const { capabilities } = await testDevice();
    const session = await openSession(nodePlatform, Device.dry(capabilities), options);
    const bytesOf = ({ peakBytes }: { peakBytes: number }): number => peakBytes;
    const peakFor = async (keptStages: number): Promise<number> => bytesOf(await planMemory(session, { ...run, settings: { ...run.settings, keptStages } }));
    const none = await peakFor(0);
    let kept = 1;
    while ((await peakFor(kept)) === (await peakFor(kept - 1))) kept++;
    const more = await peakFor(kept);
    expect(more).toBeGreaterThan(none);
    expect((await fitMemory(session, run, more - 1, bytesOf)).keptStages).toBe(kept - 1);
    expect((await fitMemory(session, run, more, bytesOf)).keptStages).toBeGreaterThanOrEqual(kept);
    expect(await fitMemory(session, run, none - 1, bytesOf)).toMatchObject({ keptStages: 0, plan: { peakBytes: none } });
    const all = await fitMemory(session, run, Infinity, bytesOf);
    expect(all.keptStages).toBe(all.stages);
    expect(all.plan.peakBytes).toBe(bytesOf(await planMemory(session, { ...run, settings: { gradient_checkpointing: false } })));
  });

  it('gradients to the bit, however many are kept', async () => {
    const [golden] = await model.cases(['s10_twoimages']);
    const device = await testDevice();
    await withSession(device, options, async (session) => {
      let first: Map<string, Float32Array> | undefined;
      for (const keptStages of [0, 1, 3, 100]) {
        session.arena.zeroGradients();
        await runBatch(session, [golden!.example], { grad: true, training: true, keptStages });
        const gradients = await readGradients(session);
        first ??= gradients;
        for (const [name, gradient] of gradients) expect(gradient, `${name}, ${keptStages} kept`).toEqual(first.get(name));
      }
      expect([...first!.values()].some((gradient) => gradient.some((value) => value !== 0))).toBe(true);
    });
  });
});
