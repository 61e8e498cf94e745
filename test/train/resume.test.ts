/**
 * A run that was interrupted and goes on is the run that was not, to the bit: weights, log, totals. Interrupted here by its stop signal, between steps and within an
 * evaluation; test/node/kill.test.ts does it with SIGKILL. And what a resume refuses, or does otherwise and says so.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Conversation, Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import type { Finetuning } from '../../src/models/lora.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import type { Row, RunInfo, Summary, Tracker } from '../../src/track/tracker.ts';
import { archiveCheckpoint } from '../../src/train/archive.ts';
import type { Evaluator } from '../../src/train/evaluator.ts';
import { newestCheckpoint, openCheckpoint, setLaterAside } from '../../src/train/resume.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { ExampleSource } from '../../src/train/exampleSource.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import type { TrainResult, TrainSurroundings } from '../../src/train/trainer.ts';
import { testDevice } from '../gpu/testDevice.ts';

const golden = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));
const baseModel = `${golden}/models/qwen2_5_vl-tiny`;
const scratch = mkdtempSync(join(tmpdir(), 'vernier-resume-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const lora = (more: object = {}): Finetuning => ({ kind: 'lora', config: loraConfig({ r: 2, lora_dropout: 0.2, target_modules: ['q_proj', 'down_proj'], ...more }) });
const settings: TrainSettings = {
  run_name: 'resume', epoch: 1, max_steps: 7, per_device_train_batch_size: 1, gradient_accumulation_steps: 2, learning_rate: 5e-3, lr_scheduler_type: 'cosine',
  warmup_ratio: 0.2, warmup_steps: 0, max_grad_norm: 0.5, weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.99, adam_epsilon: 1e-8, loss_reduction: 'token',
  shuffle: true, seed: 3, gradient_checkpointing: true, logging_steps: 3, save_steps: 2, save_total_limit: -1, eval_steps: 3,
};

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});

function example(session: Session, answer: string): Example {
  const conversation: Conversation = { messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: answer }], images: [] };
  return session.processor.encode(conversation, [], { mask: 'completion' });
}

const ANSWERS = ['Two.', 'Three millimetres.', 'About 4.5 mm.', 'None', 'It cannot be said from this slice.'];

function sourceOf(session: Session, answers = ANSWERS): ExampleSource {
  const examples = answers.map((answer) => example(session, answer));
  return { length: answers.length, get: (index) => Promise.resolve(examples[index]!), fingerprint: () => Promise.resolve(answers.join()) };
}

/** Everything a tracker is told, and a stop at a step. */
class Witness implements Tracker {
  readonly rows: Row[] = [];
  readonly events: string[] = [];
  info: RunInfo | undefined;
  summary: Summary | undefined;
  private readonly atStep: (step: number) => void;

  constructor(atStep: (step: number) => void = () => undefined) {
    this.atStep = atStep;
  }
  start(run: RunInfo): Promise<void> {
    this.info = run;
    return Promise.resolve();
  }
  progress({ step }: { step: number }): void {
    this.atStep(step);
  }
  log(row: Row, step: number): Promise<void> {
    this.rows.push({ step, ...row });
    return Promise.resolve();
  }
  event(level: string, text: string): Promise<void> {
    this.events.push(`${level}: ${text}`);
    return Promise.resolve();
  }
  finish(summary: Summary): Promise<void> {
    this.summary = summary;
    return Promise.resolve();
  }
  state(): Record<string, unknown> {
    return { witness_id: 'w1' };
  }
}

interface Run {
  finetuning?: Finetuning;
  settings?: Partial<TrainSettings>;
  around?: Partial<TrainSurroundings>;
  answers?: string[];
  base?: string;
  stopAt?: number;
  /** What becomes of the rows. */
  source?: (rows: ExampleSource) => ExampleSource;
}

/** One process's part of a run, in a session of its own. */
async function runOnce(outputDir: string, run: Run = {}): Promise<{ result: TrainResult; witness: Witness }> {
  const stop = new AbortController();
  const witness = new Witness((step) => {
    if (step === run.stopAt) stop.abort();
  });
  const session = await openSession(nodePlatform, device, { baseModel: run.base ?? baseModel, finetuning: run.finetuning ?? lora(), seed: 5 });
  try {
    const source = (run.source ?? ((rows) => rows))(sourceOf(session, run.answers));
    const result = await train(session, source, { ...settings, ...run.settings }, { tracker: witness, outputDir, stop: stop.signal, ...run.around });
    return { result, witness };
  } finally {
    session.close();
  }
}

