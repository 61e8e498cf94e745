/** Disks that fill up, and rows that hardly train: what the trainer leaves and says. The disk is simulated, so that every place of failure is met. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Conversation, Example } from '../../src/data/example.ts';
import { IGNORE_INDEX } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { readAdapter } from '../../src/io/peft.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { allOf } from '../../src/track/tracker.ts';
import { readTrainerState } from '../../src/train/checkpointFolder.ts';
import type { TrainerState } from '../../src/train/checkpointFolder.ts';
import { newestCheckpoint, openCheckpoint } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { ExampleSource } from '../../src/train/exampleSource.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { namingOf } from '../../src/models/families.ts';

const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
const baseModel = `${golden}/models/qwen2_5_vl-tiny`;
const scratch = mkdtempSync(join(tmpdir(), 'vernier-failures-'));

/** Files to be written before the disk is full. */
let filesLeft = Infinity;
const spend = (path: string): void => {
  if (filesLeft-- <= 0) throw new UserError(`Cannot write ${path}: no space is left on the disk.`);
};
const smallDisk: Platform = {
  ...nodePlatform,
  async writeFile(path, data) {
    spend(path);
    await nodePlatform.writeFile(path, data);
  },
  async createFile(path) {
    const file = await nodePlatform.createFile(path);
    return {
      ...file,
      async write(bytes) {
        // The header (the first write) fits, the tensors after it do not.
        if (filesLeft === 0) spend(path);
        await file.write(bytes);
      },
      async commit() {
        spend(path);
        await file.commit();
      },
    };
  },
};

const settings: TrainSettings = {
  run_name: 'failures', epoch: 1, max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 1e-3, lr_scheduler_type: 'constant',
  warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 1, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: false, seed: 0, gradient_checkpointing: true, logging_steps: 1, save_steps: 1, save_total_limit: -1,
};

let device: Device;
let session: Session;
beforeAll(async () => {
  device = await testDevice();
  const config = loraConfig({ r: 2, target_modules: ['q_proj'] });
  session = await openSession(smallDisk, device, { baseModel, finetuning: { kind: 'lora', config } });
});
/** The adapter as a new process has it. */
async function startAgain(): Promise<void> {
  session.close();
  const config = loraConfig({ r: 2, target_modules: ['q_proj'] });
  session = await openSession(smallDisk, device, { baseModel, finetuning: { kind: 'lora', config } });
}

afterAll(() => {
  session.close();
  rmSync(scratch, { recursive: true, force: true });
});

function textExample(answer: string): Example {
  const conversation: Conversation = { messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: answer }], images: [] };
  return session.processor.encode(conversation, [], { mask: 'completion' });
}

async function pictureExample(): Promise<Example> {
  const line = readFileSync(`${golden}/data/dataset.jsonl`, 'utf8').split('\n').find((text) => text.includes('"s01_single"'))!;
  const row = JSON.parse(line) as Conversation;
  const file = `${golden}/data/${row.images[0]!}`;
  return session.processor.encode(row, [await nodePlatform.decodeImage(await nodePlatform.readFile(file), file)], { mask: 'completion' });
}

const unlabelled = (example: Example): Example => ({ ...example, labels: new Int32Array(example.labels.length).fill(IGNORE_INDEX) });
const sourceOf = (...examples: Example[]): ExampleSource => ({ length: examples.length, get: (index) => Promise.resolve(examples[index]!) });

it('a stop does not wait for rows that are being made, and keeps the steps before', async () => {
  await startAgain();
  const outputDir = join(scratch, 'stopped');
  const example = textExample('Two.');
  // The second row never comes, as from a file server that hangs.
  const source: ExampleSource = { length: 2, get: (index) => (index === 0 ? Promise.resolve(example) : new Promise(() => undefined)) };
  const stop = new AbortController();
  const tracker = { ...allOf([]), progress: () => void setTimeout(() => stop.abort(), 50) };
  const result = await train(session, source, { ...settings, per_device_train_batch_size: 1 }, { tracker, outputDir, stop: stop.signal });
  expect(result).toMatchObject({ outcome: 'stopped', steps: 1, checkpoint: join(outputDir, 'checkpoint-1') });
  const none = { ...source, get: () => new Promise<Example>(() => undefined) };
  const early = new AbortController();
  setTimeout(() => early.abort(), 50);
  expect(await train(session, none, settings, { tracker: allOf([]), stop: early.signal })).toMatchObject({ outcome: 'stopped', steps: 0 });
});

