/** A GPU that goes away in the middle of a run: what is left, what is said, and that the run goes on to the same bytes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { deviceLost } from '../../src/gpu/adapter.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { allOf } from '../../src/track/tracker.ts';
import { newestCheckpoint } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import type { TrainResult, TrainSurroundings } from '../../src/train/trainer.ts';
import { testDevice } from '../gpu/testDevice.ts';

const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-lost-'));
const at = (name: string): string => join(scratch, name);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const settings: TrainSettings = {
  run_name: 'lost', epoch: 1, max_steps: 7, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 1e-2, lr_scheduler_type: 'cosine',
  warmup_ratio: 0.2, warmup_steps: 0, max_grad_norm: 0.5, weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.99, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: true, seed: 3, gradient_checkpointing: true, logging_steps: 3, save_steps: 1000, save_total_limit: -1,
};
const ANSWERS = ['Two.', 'Three millimetres.', 'None'];

interface Run extends Partial<TrainSurroundings> {
  /** The GPU is gone once this step is dispatched. */
  loseAt?: number;
  saveSteps?: number;
  onDevice?: (device: Device) => void;
}

async function run(name: string, { loseAt, saveSteps = 1000, ...around }: Run = {}): Promise<TrainResult & { snapshots: number }> {
  const device = await testDevice();
  const config = loraConfig({ r: 2, lora_dropout: 0.2, target_modules: ['q_proj', 'down_proj'] });
  const session = await openSession(nodePlatform, device, { baseModel: `${golden}/models/qwen2_5_vl-tiny`, finetuning: { kind: 'lora', config }, seed: 5 });
  const examples = ANSWERS.map((content) =>
    session.processor.encode({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content }], images: [] }, [], { mask: 'completion' }),
  );
  const tracker = { ...allOf([]), progress: ({ step }: { step: number }) => void (step === loseAt && device.gpu.destroy()) };
  const snapshots = vi.spyOn(session.arena, 'snapshot');
  const source = { length: examples.length, get: (index: number) => Promise.resolve(examples[index]!) };
  const result = await train(session, source, { ...settings, save_steps: saveSteps }, { tracker, outputDir: at(name), ...around });
  return { ...result, snapshots: snapshots.mock.calls.length };
}

async function resumed(name: string): Promise<TrainResult> {
  const checkpoint = await newestCheckpoint(nodePlatform, at(name), () => undefined);
  return run(name, { resume: checkpoint ? { checkpoint } : {} });
}

/** The last checkpoint, texts without the folder's name. */
function lastOf(name: string): Record<string, string> {
  const dir = join(at(name), 'checkpoint-7');
  const files = readdirSync(dir).filter((file) => file !== 'checksums.json'); // of texts with the folder's name in them
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(dir, file), 'latin1').replaceAll(at(name), 'RUN')]));
}

const checkpoints = (name: string): string[] => readdirSync(at(name)).filter((file) => file.startsWith('checkpoint')).sort();

describe('a GPU that is lost in mid-run', () => {
  let whole: Record<string, string>;
  it('leaves the last copy as a checkpoint, and the run goes on from it to the same bytes', { timeout: 240_000 }, async () => {
    await run('whole');
    whole = lastOf('whole');
    const ended = run('copied', { loseAt: 6, copyEveryMs: 0 });
    await expect(ended).rejects.toThrow(/^The GPU device was lost \(destroyed\): .* Usual causes: .* --submit_ms 25 \(it is 100 now\)/);
    const [left, ...others] = checkpoints('copied');
    const step = Number(left!.split('-')[1]);
    expect(others).toEqual([]);
    expect(step).toBeGreaterThanOrEqual(1);
    await expect(ended).rejects.toThrow(
      `\nThe run up to step ${step} is saved in ${join(at('copied'), left!)}; when the cause is mended, the same command with --resume_from_checkpoint true goes on`,
    );
    if (step < 6) await expect(ended).rejects.toThrow(/ What came after it, up to step 6, is made again\.$/);
    expect((await resumed('copied')).outcome).toBe('finished');
    expect(lastOf('copied')).toEqual(whole);
  });

  it('loses what came after the last checkpoint where there is no newer copy, and says so', { timeout: 240_000 }, async () => {
    const ended = run('saved', { loseAt: 5, saveSteps: 2 });
    await expect(ended).rejects.toThrow(/\nThe run up to step [24] is saved in .*; .* What came after it, up to step 5, is made again\.$/);
    expect(checkpoints('saved').at(-1)).toMatch(/^checkpoint-[24]$/);
    await resumed('saved');
    expect(lastOf('saved')['adapter_model.safetensors']).toBe(whole['adapter_model.safetensors']);
  });

  it('before anything was saved leaves nothing, and the run begins from the start', { timeout: 240_000 }, async () => {
    const ended = run('early', { loseAt: 2 });
    await expect(ended).rejects.toThrow(/\nNo step is saved yet: the same command with --resume_from_checkpoint true begins from the start\.$/);
    expect(checkpoints('early')).toEqual([]);
    await resumed('early');
    expect(lastOf('early')).toEqual(whole);
  });

  it('is not what copies are made for every step: they change nothing, and come in their time alone', { timeout: 240_000 }, async () => {
    const often = await run('often', { copyEveryMs: 0 });
    expect(often.snapshots).toBeGreaterThan(1);
    expect(lastOf('often')).toEqual(whole);
    expect(checkpoints('often')).toEqual(['checkpoint-7']);
    expect((await run('seldom', { copyEveryMs: 1e6 })).snapshots).toBe(0);
  });
});

describe('the words on a lost GPU', () => {
  const lost = (message: string, limitMs: number, underWayMs: number): string => deviceLost({ reason: 'unknown', message } as GPUDeviceLostInfo, { limitMs, underWayMs }).message;

  it('say that its work took too long where that is known, and what to give instead', () => {
    expect(lost('D3D12: DXGI_ERROR_DEVICE_HUNG', 100, 20)).toMatch(/does not let others have their turn: give --submit_ms 25 \(it is 100 now\)/);
    expect(lost('', 500, 2345)).toMatch(/^The GPU device was lost \(unknown\): no reason given\. .* of which the last had been under way for 2\.3 s: give --submit_ms 125 \(it is 500 now\)/);
    expect(lost('GPU watchdog', 0, 0)).toMatch(/give --submit_ms 100 \(there is no limit now\)/);
  });

  it('leave the cause open where it is not', () => {
    expect(lost('VK_ERROR_DEVICE_LOST', 100, 20)).toMatch(/Usual causes: .*the computer slept.* try --submit_ms 25 /);
  });
});
