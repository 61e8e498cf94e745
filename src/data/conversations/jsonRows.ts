/** Rows of a JSON file: an index of where each lies, and each parsed when it is asked for. */
import { parseJson } from '../../io/parseJson.ts';
import { errorText, UserError } from '../../platform.ts';
import { pieces } from './rowBytes.ts';
import type { RowBytes } from './rowBytes.ts';
import { RowSplitter } from './rowSplitter.ts';
import type { RowIndex } from './rowSplitter.ts';

/** Rows of a file as plain values, one at a time and in any order. */
export interface RawRows {
  readonly length: number;
  /** file:line, for messages. */
  where(index: number): string;
  /** @throws UserError that begins with the row's place */
  value(index: number): Promise<unknown>;
}

/** Read at once while rows are asked for in their order. */
const WINDOW_BYTES = 1 << 17;

export async function openJsonRows(bytes: RowBytes, kind: 'lines' | 'array'): Promise<RawRows> {
  const splitter = new RowSplitter(bytes.path, kind);
  for await (const piece of pieces(bytes)) splitter.push(piece);
  return new JsonRows(bytes, kind, splitter.finish());
}

class JsonRows implements RawRows {
  private readonly bytes: RowBytes;
  private readonly kind: 'lines' | 'array';
  private readonly index: RowIndex;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private window: { start: number; bytes: Uint8Array } = { start: 0, bytes: new Uint8Array(0) };

  constructor(bytes: RowBytes, kind: 'lines' | 'array', index: RowIndex) {
    this.bytes = bytes;
    this.kind = kind;
    this.index = index;
  }

  get length(): number {
    return this.index.length;
  }

  where(index: number): string {
    const { line } = this.index.at(index);
    const place = `${this.bytes.path}:${line}`;
    if (this.kind === 'array') return `${place}: row ${index + 1}`;
    let first = index;
    while (first > 0 && this.index.line(first - 1) === line) first--;
    const isAlone = first === index && this.index.line(index + 1) !== line;
    return isAlone ? place : `${place}: row ${index - first + 1} of the line`;
  }

  async value(index: number): Promise<unknown> {
    const { start, end } = this.index.at(index);
    const bytes = await this.read(start, end);
    let text: string;
    try {
      text = this.decoder.decode(bytes);
    } catch {
      throw new UserError(`${this.where(index)}: not UTF-8 text. Save the file as UTF-8.`);
    }
    try {
      return parseJson(text);
    } catch (cause) {
      throw new UserError(`${this.where(index)}: not valid JSON (${errorText(cause)}). ${advice(text, this.kind)}`);
    }
  }

  private async read(start: number, end: number): Promise<Uint8Array> {
    const { window } = this;
    const from = start - window.start;
    if (from >= 0 && end - window.start <= window.bytes.length) return window.bytes.subarray(from, end - window.start);
    // Behind the last window, a little apart at most: they come in order. Else one row alone is read.
    const gap = start - (window.start + window.bytes.length);
    const isNext = window.bytes.length > 0 ? from >= 0 && gap < 64 : start < 64;
    if (!isNext) return this.bytes.read(start, end - start);
    const bytes = await this.bytes.read(start, Math.min(this.bytes.size - start, Math.max(end - start, WINDOW_BYTES)));
    this.window = { start, bytes };
    return bytes.subarray(0, end - start);
  }
}

function advice(text: string, kind: 'lines' | 'array'): string {
  if (kind === 'array') return 'Rows of an array are JSON objects, with a comma between them.';
  if (/\b(?:NaN|-?Infinity)\b/.test(text)) return 'JSON has no NaN and no Infinity; write null.';
  if (/^\{\s*$/.test(text)) return 'The row goes on over several lines: write each on one line, or all in one array [ … ].';
  if (text.startsWith(',')) return 'Lines have no commas between them; an array begins with [.';
  return /^\{\s*'/.test(text) ? 'JSON has double quotes; json.dumps writes them.' : 'Each line is one JSON object.';
}
