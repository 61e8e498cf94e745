/** A model that answers: what `vernier ask` and `vernier evaluate` do, from a script, for as long as it is open. */
import { publicName } from '../hub/origin.ts';
import { isCausedBy } from '../io/causedBy.ts';
import { contextLength } from '../models/contextLength.ts';
import { evaluateProgram } from '../options/evaluate.ts';
import type { definitions, EvaluateOptions } from '../options/evaluate.ts';
import { UserError } from '../platform.ts';
import type { ScoredRow } from '../data/medvision/answerRows.ts';
import { runEvaluation } from '../run/evaluate/evaluate.ts';
import { openFrozenModel } from '../run/frozenModel.ts';
import type { FrozenModelOptions, OpenModel } from '../run/frozenModel.ts';
import { adapterFolder, modelFolder } from '../run/inputs/hubInputs.ts';
import { redact } from '../track/secrets.ts';
import { answered, askOptions } from './answer.ts';
import type { Answer, AskedModel, AskRequest } from './answer.ts';
import { checkSignal, Job } from './job.ts';
import type { JobHow } from './job.ts';
import { checkText, parsedGiven } from './options.ts';
import type { Given } from './options.ts';
import type { Picture } from './pictures.ts';
import { memoryRows } from './rows.ts';
import type { ConversationInput } from './rows.ts';
import { heldPlatform } from './surroundings.ts';
import type { OnPlatform } from './surroundings.ts';

type ModelNames = keyof FrozenModelOptions | 'offline';

/** The options of `vernier evaluate` that say how the model is held, under their names there. */
export interface LoadModelRequest extends Given<Pick<typeof definitions, ModelNames>> {
  /** Folder of the model, base or merged, or its hub id. */
  base: string;
  /** PEFT adapter on it: the folder of a run or of one of its checkpoints, or a hub id. */
  adapter?: string | undefined;
  /** Ends the loading, which then fails with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of how the model is held, and of downloads. */
  onMessage?: ((text: string) => void) | undefined;
}

type Otherwise = ModelNames | 'config' | 'base_model_hf' | 'lora_checkpoint_dir' | 'eval_file' | 'samples' | 'output_dir';

export interface EvaluateRequest extends Given<typeof definitions, Otherwise> {
  /** Folder for what `vernier evaluate` leaves, where an evaluation that was stopped goes on. Without it nothing is written. */
  output?: string | undefined;
  signal?: AbortSignal | undefined;
}

export type EvaluationEvent =
  { kind: 'answered'; rows: readonly ScoredRow[]; total: number } | { kind: 'message'; level: 'info' | 'warning'; text: string };

export interface EvaluationResult {
  outcome: 'finished' | 'stopped';
  /** Every row with its answer and, where it is a MedVision task, its score; none where it was stopped. */
  rows: ScoredRow[];
  /** What summary.json holds: figures by kind of task, by task and by group. */
  summary: Record<string, unknown>;
  output?: string;
}

/**
 * Opens a model on the GPU. It is to be closed, by `close` or by `await using`.
 *
 *     await using model = await loadModel({ base: 'Qwen/Qwen2.5-VL-3B-Instruct', adapter: 'outputs/first' });
 *     const { text, numbers } = await model.ask('knee.png', 'How wide is the joint space?');
 *
 * @throws UserError for options that are wrong, and for what is wrong with the model
 */
export async function loadModel(request: LoadModelRequest & OnPlatform): Promise<LoadedModel> {
  const { platform, startWorkers, base, adapter, signal, onMessage, ...given } = request;
  checkText('base', base, 'the folder of the model or its hub id');
  checkSignal(signal);
  const own = { base_model_hf: base, lora_checkpoint_dir: adapter, eval_file: 'rows' };
  const { options } = parsedGiven(evaluateProgram, given, own, REFUSED, platform);
  const stop = signal ?? new AbortController().signal;
  const say = (text: string): void => {
    if (text.trim() !== '') onMessage?.(redact(text.trim()));
  };
  const held = heldPlatform(platform, options.offline);
  try {
    const context = {
      platform: held.platform,
      options: { ...options, report_to: [] },
      stop,
      say,
      terminal: { write: say, isTty: false, columns: 100 },
    };
    const dir = await modelFolder(context, 'base', base);
    const adapterDir = adapter === undefined ? null : await adapterFolder(context, 'adapter', adapter);
    const maxTokens = await contextLength(held.platform, dir);
    const opened = await openFrozenModel(context, { base: dir, adapter: adapterDir });
    return new LoadedModel({ ...held, startWorkers, options, opened, base: dir, adapter: adapterDir, maxTokens });
  } catch (error) {
    await held.letGo();
    throw error;
  }
}

const REFUSED = {
  base_model_hf: 'say base.',
  lora_checkpoint_dir: 'say adapter.',
  config: "give what the recipe says as this function's options.",
} as const;

interface Parts extends OnPlatform {
  letGo: () => Promise<void>;
  options: EvaluateOptions;
  opened: OpenModel;
  base: string;
  adapter: string | null;
  maxTokens: number;
}

