/**
 * Where the rows of a JSON file begin and end, found without parsing them: strings are skipped, brackets are counted. Lines: a row ends
 * where its object does, or with its line, so that a broken one takes no other with it. Array: an element ends at the comma or the bracket
 * that closes the array.
 */
import { UserError } from '../../platform.ts';

/** Rows of one block of the index, 12 bytes each. */
const BLOCK_ROWS = 1 << 16;

interface Block {
  starts: Float64Array;
  lengths: Uint32Array;
  firstLine: number;
  /** Absent while each row is a line further than the one before, as in most files. */
  lines?: Uint32Array;
}

/** Offsets in bytes; lines count from 1. Blocks of typed arrays: three million rows are 40 MB, and nothing is copied while they grow. */
export class RowIndex {
  private readonly blocks: Block[] = [];
  length = 0;

  add(start: number, end: number, line: number): void {
    const at = this.length++ % BLOCK_ROWS;
    if (at === 0) this.blocks.push({ starts: new Float64Array(BLOCK_ROWS), lengths: new Uint32Array(BLOCK_ROWS), firstLine: line });
    const block = this.blocks.at(-1);
    if (block === undefined) return;
    block.starts[at] = start;
    block.lengths[at] = end - start;
    if (block.lines === undefined && line !== block.firstLine + at) {
      block.lines = new Uint32Array(BLOCK_ROWS);
      for (let i = 0; i < at; i++) block.lines[i] = block.firstLine + i;
    }
    if (block.lines !== undefined) block.lines[at] = line;
  }

  at(row: number): { start: number; end: number; line: number } {
    const block = this.blocks[Math.floor(row / BLOCK_ROWS)];
    if (!(row >= 0 && row < this.length) || block === undefined) throw new RangeError(`row ${row} of ${this.length}`);
    const start = block.starts[row % BLOCK_ROWS] ?? 0;
    return { start, end: start + (block.lengths[row % BLOCK_ROWS] ?? 0), line: this.line(row) };
  }

  /** 0 behind the last row. */
  line(row: number): number {
    const block = row < this.length ? this.blocks[Math.floor(row / BLOCK_ROWS)] : undefined;
    return block === undefined ? 0 : (block.lines?.[row % BLOCK_ROWS] ?? block.firstLine + (row % BLOCK_ROWS));
  }
}

/** Longer rows are not rows but a file of another form. */
const MAX_ROW_BYTES = 64 * 2 ** 20;

const NEWLINE = 10;
const QUOTE = 34;
const BACKSLASH = 92;

export class RowSplitter {
  readonly index = new RowIndex();
  private readonly path: string;
  private readonly isArray: boolean;
  /** Of the byte that comes next. */
  private offset = 0;
  private line = 1;
  /** Open brackets; the array's own among them. */
  private depth = 0;
  private isInString = false;
  private isEscaped = false;
  /** Where the row began, or -1 between rows. */
  private start = -1;
  private startLine = 1;
  /** After the last non-blank byte of the row. */
  private end = 0;
  private state: 'before' | 'first' | 'rows' | 'after' = 'before';

  constructor(path: string, kind: 'lines' | 'array') {
    this.path = path;
    this.isArray = kind === 'array';
  }

  push(bytes: Uint8Array): void {
    let at = this.offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    while (at < bytes.length) {
      if (this.isInString) at = this.skipString(bytes, at);
      else this.take(bytes[at] ?? 0, this.offset + at++);
    }
    this.offset += bytes.length;
    if (this.start >= 0 && this.offset - this.start > MAX_ROW_BYTES) {
      throw new UserError(
        `${this.path}:${this.startLine}: the row is longer than ${MAX_ROW_BYTES} bytes. Is the file JSON lines, one row a line, or an ` +
          `array of rows?`,
      );
    }
  }

  /** @throws UserError where the file ends too early */
  finish(): RowIndex {
    if (!this.isArray) this.close();
    else if (this.state !== 'after') {
      const place = this.start >= 0 ? this.startLine : this.line;
      throw new UserError(
        `${this.path}:${place}: the JSON array is not closed: the row that begins here does not end, or the file is cut off. Fetch or ` +
          `write it again.`,
      );
    }
    return this.index;
  }

  /** @returns where to go on: behind the string, or at the end of the bytes */
  private skipString(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at];
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === BACKSLASH) this.isEscaped = true;
      else if (byte === QUOTE) {
        this.isInString = false;
        this.end = this.offset + at + 1;
        return at + 1;
      }
      if (byte === NEWLINE) {
        // No string of JSON holds one: the line is broken, what follows need not be.
        if (!this.isArray) {
          this.end = this.offset + at;
          this.isEscaped = false;
          this.isInString = false;
          return at;
        }
        this.line++;
      }
    }
    return bytes.length;
  }

  private take(byte: number, offset: number): void {
    switch (byte) {
      case NEWLINE:
        if (!this.isArray) this.close();
        this.line++;
        return;
      case 32:
      case 9:
      case 13:
        return;
      case QUOTE:
        this.open(offset);
        this.isInString = true;
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (this.isArray && this.state === 'before') {
          this.state = 'first';
          return;
        }
        this.open(offset);
        this.depth++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (byte === 0x5d && this.isArray && this.depth === 0 && this.state !== 'after') {
          if (this.start >= 0) this.close();
          else if (this.state === 'rows') throw this.wrong('a comma with no row behind it');
          this.state = 'after';
          return;
        }
        this.open(offset);
        this.depth--;
        this.end = offset + 1;
        if (this.depth <= 0 && !this.isArray) this.close();
        return;
      case 0x2c: // ,
        if (this.isArray && this.depth === 0 && this.state !== 'after') {
          if (this.start < 0) throw this.wrong('a comma with no row before it');
          this.close();
          this.state = 'rows';
          return;
        }
        this.open(offset);
        break;
      default:
        this.open(offset);
    }
    this.end = offset + 1;
  }

  /** A byte of a row; the first one begins it. */
  private open(offset: number): void {
    if (this.start >= 0) return;
    if (this.state === 'after') throw this.wrong('more after the end of the JSON array; a file has one array, or a row on each line');
    this.start = offset;
    this.startLine = this.line;
  }

  private close(): void {
    if (this.start >= 0) this.index.add(this.start, this.end, this.startLine);
    this.start = -1;
    this.depth = 0;
  }

  private wrong(found: string): UserError {
    return new UserError(`${this.path}:${this.line}: not a JSON array of rows: ${found}.`);
  }
}
