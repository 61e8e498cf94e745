/**
 * A repository at one commit, in the cache: opened once (a branch or tag is pinned to its commit then), and asked for files by name as they
 * are needed. Without a network, or with HF_HUB_OFFLINE, it is what an earlier run or Python left there.
 */
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { bytesText } from '../track/console.ts';
import { cachedCommit, isInSnapshot, repoCache, snapshotDir, writeRef } from './cache.ts';
import type { RepoCache } from './cache.ts';
import { fetchFile } from './fetchFile.ts';
import { HubError } from './request.ts';
import type { HubSettings, Repo } from './settings.ts';
import { listTree, pathsInfo, resolveRevision } from './tree.ts';
import type { HubFile } from './tree.ts';

export interface DownloadHooks {
  /** Before the first byte: how much there is to fetch. */
  onTotal?: (total: { files: number; bytes: number; presentBytes: number }) => void;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** A sentence for the user: waiting for another process, working from the cache, … */
  onNote?: (text: string) => void;
  signal?: AbortSignal;
}

export interface Snapshot {
  repo: Repo;
  commit: string;
  /** `…/snapshots/<commit>`: laid out as the repository is. */
  dir: string;
  /** Only what the cache has can be used. */
  isOffline: boolean;
  /** Files below a folder of the repository; offline, those that are in the cache. */
  list(folder?: string, options?: { isRecursive?: boolean }): Promise<HubFile[]>;
  /** What is known of files by name; those that do not exist are missing from the answer. */
  info(paths: readonly string[]): Promise<HubFile[]>;
  /** Fetches what is not there yet, a few at a time; all or an error (what came is kept and continued next time). */
  fetch(files: readonly HubFile[]): Promise<void>;
  /**
   * To be called when everything that was wanted is there: `revision` then stands for this commit in the cache, for Python and offline runs
   * too.
   */
  finish(): Promise<void>;
}

const PARALLEL = 4;

/** @throws UserError in words: no such repository or revision, gated, no network and nothing in the cache */
export async function openSnapshot(
  platform: Platform,
  settings: HubSettings,
  repo: Repo,
  revision: string,
  hooks: DownloadHooks = {},
): Promise<Snapshot> {
  const cache = repoCache(settings, repo);
  if (settings.isOffline) return fromCache(platform, cache, repo, revision, hooks);
  let commit: string;
  try {
    // The first question: a machine without a network should hear so in seconds.
    const times = { ...settings.times, attempts: Math.min(settings.times.attempts, 4) };
    commit = await resolveRevision({ ...settings, times }, repo, revision, hooks.signal);
  } catch (error) {
    // A hub that is down is no reason to stop when the files are here; a refusal (gated, no such revision) is.
    const isUnreachable = error instanceof HubError && (error.status === 0 || error.status >= 500 || error.status === 429);
    if (!isUnreachable || (await cachedCommit(platform, cache, revision)) === undefined) throw error;
    const offline = await fromCache(platform, cache, repo, revision, hooks);
    hooks.onNote?.(`${error.message} Going on with ${repo.id} at ${offline.commit.slice(0, 12)} from the cache.`);
    return offline;
  }
  const signal = hooks.signal && { signal: hooks.signal };
  return {
    repo,
    commit,
    dir: snapshotDir(cache, commit),
    isOffline: false,
    list: (folder = '', options = {}) => listTree(settings, repo, commit, { folder, ...options, ...signal }),
    info: (paths) => pathsInfo(settings, repo, commit, paths, hooks.signal),
    fetch: (files) => fetchAll({ platform, settings, repo, commit, cache }, files, hooks),
    finish: () => writeRef(platform, cache, revision, commit),
  };
}

