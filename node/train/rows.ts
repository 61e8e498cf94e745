/**
 * Where rows come from, in two steps: `findRows` before the GPU is opened and the weights are read, which take long, so that a mistake in the rows is told
 * at once; `openRows` with the session, whose processor makes examples of them.
 */
import type { ConversationRow } from '../../src/data/conversations.ts';
import type { ExampleSource } from '../../src/train/trainer.ts';
import { conversationSource, readTrainingRows, taskListSource } from '../../src/train/sources.ts';
import type { Session } from '../../src/train/session.ts';
import type { RunContext } from './context.ts';

/** Rows of files; undefined where task lists give the rows. */
export interface FoundRows {
  train?: ConversationRow[];
  validation?: ConversationRow[];
}

export interface OpenRows {
  train: ExampleSource;
  /** Held-out rows, where there are some. */
  validation?: ExampleSource;
}

/** @throws UserError with the row's file:line */
export async function findRows({ platform, options, say }: RunContext): Promise<FoundRows> {
  const found: FoundRows = {};
  if (options.train_file !== null) found.train = await readTrainingRows(platform, options.train_file);
  if (options.val_file !== null) {
    found.validation = await readTrainingRows(platform, options.val_file);
    say(`${options.val_file}: ${found.validation.length} rows read and checked.`);
  }
  return found;
}

export async function openRows({ platform, options }: RunContext, found: FoundRows, session: Session): Promise<OpenRows> {
  const { processor, model } = session;
  const encoding = { mask: options.mask, vocabSize: model.vocabSize };
  const train =
    found.train === undefined ? await taskListSource(platform, processor, options) : conversationSource(platform, processor, found.train, encoding);
  return { train, ...(found.validation !== undefined && { validation: conversationSource(platform, processor, found.validation, encoding) }) };
}

/** `--process_dataset_only true`: prepares the rows as training would read them, and ends. Needs no GPU. `base` is the model's folder. */
export function prepareRows(_context: RunContext, _base: string): Promise<void> {
  return Promise.reject(new Error('--process_dataset_only is refused by the options until prepared data sets are built'));
}
