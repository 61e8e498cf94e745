/**
 * The FileAbilities of Node, Deno and Bun: links, appending, blobs that stay on disk, native hashes and locks between processes. The shared
 * download cache (src/hub) lives on these.
 */
import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import type { AppendFile, FileAbilities, Hasher } from '../src/platform.ts';
import { LockFiles } from './locks/lockFile.ts';

/**
 * @param inWords turns a system error into one for the user, as the rest of the platform does
 * @param checkWritable throws where a path leads to a pipe, socket or folder
 */
export function nativeFiles(
  inWords: (cause: unknown, action: string, file: string) => Error,
  checkWritable: (file: string) => Promise<void>,
): FileAbilities {
  const orInWords = async <T>(work: Promise<T>, action: string, file: string): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw inWords(cause, action, file);
    }
  };

  const locks = new LockFiles(inWords);
  return {
    links: {
      // Not in words: the caller copies where a file system has no links.
      make: (target, file) => fs.symlink(target, file),
      makeHard: (target, file) => fs.link(target, file),
      realPath: (file) => orInWords(fs.realpath(file), 'look at', file),
    },
    async look(file) {
      const found = await fs.stat(file, { bigint: true }).catch((cause: unknown) => {
        if (cause instanceof Error && 'code' in cause && ['ENOENT', 'ENOTDIR'].includes(String(cause.code))) return undefined;
        throw inWords(cause, 'look at', file);
      });
      if (found === undefined) return undefined;
      const { size, ino, mtimeNs, ctimeNs } = found;
      return {
        kind: found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other',
        size: Number(size),
        stamp: `${size} ${ino} ${mtimeNs} ${ctimeNs}`,
        changedAt: Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n),
      };
    },
    async openAppend(file, { isPrivate = false } = {}) {
      await checkWritable(file);
      const handle = await orInWords(fs.open(file, 'a+', isPrivate ? 0o600 : 0o666), 'write', file);
      let size = (await handle.stat()).size;
      const opened: AppendFile = {
        get size() {
          return size;
        },
        async append(bytes) {
          for (let done = 0; done < bytes.length;) {
            const { bytesWritten } = await orInWords(handle.write(bytes, done, bytes.length - done), 'write', file);
            done += bytesWritten;
            size += bytesWritten;
          }
        },
        async truncate() {
          await orInWords(handle.truncate(0), 'write', file);
          size = 0;
        },
        async close() {
          await orInWords(handle.sync(), 'write', file).finally(() => handle.close());
        },
      };
      return opened;
    },
    appendsByCopying: false,
    blob: (file) => orInWords(openAsBlob(file), 'read', file),
    hash(algorithm) {
      const hash = createHash(algorithm);
      const hasher: Hasher = { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
      return hasher;
    },
    lock: (file, options) => locks.take(file, options),
    async freeBytes(folder) {
      let at = path.resolve(folder);
      for (;;) {
        try {
          const { bavail, bsize } = await fs.statfs(at);
          return bavail * bsize;
        } catch {
          const above = path.dirname(at);
          if (above === at) return undefined;
          at = above;
        }
      }
    },
  };
}
