/**
 * The bytes of a file of rows, any of them at any time. A plain file stays on disk; a gzip file has no places to jump to, so what it
 * unfolds to is kept in memory, up to a limit.
 */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { fileChunks } from '../gzip.ts';

export interface RowBytes {
  readonly path: string;
  /** Bytes, unfolded. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What a gzip file may unfold to. */
const GZIP_BYTES = 2 ** 30;
/** Small, because what was read is given back late where little else is. */
const READ_BYTES = 1 << 17;

/** @throws UserError where it is a folder, is missing, or unfolds to more than can be kept */
export async function openRowBytes(platform: Platform, path: string): Promise<RowBytes> {
  if (await platform.isDirectory(path))
    throw new UserError(`${path}: a folder; a file of conversations (JSON lines, a JSON array or Parquet) is expected.`);
  if (!(await platform.exists(path))) throw new UserError(`${path}: there is no such file. Check its path.`);
  const file = await platform.openFile(path);
  let isGzip: boolean;
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    isGzip = magic[0] === 0x1f && magic[1] === 0x8b;
  } catch (error) {
    await file.close();
    throw error;
  }
  if (!isGzip) return file;
  await file.close();
  return unfolded(platform, path);
}

async function unfolded(platform: Platform, path: string): Promise<RowBytes> {
  const pieces: Uint8Array[] = [];
  const starts: number[] = [];
  let size = 0;
  for await (const piece of fileChunks(platform, path)) {
    if (piece.length === 0) continue;
    pieces.push(piece);
    starts.push(size);
    size += piece.length;
    if (size > GZIP_BYTES) {
      throw new UserError(
        `${path}: it unfolds to more than ${GZIP_BYTES / 2 ** 30} GiB, which is kept in memory. Unpack it with gunzip; a plain file is ` +
          `read from disk, row by row.`,
      );
    }
  }
  return {
    path,
    size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      let at = lastNotAfter(starts, offset);
      for (let done = 0; done < length; at++) {
        const from = offset + done - (starts[at] ?? 0);
        const part = pieces[at]?.subarray(from, from + length - done);
        if (part === undefined) return Promise.reject(new RangeError(`${path}: bytes ${offset} to ${offset + length} of ${size}`));
        bytes.set(part, done);
        done += part.length;
      }
      return Promise.resolve(bytes);
    },
    close: () => {
      pieces.length = 0;
      return Promise.resolve();
    },
  };
}

/** The last of the ascending numbers that is not beyond `value`; 0 where all are. */
export function lastNotAfter(numbers: ArrayLike<number>, value: number): number {
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((numbers[middle] ?? Infinity) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** All bytes from the beginning, a piece at a time. */
export async function* pieces({ size, read }: Pick<RowBytes, 'size' | 'read'>): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < size; offset += READ_BYTES) yield read(offset, Math.min(READ_BYTES, size - offset));
}
