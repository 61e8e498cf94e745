/** Bytes that are only in memory, read as a file of a platform's. */
import { UserError } from '../platform.ts';
import type { RangedFile } from '../platform.ts';

/** @param path what messages call it */
export function fileInMemory(path: string, bytes: Uint8Array): RangedFile {
  return {
    path,
    size: bytes.length,
    read: (offset, length) =>
      offset + length <= bytes.length
        ? Promise.resolve(bytes.slice(offset, offset + length))
        : Promise.reject(new UserError(`${path}: bytes ${offset} to ${offset + length} were expected, it has ${bytes.length}.`)),
    close: () => Promise.resolve(),
  };
}
