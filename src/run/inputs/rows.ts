/**
 * Where rows come from, in two steps: `findRows` before the GPU is opened and the weights are read, which take long, so that a mistake in
 * the rows is told at once; `openRows` with the session, whose processor (or that of the data workers) makes examples of them.
 */
import { openRowFile } from '../../data/conversations/rowFile.ts';
import type { RowFile, ScannedRow } from '../../data/conversations/rowFile.ts';
import { askedOfConversation } from '../../data/medvision/answerRows.ts';
import type { EvaluationRows, Question } from '../../train/evaluation.ts';
import type { ExampleSource } from '../../train/exampleSource.ts';
import { seenRows } from '../../train/seenRows.ts';
import { conversationRows, exampleSource } from '../../train/sources.ts';
import type { RowList } from '../../train/sources.ts';
import type { Session } from '../../train/session.ts';
import { PictureWarnings } from '../../data/pictures/warnings.ts';
import { keptRows, openRowModel } from './checking.ts';
import type { KeptRows, RowModel } from './checking.ts';
import type { RunContext } from '../context.ts';
import { openDataWorkers } from './dataWorkers.ts';
import type { FoundRows } from './foundRows.ts';
import { openRowView } from './scenes.ts';
import { findTaskRows } from '../prepare/taskRows.ts';
import { labelMask } from './labelMask.ts';
import { imageSizes } from '../../options/imageSizes.ts';

export interface OpenRows {
  train: ExampleSource;
  validation?: EvaluationRows;
  /** Ends the data workers. */
  close(): Promise<void>;
}

/** Volumes kept open, all workers together. */
const VOLUME_BYTES = 512 * 2 ** 20;

/**
 * @param base folder of the base model
 * @param maxTokens a row may have; default: as many as the base model takes
 * @throws UserError that tells of all rows that cannot be used; undefined when Ctrl-C ended the preparation of the rows
 */
export async function findRows(context: RunContext, base: string, maxTokens?: number): Promise<FoundRows | undefined> {
  const { options } = context;
  if (options.train_file === null) return findTaskRows(context, base);
  const ofBase = await openRowModel(context, base);
  const model = { ...ofBase, maxTokens: maxTokens ?? ofBase.maxTokens };
  const { platform, rows } = context;
  const train = await checkedRows(context, rows?.train ?? (await openRowFile(platform, options.train_file)), model);
  const heldFile = rows?.validation ?? (train && options.val_file !== null ? await openRowFile(platform, options.val_file) : undefined);
  const held = train && heldFile ? await checkedRows(context, heldFile, model) : undefined;
  if (train === undefined || context.stop.aborted) {
    isStopped(context);
    return undefined;
  }
  const notes = [train, held].flatMap((set) => set?.note ?? []);
  const found: FoundRows = { train: train.rows, ...(notes.length > 0 && { leftOut: { rows: train.skipped, notes } }) };
  if (held) {
    found.validation = held.rows;
    const { questions } = held;
    if (questions.some(Boolean)) found.validationQuestion = (index) => Promise.resolve(questions[index]);
  }
  return found;
}

/** Tells that Ctrl-C came before there was anything to save. */
export function isStopped({ stop, terminal }: RunContext): boolean {
  if (stop.aborted) terminal.write('Stopped before the first step; nothing is written.\n');
  return stop.aborted;
}

interface CheckedFile extends KeptRows {
  rows: RowList;
  /** What the answer of each row is measured by. */
  questions: (Question | undefined)[];
}

async function checkedRows(context: RunContext, file: RowFile, model: RowModel): Promise<CheckedFile | undefined> {
  const questions: (Question | undefined)[] = [];
  async function* scan(): AsyncGenerator<ScannedRow, void, undefined> {
    for await (const scanned of file.scan()) {
      const { row } = scanned;
      if (row) questions[scanned.index] = askedOfConversation(row.conversation, row.where);
      yield scanned;
    }
  }
  const checked = await keptRows(context, { path: file.path, isInMemory: file.isInMemory, scan }, model, {
    mask: labelMask(context.options),
    isForTraining: true,
  });
  if (checked === undefined) return undefined;
  const { kept, skipped } = checked;
  // A file of which every row is kept knows its figures from the scan.
  const rows = conversationRows(file, skipped === 0 ? undefined : kept);
  return { ...checked, rows, questions: Array.from(kept, (index) => questions[index]) };
}

export async function openRows(context: RunContext, found: FoundRows, session: Session): Promise<OpenRows> {
  const { platform, options } = context;
  const { processor, model } = session;
  const { dataDir, preparedDir } = found;
  const settings = {
    base: session.baseModel,
    mask: labelMask(options),
    sixteenBit: options.sixteen_bit,
    vocabSize: model.vocabSize,
    volumeBytes: VOLUME_BYTES,
    ...imageSizes(options),
    ...(dataDir !== undefined && { dataDir }),
    ...(preparedDir !== undefined && { preparedDir }),
  };
  const warnings = new PictureWarnings(context.say);
  const workers = await openDataWorkers(platform, settings, {
    count: options.dataloader_num_workers,
    start: context.startWorkers,
    processor,
    warnings,
    stop: context.stop,
  });
  const source = (rows: RowList): ExampleSource => exampleSource(rows, (request, place) => workers.make(request, place));
  const held = found.validation;
  const view = openRowView(context, found, processor);
  const validation: EvaluationRows | undefined =
    held && held.length > 0
      ? {
          ...source(held),
          ask: seenRows(async (index) => workers.make({ ...(await held.request(index)), ask: true }, held.place(index))),
          ...(found.validationQuestion && { question: found.validationQuestion }),
          scene: async (index) => view.scene(await held.request(index)),
        }
      : undefined;
  return {
    train: source(found.train),
    ...(validation && { validation }),
    async close() {
      warnings.end();
      await workers.close();
    },
  };
}
