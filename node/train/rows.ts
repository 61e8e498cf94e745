/**
 * Where rows come from, in two steps: `findRows` before the GPU is opened and the weights are read, which take long, so that a mistake in the rows is told
 * at once; `openRows` with the session, whose processor (or that of the data workers) makes examples of them.
 */
import { countOf } from '../../src/platform.ts';
import { askedOfConversation } from '../../src/data/medvision/answerRows.ts';
import type { EvaluationRows, Question } from '../../src/train/evaluation.ts';
import type { ExampleSource } from '../../src/train/trainer.ts';
import { conversationRows, exampleSource, readTrainingRows } from '../../src/train/sources.ts';
import type { RowList } from '../../src/train/sources.ts';
import type { Session } from '../../src/train/session.ts';
import { openDataWorkers, workerCount } from '../workers/pool.ts';
import { PictureWarnings } from '../../src/data/pictures/warnings.ts';
import type { RunContext } from './context.ts';
import { openScenes } from './scenes.ts';
import { findTaskRows } from './taskRows.ts';

/** Rows that can be told apart and counted; examples are made of them later. */
export interface FoundRows {
  train: RowList;
  /** Held-out rows, where there are some. */
  validation?: RowList;
  /** What the answer of a validation row is measured by, where it is MedVision's. */
  validationQuestion?: (index: number) => Promise<Question | undefined>;
  /** Where volumes and prepared rows are read from. */
  dataDir?: string;
  preparedDir?: string;
}

export interface OpenRows {
  train: ExampleSource;
  validation?: EvaluationRows;
  /** Ends the data workers. */
  close(): Promise<void>;
}

/** Volumes kept open, all workers together. */
const VOLUME_BYTES = 512 * 2 ** 20;

/** @param base folder of the base model @throws UserError with the row's file:line; undefined when Ctrl-C ended the preparation of the rows */
export async function findRows(context: RunContext, base: string): Promise<FoundRows | undefined> {
  const { platform, options, say } = context;
  if (options.train_file === null) return findTaskRows(context, base);
  const found: FoundRows = { train: conversationRows(await readTrainingRows(platform, options.train_file)) };
  if (options.val_file !== null) {
    const held = await readTrainingRows(platform, options.val_file);
    const questions = held.map(({ conversation, where }) => askedOfConversation(conversation, where));
    found.validation = conversationRows(held);
    if (questions.some(Boolean)) found.validationQuestion = (index) => Promise.resolve(questions[index]);
    say(`${options.val_file}: ${countOf(found.validation.length, 'row')} read and checked.`);
  }
  return found;
}

export async function openRows(context: RunContext, found: FoundRows, session: Session): Promise<OpenRows> {
  const { platform, options } = context;
  const { processor, model } = session;
  const { dataDir, preparedDir } = found;
  const settings = {
    base: session.baseModel,
    mask: options.mask,
    sixteenBit: options.sixteen_bit,
    vocabSize: model.vocabSize,
    volumeBytes: VOLUME_BYTES,
    ...(options.min_pixels !== null && { minPixels: options.min_pixels }),
    ...(options.max_pixels !== null && { maxPixels: options.max_pixels }),
    ...(dataDir !== undefined && { dataDir }),
    ...(preparedDir !== undefined && { preparedDir }),
  };
  const warnings = new PictureWarnings(context.say);
  const workers = await openDataWorkers(platform, settings, { count: workerCount(options.dataloader_num_workers), processor, warnings });
  const source = (rows: RowList): ExampleSource => exampleSource(rows, (request, place) => workers.make(request, place));
  const held = found.validation;
  const validation: EvaluationRows | undefined = held && held.length > 0 ? {
    ...source(held),
    ask: (index) => workers.make({ ...held.request(index), ask: true }, held.place(index)),
    ...(found.validationQuestion && { question: found.validationQuestion }),
    scene: openScenes(context, found, held, processor),
  } : undefined;
  return {
    train: source(found.train),
    ...(validation && { validation }),
    async close() {
      warnings.end();
      await workers.close();
    },
  };
}
