/**
 * Rows of a Parquet file as Python's `datasets`, pandas or Polars write it. Rows are read a stretch at a time: in their order some MB
 * together, in random order the pages that hold the one asked for (where the file has an index of its pages, as those of `datasets` have;
 * else its whole row group, of which the last few are kept).
 */
import { parquetMetadataAsync } from 'hyparquet';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { errorWords } from '../../io/errorWords.ts';
import { UserError } from '../../platform.ts';
import { checkedRowGroups } from '../parquetMetadata.ts';
import { readParquetRows } from '../parquetRead.ts';
import type { RawRows } from './jsonRows.ts';
import { lastNotAfter } from './rowBytes.ts';
import type { RowBytes } from './rowBytes.ts';

/** Of a stretch read in order, unpacked. */
const STRETCH_BYTES = 2 * 2 ** 20;
/** A column of a row group that is read whole without harm. */
const SMALL_COLUMN_BYTES = 2 ** 20;
/** Of all stretches kept: those read in order are done with soon, whole row groups are asked for again. */
const CACHE_BYTES = { inOrder: 2 * STRETCH_BYTES, groups: 32 * 2 ** 20 } as const;

/** Loaded when a file needs them: they compile WebAssembly, which a page that reads no Parquet need not do. */
async function unpackers(): Promise<Compressors> {
  const { compressors, decompressLz4Raw } = await import('hyparquet-compressors');
  // It takes an LZ4 block of no bytes, which pyarrow writes for a page of nulls, for a broken one.
  return { ...compressors, LZ4_RAW: (input, length) => (length === 0 ? new Uint8Array(0) : decompressLz4Raw(input, length)) };
}

interface Stretch {
  start: number;
  end: number;
  rows: Promise<readonly unknown[]>;
  /** As the file states it, unpacked. */
  bytes: number;
  isGroup: boolean;
}

export async function openParquetRows(bytes: RowBytes): Promise<RawRows> {
  const file = asyncBuffer(bytes);
  // Where in the file a byte array is geometry is nothing to us.
  const metadata = await readable(bytes.path, () => parquetMetadataAsync(file, { geoparquet: false }));
  const counts = await readable(bytes.path, async () => checkedRowGroups(metadata, bytes.path));
  return new ParquetRows(bytes.path, file, metadata, counts, await unpackers());
}

class ParquetRows implements RawRows {
  readonly length: number;
  private readonly path: string;
  private readonly file: AsyncBuffer;
  private readonly metadata: FileMetaData;
  private readonly compressors: Compressors;
  /** First row of each row group. */
  private readonly starts: number[] = [];
  /** Most recently used last. */
  private stretches: Stretch[] = [];
  private nextIndex = 0;

  /** @param counts rows of each row group */
  constructor(path: string, file: AsyncBuffer, metadata: FileMetaData, counts: readonly number[], compressors: Compressors) {
    this.path = path;
    this.file = file;
    this.metadata = metadata;
    this.compressors = compressors;
    let rows = 0;
    for (const count of counts) {
      this.starts.push(rows);
      rows += count;
    }
    this.length = rows;
  }

  where(index: number): string {
    return `${this.path}: row ${index + 1}`;
  }

  async value(index: number): Promise<unknown> {
    if (!(index >= 0 && index < this.length)) throw new RangeError(`row ${index} of ${this.length}`);
    const isNext = index === this.nextIndex;
    this.nextIndex = index + 1;
    const at = this.stretches.findIndex(({ start, end }) => index >= start && index < end);
    const [held] = at < 0 ? [] : this.stretches.splice(at, 1);
    const stretch = held ?? this.open(index, isNext);
    // A single row is not asked for again soon, and would keep its whole page in memory.
    if (stretch.end - stretch.start > 1) this.stretches.push(stretch);
    this.evict(CACHE_BYTES[stretch.isGroup ? 'groups' : 'inOrder']);
    try {
      return (await stretch.rows)[index - stretch.start];
    } catch (error) {
      this.stretches = this.stretches.filter((one) => one !== stretch);
      throw error;
    }
  }

  private open(index: number, isNext: boolean): Stretch {
    const group = lastNotAfter(this.starts, index);
    const { num_rows, total_byte_size, columns } = this.metadata.row_groups[group] ?? { num_rows: 0, total_byte_size: 0, columns: [] };
    const [groupStart, groupEnd] = [this.starts[group] ?? 0, (this.starts[group] ?? 0) + Number(num_rows)];
    const rowBytes = Number(total_byte_size) / Math.max(1, Number(num_rows));
    // Some writers leave the index out where a column has one page.
    const hasPageIndex = columns.every(
      ({ offset_index_offset, meta_data }) =>
        offset_index_offset !== undefined || Number(meta_data?.total_compressed_size) < SMALL_COLUMN_BYTES,
    );
    const count = isNext ? Math.max(1, Math.floor(STRETCH_BYTES / Math.max(1, rowBytes))) : 1;
    // Without an index of its pages a row costs as much as its whole group.
    const [start, end] = hasPageIndex ? [index, Math.min(groupEnd, index + count)] : [groupStart, groupEnd];
    const rows = readable(this.path, async () => {
      const { file, metadata, compressors } = this;
      const found = await readParquetRows({ file, metadata, rowStart: start, rowEnd: end, compressors, useOffsetIndex: hasPageIndex });
      return found.map(plain);
    });
    return { start, end, rows, bytes: rowBytes * (end - start), isGroup: !hasPageIndex };
  }

  /** The oldest go; the last one stays, whatever its size. */
  private evict(limit: number): void {
    let bytes = this.stretches.reduce((sum, stretch) => sum + stretch.bytes, 0);
    while (this.stretches.length > 1 && bytes > limit) bytes -= this.stretches.shift()?.bytes ?? 0;
  }
}

/** Whole numbers of 64 bits as others. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

function asyncBuffer({ size, read }: RowBytes): AsyncBuffer {
  return {
    byteLength: size,
    async slice(start, end = size) {
      const from = start < 0 ? Math.max(0, size + start) : start;
      const bytes = await read(from, Math.max(0, Math.min(end, size) - from));
      return bytes.buffer instanceof ArrayBuffer && bytes.length === bytes.buffer.byteLength ? bytes.buffer : new Uint8Array(bytes).buffer;
    },
  };
}

/** Whatever the Parquet reader says about a damaged file, said with the file's name. */
async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: it cannot be read as Parquet (${errorWords(error)}). Write or fetch the file again.`, { cause: error });
  }
}
