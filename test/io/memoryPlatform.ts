/**
 * A Platform whose files live in memory, for faults a real disk does not produce on demand: `space` is the number of bytes that may still be
 * written before the disk is full, `broken` names operations that fail.
 */
import { UserError, type AtomicFile, type Platform, type RangedFile } from '../../src/platform.ts';

export interface MemoryPlatform extends Platform {
  files: Map<string, Uint8Array>;
  folders: Set<string>;
  space: number;
  broken: Set<'rename' | 'remove'>;
  /** Bytes handed out by ranged reads. */
  bytesRead: number;
}

const unused = (): never => {
  throw new Error('not part of the memory platform');
};

export function memoryPlatform(): MemoryPlatform {
  const files = new Map<string, Uint8Array>();
  const folders = new Set<string>();
  const inside = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);
  const platform: MemoryPlatform = {
    name: 'node',
    files,
    folders,
    space: Infinity,
    broken: new Set(),
    bytesRead: 0,
    gpu: unused,
    env: () => undefined,
    decodeImage: unused,
    encodePng: unused,
    appendFile: unused,
    absolutePath: unused,
    exists: async (path) => files.has(path) || folders.has(path),
    isDirectory: async (path) => folders.has(path),
    async listDir(path) {
      const names = [...files.keys(), ...folders].filter((file) => inside(path, file)).map((file) => file.slice(path.length + 1).split('/')[0]!);
      return [...new Set(names)].sort();
    },
    async readFile(path) {
      return files.get(path) ?? fail(`Cannot read ${path}: there is no such file.`);
    },
    async openFile(path): Promise<RangedFile> {
      const data = files.get(path) ?? fail(`Cannot read ${path}: there is no such file.`);
      return {
        path,
        size: data.length,
        async read(offset, length) {
          if (offset + length > data.length) fail(`${path} is truncated.`);
          platform.bytesRead += length;
          return data.slice(offset, offset + length);
        },
        close: async () => undefined,
      };
    },
    async makeDir(path) {
      const parts = path.split('/');
      for (let i = 1; i <= parts.length; i++) if (parts.slice(0, i).join('/') !== '') folders.add(parts.slice(0, i).join('/'));
    },
    async writeFile(path, data) {
      const file = await platform.createFile(path);
      await file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      await file.commit();
    },
    async createFile(path): Promise<AtomicFile> {
      const chunks: Uint8Array[] = [];
      return {
        async write(bytes) {
          if (bytes.length > platform.space) fail(`Cannot write ${path}: no space is left on the disk.`);
          platform.space -= bytes.length;
          chunks.push(bytes.slice());
        },
        async commit() {
          files.set(path, new Uint8Array(Buffer.concat(chunks)));
        },
        async abort() {
          chunks.length = 0;
        },
      };
    },
    async rename(from, to) {
      if (platform.broken.has('rename')) fail(`Cannot rename ${from}.`);
      for (const [path, data] of [...files]) {
        if (path !== from && !inside(from, path)) continue;
        files.delete(path);
        files.set(to + path.slice(from.length), data);
      }
      for (const path of [...folders]) {
        if (path !== from && !inside(from, path)) continue;
        folders.delete(path);
        folders.add(to + path.slice(from.length));
      }
    },
    async remove(path) {
      if (platform.broken.has('remove')) fail(`Cannot remove ${path}.`);
      for (const file of [...files.keys()]) if (file === path || inside(path, file)) files.delete(file);
      for (const folder of [...folders]) if (folder === path || inside(path, folder)) folders.delete(folder);
    },
  };
  return platform;
}

function fail(message: string): never {
  throw new UserError(message);
}
