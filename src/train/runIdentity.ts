/**
 * What makes two starts the same run. A run that is resumed must have the same base model, adapter, data, seed and rows a step, or its
 * steps would not be those of a run that was never interrupted: any difference is refused with words. Hyperparameters may be changed on
 * purpose, and the horizon too: that is told.
 */
import { sha256Hex } from '../data/prepared/identity.ts';
import type { Device } from '../gpu/device.ts';
import type { LoraConfig } from '../io/peftConfig.ts';
import { WEIGHTS_INDEX } from '../io/modelFolder.ts';
import { countOf, joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { valueText } from '../world/agreement.ts';
import type { ExampleSource } from './exampleSource.ts';
import { learningRateAt } from './schedule.ts';
import type { Schedule, SchedulerType } from './schedule.ts';
import type { Session } from './session.ts';
import type { TrainSettings } from './trainSettings.ts';

export interface RunIdentity {
  /** Fingerprint of configuration and weights; the folder may have moved. */
  baseModel: string;
  /** The adapter's configuration; null for full fine-tuning. */
  adapter: Record<string, unknown> | null;
  rows: number;
  /** Fingerprint of the rows, where their source has one. */
  data: string | null;
  seed: number;
  shuffle: boolean;
  rowsPerStep: number;
  /** Whatever else decides what a row is, by option name. */
  facts: Readonly<Record<string, string | number | boolean | null>>;
}

export interface RunSettings {
  batchSize: number;
  accumulation: number;
  totalSteps: number;
  warmupSteps: number;
  scheduler: SchedulerType;
  learningRate: number;
  maxGradNorm: number;
  weightDecay: number;
  adamBeta1: number;
  adamBeta2: number;
  adamEpsilon: number;
  lossReduction: string;
  /** The GPU, in words. */
  device: string;
}

/** Bytes looked at, at both ends of each file of weights: two trainings of one model differ everywhere. */
const SAMPLE_BYTES = 2 ** 16;

/**
 * Of the files that decide what a base model computes: configuration, tokenizer, chat template, image settings, and samples of the weights.
 */
export async function modelFingerprint(platform: Platform, dir: string): Promise<string> {
  const names = await platform.listDir(dir);
  const small = names.filter((name) => /^(config|tokenizer|preprocessor_config|processor_config|chat_template)\.(json|jinja)$/.test(name));
  const parts: string[] = [];
  for (const name of small) parts.push(`${name} ${await sha256Hex(await platform.readFile(joinPath(dir, name)))}`);
  for (const name of names.filter((one) => one.endsWith('.safetensors') || one === WEIGHTS_INDEX)) {
    const file = await platform.openFile(joinPath(dir, name));
    try {
      const length = Math.min(SAMPLE_BYTES, file.size);
      const first = await sha256Hex(await file.read(0, length));
      parts.push(`${name} ${file.size} ${first} ${await sha256Hex(await file.read(file.size - length, length))}`);
    } finally {
      await file.close();
    }
  }
  return sha256Hex(new TextEncoder().encode(parts.sort().join('\n')));
}

/** The adapter's configuration without what says nothing of its numbers (the base's path). */
function adapterIdentity(config: LoraConfig): Record<string, unknown> {
  const { base_model_name_or_path: _, ...rest } = config;
  return JSON.parse(JSON.stringify(rest)) as Record<string, unknown>;
}

/** @param facts options beside the settings that decide what a row is */
export async function runIdentity(
  session: Session,
  source: ExampleSource,
  settings: TrainSettings,
  facts: RunIdentity['facts'],
): Promise<RunIdentity> {
  return {
    baseModel: await modelFingerprint(session.platform, session.baseModel),
    adapter: session.plan.config ? adapterIdentity(session.plan.config) : null,
    rows: source.length,
    data: (await source.fingerprint?.()) ?? null,
    seed: settings.seed,
    shuffle: settings.shuffle,
    rowsPerStep: settings.per_device_train_batch_size * settings.gradient_accumulation_steps,
    // Rows are grouped by micro-batches, so that their size decides the order.
    facts: { ...facts, group_by_length: settings.group_by_length ? settings.per_device_train_batch_size : false },
  };
}

export function runSettings(settings: TrainSettings, schedule: Schedule, device: Device): RunSettings {
  return {
    batchSize: settings.per_device_train_batch_size,
    accumulation: settings.gradient_accumulation_steps,
    totalSteps: schedule.totalSteps,
    warmupSteps: schedule.warmupSteps,
    scheduler: schedule.scheduler,
    learningRate: schedule.base,
    maxGradNorm: settings.max_grad_norm,
    weightDecay: settings.weight_decay,
    adamBeta1: settings.adam_beta1,
    adamBeta2: settings.adam_beta2,
    adamEpsilon: settings.adam_epsilon,
    lossReduction: settings.loss_reduction,
    device: device.capabilities.description,
  };
}

/** What runs did before there was an option. */
const BEFORE_CHOICE: RunIdentity['facts'] = { sixteen_bit: 'clip', quantize_embedding: 'none', compute_dtype: 'f32', saved_inputs: 'f32' };

/** The fact that says which annotations rows are of: where the rows are the same, so are they as far as the run is concerned. */
export const ANNOTATIONS = 'annotations';

/** Which annotations a run is trained on, where it is on any. */
export function annotationsOf({ facts }: Pick<RunIdentity, 'facts'>): string | undefined {
  const said = facts[ANNOTATIONS];
  return typeof said === 'string' ? said : undefined;
}

const AS_BEFORE =
  'Give what it was, or begin a new run (another --output_dir; --init_adapter with the checkpoint starts from its weights).';

/** @throws UserError that lists every difference. `from` names the checkpoint. */
export function checkSameRun(saved: RunIdentity, now: RunIdentity, from: string): void {
  const complaints: string[] = [];
  const differ = (what: string, before: unknown, after: unknown): void => {
    if (JSON.stringify(before) !== JSON.stringify(after))
      complaints.push(`${what} was ${valueText(before)}, now it is ${valueText(after)}`);
  };
  if (saved.baseModel !== now.baseModel)
    complaints.push('--base_model_hf is another model (its configuration, tokenizer or weights differ)');
  if ((saved.adapter === null) !== (now.adapter === null))
    differ('--finetune', saved.adapter ? 'lora' : 'full', now.adapter ? 'lora' : 'full');
  else if (saved.adapter && now.adapter) {
    for (const key of new Set([...Object.keys(saved.adapter), ...Object.keys(now.adapter)]))
      differ(`--${key}`, saved.adapter[key], now.adapter[key]);
  }
  if (saved.rows !== now.rows) differ('the number of training rows', saved.rows, now.rows);
  else if (saved.data !== null && now.data !== null && saved.data !== now.data)
    complaints.push('the training rows are others than they were, though as many');
  differ('--seed', saved.seed, now.seed);
  differ('--shuffle', saved.shuffle, now.shuffle);
  if (saved.rowsPerStep !== now.rowsPerStep) {
    differ('per_device_train_batch_size × gradient_accumulation_steps, the rows of a step,', saved.rowsPerStep, now.rowsPerStep);
  }
  // A fact that one of the two does not know came with another version; of some it is known what they were before they could be chosen.
  const before = { ...BEFORE_CHOICE, ...saved.facts };
  const isSameData = saved.rows === now.rows && saved.data !== null && saved.data === now.data;
  for (const key of Object.keys(before)) {
    if (!(key in now.facts) || (key === ANNOTATIONS && isSameData)) continue;
    differ(key === ANNOTATIONS ? 'what the rows are of' : `--${key}`, before[key], now.facts[key]);
  }
  if (complaints.length === 0) return;
  throw new UserError(
    `${from} cannot be resumed, because this is not the same run:\n${complaints.map((line) => `  ${line}`).join('\n')}\n${AS_BEFORE}`,
  );
}

/**
 * Sentences on what a resumed run does otherwise than it would have without the break; empty: it is the same to the bit. `step` steps are
 * done.
 * @throws UserError when the new horizon ends before the checkpoint
 */
export function changedSettings(saved: RunSettings, now: RunSettings, step: number, from: string): string[] {
  const notes: string[] = [];
  if (now.totalSteps < step) {
    throw new UserError(
      `${from} has done ${countOf(step, 'step')}, and --max_steps or --epoch ends the run at ${now.totalSteps}. Raise it, or resume from ` +
        `an earlier checkpoint.`,
    );
  }
  if (saved.batchSize !== now.batchSize) {
    notes.push(
      `micro-batches of ${now.batchSize} in place of ${countOf(saved.batchSize, 'row')}, with as many rows a step: sums are rounded and ` +
        `dropout is drawn otherwise than before`,
    );
  }
  const before = learningRateAt(step, schedule(saved));
  const after = learningRateAt(step, schedule(now));
  if (saved.totalSteps !== now.totalSteps) {
    notes.push(
      `the run ends at step ${now.totalSteps} in place of ${saved.totalSteps}: the learning rate follows the schedule of ` +
        `${now.totalSteps} steps from here on ` +
        `(${after.toExponential(2)} at the next step; it would have been ${before.toExponential(2)})`,
    );
  } else if (before !== after || JSON.stringify(schedule(saved)) !== JSON.stringify(schedule(now))) {
    notes.push(
      `the schedule of the learning rate is another one: ${after.toExponential(2)} at the next step, it would have been ` +
        `${before.toExponential(2)}`,
    );
  }
  const others = [
    ['max_grad_norm', saved.maxGradNorm, now.maxGradNorm],
    ['weight_decay', saved.weightDecay, now.weightDecay],
    ['adam_beta1', saved.adamBeta1, now.adamBeta1],
    ['adam_beta2', saved.adamBeta2, now.adamBeta2],
    ['adam_epsilon', saved.adamEpsilon, now.adamEpsilon],
    ['loss_reduction', saved.lossReduction, now.lossReduction],
  ] as const;
  for (const [name, was, is] of others) if (was !== is) notes.push(`--${name} is ${is} from here on; it was ${was}`);
  if (saved.device !== now.device) notes.push(`the GPU is another one (${now.device}; it was ${saved.device}), which rounds otherwise`);
  return notes;
}

function schedule(settings: RunSettings): Schedule {
  const { scheduler, learningRate, totalSteps, warmupSteps } = settings;
  return { scheduler, base: learningRate, totalSteps, warmupSteps };
}