describe('a full disk', () => {
  // A checkpoint has seven files: weights, configuration, README, moments, the run's state, trainer_state.json, checksums. The result at the root has four of them.
  it.each([
    [0, [], 'checkpoint-2 was not saved'],
    [6, [], 'checkpoint-2 was not saved'],
    [7, ['checkpoint-1'], 'checkpoint-2 was not saved'],
    [10, ['checkpoint-1'], 'checkpoint-2 was not saved'],
    [14, ['checkpoint-1', 'checkpoint-2'], 'The result was not written to'],
    [17, ['checkpoint-1', 'checkpoint-2'], 'checkpoint-2 is complete and holds the same'],
  ])('after %i files leaves whole checkpoints and nothing else', async (files, left, words) => {
    await startAgain();
    const outputDir = join(scratch, `disk-${files}`);
    filesLeft = files;
    const ended = train(session, sourceOf(textExample('Two.')), settings, { tracker: allOf([]), outputDir });
    await expect(ended).rejects.toThrow(UserError);
    await expect(ended).rejects.toThrow(words);
    await expect(ended).rejects.toThrow('no space is left on the disk');
    filesLeft = Infinity;
    expect(readdirSync(outputDir).sort()).toEqual(left);
    for (const [index, name] of left.entries()) {
      expect((await readTrainerState(nodePlatform, join(outputDir, name))).global_step).toBe(index + 1);
      expect((await readAdapter(nodePlatform, join(outputDir, name), namingOf('qwen2_5_vl'))).tensors.size).toBe(session.plan.trained.size);
    }
    // Space is freed: the run goes on, and ends as if the disk had always been large enough.
    const fresh = { tracker: allOf([]), outputDir: join(scratch, `disk-${files}-large`) };
    const checkpoint = await newestCheckpoint(nodePlatform, outputDir, () => undefined);
    await startAgain();
    await train(session, sourceOf(textExample('Two.')), settings, { tracker: allOf([]), outputDir, resume: checkpoint ? { checkpoint } : {} });
    await startAgain();
    await train(session, sourceOf(textExample('Two.')), settings, fresh);
    const weights = (dir: string): Buffer => readFileSync(join(dir, 'adapter_model.safetensors'));
    expect(weights(outputDir)).toEqual(weights(fresh.outputDir));
  });

  it('in two saves in a row ends the run at the next step, and the checkpoint before is whole', async () => {
    await startAgain();
    const outputDir = join(scratch, 'background');
    filesLeft = 7 + 3;
    let lastStep = 0;
    const warnings: string[] = [];
    const tracker = {
      ...allOf([]),
      progress: ({ step }: { step: number }) => void (lastStep = step),
      event: (level: string, text: string) => Promise.resolve(void (level === 'warning' && warnings.push(text))),
    };
    const ended = train(session, sourceOf(textExample('Two.')), { ...settings, max_steps: 400, save_steps: 3 }, { tracker, outputDir });
    await expect(ended).rejects.toThrow(/^checkpoint-9 was not saved: .*\nThe run up to step 3 is saved in .*checkpoint-3; /);
    filesLeft = Infinity;
    expect(warnings).toEqual([expect.stringMatching(/^checkpoint-6 was not saved: .* no space .* Training goes on, and the next save tries again/)]);
    expect(lastStep).toBeLessThan(15);
    expect(readdirSync(outputDir)).toEqual(['checkpoint-3']);
    expect((await openCheckpoint(nodePlatform, join(outputDir, 'checkpoint-3'))).step).toBe(3);
  });

  it('for a while costs a checkpoint and not the run, and what is not there is not the best', async () => {
    const run = async (name: string, files: number): Promise<{ state: TrainerState; dir: string }> => {
      await startAgain();
      const outputDir = join(scratch, name);
      filesLeft = files;
      const tracker = { ...allOf([]), event: () => Promise.resolve(void (filesLeft = Infinity)) };
      const evaluator = { evaluate: (_: Session, { step }: { step: number }) => Promise.resolve({ eval_loss: step === 2 ? 1 : step }) };
      const more = { max_steps: 6, save_steps: 2, eval_steps: 2, load_best_model_at_end: true };
      const { state } = await train(session, sourceOf(textExample('Two.')), { ...settings, ...more }, { tracker, outputDir, evaluator });
      return { state, dir: outputDir };
    };
    const [whole, broken] = [await run('wide', Infinity), await run('narrow', 3)];
    expect([whole, broken].map(({ dir }) => readdirSync(dir).filter((name) => name.startsWith('checkpoint')))).toEqual([
      ['checkpoint-2', 'checkpoint-4', 'checkpoint-6'],
      ['checkpoint-4', 'checkpoint-6'],
    ]);
    expect(whole.state.best_model_checkpoint).toBe('checkpoint-2');
    expect(broken.state.best_model_checkpoint).toBe('checkpoint-4');
    const weights = (...parts: string[]): Buffer => readFileSync(join(...parts, 'adapter_model.safetensors'));
    for (const step of [4, 6]) expect(weights(broken.dir, `checkpoint-${step}`).equals(weights(whole.dir, `checkpoint-${step}`))).toBe(true);
    expect(weights(broken.dir).equals(weights(broken.dir, 'checkpoint-4'))).toBe(true);
  });
});

