/** A platform whose files are in memory, with the decoders of Node's. */
import { nodePlatform } from '../../node/platform.ts';
import { fileInMemory } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

/** @param files by path, without a leading slash */
export function holdingFiles(files: Readonly<Record<string, Uint8Array>>): Platform {
  const names = Object.keys(files);
  const isFolder = (path: string): boolean => names.some((name) => name.startsWith(`${path}/`));
  return {
    ...nodePlatform,
    exists: (path) => Promise.resolve(path in files || isFolder(path)),
    isDirectory: (path) => Promise.resolve(isFolder(path)),
    listDir: (path) =>
      Promise.resolve([
        ...new Set(names.filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1).split('/')[0] ?? '')),
      ]),
    openFile: (path) => {
      const bytes = files[path];
      return bytes === undefined ? Promise.reject(new Error(`no file ${path}`)) : Promise.resolve(fileInMemory(path, bytes));
    },
    readFile: (path) => Promise.resolve(files[path] ?? new Uint8Array()),
  };
}
