/** What a repository holds at a commit: names, sizes and content hashes, all of which a download is checked against. */
import { UserError } from '../platform.ts';
import { requestJson } from './request.ts';
import type { Repo, HubSettings } from './settings.ts';

export interface HubFile {
  path: string;
  /** Bytes. */
  size: number;
  /** Name of its blob in the cache: SHA-256 of a large (LFS) file, git's SHA-1 of a small one, as the hub's ETag has it. */
  etag: string;
}

/** `/api/models/org/name` */
export function apiPath(repo: Repo): string {
  return `/api/${repo.type}s/${repo.id}`;
}

/** `/org/name` or `/datasets/org/name` */
export function repoPath(repo: Repo): string {
  return repo.type === 'dataset' ? `/datasets/${repo.id}` : `/${repo.id}`;
}

export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The commit a branch, tag or short hash stands for now. */
export async function resolveRevision(settings: HubSettings, repo: Repo, revision: string, signal?: AbortSignal): Promise<string> {
  const { json } = await requestJson(settings, `${apiPath(repo)}/revision/${encodeURIComponent(revision)}`, {
    action: `look up ${repo.id}`,
    repo,
    revision,
    ...(signal && { signal }),
  });
  const sha = typeof json === 'object' && json !== null && 'sha' in json ? json.sha : undefined;
  if (typeof sha !== 'string' || !isCommit(sha)) throw unexpected(settings, `the commit of ${repo.id}`);
  return sha;
}

/** Git's SHA-1 or SHA-256: the name of a folder in the cache, so nothing else will do. */
export function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** A repository of more is not read; the hub itself advises to stay below a tenth of it. */
const MAX_FILES = 1_000_000;
const MAX_PAGES = 10_000;

/** All files below `folder` ('' for all), page by page. */
export async function listTree(
  settings: HubSettings,
  repo: Repo,
  commit: string,
  { folder = '', isRecursive = true, signal }: { folder?: string; isRecursive?: boolean; signal?: AbortSignal } = {},
): Promise<HubFile[]> {
  const files: HubFile[] = [];
  const seen = new Set<string>();
  const root = `${apiPath(repo)}/tree/${encodeURIComponent(commit)}`;
  let page: string | undefined = `${root}${folder === '' ? '' : `/${encodePath(folder)}`}?recursive=${isRecursive}&expand=false`;
  while (page !== undefined) {
    if (seen.has(page)) throw unexpected(settings, `the file list of ${repo.id}`);
    seen.add(page);
    const { json, headers } = await requestJson(settings, page, {
      action: `list the files of ${repo.id}`,
      repo,
      revision: commit,
      ...(signal && { signal }),
    });
    for (const file of readEntries(json, settings, repo)) files.push(file);
    if (files.length > MAX_FILES || seen.size > MAX_PAGES)
      throw new UserError(`${repo.id}: its list of files does not end (${files.length} so far).`);
    const next = /<([^>]+)>\s*;\s*rel="next"/.exec(headers.get('link') ?? '')?.[1];
    page = next === undefined ? undefined : sameHub(next, settings);
  }
  return files;
}

/** The files among `paths` that there are, with what is known of them. */
export async function pathsInfo(
  settings: HubSettings,
  repo: Repo,
  commit: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<HubFile[]> {
  const found: HubFile[] = [];
  for (let at = 0; at < paths.length; at += 500) {
    const { json } = await requestJson(settings, `${apiPath(repo)}/paths-info/${encodeURIComponent(commit)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ paths: paths.slice(at, at + 500), expand: false }),
      action: `look up files of ${repo.id}`,
      repo,
      revision: commit,
      ...(signal && { signal }),
    });
    found.push(...readEntries(json, settings, repo));
  }
  return found;
}

function readEntries(json: unknown, settings: HubSettings, repo: Repo): HubFile[] {
  if (!Array.isArray(json)) throw unexpected(settings, `the file list of ${repo.id}`);
  return json.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw unexpected(settings, `the file list of ${repo.id}`);
    const { type, path, size, oid, lfs } = entry as Record<string, unknown>;
    if (type === 'directory') return [];
    const large = typeof lfs === 'object' && lfs !== null ? (lfs as Record<string, unknown>) : undefined;
    const bytes = large?.['size'] ?? size;
    const etag = large?.['oid'] ?? large?.['sha256'] ?? oid;
    if (typeof path !== 'string' || typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0 || typeof etag !== 'string') {
      throw unexpected(settings, `the file list of ${repo.id}`);
    }
    checkPath(path, repo);
    return [{ path, size: bytes, etag: etag.replace(/^sha256:/, '') }];
  });
}

/** A server's list must not lead out of the cache folder. */
function checkPath(path: string, repo: Repo): void {
  const parts = path.split('/');
  if (
    path === '' ||
    path.includes('\\') ||
    path.includes('\0') ||
    /^[A-Za-z]:/.test(path) ||
    parts.some((part) => part === '' || part === '.' || part === '..')
  ) {
    throw new UserError(`${repo.id} lists a file named ${JSON.stringify(path)}, which leads out of its folder; nothing of it is fetched.`);
  }
}

/** Pages are followed on the hub itself only: a token goes with them. */
function sameHub(address: string, settings: HubSettings): string {
  if (!URL.canParse(address, settings.endpoint)) throw unexpected(settings, 'the next page of a file list');
  const url = new URL(address, settings.endpoint);
  const base = new URL(settings.endpoint);
  if (url.origin === base.origin) return url.href;
  // Servers behind a proxy name themselves by their inner address.
  return `${base.origin}${url.pathname}${url.search}`;
}

function unexpected(settings: HubSettings, what: string): UserError {
  return new UserError(`${settings.endpoint} did not answer with ${what} in the form that a Hugging Face hub has. Check HF_ENDPOINT.`);
}
