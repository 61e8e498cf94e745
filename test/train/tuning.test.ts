/**
 * The plans of a run: what was chosen is part of its state, and a run that goes on takes it, whatever a measurement would say then. And that a plan which does
 * not run, or computes something else, is left out in words.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { openCheckpoint } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import { shortRunSettings } from '../../src/train/shortRun.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import type { TrainSurroundings } from '../../src/train/trainer.ts';
import { measurePlans } from '../../src/train/tuning/measurePlans.ts';
import { expectedChoices } from '../../src/train/tuning/runPlans.ts';
import type { TuneMode } from '../../src/train/tuning/runPlans.ts';
import { attentionCandidates, productCandidates } from '../../src/tune/candidates.ts';
import { NO_CHOICES, readChoices } from '../../src/tune/choices.ts';
import { Plans, plansOf } from '../../src/tune/plans.ts';
import type { AskedPlans } from '../../src/tune/plans.ts';
import { classOf } from '../../src/tune/shapeClass.ts';
import type { ProductProblem } from '../../src/tune/product.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenDir } from '../io/goldenFolder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-tuning-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

let device: Device;
let platform: Platform;
beforeAll(async () => {
  device = await testDevice();
  platform = { ...nodePlatform, env: (name) => (name === 'XDG_CACHE_HOME' ? join(scratch, 'cache') : nodePlatform.env(name)) };
});

async function run(dir: string, tune: TuneMode, around: Partial<TrainSurroundings> = {}): Promise<string[]> {
  const events: string[] = [];
  const nothing = (): Promise<void> => Promise.resolve();
  const tracker = { start: nothing, log: nothing, finish: nothing, progress: () => undefined, event: async (level: string, text: string) => void events.push(`${level}: ${text}`) };
  const config = loraConfig({ r: 2, lora_dropout: 0.2, target_modules: ['down_proj'] });
  const session = await openSession(platform, device, { baseModel: `${goldenDir}/models/qwen2_5_vl-tiny`, finetuning: { kind: 'lora', config }, seed: 5 });
  const settings: TrainSettings = {
    ...shortRunSettings({ run_name: 'tuning', max_steps: 3, per_device_train_batch_size: 1, learning_rate: 5e-3, seed: 3 }), save_steps: 1, save_total_limit: -1, tune,
  };
  try {
    const rows = ['Two.', 'Three millimetres.'].map((content) =>
      session.processor.encode({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content }], images: [] }, [], { mask: 'completion' }),
    );
    const source = { length: rows.length, get: (i: number): Promise<Example> => Promise.resolve(rows[i]!) };
    await train(session, source, settings, { tracker, outputDir: join(scratch, dir), ...around });
  } finally {
    session.close();
  }
  return events;
}

const weights = (dir: string): Buffer => readFileSync(join(scratch, dir, 'adapter_model.safetensors'));

describe('the plans of a run', () => {
  it('measured, they are kept for the device and go on with the run, to the bit', { timeout: 400_000 }, async () => {
    const events = await run('full', 'full');
    const told = events.find((text) => text.includes('Measured the plans'));
    expect(told).toMatch(/info: Measured the plans of \d+ kinds of products and attention in \d+\.\d s: .* They are kept in .*plans/);
    const checkpoint = await openCheckpoint(platform, join(scratch, 'full', 'checkpoint-1'));
    const { key, choices } = checkpoint.run.plans!;
    expect(choices.product.length).toBeGreaterThan(5);
    expect(await readChoices(platform, key, device.capabilities, fail)).toEqual(choices);
    // What a plan of memory takes them from, before anything is loaded.
    const graphicsCard = Object.create(device, { capabilities: { value: { ...device.capabilities, kind: 'hardware' } } }) as Device;
    expect(await expectedChoices(device, platform, 'auto', checkpoint.run.plans)).toEqual(choices);
    const kept = await readChoices(platform, key, graphicsCard.capabilities, () => undefined);
    expect(kept.product.length).toBeGreaterThan(0);
    expect(await expectedChoices(graphicsCard, platform, 'auto', undefined)).toEqual(kept);
    expect(await expectedChoices(graphicsCard, platform, 'off', undefined)).toBe(NO_CHOICES);
    expect(await expectedChoices(device, platform, 'auto', undefined)).toBe(NO_CHOICES);

    expect((await run('again', 'full', { resume: { checkpoint } })).join()).not.toMatch(/Measured|Not as it would/);
    expect(weights('again').equals(weights('full'))).toBe(true);
  });

  it('measured where they cannot be kept, the run says why', { timeout: 400_000 }, async () => {
    const kept = platform;
    platform = { ...platform, makeDir: (path, how) => (path.endsWith('plans') ? Promise.reject(new UserError(`Cannot create the folder ${path}: the file system is read-only.`)) : kept.makeDir(path, how)) };
    try {
      const told = (await run('unkept', 'full')).find((text) => text.includes('Measured the plans'));
      expect(told).toMatch(/ They hold for this run and are not kept: Cannot create the folder .*plans: the file system is read-only\.$/);
    } finally {
      platform = kept;
    }
  });

  it('those of the checkpoint hold when it goes on, whatever the policy would take; another version is told of', { timeout: 120_000 }, async () => {
    await run('off', 'off');
    const checkpoint = await openCheckpoint(platform, join(scratch, 'off', 'checkpoint-1'));
    expect(checkpoint.run.plans?.choices).toEqual({ product: [], attention: [] });
    const problem: ProductProblem = { form: 'nt', m: 54, n: 128, k: 64, storage: 'f32', isPlain: true, hasDropout: false, compute: 'f32' };
    const [policy, other] = productCandidates(device.capabilities, problem);
    const choices = { product: [{ problem, configuration: other!, ms: 1, policyMs: 2, flop: 1e9 }], attention: [] };
    const plans = { key: { ...checkpoint.run.plans!.key, kernels: 'older' }, choices };
    const events = await run('chosen', 'auto', { resume: { checkpoint: { ...checkpoint, run: { ...checkpoint.run, plans } } } });
    expect(events).toContain('warning: Not as it would have been without the break: the kernels are of another version; sums may be rounded otherwise from here on.');
    expect(plansOf(device).product(problem).configuration).toEqual(other);
    const later = await openCheckpoint(platform, join(scratch, 'chosen', 'checkpoint-2'));
    expect(later.run.plans).toEqual({ key: checkpoint.run.plans!.key, choices });

    const foreign = { key: plans.key, choices: { product: [{ ...choices.product[0]!, configuration: { algorithm: 'abacus' } }], attention: [] } };
    const strange = await run('strange', 'auto', { resume: { checkpoint: { ...checkpoint, run: { ...checkpoint.run, plans: foreign as unknown as typeof plans } } } });
    expect(strange.join('\n')).toMatch(/1 kernel choice of the run cannot be taken here/);
    expect(plansOf(device).product(problem).configuration).toEqual(policy);
  });

  it('auto measures nothing on a software GPU, whose plans are known', async () => {
    if (device.capabilities.kind !== 'software') return;
    expect((await run('auto', 'auto')).filter((text) => text.includes('plans'))).toEqual([]);
    expect(plansOf(device).product({ form: 'nt', m: 54, n: 128, k: 64, storage: 'f32', isPlain: true, hasDropout: false }).configuration.algorithm).toBeDefined();
  });
});

describe('measurePlans', () => {
  const problem: ProductProblem = { form: 'nt', m: 1, n: 64, k: 64, storage: 'bf16', isPlain: true, hasDropout: false, compute: 'f32' };
  const asked = (more: ProductProblem[] = []): AskedPlans => ({
    product: new Map([problem, ...more].map((one) => [classOf(one), { problem: one, times: 1 }])),
    attention: new Map(),
  });

  it('leaves out a plan that does not run, in words, and goes on', async () => {
    const told: string[] = [];
    let opened = 0;
    const open = async (): Promise<Device> => {
      opened++;
      const plain = await Device.create(await nodePlatform.gpu(), { without: ['subgroups'] });
      Object.assign(plain.capabilities, { subgroups: { min: 8, max: 8 } }); // as a driver that promises what its compiler cannot do
      return plain;
    };
    const lying = { ...device.capabilities, kind: 'hardware' as const, subgroups: { min: 8, max: 8 } };
    expect(productCandidates(lying, problem).map(({ algorithm }) => algorithm)).toEqual(['few_rows', 'few_rows', 'subgroup', 'subgroup']);
    const { choices, leftOut } = await measurePlans(open, lying, asked(), { seconds: 60, isThorough: false, tell: (text) => void told.push(text) });
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/x·wᵀ 1×64×64 bf16: the plan subgroup SUBGROUP 8 TM 8 is left out: it does not run \(kernel 'matmul\/nt_subgroup.*does not compile/);
    expect(opened).toBe(3);
    expect(leftOut).toBe(0);
    expect(choices.product.map(({ configuration }) => configuration.algorithm)).toEqual(['few_rows']);
  });

  it('begins nothing once time is up, and says what was left out', async () => {
    const measured = await measurePlans(fail as never, device.capabilities, asked([{ ...problem, m: 30 }]), { seconds: 0, isThorough: false, tell: fail });
    expect(measured).toMatchObject({ leftOut: 2, classes: 2, choices: { product: [], attention: [] } });
  });

  it('what nothing makes operands for is left to the policy', async () => {
    const open = async (): Promise<Device> => Device.create(await nodePlatform.gpu());
    const odd = { product: new Map([['x', { problem: { ...problem, storage: 'clay' }, times: 1 }]]), attention: new Map() };
    expect(await measurePlans(open, device.capabilities, odd, { seconds: 10, isThorough: false, tell: fail })).toMatchObject({ leftOut: 1 });
  });
});

it('a choice can be taken from a file only where it is a candidate: all candidates are', () => {
  const plans = new Plans(device.capabilities);
  const extent = { queries: 60, heads: 4, kvHeads: 2, span: 30 };
  for (const configuration of attentionCandidates(device.capabilities, { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f32', extent })) {
    plans.choose({ product: [], attention: [{ problem: { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f32', extent }, configuration, ms: 1, policyMs: 1, flop: 1e9 }] });
    expect(plans.attention({ pass: 'forward', headSize: 64, isDecoding: false, extent }).configuration).toEqual(configuration);
  }
});

function fail(text: string): never {
  throw new Error(text);
}