async function resumed(outputDir: string, run: Run = {}): Promise<{ result: TrainResult; witness: Witness }> {
  const checkpoint = await newestCheckpoint(nodePlatform, outputDir, () => undefined);
  return runOnce(outputDir, { ...run, around: { ...run.around, resume: checkpoint ? { checkpoint } : {} } });
}

/** Files of a folder, without the log; trainer_state.json as text too. */
function contents(dir: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'checksums.json') // of texts with this folder's name in them
      .map((entry) => [join(entry.parentPath, entry.name), entry] as const)
      .map(([path]) => [path.slice(dir.length + 1), readFileSync(path, 'latin1').replaceAll(dir, 'RUN')]),
  );
}

/** A held-out loss that the step decides, and that takes no part in training. */
const scripted = (losses: Record<number, number>, onStep: (step: number) => void = () => undefined): Evaluator => ({
  evaluate: (_, { step, stop }) => {
    onStep(step);
    return Promise.resolve(stop?.aborted ? undefined : { eval_loss: losses[step] ?? 9, eval_note: 'a text' });
  },
});

describe('to the bit', () => {
  it.each<[string, Finetuning, Partial<TrainSettings>]>([
    ['LoRA', lora(), {}],
    ['DoRA beside a whole module', lora({ use_dora: true, modules_to_save: ['lm_head'] }), { loss_reduction: 'microbatch' }],
    ['full fine-tuning', { kind: 'full' }, { logging_steps: 1, max_steps: 5 }],
  ])('%s', { timeout: 240_000 }, async (name, finetuning, more) => {
    const evaluator = scripted({});
    const [whole, broken] = [at(name, 'whole'), at(name, 'broken')];
    const uninterrupted = await runOnce(whole, { finetuning, settings: more, around: { evaluator } });
    const rows: Row[] = [];
    let last: Witness | undefined;
    for (const stopAt of [1, 4, undefined]) {
      const part = await resumed(broken, { finetuning, settings: more, around: { evaluator }, ...(stopAt !== undefined && { stopAt }) });
      expect(part.result.outcome).toBe(stopAt === undefined ? 'finished' : 'stopped');
      rows.push(...part.witness.rows);
      last = part.witness;
    }
    // The two checkpoints that the stops made are beside those that save_steps made.
    const differences = Object.entries(contents(broken)).filter(([file, text]) => !/^checkpoint-[14]\//.test(file) && contents(whole)[file] !== text);
    expect(differences.map(([file]) => file)).toEqual([]);
    expect(Object.keys(contents(broken))).toEqual(expect.arrayContaining(Object.keys(contents(whole))));
    expect(rows).toEqual(uninterrupted.witness.rows);
    const figures = (witness: Witness): unknown => ({ ...witness.summary!.figures, train_runtime: 0, train_tokens_per_second: 0 });
    expect(figures(last!)).toEqual(figures(uninterrupted.witness));
    expect(last!.info).toMatchObject({ firstStep: 4, resumed: { state: { witness_id: 'w1' } } });
    expect(last!.info!.resumed!.history).toEqual(uninterrupted.witness.rows.filter((row) => Number(row['step']) <= 4).map(({ eval_note: _, ...row }) => row));
    expect(uninterrupted.witness.rows.map(({ step, eval_loss }) => [step, eval_loss !== undefined])).toContainEqual([0, true]);
  });

  it('a stop within an evaluation makes it up, and evaluations change nothing', async () => {
    const [whole, broken] = [at('eval', 'whole'), at('eval', 'broken')];
    const losses = { 3: 5, 6: 4 };
    const more = { load_best_model_at_end: true };
    await runOnce(whole, { settings: more, around: { evaluator: scripted(losses) } });
    const stop = new AbortController();
    const evaluator = scripted(losses, (step) => {
      if (step === 3) stop.abort();
    });
    const first = await runOnce(broken, { settings: more, around: { evaluator, stop: stop.signal } });
    expect(first.result).toMatchObject({ outcome: 'stopped', steps: 3 });
    expect((await openCheckpoint(nodePlatform, join(broken, 'checkpoint-3'))).run.isEvaluationDue).toBe(true);
    await resumed(broken, { settings: more, around: { evaluator: scripted(losses) } });
    expect(contents(broken)).toEqual(contents(whole));
    await runOnce(at('eval', 'none'));
    expect(contents(at('eval', 'none'))['checkpoint-7/adapter_model.safetensors']).toBe(contents(whole)['checkpoint-7/adapter_model.safetensors']);
  });

  it('what is too large to copy is written while training waits, to the same bytes', async () => {
    await runOnce(at('large', 'copied'), { settings: { max_steps: 4 } });
    const session = await openSession(nodePlatform, device, { baseModel, finetuning: lora(), seed: 5 });
    Object.defineProperty(session.arena, 'snapshotBytes', { value: 2 ** 40 });
    session.arena.snapshot = () => {
      throw new Error('it was copied');
    };
    await train(session, sourceOf(session), { ...settings, max_steps: 4 }, { tracker: new Witness(), outputDir: at('large', 'waited') });
    session.close();
    expect(contents(at('large', 'waited'))).toEqual(contents(at('large', 'copied')));
  });

  it('a finished run is left as it is', async () => {
    const dir = at('finished');
    await runOnce(dir);
    const before = contents(dir);
    const again = await resumed(dir);
    expect(again.result).toMatchObject({ outcome: 'finished', steps: 7 });
    expect(again.witness.rows).toEqual([]);
    expect(contents(dir)).toEqual(before);
  });

  it('into another folder, from a checkpoint in the middle', async () => {
    const dir = at('elsewhere', 'first');
    await runOnce(dir);
    const checkpoint = await openCheckpoint(nodePlatform, join(dir, 'checkpoint-4'));
    const { witness } = await runOnce(at('elsewhere', 'second'), { around: { resume: { checkpoint } } });
    expect(witness.events).toContain(`info: Resumed from ${join(dir, 'checkpoint-4')}, after step 4 of 7.`);
    const [first, second] = [contents(dir), contents(at('elsewhere', 'second'))];
    expect(Object.keys(second).filter((file) => file.startsWith('checkpoint') && file.endsWith('README.md'))).toEqual(['checkpoint-6/README.md', 'checkpoint-7/README.md']);
    for (const [file, text] of Object.entries(second)) expect(text, file).toBe(first[file]);
  });
});

describe('a row that cannot be made in mid-run', () => {
  it.each([
    [1, 2],
    [5, 9], // the third step of an epoch has one row
  ])('ends the run after step %i; mended, it ends in the same bytes as an undisturbed run', { timeout: 240_000 }, async (good, rows) => {
    const [whole, broken] = [at(`row ${good}`, 'whole'), at(`row ${good}`, 'broken')];
    const undisturbed = await runOnce(whole);
    let asked = 0;
    const breaks = (source: ExampleSource): ExampleSource => ({
      ...source,
      get: (index) => (++asked > rows ? Promise.reject(new UserError('rows.jsonl:3: the picture a.png is gone')) : source.get(index)),
    });
    const first = runOnce(broken, { source: breaks });
    await expect(first).rejects.toThrow(`the picture a.png is gone\nThe run up to step ${good} is saved in ${join(broken, `checkpoint-${good}`)}`);
    const { result, witness } = await resumed(broken);
    expect(result).toMatchObject({ outcome: 'finished', steps: 7 });
    expect(witness.info).toMatchObject({ firstStep: good });
    const differences = Object.entries(contents(whole)).filter(([file, text]) => contents(broken)[file] !== text);
    expect(differences.map(([file]) => file)).toEqual([]);
    expect(undisturbed.witness.rows.slice(-witness.rows.length)).toEqual(witness.rows);
  });
});

describe('another run is refused', () => {
  const dir = at('refused');
  beforeAll(async () => {
    await runOnce(dir, { settings: { max_steps: 2 }, around: { facts: { mask: 'completion' } } });
  });

  const otherBase = at('other-base');
  it.each<[string, Run, RegExp[]]>([
    ['seed', { settings: { seed: 4 } }, [/checkpoint-2 cannot be resumed/, /--seed was 3, now it is 4/]],
    ['order', { settings: { shuffle: false } }, [/--shuffle was true, now it is false/]],
    ['rows a step', { settings: { gradient_accumulation_steps: 3 } }, [/per_device_train_batch_size × gradient_accumulation_steps.* was 2, now it is 3/]],
    ['number of rows', { answers: ANSWERS.slice(1) }, [/the number of training rows was 5, now it is 4/]],
    ['rows', { answers: [...ANSWERS.slice(1), 'Six.'] }, [/training rows are others than they were, though as many/]],
    ['mask', { around: { facts: { mask: 'reference' } } }, [/--mask was "completion", now it is "reference"/]],
    // The run before knows no such option, as one of an older version.
    ['deep greys', { around: { facts: { mask: 'completion', sixteen_bit: 'window' } } }, [/--sixteen_bit was "clip", now it is "window"/]],
    ['half precision', { around: { facts: { mask: 'completion', compute_dtype: 'f16' } } }, [/--compute_dtype was "f32", now it is "f16"/]],
    ['inputs kept in half', { around: { facts: { mask: 'completion', saved_inputs: 'bf16' } } }, [/--saved_inputs was "f32", now it is "bf16"/]],
    ['rank and targets', { finetuning: lora({ r: 4, target_modules: ['q_proj'] }) }, [/--r was 2, now it is 4/, /--target_modules was/]],
    ['dropout', { finetuning: lora({ lora_dropout: 0 }) }, [/--lora_dropout was 0.2, now it is 0/]],
    ['kind', { finetuning: { kind: 'full' } }, [/--finetune was "lora", now it is "full"/]],
    ['horizon behind the checkpoint', { settings: { max_steps: 1 } }, [/has done 2 steps, and --max_steps or --epoch ends the run at 1/]],
    ['base', { base: otherBase }, [/--base_model_hf is another model/]],
  ])('%s', async (_, run, words) => {
    cpSync(baseModel, otherBase, { recursive: true });
    const config = join(otherBase, 'config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace(/("rms_norm_eps"\s*:\s*)[\d.e-]+/, '$11e-4'));
    const before = contents(dir);
    const ended = resumed(dir, { ...run, settings: { max_steps: 4, ...run.settings }, around: { facts: { mask: 'completion' }, ...run.around } });
    await expect(ended).rejects.toThrow(UserError);
    for (const word of words) await expect(ended).rejects.toThrow(word);
    expect(contents(dir)).toEqual(before);
  });

  it('unless the change is one that a user may mean: it is told', async () => {
    const copy = at('told');
    cpSync(dir, copy, { recursive: true });
    const more = { max_steps: 4, learning_rate: 1e-3, weight_decay: 0, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, logging_steps: 1 };
    const { result, witness } = await resumed(copy, { settings: more, around: { facts: { mask: 'completion', sixteen_bit: 'clip' } } });
    expect(result.steps).toBe(4);
    const told = witness.events.filter((event) => event.startsWith('warning: Not as it would have been without the break'));
    expect(told.join('\n')).toMatch(/micro-batches of 2 in place of 1 row,[^]*ends at step 4 in place of 2[^]*--weight_decay is 0 from here on; it was 0.01/);
    expect(told).toHaveLength(3);
    expect(witness.rows.map(({ step }) => step)).toEqual([3, 4]);
    // The schedule is that of 4 steps with the new rate.
    expect(witness.rows[1]!['learning_rate']).toBeCloseTo(1e-3 * 0.5 * (1 + Math.cos((Math.PI * 2) / 3)), 12);
  });
});

describe('a damaged checkpoint', () => {
  const dir = at('damaged');
  beforeAll(async () => {
    await runOnce(dir, { settings: { max_steps: 4 } });
  });

  it('is named, whichever file it is, and the one before is used', async () => {
    for (const file of readdirSync(join(dir, 'checkpoint-4'))) {
      const path = join(dir, 'checkpoint-4', file);
      const bytes = readFileSync(path);
      const flipped = Buffer.from(bytes);
      flipped[flipped.length >> 1]! ^= 4;
      const changes = file === 'checksums.json' ? [bytes.subarray(0, 100)] : [flipped, bytes.subarray(0, -1), Buffer.alloc(0)];
      for (const damaged of changes) {
        writeFileSync(path, damaged);
        const told: string[] = [];
        const found = await newestCheckpoint(nodePlatform, dir, (warning) => told.push(warning));
        expect(found!.step).toBe(2);
        expect(told).toHaveLength(1);
        expect(told[0]).toContain(file);
        expect(told[0]).toMatch(/checkpoint-4 is damaged: .*The checkpoint before it is used/);
      }
      writeFileSync(path, bytes);
    }
    expect((await newestCheckpoint(nodePlatform, dir, () => undefined))!.step).toBe(4);
  });

  it.skipIf(process.platform === 'win32')('in which something else has taken a file’s place is told of in one sentence', async () => {
    for (const file of ['checksums.json', 'adapter_model.safetensors']) {
      const copy = at(`pipe-${file}`);
      cpSync(join(dir, 'checkpoint-4'), copy, { recursive: true });
      rmSync(join(copy, file));
      execFileSync('mkfifo', [join(copy, file)]);
      await expect(openCheckpoint(nodePlatform, copy)).rejects.toThrow(/ is damaged: Cannot \w+ .*: it is a pipe \(FIFO\), a regular file was expected\.$/);
    }
  });

  it('is set aside when the run goes on, as are those of later steps', async () => {
    const copy = at('aside');
    cpSync(dir, copy, { recursive: true });
    expect(await setLaterAside(nodePlatform, copy, 2)).toEqual([join(copy, 'checkpoint-4.superseded')]);
    expect(readdirSync(copy).filter((name) => name.startsWith('checkpoint'))).toEqual(['checkpoint-2', 'checkpoint-4.superseded']);
  });

  it('when there is no other, ends the start with what is wrong with each', async () => {
    const copy = at('all-damaged');
    cpSync(dir, copy, { recursive: true });
    for (const name of ['checkpoint-2', 'checkpoint-4']) rmSync(join(copy, name, 'optimizer.safetensors'));
    await expect(newestCheckpoint(nodePlatform, copy, () => undefined)).rejects.toThrow(/No checkpoint in .* can be used:\n.*checkpoint-4.*optimizer\.safetensors is missing[^]*checkpoint-2/);
    expect(await newestCheckpoint(nodePlatform, at('nowhere'), () => undefined)).toBeUndefined();
  });

  it('of another program is told as such', async () => {
    const copy = at('foreign');
    cpSync(join(dir, 'checkpoint-4'), copy, { recursive: true });
    for (const name of ['checksums.json', 'vernier_state.json']) rmSync(join(copy, name));
    await expect(openCheckpoint(nodePlatform, copy)).rejects.toThrow(/was not saved by this program, .*--init_adapter/);
  });
});

describe('the archive', () => {
  it('keeps every n-th checkpoint as it was, which rotation leaves and resuming does not see', async () => {
    const dir = at('archive-run');
    const run: Run = { settings: { save_steps: 5, save_total_limit: 1, archive_every_n_steps: 3 } };
    await runOnce(dir, { ...run, stopAt: 4 });
    expect(readdirSync(join(dir, 'archive'))).toEqual(['checkpoint-3']);
    const kept = contents(join(dir, 'archive/checkpoint-3'));
    await resumed(dir, run);
    expect(readdirSync(join(dir, 'archive')).sort()).toEqual(['checkpoint-3', 'checkpoint-6']);
    expect(readdirSync(dir).filter((name) => name.startsWith('checkpoint'))).toEqual(['checkpoint-7']);
    expect(contents(join(dir, 'archive/checkpoint-3'))).toEqual(kept);
    // Each is a whole checkpoint.
    expect((await openCheckpoint(nodePlatform, join(dir, 'archive/checkpoint-6'))).step).toBe(6);
    rmSync(join(dir, 'checkpoint-7'), { recursive: true });
    expect(await newestCheckpoint(nodePlatform, dir, () => undefined)).toBeUndefined();
  });

  it('is of hard links, or of copies where the disk has none', async () => {
    const dir = at('archive-files');
    await runOnce(dir, { settings: { max_steps: 2 } });
    const inode = (...path: string[]): number => statSync(join(dir, ...path, 'adapter_model.safetensors')).ino;
    await archiveCheckpoint(nodePlatform, dir, 2);
    expect(inode('archive/checkpoint-2')).toBe(inode('checkpoint-2'));
    const whole = contents(join(dir, 'checkpoint-2'));
    const none: Platform = { ...nodePlatform, links: { ...nodePlatform.links!, makeHard: () => Promise.reject(new Error('EPERM')) } };
    await archiveCheckpoint(none, dir, 2);
    expect(inode('archive/checkpoint-2')).not.toBe(inode('checkpoint-2'));
    expect(contents(join(dir, 'archive/checkpoint-2'))).toEqual(whole);
    expect(readdirSync(join(dir, 'archive'))).toEqual(['checkpoint-2']);
  });
});
