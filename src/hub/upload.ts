/**
 * Files into a repository of the hub as one commit: small ones inside it, large ones (LFS) first to where the hub says. What the server has
 * already is not sent again, so a push that was interrupted goes on where it was; what is in the repository already is not committed again,
 * so a repeated push doubles nothing. The steps: create, preupload, LFS batch, PUT (whole or in parts), commit.
 */
import { base64 } from '../io/base64.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { backoff, inWords, pause, requestJson } from './request.ts';
import type { HubSettings, Repo } from './settings.ts';
import { gitBlobId, sha256 } from './sha256.ts';
import { sendObject } from './sendObject.ts';
import { apiPath, isCommit, listTree, pathsInfo, repoPath, resolveRevision } from './tree.ts';

/** A file to push: bytes, or a path of the platform. */
export interface UploadFile {
  /** In the repository. */
  path: string;
  content: Uint8Array | string | { file: string };
}

export interface UploadOptions {
  message: string;
  description?: string;
  /** Default main. */
  branch?: string;
  /** Of a repository that is made now; one that exists stays as it is. Default true. */
  isPrivate?: boolean;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface Uploaded {
  /** Page of the repository. */
  url: string;
  /** The head commit that holds the files. */
  commit: string;
  /** False where everything was there already. */
  isChanged: boolean;
}

/** A file measured and, where the hub wants it as an LFS object, hashed. */
interface Prepared {
  path: string;
  blob: Blob;
  /** SHA-256 of an LFS file. */
  oid: string | undefined;
}

const BATCH = 100;
const PARALLEL = 2;
/** Commits by others between ours, after which we stop trying. */
const COMMIT_ATTEMPTS = 6;

/** The account of the token. @throws UserError where there is none or it is not valid */
export async function whoAmI(settings: HubSettings, signal?: AbortSignal): Promise<{ name: string; organisations: string[] }> {
  if (settings.token === undefined) {
    throw new UserError(
      `Pushing to ${settings.endpoint} needs an access token with write permission: put it in HF_TOKEN, or run \`hf auth login\`.`,
    );
  }
  const { json } = await requestJson(settings, '/api/whoami-v2', { action: 'log in to the hub', ...(signal && { signal }) });
  const { name, orgs } = (typeof json === 'object' && json !== null ? json : {}) as { name?: unknown; orgs?: unknown };
  if (typeof name !== 'string')
    throw new UserError(`${settings.endpoint} does not say whose token this is. Check HF_ENDPOINT and HF_TOKEN.`);
  const organisations = Array.isArray(orgs)
    ? orgs.flatMap((org: { name?: unknown } | null) => (typeof org?.name === 'string' ? [org.name] : []))
    : [];
  return { name, organisations };
}

/** Makes the repository unless it is there. */
export async function createRepo(settings: HubSettings, repo: Repo, isPrivate: boolean, signal?: AbortSignal): Promise<void> {
  const [organization, name] = repo.id.split('/');
  await requestJson(settings, '/api/repos/create', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: repo.type, name, organization, private: isPrivate }),
    action: `create ${repo.id}`,
    accept: [409],
    ...(signal && { signal }),
  });
}

