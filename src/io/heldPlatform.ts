/** Work under a lock that can be lost: what it writes, it writes only as long as the lock is its own. */
import type { AppendFile, AtomicFile, FileLock, Platform } from '../platform.ts';

/** For what adds to a file: a look that is so old will do, and a row of a log does not cost more than its writing. */
const RECENT_MS = 1_000;

/**
 * @param lock undefined where the platform has none
 * @param stop the caller's
 * @throws UserError where the lock was lost meanwhile, whatever the work made of it
 */
export async function whileHeld<T>(
  platform: Platform,
  lock: FileLock | undefined,
  stop: AbortSignal | undefined,
  work: (held: { platform: Platform; stop: AbortSignal }) => Promise<T>,
): Promise<T> {
  const never = new AbortController().signal;
  if (lock === undefined) return work({ platform, stop: stop ?? never });
  try {
    return await work({ platform: heldPlatform(platform, lock), stop: AbortSignal.any([lock.lost, ...(stop ? [stop] : [])]) });
  } finally {
    lock.lost.throwIfAborted(); // in place of the error that followed from it
  }
}

/** As `platform`, but everything that changes files fails once the lock is lost. */
function heldPlatform(platform: Platform, lock: FileLock): Platform {
  const { links, openAppend } = platform;
  const first = async <T>(work: () => Promise<T>, maxAgeMs = 0): Promise<T> => {
    await lock.check(maxAgeMs);
    return work();
  };
  return {
    ...platform,
    makeDir: (...given) => first(() => platform.makeDir(...given), RECENT_MS),
    writeFile: (...given) => first(() => platform.writeFile(...given)),
    async createFile(...given): Promise<AtomicFile> {
      const file = await first(() => platform.createFile(...given));
      return {
        write: (bytes) => file.write(bytes), // not seen by others before it is committed
        async commit() {
          try {
            await lock.check();
          } catch (error) {
            await file.abort().catch(() => undefined); // the first error is the one to report
            throw error;
          }
          await file.commit();
        },
        abort: () => file.abort(),
      };
    },
    appendFile: (...given) => first(() => platform.appendFile(...given), RECENT_MS),
    rename: (from, to) => first(() => platform.rename(from, to)),
    remove: (path) => first(() => platform.remove(path)),
    ...(links && {
      links: {
        ...links,
        make: (target, path) => first(() => links.make(target, path)),
        ...(links.makeHard && { makeHard: (target: string, path: string) => first(async () => links.makeHard?.(target, path)) }),
      },
    }),
    ...(openAppend && { openAppend: async (...given) => heldFile(await first(() => openAppend(...given)), lock) }),
  };
}

function heldFile(file: AppendFile, lock: FileLock): AppendFile {
  return {
    get size() {
      return file.size;
    },
    async append(bytes) {
      await lock.check(RECENT_MS);
      await file.append(bytes);
    },
    async truncate() {
      await lock.check();
      await file.truncate();
    },
    close: () => file.close(),
  };
}
