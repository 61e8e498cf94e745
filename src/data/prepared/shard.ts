/** Parquet files of a prepared folder, read by row. */
import { parquetMetadataAsync } from 'hyparquet';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { checkedRowGroups } from '../parquetMetadata.ts';
import { readParquetRows } from '../parquetRead.ts';
import { errorWords } from '../../io/errorWords.ts';
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { MedvisionSample } from '../medvision/sample.ts';
import { COLUMN_NAMES, rowFromColumns } from './row.ts';
import type { PreparedRow } from './row.ts';

/** Row groups of the last files read stay decoded up to this. */
const CACHE_BYTES = 48 * 2 ** 20;

/** Rows of the Parquet files of one folder, by file and number, with the row groups used last kept. */
export class ShardReader {
  private readonly platform: Platform;
  private readonly limitBytes: number;
  private readonly metadata = new Map<string, Promise<FileMetaData>>();
  private readonly groups = new Map<string, Promise<PreparedRow[]>>();
  private readonly sizes = new Map<string, number>();
  private bytes = 0;

  constructor(platform: Platform, limitBytes = CACHE_BYTES) {
    this.platform = platform;
    this.limitBytes = limitBytes;
  }

  /** @throws UserError naming the file when it is damaged or has no such row */
  async row(path: string, index: number): Promise<PreparedRow> {
    const metadata = await this.metadataOf(path);
    let start = 0;
    for (const [group, { num_rows }] of metadata.row_groups.entries()) {
      const end = start + Number(num_rows);
      if (index >= start && index < end) {
        const row = (await this.group(path, group, start, end))[index - start];
        if (row) return row;
      }
      start = end;
    }
    throw new UserError(`${path}: row ${index} is asked for, the file has ${start}. Prepare the data again.`);
  }

  /** Values of one column of a whole file. */
  async column(path: string, name: string): Promise<unknown[]> {
    const metadata = await this.metadataOf(path);
    return readable(path, async () => {
      const rows = await withFile(this.platform, path, (file) => readParquetRows({ file, metadata, columns: [name] }));
      return rows.map((row): unknown => row[name]);
    });
  }

  /** The samples of a whole file, without their pictures. */
  async samples(path: string): Promise<MedvisionSample[]> {
    const metadata = await this.metadataOf(path);
    return readable(path, async () => {
      const columns = COLUMN_NAMES.filter((name) => name !== 'image');
      const rows = await withFile(this.platform, path, (file) => readParquetRows({ file, metadata, columns }));
      return rows.map((row, i) => rowFromColumns(row, `${path}: row ${i}`).sample);
    });
  }

  private metadataOf(path: string): Promise<FileMetaData> {
    let reading = this.metadata.get(path);
    if (reading === undefined) {
      reading = readable(path, async () => {
        const metadata = await withFile(this.platform, path, (file) => parquetMetadataAsync(file));
        checkedRowGroups(metadata, path);
        return metadata;
      });
      // Some 3 kB a row group; a random walk over a large set must not keep them all.
      if (this.metadata.size >= 64) for (const oldest of [...this.metadata.keys()].slice(0, 32)) this.metadata.delete(oldest);
      this.metadata.set(path, reading);
      reading.catch(() => this.metadata.delete(path));
    }
    return reading;
  }

  private async group(path: string, group: number, rowStart: number, rowEnd: number): Promise<PreparedRow[]> {
    const key = `${path}#${group}`;
    const held = this.groups.get(key);
    if (held !== undefined) {
      this.groups.delete(key); // to the end: most recently used
      this.groups.set(key, held);
      return held;
    }
    const metadata = await this.metadataOf(path);
    const reading = readable(path, async () => {
      const found = await withFile(this.platform, path, (file) =>
        readParquetRows({ file, metadata, columns: [...COLUMN_NAMES], rowStart, rowEnd }),
      );
      return found.map((row, i) => rowFromColumns(row, `${path}: row ${rowStart + i}`));
    });
    this.groups.set(key, reading);
    try {
      const rows = await reading;
      const size = rows.reduce((sum, { image, sample }) => sum + (image?.bytes.length ?? 0) + 2 * sample.prompt.length + 1000, 0);
      this.sizes.set(key, size);
      this.bytes += size;
      this.evict(key);
      return rows;
    } catch (error) {
      this.groups.delete(key);
      throw error;
    }
  }

  private evict(keep: string): void {
    for (const key of this.groups.keys()) {
      if (this.bytes <= this.limitBytes) return;
      const size = this.sizes.get(key);
      if (key === keep || size === undefined) continue;
      this.groups.delete(key);
      this.sizes.delete(key);
      this.bytes -= size;
    }
  }
}

async function withFile<T>(platform: Platform, path: string, work: (file: AsyncBuffer) => Promise<T>): Promise<T> {
  const file = await platform.openFile(path);
  try {
    return await work({
      byteLength: file.size,
      async slice(start, end = file.size) {
        const from = start < 0 ? Math.max(0, file.size + start) : start;
        const bytes = await file.read(from, Math.min(end, file.size) - from);
        const { buffer, byteOffset, byteLength } = bytes;
        const whole = buffer instanceof ArrayBuffer ? buffer : bytes.slice().buffer;
        return byteOffset === 0 && byteLength === whole.byteLength ? whole : whole.slice(byteOffset, byteOffset + byteLength);
      },
    });
  } finally {
    await file.close();
  }
}

/** Whatever the Parquet reader says about a damaged file, said with the file's name. */
async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: it cannot be read as Parquet (${errorWords(error)}). Remove the file and prepare the data again.`, {
      cause: error,
    });
  }
}