describe('a GPU without memory', () => {
  /** From then on, one buffer cannot be made: it is invalid, as Dawn gives it, and the scope around it has the error. */
  function refuseOneBuffer(): void {
    const { gpu } = device;
    const [createBuffer, popErrorScope] = [gpu.createBuffer.bind(gpu), gpu.popErrorScope.bind(gpu)];
    gpu.createBuffer = (descriptor) => {
      gpu.createBuffer = createBuffer;
      gpu.pushErrorScope('validation');
      const invalid = createBuffer({ ...descriptor, usage: 0 });
      void popErrorScope();
      gpu.popErrorScope = () => {
        gpu.popErrorScope = popErrorScope;
        return popErrorScope().then(() => ({ message: 'injected' }));
      };
      return invalid;
    };
  }

  it('in a longer row ends the run after its steps were saved; it goes on as if it had had enough', async () => {
    const rows = [textExample('Two.'), textExample('Three.'), textExample('Four.'), textExample(`A long one: ${'two '.repeat(60)}`)];
    const more = { max_steps: 4, per_device_train_batch_size: 1, save_steps: 100, learning_rate: 1e-2 };
    await startAgain();
    const whole = join(scratch, 'memory-enough');
    await train(session, sourceOf(...rows), { ...settings, ...more }, { tracker: allOf([]), outputDir: whole });
    await startAgain();
    device.trim();
    const outputDir = join(scratch, 'memory-short');
    const tracker = { ...allOf([]), progress: ({ step }: { step: number }) => void (step === 3 && refuseOneBuffer()) };
    const ended = train(session, sourceOf(...rows), { ...settings, ...more }, { tracker, outputDir });
    await expect(ended).rejects.toThrow(/^The GPU has no memory left: a buffer of .* Lower --per_device_train_batch_size .*\nThe run up to step 3 is saved in .*checkpoint-3; /);
    expect(readdirSync(outputDir)).toEqual(['checkpoint-3']);
    await startAgain();
    const checkpoint = (await newestCheckpoint(nodePlatform, outputDir, () => undefined))!;
    await train(session, sourceOf(...rows), { ...settings, ...more }, { tracker: allOf([]), outputDir, resume: { checkpoint } });
    const weights = (dir: string): Buffer => readFileSync(join(dir, 'adapter_model.safetensors'));
    expect(weights(outputDir).equals(weights(whole))).toBe(true);
  });
});