/** Creates the repository where needed and commits the files. @throws UserError in words; then nothing is half committed */
export async function uploadFiles(
  platform: Platform,
  settings: HubSettings,
  repo: Repo,
  files: readonly UploadFile[],
  options: UploadOptions,
): Promise<Uploaded> {
  const { branch = 'main', signal } = options;
  const withSignal = signal && { signal };
  await createRepo(settings, repo, options.isPrivate ?? true, signal);
  const prepared = await prepare(platform, settings, repo, branch, files, signal);
  await sendLarge(
    settings,
    repo,
    branch,
    prepared.filter((file) => file.oid !== undefined),
    options,
  );

  const url = `${settings.endpoint}${repoPath(repo)}`;
  const lines: string[] = [];
  for (const { path, blob, oid } of prepared) {
    const value =
      oid !== undefined
        ? { key: 'lfsFile', value: { path, algo: 'sha256', size: blob.size, oid } }
        : { key: 'file', value: { path, content: base64(new Uint8Array(await blob.arrayBuffer())), encoding: 'base64' } };
    lines.push(JSON.stringify(value));
  }
  for (let attempt = 0; ; attempt++) {
    const head = await resolveRevision(settings, repo, branch, signal);
    if (await holdsAll(settings, repo, head, prepared, signal)) return { url, commit: head, isChanged: attempt > 0 };
    // With its parent named, a commit whose answer was lost cannot be made a second time: the branch has moved.
    const header = { key: 'header', value: { summary: options.message, description: options.description ?? '', parentCommit: head } };
    try {
      const { json } = await requestJson(settings, `${apiPath(repo)}/commit/${encodeURIComponent(branch)}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body: [JSON.stringify(header), ...lines].join('\n'),
        action: `commit to ${repo.id}`,
        repo,
        revision: branch,
        isRepeatable: false,
        timeoutMs: uploadLimitMs(
          settings,
          lines.reduce((sum, line) => sum + line.length, 0),
        ),
        ...withSignal,
      });
      const oid = typeof json === 'object' && json !== null && 'commitOid' in json ? json.commitOid : undefined;
      return {
        url,
        commit: typeof oid === 'string' && isCommit(oid) ? oid : await resolveRevision(settings, repo, branch, signal),
        isChanged: true,
      };
    } catch (cause) {
      signal?.throwIfAborted();
      const error = inWords(cause, settings, `commit to ${repo.id}`);
      const mayRepeat = error.status === 0 || error.status >= 500 || [408, 409, 412, 429].includes(error.status);
      if (!mayRepeat || attempt + 1 >= COMMIT_ATTEMPTS) throw error;
      await pause(backoff(settings, attempt), signal);
    }
  }
}

/** A slow line gets its time; one that moves nothing does not. */
function uploadLimitMs(settings: HubSettings, bytes: number): number {
  return Math.ceil(settings.times.stallMs * 2 + bytes / 20);
}

async function prepare(
  platform: Platform,
  settings: HubSettings,
  repo: Repo,
  branch: string,
  files: readonly UploadFile[],
  signal: AbortSignal | undefined,
): Promise<Prepared[]> {
  const opened = await Promise.all(files.map(async ({ path, content }) => ({ path, blob: await openBlob(platform, content) })));
  const large = new Set<string>();
  const ignored = new Set<string>();
  for (let at = 0; at < opened.length; at += BATCH) {
    const samples = await Promise.all(
      opened.slice(at, at + BATCH).map(async ({ path, blob }) => ({
        path,
        size: blob.size,
        sample: base64(new Uint8Array(await blob.slice(0, 512).arrayBuffer())),
      })),
    );
    const { json } = await requestJson(settings, `${apiPath(repo)}/preupload/${encodeURIComponent(branch)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ files: samples }),
      action: `push to ${repo.id}`,
      repo,
      revision: branch,
      ...(signal && { signal }),
    });
    const { files: told } = (json ?? {}) as { files?: unknown };
    for (const one of Array.isArray(told) ? (told as unknown[]) : []) {
      const { path, uploadMode, shouldIgnore } = (one ?? {}) as { path?: unknown; uploadMode?: unknown; shouldIgnore?: unknown };
      if (typeof path !== 'string') continue;
      if (uploadMode === 'lfs') large.add(path);
      if (shouldIgnore === true) ignored.add(path);
    }
  }
  const prepared: Prepared[] = [];
  for (const { path, blob } of opened) {
    if (ignored.has(path)) continue;
    prepared.push({ path, blob, oid: large.has(path) ? await blobSha256(platform, blob, signal) : undefined });
  }
  return prepared;
}

async function openBlob(platform: Platform, content: UploadFile['content']): Promise<Blob> {
  if (typeof content === 'string') return new Blob([content]);
  if (content instanceof Uint8Array) return new Blob([content.slice()]);
  if (platform.blob !== undefined) return platform.blob(content.file);
  return new Blob([(await platform.readFile(content.file)).slice()]);
}

async function blobSha256(platform: Platform, blob: Blob, signal: AbortSignal | undefined): Promise<string> {
  const hasher = sha256(platform);
  const step = 8 * 2 ** 20;
  for (let at = 0; at < blob.size; at += step) {
    signal?.throwIfAborted();
    hasher.update(new Uint8Array(await blob.slice(at, at + step).arrayBuffer()));
  }
  return hasher.hex();
}

/** Uploads the LFS objects that the server does not have. */
async function sendLarge(
  settings: HubSettings,
  repo: Repo,
  branch: string,
  files: readonly Prepared[],
  { onProgress, signal }: UploadOptions,
): Promise<void> {
  const total = files.reduce((sum, file) => sum + file.blob.size, 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress?.(done, total);
  };
  const byOid = new Map(files.map((file) => [file.oid ?? '', file]));
  const queue = [...byOid].map(([oid, { blob, path }]) => ({ oid, blob, path }));
  const target = { settings, repo, branch, signal, onBytes };
  // Several at once, and each asked for by itself: the addresses that the hub gives out are good for a limited time.
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await sendObject(target, next);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/** Whether the commit has every file with this content. */
async function holdsAll(
  settings: HubSettings,
  repo: Repo,
  commit: string,
  files: readonly Prepared[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const paths = files.map(({ path }) => path);
  const there = await pathsInfo(settings, repo, commit, paths, signal).catch(() => listTree(settings, repo, commit, signal && { signal }));
  const byPath = new Map(there.map((file) => [file.path, file]));
  for (const { path, blob, oid } of files) {
    const held = byPath.get(path);
    if (held?.size !== blob.size) return false;
    if (held.etag !== (oid ?? (await gitBlobId(new Uint8Array(await blob.arrayBuffer()))))) return false;
  }
  return true;
}
