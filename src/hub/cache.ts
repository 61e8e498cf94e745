/**
 * The cache folder in Python's layout, shared with huggingface_hub: `models--org--name/{blobs,refs,snapshots}` and a `.locks` beside. A
 * blob is named by its ETag; a snapshot holds links to blobs, or the files themselves where the file system (or the browser) has no links.
 */
import { joinArrays } from '../io/joinArrays.ts';
import { clearTemporariesOf } from '../io/temporaryNames.ts';
import { joinPath, parentPath, relativePath, UserError } from '../platform.ts';
import type { AppendFile, Platform } from '../platform.ts';
import type { HubSettings, Repo } from './settings.ts';

export interface RepoCache {
  /** `<cache>/models--org--name` */
  dir: string;
  /** Beside the cache folder's repositories, so that it can be locked before it exists. */
  locks: string;
}

/** @throws UserError where no cache folder is known */
export function repoCache(settings: HubSettings, repo: Repo): RepoCache {
  if (settings.cacheDir === undefined)
    throw new UserError('There is no folder for downloads: neither HF_HOME nor HOME is set. Set HF_HOME to a folder.');
  const name = [`${repo.type}s`, ...repo.id.split('/')].join('--');
  return { dir: joinPath(settings.cacheDir, name), locks: joinPath(settings.cacheDir, '.locks', name) };
}

export function snapshotDir(cache: RepoCache, commit: string): string {
  return joinPath(cache.dir, 'snapshots', commit);
}

export function blobPath(cache: RepoCache, etag: string): string {
  // An ETag is the server's word; only a plain name may become a file.
  if (!/^[\w.-]+$/.test(etag) || /^\.+$/.test(etag))
    throw new UserError(`The hub gives a file the ETag ${JSON.stringify(etag)}; a hash was expected.`);
  return joinPath(cache.dir, 'blobs', etag);
}

/** The commit that `revision` stood for when it was last fetched; a commit stands for itself. */
export async function cachedCommit(platform: Platform, cache: RepoCache, revision: string): Promise<string | undefined> {
  const ref = joinPath(cache.dir, 'refs', revision);
  if ((await platform.exists(ref)) && !(await platform.isDirectory(ref))) {
    const commit = new TextDecoder().decode(await platform.readFile(ref)).trim();
    if (await platform.isDirectory(snapshotDir(cache, commit))) return commit;
  }
  return (await platform.isDirectory(snapshotDir(cache, revision))) ? revision : undefined;
}

export async function writeRef(platform: Platform, cache: RepoCache, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const ref = joinPath(cache.dir, 'refs', revision);
  const held = (await platform.exists(ref)) ? new TextDecoder().decode(await platform.readFile(ref)) : '';
  if (held === commit) return;
  await platform.makeDir(parentPath(ref));
  await platform.makeDir(cache.locks);
  const lock = await platform.lock?.(joinPath(cache.locks, `refs--${revision.replaceAll('/', '--')}.vernier.lock`));
  try {
    await clearTemporariesOf(platform, ref);
    await platform.writeFile(ref, commit);
  } finally {
    await lock?.release();
  }
}

/** Whether the snapshot has the file, in the size it should have. */
export async function isInSnapshot(platform: Platform, pointer: string, size: number): Promise<boolean> {
  return (await fileSize(platform, pointer)) === size;
}

/** Bytes; undefined where there is no such file (a dangling link counts as none). */
export async function fileSize(platform: Platform, path: string): Promise<number | undefined> {
  if (!(await platform.exists(path)) || (await platform.isDirectory(path))) return undefined;
  const file = await platform.openFile(path);
  await file.close();
  return file.size;
}

/** Puts the blob into the snapshot: a relative link as Python makes it, else the file itself moves there. */
export async function linkBlob(platform: Platform, blob: string, pointer: string): Promise<void> {
  await platform.makeDir(parentPath(pointer));
  await platform.remove(pointer); // a dangling link, or a file of the wrong size
  if (platform.links !== undefined && !/^(1|on|yes|true)$/i.test(platform.env('HF_HUB_DISABLE_SYMLINKS') ?? '')) {
    try {
      await platform.links.make(relativePath(parentPath(pointer), blob), pointer);
      return;
    } catch {
      // no links here (FAT, some network disks, Windows without the right): as Python does, the file itself
    }
  }
  await platform.rename(blob, pointer);
}

/** Pieces of a download where a file cannot be continued: each is written whole, and an interrupted download goes on at the last one. */
const PIECE_BYTES = 32 * 2 ** 20;

/** An unfinished blob, `<etag>.incomplete`, which a later process continues. */
export interface PartialBlob extends AppendFile {
  /** Its bytes from the start, in pieces. */
  read(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Gives it its final name; to be called after `close`. */
  finish(blob: string): Promise<void>;
}

export async function openPartial(platform: Platform, blob: string): Promise<PartialBlob> {
  const path = `${blob}.incomplete`;
  await platform.makeDir(parentPath(path));
  const { openAppend, appendsByCopying } = platform;
  return openAppend === undefined || appendsByCopying ? openPieces(platform, path) : openAppended(platform, path, await openAppend(path));
}

async function* readPieces(platform: Platform, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await platform.openFile(path);
  try {
    for (let at = 0; at < file.size; at += 4 * 2 ** 20) yield await file.read(at, Math.min(4 * 2 ** 20, file.size - at));
  } finally {
    await file.close();
  }
}

function openAppended(platform: Platform, path: string, file: AppendFile): PartialBlob {
  return {
    get size() {
      return file.size;
    },
    append: (bytes) => file.append(bytes),
    truncate: () => file.truncate(),
    close: () => file.close(),
    read: () => readPieces(platform, path),
    finish: (blob) => platform.rename(path, blob),
  };
}

/** A folder of numbered pieces. */
async function openPieces(platform: Platform, path: string): Promise<PartialBlob> {
  await platform.makeDir(path);
  const names = (await platform.listDir(path)).filter((name) => /^\d{6}$/.test(name)).sort();
  let stored = 0;
  for (const name of names) stored += (await fileSize(platform, joinPath(path, name))) ?? 0;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let count = names.length;
  const flush = async (): Promise<void> => {
    if (waitingBytes === 0) return;
    const piece = joinArrays(Uint8Array, waiting);
    await platform.writeFile(joinPath(path, String(count++).padStart(6, '0')), piece);
    stored += piece.length;
    waiting = [];
    waitingBytes = 0;
  };
  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    await flush();
    for (const name of (await platform.listDir(path)).sort()) yield await platform.readFile(joinPath(path, name));
  }
  return {
    get size() {
      return stored + waitingBytes;
    },
    async append(bytes) {
      waiting.push(bytes.slice());
      waitingBytes += bytes.length;
      if (waitingBytes >= PIECE_BYTES) await flush();
    },
    async truncate() {
      waiting = [];
      waitingBytes = 0;
      stored = 0;
      count = 0;
      await platform.remove(path);
      await platform.makeDir(path);
    },
    close: flush,
    read,
    async finish(blob) {
      const whole = await platform.createFile(blob);
      try {
        for await (const piece of read()) await whole.write(piece);
      } catch (error) {
        await whole.abort();
        throw error;
      }
      await whole.commit();
      await platform.remove(path);
    },
  };
}