describe('rows', () => {
  it('that cannot be read are found before anything is written', async () => {
    const outputDir = join(scratch, 'unread');
    let begun = false;
    const begin = (): Promise<void> => Promise.resolve(void (begun = true));
    const bad: ExampleSource = { length: 2, get: (index) => (index === 1 ? Promise.reject(new UserError('rows.jsonl:2: bad')) : Promise.resolve(textExample('Two.'))) };
    await expect(train(session, bad, settings, { tracker: allOf([]), outputDir, begin })).rejects.toThrow('rows.jsonl:2: bad');
    expect({ begun, exists: existsSync(outputDir) }).toEqual({ begun: false, exists: false });
  });

  it.each(['a row of the file', 'a defect'])('that turn out bad later end the run after all its steps were saved: %s', async (kind) => {
    const outputDir = join(scratch, `late ${kind}`);
    const cause = kind === 'a defect' ? new TypeError('x is undefined') : new UserError('rows.jsonl:8: bad');
    const bad: ExampleSource = { length: 8, get: (index) => (index === 7 ? Promise.reject(cause) : Promise.resolve(textExample('Two.'))) };
    const ended = train(session, bad, { ...settings, max_steps: 4, save_steps: 2 }, { tracker: allOf([]), outputDir });
    await expect(ended).rejects.toThrow(cause.message);
    if (kind !== 'a defect') {
      await expect(ended).rejects.toThrow(UserError);
      await expect(ended).rejects.toThrow(`The run up to step 3 is saved in ${join(outputDir, 'checkpoint-3')}; when the cause is mended, the same command`);
    }
    expect(readdirSync(outputDir)).toEqual(['checkpoint-2', 'checkpoint-3']);
    expect((await openCheckpoint(nodePlatform, join(outputDir, 'checkpoint-3'))).step).toBe(3);
  });

  it('that are held out and turn out bad do so too', async () => {
    const outputDir = join(scratch, 'late held out');
    const evaluator = { evaluate: (_: Session, { step }: { step: number }) => (step === 2 ? Promise.reject(new UserError('val.jsonl:1: bad')) : Promise.resolve({ eval_loss: 1 })) };
    const ended = train(session, sourceOf(textExample('Two.')), { ...settings, max_steps: 4, eval_steps: 1, save_steps: -1 }, { tracker: allOf([]), outputDir, evaluator });
    await expect(ended).rejects.toThrow(`val.jsonl:1: bad\nThe run up to step 2 is saved in ${join(outputDir, 'checkpoint-2')}`);
    expect((await openCheckpoint(nodePlatform, join(outputDir, 'checkpoint-2'))).run.isEvaluationDue).toBe(true);
  });

  it('end nothing but the run when nothing can be saved: the first error is told', async () => {
    await startAgain();
    const outputDir = join(scratch, 'late full disk');
    const bad: ExampleSource = { length: 4, get: (index) => (index === 3 ? Promise.reject(new UserError('rows.jsonl:4: bad')) : Promise.resolve(textExample('Two.'))) };
    filesLeft = 3;
    const ended = train(session, bad, { ...settings, save_steps: -1 }, { tracker: allOf([]), outputDir });
    await expect(ended).rejects.toThrow(/^rows.jsonl:4: bad$/);
    filesLeft = Infinity;
    expect(readdirSync(outputDir)).toEqual([]);
  });

  it('there must be some', async () => {
    await expect(train(session, sourceOf(), settings, { tracker: allOf([]) })).rejects.toThrow('There are no rows to train on');
  });

  it('without a labelled token train nothing, alone, and change nothing beside others', async () => {
    const text = textExample('Two.');
    const alone = await train(session, sourceOf(unlabelled(text)), settings, { tracker: allOf([]) });
    expect(alone.state.log_history.map(({ loss, grad_norm }) => ({ loss, grad_norm }))).toEqual([{ loss: 0, grad_norm: 0 }, { loss: 0, grad_norm: 0 }]);
    expect(alone.skippedSteps).toBe(0);
    const first = { ...settings, max_steps: 1, learning_rate: 0 };
    const [without] = (await train(session, sourceOf(text), first, { tracker: allOf([]) })).state.log_history;
    const [beside] = (await train(session, sourceOf(unlabelled(await pictureExample()), text), first, { tracker: allOf([]) })).state.log_history;
    expect(beside!.loss! / without!.loss!).toBeCloseTo(1, 5);
    expect(beside!.grad_norm! / without!.grad_norm!).toBeCloseTo(1, 4);
  });

  it('of text alone and with pictures follow each other', async () => {
    const rows = [textExample('Two.'), textExample('Three millimetres.'), await pictureExample(), textExample('One.')];
    const { state, skippedSteps } = await train(session, sourceOf(...rows), { ...settings, max_steps: 4 }, { tracker: allOf([]) });
    expect(skippedSteps).toBe(0);
    for (const { loss, grad_norm } of state.log_history) expect(Math.min(loss!, grad_norm!)).toBeGreaterThan(0);
  });

  it('with a token beyond the vocabulary are refused', async () => {
    const example = textExample('Two.');
    example.inputIds[0] = session.model.vocabSize;
    await expect(train(session, sourceOf(example), settings, { tracker: allOf([]) })).rejects.toThrow(/Token id 640 is outside the model's vocabulary of 640/);
  });
});
