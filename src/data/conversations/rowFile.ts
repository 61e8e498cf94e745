/**
 * A file of conversations: JSON lines, a JSON array (either gzip-compressed too), or Parquet, whichever of them by its content. It is
 * indexed when it is opened, and rows are read when they are asked for, so that a file may be much larger than memory.
 */
import { parentPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { textsOf } from '../example.ts';
import type { Conversation } from '../example.ts';
import { fileKind, KIND_BYTES } from './fileKind.ts';
import { conversationFacts, Fingerprint } from './fingerprint.ts';
import { openJsonRows } from './jsonRows.ts';
import type { RawRows } from './jsonRows.ts';
import { readRow } from './row.ts';
import type { ConversationOptions, ConversationRow } from './row.ts';
import { openRowBytes } from './rowBytes.ts';
import type { RowBytes } from './rowBytes.ts';

/** A row, or what is wrong with it. */
export interface ScannedRow {
  index: number;
  /** file:line */
  where: string;
  row?: ConversationRow;
  problem?: UserError;
}

export interface RowFigures {
  /** Rough numbers of tokens, one a row. */
  lengths: Float64Array;
  /** SHA-256 of what the rows say. */
  fingerprint: string;
  /** How many rows are of each form. */
  dialects: ReadonlyMap<string, number>;
}

export class RowFile {
  readonly path: string;
  private readonly rows: RawRows;
  /** The path is a name for messages. */
  readonly isInMemory: boolean;
  private readonly bytes: Pick<RowBytes, 'close'> | undefined;
  private readonly options: ConversationOptions;
  private known: RowFigures | undefined;

  /** @param bytes what the rows are read from; absent where they lie in memory */
  constructor(path: string, rows: RawRows, options: ConversationOptions, bytes?: Pick<RowBytes, 'close'>) {
    this.path = path;
    this.isInMemory = bytes === undefined;
    this.bytes = bytes;
    this.rows = rows;
    this.options = options;
  }

  get length(): number {
    return this.rows.length;
  }

  /** file:line, for messages */
  where(index: number): string {
    return this.rows.where(index);
  }

  /** @throws UserError that begins with the row's place */
  async row(index: number): Promise<ConversationRow> {
    const value = await this.rows.value(index);
    return readRow(value, { ...this.options, where: this.where(index), folder: parentPath(this.path) });
  }

  /** Goes through all rows once; what is wrong with one is handed on, and does not end it. Image files are not looked at. */
  async *scan(): AsyncGenerator<ScannedRow, void, undefined> {
    const gathering = new FigureGathering(this.length);
    let isWhole = true;
    for (let index = 0; index < this.length; index++) {
      const where = this.where(index);
      try {
        const row = await this.row(index);
        await gathering.add(row);
        yield { index, where, row };
      } catch (problem) {
        if (!(problem instanceof UserError)) throw problem;
        isWhole = false;
        yield { index, where, problem };
      }
    }
    if (isWhole) this.known ??= await gathering.figures();
  }

  /** Of all rows, or of those at `chosen`, in that order. A file that was scanned to its end knows its own. */
  async figures(chosen?: ArrayLike<number>): Promise<RowFigures> {
    if (chosen === undefined && this.known !== undefined) return this.known;
    const count = chosen?.length ?? this.length;
    const gathering = new FigureGathering(count);
    for (let i = 0; i < count; i++) await gathering.add(await this.row(chosen?.[i] ?? i));
    const figures = await gathering.figures();
    if (chosen === undefined) this.known = figures;
    return figures;
  }

  /** No row can be read afterwards. */
  async close(): Promise<void> {
    await this.bytes?.close();
  }
}

/** @throws UserError where the file is missing, is none of the three, or has no rows */
export async function openRowFile(platform: Platform, path: string, options: ConversationOptions = {}): Promise<RowFile> {
  const bytes = await openRowBytes(platform, path);
  try {
    const kind = fileKind(path, await bytes.read(0, Math.min(KIND_BYTES, bytes.size)));
    // The reader of Parquet is loaded for Parquet alone.
    const rows = await (kind === 'parquet' ? (await import('./parquetRows.ts')).openParquetRows(bytes) : openJsonRows(bytes, kind));
    if (rows.length === 0) throw new UserError(`${path}: the file has no rows. Each should be {"messages": [...], "images": [...]}.`);
    return new RowFile(path, rows, options, bytes);
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

class FigureGathering {
  private readonly lengths: Float64Array;
  private readonly fingerprint = new Fingerprint();
  private readonly dialects = new Map<string, number>();
  private count = 0;

  constructor(rows: number) {
    this.lengths = new Float64Array(rows);
  }

  async add({ conversation, dialect }: ConversationRow): Promise<void> {
    this.lengths[this.count++] = roughLength(conversation);
    this.dialects.set(dialect, (this.dialects.get(dialect) ?? 0) + 1);
    await this.fingerprint.add(conversationFacts(conversation));
  }

  async figures(): Promise<RowFigures> {
    return { lengths: this.lengths, fingerprint: await this.fingerprint.hex(), dialects: this.dialects };
  }
}

/** Of the texts alone and a fixed part for each image: its size is known only when it is decoded. */
function roughLength({ messages, images }: Conversation): number {
  return textsOf(messages).reduce((sum, { length }) => sum + length / 3.5, 256 * images.length);
}
