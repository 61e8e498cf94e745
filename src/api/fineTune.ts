/** Training as a function: what `vernier train` does, with its defaults and checks, from a script. */
import { isCausedBy } from '../io/causedBy.ts';
import { trainProgram } from '../options.ts';
import type { definitions } from '../options.ts';
import { UserError } from '../platform.ts';
import type { RunContext } from '../run/context.ts';
import { runTraining } from '../run/train/train.ts';
import { redact } from '../track/secrets.ts';
import type { Picture, Progress, Row, RunInfo, Summary, Tracker } from '../track/tracker.ts';
import { boughtBy } from '../train/beforeAfter.ts';
import type { Bought } from '../train/beforeAfter.ts';
import type { LogRow } from '../train/checkpointFolder.ts';
import type { TrainResult } from '../train/trainer.ts';
import { Job } from './job.ts';
import { checkText, parsedGiven } from './options.ts';
import type { Given } from './options.ts';
import { memoryRows } from './rows.ts';
import type { ConversationInput } from './rows.ts';
import { heldPlatform } from './surroundings.ts';
import type { OnPlatform } from './surroundings.ts';

/** Said by `base`, `train` and `rows`, `val`, `output`; or asking for something else than training. */
type Otherwise =
  | 'base_model_hf'
  | 'train_file'
  | 'val_file'
  | 'output_dir'
  | 'config'
  | 'report_to'
  | 'dry_run'
  | 'merge_only'
  | 'process_dataset_only'
  | 'export_jsonl'
  | 'export_verl';

/** The options of `vernier train`, under their names there; `vernier train --help` says what each does. */
export type TrainingOptions = Given<typeof definitions, Otherwise>;

export interface FineTuneRequest extends TrainingOptions {
  /** Folder of the base model, or its hub id, as ORG/NAME or ORG/NAME@REVISION. */
  base: string;
  /** A file of conversations: JSON lines, a JSON array, Parquet. */
  train?: string | undefined;
  /** Conversations in memory, in the place of `train`. Without either, the options name task lists. */
  rows?: readonly ConversationInput[] | undefined;
  /** Held-out conversations, a file or in memory. */
  val?: string | readonly ConversationInput[] | undefined;
  /** Folder for what the run leaves. */
  output: string;
  /** Which logs are kept. Default: jsonl. */
  report_to?: readonly ('jsonl' | 'tensorboard' | 'wandb')[] | undefined;
  /** Tell of pictures of predictions too, which show held-out rows: some of those that the model answers (`eval_generate`). */
  pictures?: boolean | undefined;
  /** Told of everything beside those logs. */
  trackers?: readonly Tracker[] | undefined;
  /** Ends the run as Ctrl-C ends a command: it saves, and its outcome is `stopped`. */
  signal?: AbortSignal | undefined;
  onProgress?: ((event: RunEvent) => void) | undefined;
}

/** What a run tells while it goes on. */
export type RunEvent =
  | ({ kind: 'start' } & Pick<RunInfo, 'name' | 'totalSteps' | 'firstStep' | 'facts'>)
  /** After every optimizer step. */
  | ({ kind: 'progress' } & Progress)
  /** Rows of an evaluation that are evaluated and answered, of how many; its row of figures follows. */
  | { kind: 'evaluating'; done: number; total: number }
  /** A row of figures, of training or of an evaluation, under Hugging Face's names: loss, eval_loss, … */
  | { kind: 'figures'; step: number; figures: Row }
  /** Of a held-out row, before the row of figures of its evaluation. `key` is the same at every evaluation. */
  | { kind: 'picture'; step: number; key: string; picture: Picture }
  | { kind: 'message'; level: 'info' | 'warning'; text: string }
  | ({ kind: 'finish' } & Summary);

export interface FineTuneResult {
  /** stopped: by the signal. What was done by then is saved, and the same request with `resume_from_checkpoint: true` goes on. */
  outcome: 'finished' | 'stopped';
  /** Optimizer steps of the whole run. */
  steps: number;
  /** Steps that AdamW left out because their gradients were not finite. */
  skippedSteps: number;
  /** Folder of the run: what `loadModel` takes for `adapter`, and PEFT for its path. */
  output: string;
  /** The last checkpoint. */
  checkpoint?: string;
  /** Closing figures: train_loss, train_runtime in s, … */
  figures: Row;
  /** Every row of figures, oldest first. */
  history: LogRow[];
  /** Figures of the first evaluation beside those of the last, where there were two. */
  bought?: Bought;
}

const REFUSED = {
  base_model_hf: 'say base.',
  train_file: 'say train, or rows.',
  val_file: 'say val.',
  output_dir: 'say output.',
  config: "read the recipe, and give what it says as this function's options.",
  dry_run: 'it is for the command line, vernier train --dry_run true.',
  merge_only: 'mergeAdapter of the package merges.',
  process_dataset_only: 'it is for the command line, vernier prepare.',
  export_jsonl: 'it is for the command line, vernier train --export_jsonl.',
  export_verl: 'it is for the command line, vernier train --export_verl.',
} as const;