async function fromCache(platform: Platform, cache: RepoCache, repo: Repo, revision: string, hooks: DownloadHooks): Promise<Snapshot> {
  hooks.signal?.throwIfAborted();
  const commit = await cachedCommit(platform, cache, revision);
  if (commit === undefined) {
    throw new HubError(
      `${repo.id} at revision ${revision} is not in the cache (${cache.dir}), and this run is offline (--offline true, or HF_HUB_OFFLINE ` +
        `is set). ` +
        'Leave that out once, or copy the cache from a machine that has it.',
      -1,
      'Offline',
    );
  }
  const dir = snapshotDir(cache, commit);
  const info = async (paths: readonly string[]): Promise<HubFile[]> => {
    const found: HubFile[] = [];
    for (const path of paths) {
      if (!(await platform.exists(joinPath(dir, path)))) continue;
      const file = await platform.openFile(joinPath(dir, path));
      await file.close();
      found.push({ path, size: file.size, etag: '' });
    }
    return found;
  };
  const walk = async (folder: string, isRecursive: boolean): Promise<string[]> => {
    const paths: string[] = [];
    if (!(await platform.isDirectory(joinPath(dir, folder)))) return paths;
    for (const name of await platform.listDir(joinPath(dir, folder))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (!(await platform.isDirectory(joinPath(dir, path)))) paths.push(path);
      else if (isRecursive) paths.push(...(await walk(path, true)));
    }
    return paths;
  };
  return {
    repo,
    commit,
    dir,
    isOffline: true,
    info,
    list: async (folder = '', { isRecursive = true } = {}) => info(await walk(folder, isRecursive)),
    fetch: async (files) => {
      for (const file of files) {
        if (await platform.exists(joinPath(dir, file.path))) continue;
        throw new UserError(
          `${file.path} of ${repo.id} is not in the cache (${dir}). Run once with a network, without --offline true or HF_HUB_OFFLINE.`,
        );
      }
    },
    finish: () => Promise.resolve(),
  };
}

interface Place {
  platform: Platform;
  settings: HubSettings;
  repo: Repo;
  commit: string;
  cache: RepoCache;
}

async function fetchAll(place: Place, files: readonly HubFile[], hooks: DownloadHooks): Promise<void> {
  const { platform, cache, commit, repo } = place;
  const dir = snapshotDir(cache, commit);
  const wanted: HubFile[] = [];
  let presentBytes = 0;
  for (const file of new Map(files.map((one) => [one.path, one])).values()) {
    if (await isInSnapshot(platform, joinPath(dir, file.path), file.size)) presentBytes += file.size;
    else wanted.push(file);
  }
  if (wanted.length === 0) return;
  const total = wanted.reduce((sum, file) => sum + file.size, 0);
  hooks.onTotal?.({ files: wanted.length, bytes: total, presentBytes });
  await platform.makeDir(dir);
  await checkSpace(platform, place, wanted, total);

  // One file that fails stops the others; what they have is kept.
  const failed = new AbortController();
  const signal = hooks.signal === undefined ? failed.signal : AbortSignal.any([hooks.signal, failed.signal]);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    hooks.onProgress?.(done, total);
  };
  // Large ones first: they decide when the whole is ready. Files of one content follow each other, for they share a blob.
  const byContent = new Map<string, HubFile[]>();
  for (const file of wanted.sort((a, b) => b.size - a.size)) byContent.set(file.etag, [...(byContent.get(file.etag) ?? []), file]);
  const queue = [...byContent.values()];
  let first: unknown;
  const worker = async (): Promise<void> => {
    for (let same = queue.shift(); same !== undefined && !signal.aborted; same = queue.shift()) {
      try {
        for (const file of same)
          await fetchFile({ platform, settings: place.settings, repo, commit, cache, onBytes, onNote: hooks.onNote, signal }, file);
      } catch (error) {
        first ??= error;
        failed.abort(error);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, queue.length) }, worker));
  if (first !== undefined) throw first instanceof Error ? first : new Error(String(first));
  hooks.signal?.throwIfAborted();
}

/** A full disk after an hour of downloading helps nobody. */
async function checkSpace(platform: Platform, { cache, repo }: Place, files: readonly HubFile[], total: number): Promise<void> {
  const free = await platform.freeBytes?.(cache.dir);
  if (free === undefined) return;
  let begun = 0;
  for (const file of files) {
    const partial = joinPath(cache.dir, 'blobs', `${file.etag}.incomplete`);
    if ((await platform.exists(partial)) && !(await platform.isDirectory(partial))) {
      const opened = await platform.openFile(partial);
      begun += opened.size;
      await opened.close();
    }
  }
  if (total - begun <= free) return;
  throw new UserError(
    `${repo.id}: ${bytesText(total - begun)} have to be fetched and the disk of ${cache.dir} has ${bytesText(free)} free. ` +
      'Free some space, or set HF_HOME to a folder on another disk.',
  );
}
