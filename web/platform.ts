/**
 * The Platform of the browser: `navigator.gpu`; mounted files (picked by the user, or a server's) for reading; the origin's private file
 * system for writing. A mounted path hides a private one and cannot be written.
 */
import { UserError } from '../src/platform.ts';
import type { Platform } from '../src/platform.ts';
import { dicomCodec } from './dicomCodecs.ts';
import { decodeImage, encodePng } from './images.ts';
import { blobBytes, fetchBytes } from './mountedFiles.ts';
import type { Bytes, MountedFiles } from './mountedFiles.ts';
import * as privateFiles from './privateFiles.ts';
import { lock } from './webLocks.ts';

function normal(path: string): string {
  return path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
}

function absolutePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

async function openGpu(): Promise<GPU> {
  // Typed as always there; browsers without WebGPU, and pages that are not served over https or from localhost, do not have it.
  const { gpu } = navigator as { gpu?: GPU };
  if (!gpu) {
    throw new UserError(
      isSecureContext
        ? 'This browser has no WebGPU. Use Chrome or Edge 113, Firefox 141 or Safari 26, or newer; on Linux it may have to be enabled ' +
            '(chrome://flags, "WebGPU").'
        : 'WebGPU is offered to secure pages only. Open this page over https or from http://localhost.',
    );
  }
  return gpu;
}

/** Where downloads lie in the private file system. */
const HOME_OF_HUB = '/huggingface';

/**
 * @param mounts read when a path is looked up, so that files may be mounted later
 * @param variables what environment variables say elsewhere, as HF_TOKEN and WANDB_API_KEY; read when they are asked for
 */
export function browserPlatform(mounts: MountedFiles, variables: ReadonlyMap<string, string> = new Map()): Platform {
  const fetched = new Map<string, Promise<Bytes>>();
  const mounted = (path: string): Promise<Bytes> | undefined => {
    const source = mounts.get(path);
    if (source === undefined) return undefined;
    if (source instanceof Blob) return Promise.resolve(blobBytes(source));
    let bytes = fetched.get(source);
    if (!bytes) {
      bytes = fetchBytes(source, path);
      fetched.set(source, bytes);
      bytes.catch(() => fetched.delete(source)); // a later attempt may succeed
    }
    return bytes;
  };
  const below = (folder: string): string[] => {
    const start = folder === '/' ? '/' : `${folder}/`;
    return [...mounts.keys()].filter((path) => path.startsWith(start)).map((path) => path.slice(start.length).split('/')[0] ?? '');
  };
  const bytesOf = async (path: string): Promise<Bytes> => (await mounted(path)) ?? blobBytes(await privateFiles.readBlob(path));
  const writable = (path: string): string => {
    const place = normal(path);
    if (mounts.has(place))
      throw new UserError(`Cannot write ${path}: it is one of the files that were picked, or a server's. Choose another name.`);
    return place;
  };

  return {
    name: 'browser',
    gpu: openGpu,
    webgpuVersion: () => Promise.resolve(navigator.userAgent),
    env: (name) => variables.get(name) ?? (name === 'HF_HOME' ? HOME_OF_HUB : undefined),

    absolutePath,
    async exists(path) {
      const place = normal(path);
      return mounts.has(place) || below(place).length > 0 || (await privateFiles.entryAt(place)) !== undefined;
    },
    async isDirectory(path) {
      const place = normal(path);
      if (mounts.has(place)) return false;
      return below(place).length > 0 || (await privateFiles.entryAt(place))?.kind === 'directory';
    },
    async listDir(path) {
      const place = normal(path);
      const names = below(place);
      const own =
        names.length === 0 || (await privateFiles.entryAt(place))?.kind === 'directory' ? await privateFiles.listNames(place) : [];
      return [...new Set([...names, ...own])].sort();
    },
    async readFile(path) {
      for (let left = 5; ; left--) {
        try {
          const bytes = await bytesOf(normal(path));
          return await bytes.read(0, bytes.size);
        } catch (error) {
          // It was replaced in between, by another thread or tab: what is there now is read.
          if (left === 0 || !(error instanceof DOMException && error.name === 'NotReadableError')) throw error;
        }
      }
    },
    async openFile(path) {
      const bytes = await bytesOf(normal(path));
      return {
        path,
        size: bytes.size,
        async read(offset, length) {
          if (offset < 0 || length < 0 || offset + length > bytes.size) {
            throw new UserError(
              `${path}: bytes ${offset} to ${offset + length} were expected, the file has ${bytes.size}. It is truncated or corrupt; ` +
                `fetch it again.`,
            );
          }
          const piece = await bytes.read(offset, length);
          if (piece.length !== length) throw new UserError(`${path}: ${length} bytes were asked for, ${piece.length} came. Load it again.`);
          return piece;
        },
        close: () => Promise.resolve(),
      };
    },
    makeDir: (path) => privateFiles.makeFolder(normal(path)),
    async writeFile(path, data) {
      const file = await privateFiles.createAtomic(writable(path));
      await file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      await file.commit();
    },
    createFile: async (path) => privateFiles.createAtomic(writable(path)),
    appendFile: async (path, text) => privateFiles.appendText(writable(path), text),
    rename: async (from, to) => privateFiles.renameEntry(writable(from), writable(to)),
    remove: async (path) => privateFiles.removeEntry(writable(path)),

    openAppend: async (path) => privateFiles.openAppend(writable(path)),
    appendsByCopying: true,
    async blob(path) {
      const place = normal(path);
      const source = mounts.get(place);
      if (source instanceof Blob) return source;
      if (source === undefined) return privateFiles.readBlob(place);
      const bytes = await bytesOf(place);
      return new Blob([(await bytes.read(0, bytes.size)).slice()]);
    },
    lock: (path, options) => lock(normal(path), options),
    freeBytes: () => privateFiles.freeBytes(),

    decodeImage,
    dicomCodec,
    encodePng,
  };
}
