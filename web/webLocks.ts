/**
 * Locks between the tabs and workers of a page, by Web Locks: the browser frees one whose tab is gone, and takes none away from one that
 * lives.
 */
import type { FileAbilities, FileLock, LockHolder } from '../src/platform.ts';

/** Web Locks do not tell who has one. */
const OTHER: LockHolder = { words: 'another tab of this page', isAlive: true };

/** What frees the lock; undefined where it was asked for only if it is free, and is not. */
function requested(path: string, options: LockOptions): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    const whole: Promise<unknown> = navigator.locks.request(`vernier ${path}`, options, (lock) => {
      if (lock === null) return undefined;
      return new Promise<void>((free) => {
        resolve(async () => {
          free();
          await whole;
        });
      });
    });
    whole.then(() => resolve(undefined), reject);
  });
}

export const lock: FileAbilities['lock'] = async (path, { onWait, signal } = {}): Promise<FileLock> => {
  signal?.throwIfAborted();
  let release = await requested(path, { ifAvailable: true });
  if (release === undefined) {
    onWait?.(OTHER);
    release = await requested(path, signal ? { signal } : {});
  }
  const held = release;
  return { lost: new AbortController().signal, check: () => Promise.resolve(), release: async () => held?.() };
};
