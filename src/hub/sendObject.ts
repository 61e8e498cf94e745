/**
 * One large file to the hub's object store: the LFS batch call says where, and whether it is needed at all; then one PUT, or one for each
 * part and a call that joins them. A part that fails is sent again by itself; addresses that have expired are asked for anew, and an object
 * that the server has by then is done.
 */
import { textOrNothing } from '../io/parseJson.ts';
import { bodyStart } from '../io/responseBody.ts';
import { countOf, UserError } from '../platform.ts';
import { backoff, inWords, MAX_ERROR_BYTES, pause, requestJson, send } from './request.ts';
import { HubError } from './request.ts';
import type { HubSettings, Repo } from './settings.ts';
import { repoPath } from './tree.ts';

export interface ObjectTarget {
  settings: HubSettings;
  repo: Repo;
  branch: string;
  signal: AbortSignal | undefined;
  onBytes: (bytes: number) => void;
}

export interface LfsObject {
  /** SHA-256. */
  oid: string;
  blob: Blob;
  /** For messages. */
  path: string;
}

interface Action {
  href: string;
  header: Record<string, string>;
}

const LFS_JSON = { Accept: 'application/vnd.git-lfs+json', 'Content-Type': 'application/vnd.git-lfs+json' };

export async function sendObject(target: ObjectTarget, object: LfsObject): Promise<void> {
  const { settings, signal } = target;
  const action = `upload ${object.path} to ${target.repo.id}`;
  /** Parts that are there, by their number; they are of use as long as the hub gives the same address. */
  const parts = new Map<string, { href: string; etag: string }>();
  let counted = 0;
  const onBytes = (bytes: number): void => {
    counted += bytes;
    target.onBytes(bytes);
  };
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    const before = parts.size;
    try {
      const { upload, verify } = await actionsFor(target, object);
      if (upload !== undefined) {
        const partBytes = Number(upload.header['chunk_size']);
        if (Number.isSafeInteger(partBytes) && partBytes > 0) await sendParts(target, object, upload, partBytes, parts, onBytes);
        else {
          await put(target, upload.href, object.blob, action, withoutLength(upload.header));
          onBytes(object.blob.size);
        }
      }
      if (upload !== undefined && verify !== undefined) {
        const body = JSON.stringify({ oid: object.oid, size: object.blob.size });
        await requestJson(settings, verify.href, {
          method: 'POST',
          headers: { ...LFS_JSON, ...verify.header },
          body,
          action,
          ...(signal && { signal }),
        });
      }
      if (counted < object.blob.size) target.onBytes(object.blob.size - counted);
      return;
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof UserError && !(cause instanceof HubError)) throw cause;
      const error = inWords(cause, settings, action);
      // 400 and 403 come from the store when an address has expired or a body arrived damaged: a new address is worth asking for.
      const mayRepeat = error.status === 0 || error.status >= 500 || [400, 403, 404, 408, 422, 429].includes(error.status);
      if (parts.size > before) attempt = 0;
      if (!mayRepeat || attempt + 1 >= settings.times.attempts) throw error;
      await pause(backoff(settings, attempt), signal);
    }
  }
}

