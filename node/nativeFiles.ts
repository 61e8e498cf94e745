/**
 * What Node, Deno and Bun can do with files beyond the plain operations of the Platform: links, appending, blobs that stay on disk, native hashes
 * and locks between processes. The shared download cache (src/hub) lives on these; a browser does without.
 */
import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import * as path from 'node:path';
import process from 'node:process';
import type { AppendFile, Hasher, NativeFiles } from '../src/platform.ts';

/** A lock is touched this often by its owner; one not touched for `STALE_MS` belongs to a process that is gone, unless that process is seen to live. */
const BEAT_MS = 5_000;
const STALE_MS = 60_000;
const POLL_MS = 100;

interface Owner {
  pid: number;
  host: string;
  started: string;
  /** When the process began, in the kernel's own count (Linux): a later process of the same id, as in a container that starts anew, is another. */
  born?: string;
}

/** @param inWords turns a system error into one for the user, as the rest of the platform does */
export function nativeFiles(inWords: (cause: unknown, action: string, file: string) => Error): NativeFiles {
  const orInWords = async <T>(work: Promise<T>, action: string, file: string): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw inWords(cause, action, file);
    }
  };

  return {
    // Not in words: the caller copies where a file system has no links.
    symlink: (target, file) => fs.symlink(target, file),
    realPath: (file) => orInWords(fs.realpath(file), 'look at', file),
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
      const handle = await orInWords(fs.open(file, 'a+', isPrivate ? 0o600 : 0o666), 'write', file);
      let size = (await handle.stat()).size;
      const opened: AppendFile = {
        get size() {
          return size;
        },
        async append(bytes) {
          for (let done = 0; done < bytes.length; ) {
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
    blob: (file) => orInWords(openAsBlob(file), 'read', file),
    hash(algorithm) {
      const hash = createHash(algorithm);
      const hasher: Hasher = { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
      return hasher;
    },
    lock: (file, options) => takeLock(file, options ?? {}, inWords),
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

async function takeLock(
  file: string,
  { onWait, signal }: { onWait?: (owner: string) => void; signal?: AbortSignal },
  inWords: (cause: unknown, action: string, file: string) => Error,
): Promise<() => Promise<void>> {
  const { born } = await processOf(process.pid);
  const owner: Owner = { pid: process.pid, host: hostname(), started: new Date().toISOString(), ...(born !== undefined && { born }) };
  const text = `${JSON.stringify(owner)}\n`;
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    if (await createNew(file, text, inWords)) break;
    const held = await readLock(file);
    if (held === undefined) continue; // gone meanwhile
    if (held.isStale) {
      await removeStale(file, held.text);
      continue;
    }
    if (!told) onWait?.(held.words);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const beat = setInterval(() => {
    const now = new Date();
    fs.utimes(file, now, now).catch(() => undefined); // the next beat tries again
  }, BEAT_MS);
  beat.unref();
  return async () => {
    clearInterval(beat);
    // One that was taken over (after a suspended laptop, say) is not ours to remove.
    if ((await fs.readFile(file, 'utf8').catch(() => '')) === text) await fs.rm(file, { force: true });
  };
}

async function createNew(file: string, text: string, inWords: (cause: unknown, action: string, file: string) => Error): Promise<boolean> {
  // Written beside and linked, so that nobody reads a lock without its owner.
  const own = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    await fs.writeFile(own, text);
    await fs.link(own, file);
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EEXIST') return false;
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS') return createWithoutLinks(file, text, inWords);
    throw inWords(cause, 'lock', file);
  } finally {
    await fs.rm(own, { force: true }).catch(() => undefined);
  }
}

async function createWithoutLinks(file: string, text: string, inWords: (cause: unknown, action: string, file: string) => Error): Promise<boolean> {
  try {
    await fs.writeFile(file, text, { flag: 'wx' });
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw inWords(cause, 'lock', file);
  }
}

async function readLock(file: string): Promise<{ text: string; words: string; isStale: boolean } | undefined> {
  try {
    const text = await fs.readFile(file, 'utf8');
    const ageMs = Date.now() - (await fs.stat(file)).mtimeMs;
    const owner = parseOwner(text);
    const isOurHost = owner?.host === hostname();
    const isLiving = owner !== undefined && isOurHost ? await livingOwner(owner) : undefined;
    const isStale = isLiving === undefined ? ageMs > STALE_MS : !isLiving;
    const words = owner === undefined ? 'another process' : `process ${owner.pid}${isOurHost ? '' : ` on ${owner.host}`}, since ${owner.started}`;
    return { text, words, isStale };
  } catch {
    return undefined;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, host, started, born } = value as Partial<Owner>;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof started !== 'string') return undefined;
    return { pid, host, started, ...(typeof born === 'string' && { born }) };
  } catch {
    return undefined;
  }
}

/** Undefined where that cannot be told. */
async function livingOwner({ pid, born }: Owner): Promise<boolean | undefined> {
  if (!isAlive(pid)) return false;
  const { state = '', born: now } = await processOf(pid);
  // A zombie, whose parent has not asked for its end, takes signals.
  if (/[ZX]/.test(state)) return false;
  return born === undefined || now === undefined ? undefined : born === now;
}

/** Fields 3 and 22 of Linux's /proc/<pid>/stat; the name before them may hold anything. */
async function processOf(pid: number): Promise<{ state?: string; born?: string }> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, born] = [fields[0], fields[19]];
  return state === undefined || born === undefined ? {} : { state, born };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
}

/** By renaming, which one of several contenders wins; one that got hold of a fresh lock instead puts it back. */
async function removeStale(file: string, text: string): Promise<void> {
  const aside = `${file}.stale-${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    await fs.rename(file, aside);
  } catch {
    return; // another contender was first
  }
  if ((await fs.readFile(aside, 'utf8').catch(() => '')) !== text) await fs.link(aside, file).catch(() => undefined);
  await fs.rm(aside, { force: true });
}
