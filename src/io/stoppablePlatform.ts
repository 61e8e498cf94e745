/**
 * Reading that ends when the user asks for it: for what is done before anything is written (plans of hundreds of MB, the weights, the
 * pictures that are looked at), which takes minutes, goes from file to file, and has nothing that must be saved.
 */
import type { Platform, RangedFile } from '../platform.ts';

/**
 * As `platform`, but reading throws the signal's reason once it is aborted. Nothing else is changed: files can be closed, written and
 * removed.
 */
export function readingUntil(platform: Platform, stop: AbortSignal): Platform {
  const unlessStopped = <T>(work: () => Promise<T>): Promise<T> => (stop.aborted ? Promise.reject(stop.reason as Error) : work());
  return {
    ...platform,
    readFile: (path) => unlessStopped(() => platform.readFile(path)),
    async openFile(path): Promise<RangedFile> {
      const file = await unlessStopped(() => platform.openFile(path));
      return { ...file, read: (...given) => unlessStopped(() => file.read(...given)), close: () => file.close() };
    },
    decodeImage: (...given) => unlessStopped(() => platform.decodeImage(...given)),
  };
}