async function actionsFor(target: ObjectTarget, object: LfsObject): Promise<{ upload: Action | undefined; verify: Action | undefined }> {
  const { settings, repo, branch, signal } = target;
  const action = `upload ${object.path} to ${repo.id}`;
  const { json } = await requestJson(settings, `${repoPath(repo)}.git/info/lfs/objects/batch`, {
    method: 'POST',
    headers: LFS_JSON,
    body: JSON.stringify({
      operation: 'upload',
      transfers: ['basic', 'multipart'],
      hash_algo: 'sha_256',
      ref: { name: branch },
      objects: [{ oid: object.oid, size: object.blob.size }],
    }),
    action,
    repo,
    ...(signal && { signal }),
  });
  const objects = asRecord(json)['objects'];
  if (!Array.isArray(objects) || objects.length === 0) throw new HubError(`Cannot ${action}: the hub does not say where to.`, 0);
  const answer = asRecord(objects[0]);
  if (answer['error'] !== undefined) {
    const { code, message } = asRecord(answer['error']);
    throw new HubError(`Cannot ${action}: ${textOrNothing(message) || 'the hub refuses it'}.`, typeof code === 'number' ? code : 400);
  }
  const actions = asRecord(answer['actions']);
  return { upload: readAction(actions['upload'], settings), verify: readAction(actions['verify'], settings) };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function readAction(value: unknown, settings: HubSettings): Action | undefined {
  const { href, header } = asRecord(value);
  if (typeof href !== 'string') return undefined;
  const entries = Object.entries(asRecord(header)).map(([name, text]) => [name, textOrNothing(text)] as const);
  for (const address of [href, ...entries.filter(([name]) => /^\d+$/.test(name)).map(([, text]) => text)]) {
    if (!URL.canParse(address, settings.endpoint))
      throw new HubError(`${settings.endpoint} gives an address to upload to that is none.`, 0);
  }
  return { href, header: Object.fromEntries(entries) };
}

/** fetch sets these itself. */
function withoutLength(header: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(header).filter(([name]) => !/^(content-length|host|transfer-encoding)$/i.test(name)));
}

async function sendParts(
  target: ObjectTarget,
  object: LfsObject,
  upload: Action,
  partBytes: number,
  done: Map<string, { href: string; etag: string }>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const action = `upload ${object.path} to ${target.repo.id}`;
  const numbers = Object.keys(upload.header)
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b));
  if (numbers.length !== Math.ceil(object.blob.size / partBytes)) {
    throw new HubError(
      `Cannot ${action}: the hub gives ${countOf(numbers.length, 'address', 'addresses')} for ` +
        `${countOf(Math.ceil(object.blob.size / partBytes), 'part')}.`,
      0,
    );
  }
  // A new batch call may begin a new upload, whose parts are its own: the address without its signature tells.
  const place = (href: string): string => {
    const { pathname, searchParams } = new URL(href, target.settings.endpoint);
    return pathname + (searchParams.get('uploadId') ?? '');
  };
  for (const number of numbers) {
    const href = upload.header[number] ?? '';
    if (done.get(number)?.href === place(href)) continue;
    const at = (Number(number) - 1) * partBytes;
    const slice = object.blob.slice(at, at + partBytes);
    const response = await put(target, href, slice, `${action} (part ${Number(number)} of ${numbers.length})`, {});
    const etag = response.headers.get('etag');
    if (etag === null) throw new HubError(`Cannot ${action}: the store confirms no part.`, 0);
    if (!done.has(number)) onBytes(slice.size);
    done.set(number, { href: place(href), etag });
  }
  const parts = numbers.map((number) => ({ partNumber: Number(number), etag: done.get(number)?.etag ?? '' }));
  await requestJson(target.settings, upload.href, {
    method: 'POST',
    headers: LFS_JSON,
    body: JSON.stringify({ oid: object.oid, parts }),
    action,
    timeoutMs: target.settings.times.stallMs * 4,
    ...(target.signal && { signal: target.signal }),
  }).catch((error: unknown) => {
    done.clear(); // whichever part was the wrong one
    throw error;
  });
}

/** One PUT to a signed address. It may last as long as its size asks for at 20 kB/s. */
async function put(
  { settings, signal }: ObjectTarget,
  href: string,
  body: Blob,
  action: string,
  headers: Record<string, string>,
): Promise<Response> {
  const limit = AbortSignal.timeout(Math.ceil(settings.times.stallMs * 2 + body.size / 20));
  const response = await send(
    settings,
    href,
    { method: 'PUT', headers, body, action },
    signal === undefined ? limit : AbortSignal.any([signal, limit]),
  );
  await bodyStart(response, MAX_ERROR_BYTES); // nothing in it is needed
  return response;
}