/**
 * Fine-tunes a base model and leaves a PEFT adapter, or a whole model (`finetune: 'full'`), in `output`.
 *
 *     const result = await fineTune({ base: 'Qwen/Qwen2.5-VL-3B-Instruct', train: 'train.jsonl', output: 'outputs/first', lora_r: 16 });
 *
 * @returns the run: await it for its result, or go through its events
 * @throws UserError at once for options that are wrong; awaiting the run, for what is wrong with models and rows
 */
export function fineTune(request: FineTuneRequest & OnPlatform): Job<RunEvent, FineTuneResult> {
  const { platform, startWorkers, base, train, rows, val, output, pictures, trackers = [], signal, onProgress, ...given } = request;
  checkText('base', base, 'the folder of the base model or its hub id');
  checkText('output', output, 'the folder for what the run leaves');
  checkTrackers(trackers);
  if (train !== undefined && rows !== undefined) throw new UserError('train and rows both say what is trained on; give one of them.');
  const inMemory: RunContext['rows'] = {
    ...(rows && { train: memoryRows(platform, rows, 'rows') }),
    ...(val !== undefined && typeof val !== 'string' && { validation: memoryRows(platform, val, 'val') }),
  };
  const own = {
    base_model_hf: base,
    train_file: rows ? 'rows' : train,
    val_file: typeof val === 'object' ? 'val' : val,
    output_dir: output,
    report_to: given.report_to ?? ['jsonl'],
  };
  const { options, notes } = parsedGiven(trainProgram, given, own, REFUSED, platform);
  const work = async (emit: (event: RunEvent) => void, stop: AbortSignal): Promise<FineTuneResult> => {
    const tell = (event: RunEvent): void => {
      onProgress?.(event);
      emit(event);
    };
    const message = (level: 'info' | 'warning', text: string): void => {
      if (text.trim() !== '') tell({ kind: 'message', level, text: redact(text.trim()) });
    };
    const say = (text: string): void => message('info', text);
    for (const note of notes) say(note);
    const held = heldPlatform(platform, options.offline);
    const told = toldOf(tell, pictures === true);
    try {
      const result = await runTraining({
        platform: held.platform,
        options,
        stop,
        terminal: { write: say, isTty: false, columns: 100 },
        say,
        warn: (text) => message('warning', text),
        trackers: [told, ...trackers],
        rows: inMemory,
        evaluating: (done, count) => tell({ kind: 'evaluating', done, total: count }),
        ...(startWorkers && { startWorkers }),
      });
      return resultOf(result, options.output_dir, told.figures, options.load_best_model_at_end);
    } catch (error) {
      if (isCausedBy(error, stop)) return resultOf(undefined, options.output_dir, {}, false);
      throw error;
    } finally {
      await held.letGo();
    }
  };
  // The newest says all of it.
  const joined = (last: RunEvent, next: RunEvent): RunEvent | undefined =>
    (last.kind === 'progress' || last.kind === 'evaluating') && next.kind === last.kind ? next : undefined;
  return new Job(work, { signal, joined });
}

/** @throws UserError for what is none, before the run has loaded anything */
function checkTrackers(trackers: unknown): void {
  const isTracker = (one: unknown): boolean =>
    typeof one === 'object' && one !== null && NEEDED.every((name) => typeof (one as Partial<Tracker>)[name] === 'function');
  if (Array.isArray(trackers) && trackers.every(isTracker)) return;
  throw new UserError(`trackers should be an array of objects with the functions ${NEEDED.join(', ')}.`);
}

const NEEDED = ['start', 'progress', 'log', 'event', 'finish'] as const satisfies readonly (keyof Tracker)[];

/** The tracker that makes events of what trackers are told. */
function toldOf(tell: (event: RunEvent) => void, takesPictures: boolean): Tracker & { figures: Row } {
  return {
    figures: {},
    start({ name, totalSteps, firstStep, facts }) {
      tell({ kind: 'start', name, totalSteps, firstStep, facts });
      return Promise.resolve();
    },
    progress: (now) => tell({ kind: 'progress', ...now }),
    log(figures, step) {
      tell({ kind: 'figures', step, figures });
      return Promise.resolve();
    },
    // Absent where nobody asked for them: then none is drawn.
    ...(takesPictures && { picture: (key, picture, step) => tell({ kind: 'picture', step, key, picture }) }),
    event(level, text) {
      tell({ kind: 'message', level, text: redact(text) });
      return Promise.resolve();
    },
    finish(summary) {
      this.figures = summary.figures;
      tell({ kind: 'finish', ...summary });
      return Promise.resolve();
    },
  };
}

function resultOf(result: TrainResult | undefined, output: string, figures: Row, isBest: boolean): FineTuneResult {
  if (result === undefined) return { outcome: 'stopped', steps: 0, skippedSteps: 0, output, figures, history: [] };
  const { outcome, steps, skippedSteps, checkpoint, state } = result;
  const bought = boughtBy(state.log_history, isBest ? (state.best_global_step ?? undefined) : undefined);
  return {
    outcome,
    steps,
    skippedSteps,
    output,
    figures,
    history: state.log_history,
    ...(checkpoint !== undefined && { checkpoint }),
    ...(bought && { bought }),
  };
}