/** An open model: `ask` and `evaluate`, one after the other; `close` gives its memory back. */
export class LoadedModel implements AsyncDisposable {
  /** Of the base and the adapter, without the folders they lie in. */
  readonly name: string;
  readonly #parts: Parts;
  /** One thing is computed at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Use `loadModel`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.name = [parts.base, ...(parts.adapter === null ? [] : [parts.adapter])].map(publicName).join('+');
  }

  /**
   * Asks about one picture, several, or none. The question is in one's own words, or a MedVision question by its kind: null for the words,
   * and `{ task: 'Detection', of: 'left kidney' }` as options.
   * @returns the answer; going through it gives the text piece by piece as it is written
   * @throws UserError at once for options that are wrong; awaiting the answer, for pictures that cannot be used
   */
  ask(pictures: Picture | readonly Picture[], question: string | null, request: AskRequest = {}): Job<string, Answer> {
    const { platform, opened, base, maxTokens } = this.#parts;
    const list = Array.isArray(pictures) ? (pictures as readonly Picture[]) : [pictures as Picture];
    const options = askOptions(platform, list.length, question, request);
    const model: AskedModel = { platform, session: opened.session, base, maxTokens };
    const { overlay, signal } = request;
    const work = (tell: (piece: string) => void, stop: AbortSignal): Promise<Answer> => {
      stop.throwIfAborted();
      return answered(model, list, options, { overlay, stop, tell });
    };
    return this.#inTurn(work, { signal, joined: (last, next) => last + next });
  }

  /**
   * Asks for the last answer of each row, and scores it as MedVision does where the row names its task.
   * @param rows a file, conversations in memory, or undefined where the options name task lists or a prepared folder
   * @throws UserError at once for options that are wrong; awaiting the evaluation, for what is wrong with the rows
   */
  evaluate(rows: string | readonly ConversationInput[] | undefined, request: EvaluateRequest = {}): Job<EvaluationEvent, EvaluationResult> {
    const { platform, startWorkers, options: modelOptions, opened, base, adapter } = this.#parts;
    const { output, signal, ...given } = request;
    const own = {
      ...ofModel(modelOptions),
      base_model_hf: base,
      lora_checkpoint_dir: adapter,
      eval_file: typeof rows === 'object' ? 'rows' : rows,
      output_dir: output,
    };
    const { options, notes } = parsedGiven(evaluateProgram, given, own, {}, platform);
    const inMemory = typeof rows === 'object' ? memoryRows(platform, rows, 'rows', { isForTraining: false }) : undefined;
    const work = async (tell: (event: EvaluationEvent) => void, stop: AbortSignal): Promise<EvaluationResult> => {
      const say = (text: string): void => {
        if (text.trim() !== '') tell({ kind: 'message', level: 'info', text: redact(text.trim()) });
      };
      for (const note of notes) say(note);
      const found = await runEvaluation({
        platform,
        options: { ...options, report_to: [] },
        stop,
        say,
        terminal: { write: say, isTty: false, columns: 100 },
        model: { base, adapter, session: opened.session },
        isKeptNowhere: output === undefined,
        onAnswered: (answers, total) => tell({ kind: 'answered', rows: answers, total }),
        ...(inMemory && { rows: inMemory }),
        ...(startWorkers && { startWorkers }),
      }).catch((error: unknown) => {
        if (isCausedBy(error, stop)) return undefined;
        throw error;
      });
      const where = output === undefined ? {} : { output };
      return found ? { outcome: 'finished', ...found, ...where } : { outcome: 'stopped', rows: [], summary: {}, ...where };
    };
    return this.#inTurn(work, { signal });
  }

  /** Waits for what is under way, and frees the GPU. */
  close(): Promise<void> {
    this.#closing ??= this.#turn.then(() => {
      this.#parts.opened.close();
      return this.#parts.letGo();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The turn is taken at the call: what is asked before `close` is answered before it. */
  #inTurn<Event, Result>(
    work: (tell: (event: Event) => void, stop: AbortSignal) => Promise<Result>,
    how: JobHow<Event>,
  ): Job<Event, Result> {
    if (this.#closing) throw new UserError('The model is closed; load it again to ask it.');
    const before = this.#turn;
    let end = (): void => undefined;
    const turn = new Promise<void>((resolve) => (end = resolve));
    const job = new Job<Event, Result>((tell, stop) => before.then(() => work(tell, stop)).finally(end), how);
    this.#turn = turn;
    return job;
  }
}

/** What of the options is the model's own, and holds for every evaluation; on which GPU it is, is decided. */
function ofModel(options: EvaluateOptions): Partial<EvaluateOptions> {
  const { submit_ms, compute_dtype, image_attention, offload, feature_cache } = options;
  const { min_pixels, max_pixels, do_image_splitting, longest_edge } = options;
  const { quantization, quantization_skip_modules, quantize_embedding, offline } = options;
  return {
    submit_ms,
    compute_dtype,
    image_attention,
    offload,
    feature_cache,
    min_pixels,
    max_pixels,
    do_image_splitting,
    longest_edge,
    quantization,
    quantize_embedding,
    offline,
    ...(quantization === 'nf4' && { quantization_skip_modules }), // which is of no effect elsewhere, and told
  };
}
