/**
 * The writable half of the browser's file system: the origin's private one (OPFS), which every browser with WebGPU has. A writable stream
 * there writes into a copy that takes the file's place when it is closed, so a file is whole or not changed at all.
 */
import type { AppendFile, AtomicFile } from '../src/platform.ts';
import { parentPath, UserError } from '../src/platform.ts';

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function inWords(cause: unknown, action: string, path: string): Error {
  const name = cause instanceof DOMException ? cause.name : '';
  if (name === 'NotFoundError') return new UserError(`Cannot ${action} ${path}: there is no such file or folder.`);
  if (name === 'TypeMismatchError')
    return new UserError(`Cannot ${action} ${path}: a folder is where a file was expected, or the other way round.`);
  if (name === 'QuotaExceededError')
    return new UserError(`Cannot ${action} ${path}: the browser's storage for this page is full. Free some space.`);
  if (name === 'SecurityError')
    return new UserError(
      `Cannot ${action} ${path}: the browser grants no storage here (a private window?). Allow it, or use another window.`,
    );
  return cause instanceof Error ? cause : new Error(String(cause));
}

async function orInWords<T>(work: Promise<T>, action: string, path: string): Promise<T> {
  return work.catch((cause: unknown) => {
    throw inWords(cause, action, path);
  });
}

async function folderHandle(path: string, create: boolean): Promise<FileSystemDirectoryHandle> {
  let handle = await navigator.storage.getDirectory();
  for (const part of parts(path)) handle = await handle.getDirectoryHandle(part, { create });
  return handle;
}

async function fileHandle(path: string, create: boolean): Promise<FileSystemFileHandle> {
  const name = parts(path).at(-1);
  if (name === undefined) throw new UserError(`${path || '(an empty path)'}: a file was expected, this is the root folder.`);
  return (await folderHandle(parentPath(path), false)).getFileHandle(name, { create });
}

/** The file or folder there, or undefined. */
export async function entryAt(path: string): Promise<FileSystemFileHandle | FileSystemDirectoryHandle | undefined> {
  const name = parts(path).at(-1);
  try {
    if (name === undefined) return await navigator.storage.getDirectory();
    const folder = await folderHandle(parentPath(path), false);
    return await folder.getDirectoryHandle(name).catch(() => folder.getFileHandle(name));
  } catch {
    return undefined;
  }
}

export async function readBlob(path: string): Promise<Blob> {
  return orInWords(
    fileHandle(path, false).then((handle) => handle.getFile()),
    'read',
    path,
  );
}

export async function listNames(path: string): Promise<string[]> {
  const folder = await orInWords(folderHandle(path, false), 'list', path);
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}

export async function makeFolder(path: string): Promise<void> {
  await orInWords(folderHandle(path, true), 'create the folder', path);
}

export async function createAtomic(path: string): Promise<AtomicFile> {
  // getFileHandle makes an empty file at once; one that was not there before has to go again if nothing comes of it.
  const isNew = (await entryAt(path)) === undefined;
  const stream = await orInWords(
    fileHandle(path, true).then((handle) => handle.createWritable()),
    'write',
    path,
  );
  const abort = async (): Promise<void> => {
    await stream.abort().catch(() => undefined);
    if (isNew) await removeEntry(path);
  };
  const orAbort = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (cause) {
      await abort();
      throw inWords(cause, 'write', path);
    }
  };
  return {
    write: (bytes) => orAbort(stream.write(bytes.slice())),
    commit: () => orAbort(stream.close()),
    abort,
  };
}

/** @returns the size before */
async function appended(handle: FileSystemFileHandle, data: string | Uint8Array<ArrayBuffer>): Promise<number> {
  const { size } = await handle.getFile();
  const stream = await handle.createWritable({ keepExistingData: true });
  await stream.write({ type: 'write', position: size, data });
  await stream.close();
  return size;
}

export async function appendText(path: string, text: string): Promise<void> {
  await orInWords(
    fileHandle(path, true).then((handle) => appended(handle, text)),
    'write',
    path,
  );
}

/** Whatever is appended is in the file when `append` returns: a tab that is closed takes nothing along. */
export async function openAppend(path: string): Promise<AppendFile> {
  const handle = await orInWords(fileHandle(path, true), 'write', path);
  let { size } = await orInWords(handle.getFile(), 'read', path);
  return {
    get size() {
      return size;
    },
    async append(bytes) {
      size = (await orInWords(appended(handle, bytes.slice()), 'write', path)) + bytes.length;
    },
    async truncate() {
      await orInWords(
        handle.createWritable().then((stream) => stream.close()),
        'write',
        path,
      );
      size = 0;
    },
    close: () => Promise.resolve(),
  };
}

/** What the browser lets this page take yet, in bytes. */
export async function freeBytes(): Promise<number | undefined> {
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
}

export async function removeEntry(path: string): Promise<void> {
  const name = parts(path).at(-1);
  if (name === undefined || (await entryAt(path)) === undefined) return;
  await orInWords((await folderHandle(parentPath(path), false)).removeEntry(name, { recursive: true }), 'remove', path);
}

/** By copying: not every browser can move a handle, and none a folder. What was at `to` is replaced when the copy is whole. */
export async function renameEntry(from: string, to: string): Promise<void> {
  const entry = await entryAt(from);
  if (entry === undefined) throw new UserError(`Cannot rename ${from}: there is no such file or folder.`);
  await copyEntry(entry, from, to);
  await removeEntry(from);
}

async function copyEntry(entry: FileSystemFileHandle | FileSystemDirectoryHandle, from: string, to: string): Promise<void> {
  if (entry instanceof FileSystemFileHandle) {
    const stream = await (await orInWords(fileHandle(to, true), 'write', to)).createWritable();
    await orInWords((await entry.getFile()).stream().pipeTo(stream), 'write', to);
    return;
  }
  await makeFolder(to);
  for (const name of await listNames(from)) {
    const child = await entryAt(`${from}/${name}`);
    if (child) await copyEntry(child, `${from}/${name}`, `${to}/${name}`);
  }
}
