/** Reading alone, for what promises to write nothing: whoever tries all the same fails, and nothing has happened. */
import type { Platform } from '../platform.ts';

export function readOnlyPlatform(platform: Platform): Platform {
  const refuse = (path: string): Promise<never> => Promise.reject(new Error(`${path} is not written: nothing is`));
  const { links, openAppend, lock } = platform;
  return {
    ...platform,
    makeDir: refuse,
    writeFile: refuse,
    createFile: refuse,
    appendFile: refuse,
    rename: refuse,
    remove: refuse,
    ...(links && { links: { ...links, make: (_, path) => refuse(path), makeHard: (_, path) => refuse(path) } }),
    ...(openAppend && { openAppend: refuse }),
    ...(lock && { lock: refuse }),
  };
}
