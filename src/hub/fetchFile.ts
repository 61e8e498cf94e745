/**
 * One file of the hub into the cache: continued where an earlier attempt stopped (Range), repeated when the connection is lost or stalls,
 * and taken only when size and hash are those of the commit. Whatever a server or proxy answers, the cache never holds a wrong blob.
 */
import { whileHeld } from '../io/heldPlatform.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Hasher, Platform } from '../platform.ts';
import { blobPath, fileSize, isInSnapshot, linkBlob, openPartial, snapshotDir } from './cache.ts';
import type { PartialBlob, RepoCache } from './cache.ts';
import { HubError, inWords, pause, send, waitBefore } from './request.ts';
import type { HubSettings, Repo } from './settings.ts';
import { gitBlobId, hex, sha256 } from './sha256.ts';
import { encodePath, repoPath } from './tree.ts';
import type { HubFile } from './tree.ts';

/** Files without an LFS hash are small; larger ones are checked by size alone. */
const GIT_HASH_LIMIT = 64 * 2 ** 20;
/** Whole transfers with a wrong result, after which the fault is not the network's. */
const WRONG_LIMIT = 3;

export interface FileJob {
  platform: Platform;
  settings: HubSettings;
  repo: Repo;
  commit: string;
  cache: RepoCache;
  /** Bytes got or found; negative when bytes turned out to be wrong and are fetched again. */
  onBytes?: ((bytes: number) => void) | undefined;
  onNote?: ((text: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** @returns the path in the snapshot */
export async function fetchFile(job: FileJob, file: HubFile): Promise<string> {
  const { platform, cache } = job;
  const pointer = joinPath(snapshotDir(cache, job.commit), file.path);
  if (await isInSnapshot(platform, pointer, file.size)) {
    job.onBytes?.(file.size);
    return pointer;
  }
  const blob = blobPath(cache, file.etag);
  await platform.makeDir(cache.locks);
  await alone(job, file, joinPath(cache.locks, `${file.etag}.vernier.lock`), async (held) => {
    if ((await isInSnapshot(platform, pointer, file.size)) || (await fileSize(platform, blob)) === file.size) job.onBytes?.(file.size);
    else await fetchBlob(held, file, blob);
    if (!(await isInSnapshot(platform, pointer, file.size))) await linkBlob(platform, blob, pointer);
  });
  return pointer;
}

/** While no other process, or tab of the browser, works on the same blob. */
async function alone(job: FileJob, file: HubFile, lock: string, work: (held: FileJob) => Promise<void>): Promise<void> {
  const held = await job.platform.lock?.(lock, {
    onWait: ({ words, isAlive }) => {
      if (isAlive) job.onNote?.(`${file.path} is being fetched by ${words}; waiting for it.`);
      else job.onNote?.(`${file.path} was being fetched by ${words}; waiting for it, or until it is seen to be gone (up to 90 s).`);
    },
    signal: job.signal,
  });
  try {
    await whileHeld(job.platform, held, job.signal, ({ platform, stop }) => work({ ...job, platform, signal: stop }));
  } finally {
    await held?.release();
  }
}

async function fetchBlob(job: FileJob, file: HubFile, blob: string): Promise<void> {
  const partial = await openPartial(job.platform, blob);
  let isClosed = false;
  try {
    if (partial.size > file.size) await partial.truncate();
    let hasher = await hashSoFar(job.platform, file, partial);
    job.onBytes?.(partial.size);
    const restart = async (): Promise<void> => {
      job.onBytes?.(-partial.size);
      await partial.truncate();
      hasher = newHasher(job.platform, file);
    };
    let attempts = 0;
    for (let wrong = 0; ;) {
      const before = partial.size;
      try {
        // An empty file is asked for too: a server that no longer has it should be heard.
        await transfer(job, file, partial, restart, (bytes) => hasher?.update(bytes));
      } catch (cause) {
        job.signal?.throwIfAborted();
        if (cause instanceof UserError && !(cause instanceof HubError)) throw cause; // a full disk
        const error = inWords(cause, job.settings, `fetch ${file.path} of ${job.repo.id}`);
        attempts = partial.size > before ? 0 : attempts + 1;
        const isFinal = error.status !== 0 && error.status < 500 && error.status !== 429 && error.status !== 408;
        if (isFinal || attempts >= job.settings.times.attempts) throw interrupted(error, file, partial.size);
        await pause(waitBefore(job.settings, attempts, error), job.signal);
        continue;
      }
      if (await isRight(file, partial, hasher)) break;
      if (++wrong >= WRONG_LIMIT) {
        await restart();
        throw new UserError(
          `${file.path} of ${job.repo.id} does not have the content that commit ${job.commit.slice(0, 12)} says (size ${file.size}, hash ` +
            `${file.etag.slice(0, 12)}…), ` +
            `${wrong} times in a row. Something between here and ${job.settings.endpoint} changes it (a proxy, a damaged mirror); try ` +
            `again later or another HF_ENDPOINT.`,
        );
      }
      job.onNote?.(`${file.path} arrived damaged; it is fetched again.`);
      await restart();
    }
    await partial.close();
    isClosed = true;
    await partial.finish(blob);
  } finally {
    if (!isClosed) await partial.close().catch(() => undefined); // the first error is the one to report
  }
}

/** One request: the rest of the file, or as much of it as comes. @throws when it ends early */
async function transfer(
  job: FileJob,
  file: HubFile,
  partial: PartialBlob,
  restart: () => Promise<void>,
  onPiece: (bytes: Uint8Array) => void,
): Promise<void> {
  if (partial.size === file.size && file.size > 0) return;
  const { settings, repo, commit } = job;
  const stall = new AbortController();
  const isOver = new Error('stalled');
  let timer = setTimeout(() => stall.abort(isOver), settings.times.stallMs);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(isOver), settings.times.stallMs);
  };
  const signal = job.signal === undefined ? stall.signal : AbortSignal.any([job.signal, stall.signal]);
  const action = `fetch ${file.path} of ${repo.id}`;
  try {
    const response = await send(
      settings,
      `${repoPath(repo)}/resolve/${encodeURIComponent(commit)}/${encodePath(file.path)}`,
      {
        // Compressed ranges would be ranges of something else.
        headers: { 'Accept-Encoding': 'identity', ...(partial.size > 0 && { Range: `bytes=${partial.size}-` }) },
        action,
        repo,
        revision: commit,
        accept: [416],
      },
      signal,
    );
    if (response.status === 416 || (partial.size > 0 && !continues(response, partial.size, file.size))) {
      // A server without ranges, or one that gives another one: from the start.
      await restart();
      if (response.status !== 200) {
        await response.body?.cancel().catch(() => undefined);
        throw new HubError(`Cannot ${action}: the server does not continue a transfer properly.`, 0);
      }
    }
    if (response.body === null) {
      if (file.size === 0) return;
      throw new HubError(`Cannot ${action}: an empty answer.`, 0);
    }
    const reader = response.body.getReader();
    try {
      for (;;) {
        alive();
        const { done, value } = await reader.read();
        if (done) break;
        if (partial.size + value.length > file.size) {
          await restart();
          throw new HubError(`Cannot ${action}: more than its ${file.size} bytes came.`, 0);
        }
        await partial.append(value);
        onPiece(value);
        job.onBytes?.(value.length);
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
    if (partial.size < file.size)
      throw new HubError(`Cannot ${action}: the connection was lost after ${partial.size} of ${file.size} bytes.`, 0);
  } catch (cause) {
    if (stall.signal.aborted) throw new HubError(`Cannot ${action}: nothing came for ${settings.times.stallMs / 1000} s.`, 0);
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the answer is the rest that was asked for. */
function continues(response: Response, from: number, size: number): boolean {
  if (response.status !== 206) return false;
  const range = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return range !== null && Number(range[1]) === from && (range[3] === '*' || Number(range[3]) === size);
}

function newHasher(platform: Platform, file: HubFile): Hasher | undefined {
  return /^[0-9a-f]{64}$/.test(file.etag) ? sha256(platform) : undefined;
}

async function hashSoFar(platform: Platform, file: HubFile, partial: PartialBlob): Promise<Hasher | undefined> {
  const hasher = newHasher(platform, file);
  if (hasher !== undefined && partial.size > 0) for await (const piece of partial.read()) hasher.update(piece);
  return hasher;
}

async function isRight(file: HubFile, partial: PartialBlob, hasher: Hasher | undefined): Promise<boolean> {
  if (partial.size !== file.size) return false;
  if (hasher !== undefined) return hasher.hex() === file.etag;
  if (!/^[0-9a-f]{40}$/.test(file.etag) || file.size > GIT_HASH_LIMIT) return true;
  const bytes = new Uint8Array(file.size);
  let at = 0;
  for await (const piece of partial.read()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  // Some mirrors name small files by the plain SHA-1.
  return (await gitBlobId(bytes)) === file.etag || hex(await crypto.subtle.digest('SHA-1', bytes)) === file.etag;
}

function interrupted(error: HubError, file: HubFile, bytes: number): HubError {
  const kept = bytes > 0 && bytes < file.size ? ` ${bytes} of ${file.size} bytes are kept; the same command continues there.` : '';
  return new HubError(error.message + kept, error.status, error.code);
}
