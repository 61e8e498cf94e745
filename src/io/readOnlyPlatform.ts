/** Reading alone, for what promises to write nothing: whoever tries all the same fails, and nothing has happened. */
import type { NativeFiles, Platform } from '../platform.ts';

export function readOnlyPlatform(platform: Platform): Platform {
  const { native } = platform;
  const refuse = (path: string): Promise<never> => Promise.reject(new Error(`${path} is not written: nothing is`));
  const reading: Partial<NativeFiles> = { symlink: (_, path) => refuse(path), openAppend: refuse, lock: refuse };
  return {
    ...platform,
    makeDir: refuse,
    writeFile: refuse,
    createFile: refuse,
    appendFile: refuse,
    rename: refuse,
    remove: refuse,
    ...(native && { native: { ...native, ...reading } }),
  };
}
