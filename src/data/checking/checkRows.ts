/**
 * The pass over all rows before the first step: whatever can be known of them cheaply is known when it ends, and told together. Rows are
 * taken as they come from the file, several at a time, so that reading pictures' headers waits for many disks' answers at once; nothing is
 * kept of a good row but its number.
 */
import type { Platform } from '../../platform.ts';
import { EndlessFile } from '../../io/timeLimit.ts';
import { Turns } from '../../io/turns.ts';
import { UserError } from '../../platform.ts';
import type { ScannedRow } from '../conversations/rowFile.ts';
import type { ImageSource, Processor } from '../example.ts';
import { LengthChecker } from './lengths.ts';
import type { LengthSettings } from './lengths.ts';
import { PictureChecker } from './pictures.ts';
import { messageOf } from './problems.ts';
import type { Reason, RowProblem } from './problems.ts';
import type { RememberedPictures } from './remembered.ts';

/**
 * headers: pictures by their first bytes. full: decoded as well. none: of pictures nothing, and so nothing of lengths.
 * small: full where there are few pictures, else headers.
 */
export type CheckLevel = 'headers' | 'full' | 'none' | 'small';

export interface CheckSettings extends LengthSettings {
  level: CheckLevel;
  /** Of the base model; absent: lengths and labels are not looked at. */
  processor?: Processor;
  remembered?: RememberedPictures;
  /** Rows so far; called for each. */
  onProgress?: (rows: number) => void;
  signal?: AbortSignal;
}

export interface CheckedRows {
  /** Rows of the file. */
  rows: number;
  /** By place. */
  problems: RowProblem[];
}

/** Rows looked at at once. */
const AT_ONCE = 32;
/** Pictures that are decoded unasked: seconds at most. */
export const FEW_PICTURES = 512;

type Found = { reason: Reason; error: UserError } | undefined;

/**
 * Undefined when the signal ended it; what was seen of pictures by then is remembered.
 * @throws UserError at the first row with which a file of the model does not come to its end
 */
export async function checkRows(
  platform: Platform,
  rows: AsyncIterable<ScannedRow>,
  settings: CheckSettings,
): Promise<CheckedRows | undefined> {
  const { level, processor, remembered, onProgress, signal } = settings;
  const pictures = new PictureChecker(platform, remembered);
  const lengths = processor && new LengthChecker(processor, settings);
  const few = level === 'small' ? new FewPictures() : undefined;
  const problems: RowProblem[] = [];
  const turns = new Turns();
  let isOver = false;

  const look = async ({ where, index, row, problem }: ScannedRow): Promise<Found> => {
    if (problem !== undefined || row === undefined) return { reason: 'row', error: problem ?? new UserError('the row is empty.') };
    if (level === 'none') return undefined;
    const { conversation } = row;
    try {
      const sizes = await Promise.all(conversation.images.map((image) => pictures.size(image)));
      if (level === 'full') for (const image of conversation.images) await pictures.decode(image);
      for (const image of few?.add(index, where, conversation.images) ?? []) await pictures.decode(image);
      return await turns.run(() => (isOver || signal?.aborted ? undefined : lengths?.check(conversation, sizes)));
    } catch (error) {
      isOver ||= error instanceof EndlessFile;
      if (error instanceof EndlessFile) throw new UserError(messageOf(where, error), { cause: error });
      if (error instanceof UserError) return { reason: 'picture', error };
      throw error;
    }
  };
  const note = (index: number, where: string, found: Found): void => {
    if (found) problems.push({ index, reason: found.reason, message: messageOf(where, found.error) });
  };

  let count = 0;
  await inParallel(rows, AT_ONCE, signal, async (scanned) => {
    note(scanned.index, scanned.where, await look(scanned));
    count++;
    onProgress?.(count);
  });
  const bad = new Set(problems.map(({ index }) => index));
  await inParallel(few?.rows() ?? [], AT_ONCE, signal, async ({ index, where, files }) => {
    if (bad.has(index)) return;
    try {
      for (const file of files) await pictures.decode(file);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      note(index, where, { reason: 'picture', error });
    }
  });
  await remembered?.save();
  if (signal?.aborted) return undefined;
  return { rows: count, problems: problems.sort((a, b) => a.index - b.index) };
}

/** The rows of a set while it has few pictures: they are decoded when it has turned out to have no more. */
class FewPictures {
  private readonly seen = new Set<string>();
  private inRows = 0;
  private kept: { index: number; where: string; files: string[] }[] = [];

  /** Returns what is to be decoded at once: pictures that lie in the row, which would have to be kept whole. */
  add(index: number, where: string, images: readonly ImageSource[]): ImageSource[] {
    const files = images.filter((image) => typeof image === 'string');
    const own = images.filter((image) => typeof image !== 'string');
    this.inRows += own.length;
    if (this.seen.size <= FEW_PICTURES) for (const file of files) this.seen.add(file);
    if (this.seen.size > FEW_PICTURES) this.kept = [];
    else if (files.length > 0) this.kept.push({ index, where, files });
    return this.inRows <= FEW_PICTURES ? own : [];
  }

  rows(): { index: number; where: string; files: string[] }[] {
    return this.kept;
  }
}

/** `work` on every item, `width` of them at once; the first error ends it, and the signal does. */
async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  width: number,
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  for await (const item of items) {
    if (failure || signal?.aborted) break;
    const job: Promise<void> = work(item)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(job));
    running.add(job);
    if (running.size >= width) await Promise.race(running);
  }
  await Promise.all(running);
  if (failure) throw failure.error;
}
