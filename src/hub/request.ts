/**
 * One request to the hub, repeated where repeating helps: lost connections, 408, 429 (as long as Retry-After says) and 5xx, with growing
 * pauses. What remains becomes a UserError in words. The token goes to the endpoint itself and never to where it redirects; no message
 * shows a token or the query of a signed address.
 */
import { parseJson } from '../io/parseJson.ts';
import { redirectTarget } from '../io/redirectTarget.ts';
import { bodyStart, bodyText, BodyTooLong } from '../io/responseBody.ts';
import { countOf, NetworkError, UserError } from '../platform.ts';
import { redact } from '../track/secrets.ts';
import type { Repo, HubSettings } from './settings.ts';

/** An answer that is an error; `status` 0 where none came, -1 where none will until a setting is changed. */
export class HubError extends UserError {
  readonly status: number;
  /** The hub's X-Error-Code, as RepoNotFound, GatedRepo. */
  readonly code: string;

  constructor(message: string, status: number, code = '', options?: ErrorOptions) {
    super(redact(message), options);
    this.status = status;
    this.code = code;
  }
}

export interface HubRequest {
  method?: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string | Blob;
  /** For messages: what is being done, as "list the files of org/name". */
  action: string;
  /** Whose messages a 404 or 401 is about. */
  repo?: Repo;
  revision?: string;
  /** Statuses that are no error here. */
  accept?: readonly number[];
  /** For the whole request, headers to end of a small body. Default: the stall time. */
  timeoutMs?: number;
  /** A request that must not be sent twice blindly is sent once; the caller looks what became of it. */
  isRepeatable?: boolean;
  signal?: AbortSignal;
}

const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529]);
const MAX_REDIRECTS = 8;
/** The status of an error of our own that no repetition mends. */
const NEVER = -1;
/** Of an answer in JSON: a page of a thousand files takes some hundred kB. */
const MAX_JSON_BYTES = 64 * 2 ** 20;
/** Of an error, and of an answer that nobody reads. */
export const MAX_ERROR_BYTES = 64 * 2 ** 10;
/** Shown of a server's own words. */
const TOLD_CHARACTERS = 300;

/** A pause that ends early when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortReason(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted');
}

/** Doubling, with a random part so that many processes do not come back at once. */
export function backoff(settings: HubSettings, attempt: number): number {
  return Math.min(settings.times.backoffMs * 2 ** attempt, settings.times.maxWaitMs) * (0.5 + Math.random() / 2);
}

/** Retry-After (seconds or a date) in ms. */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The parsed JSON of an answer; an answer that is cut off or is not JSON counts as a lost connection. */
export async function requestJson(
  settings: HubSettings,
  path: string,
  request: HubRequest,
): Promise<{ json: unknown; status: number; headers: Headers }> {
  return repeated(settings, request, async (signal) => {
    const response = await send(settings, path, request, signal);
    const text = await bodyText(response, MAX_JSON_BYTES).catch((cause: unknown) => {
      if (!(cause instanceof BodyTooLong)) throw cause;
      throw new HubError(`Cannot ${request.action}: ${cause.message}. Check HF_ENDPOINT.`, NEVER);
    });
    if (text.trim() === '') return { json: undefined, status: response.status, headers: response.headers };
    try {
      return { json: parseJson(text), status: response.status, headers: response.headers };
    } catch {
      throw new HubError(`Cannot ${request.action}: ${settings.endpoint} answered with something that is not JSON. Check HF_ENDPOINT.`, 0);
    }
  });
}

/** Repeats `attempt`, each with its own time limit, until it succeeds or repeating is pointless. */
async function repeated<T>(settings: HubSettings, request: HubRequest, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  for (let tried = 0; ; tried++) {
    const limit = AbortSignal.timeout(request.timeoutMs ?? settings.times.stallMs);
    const signal = request.signal === undefined ? limit : AbortSignal.any([request.signal, limit]);
    try {
      return await attempt(signal);
    } catch (cause) {
      request.signal?.throwIfAborted();
      const error = inWords(cause, settings, request.action);
      const isTransient = error.status === 0 || RETRIED.has(error.status);
      if (!isTransient || tried + 1 >= settings.times.attempts || request.isRepeatable === false) throw error;
      await pause(waitBefore(settings, tried, error), request.signal);
    }
  }
}

/** How long to wait before trying again. @throws the error where the server asks for more than we will wait */
export function waitBefore(settings: HubSettings, tried: number, error: HubError): number {
  const asked = error.cause instanceof RetryLater ? error.cause.ms : undefined;
  if (asked === undefined) return backoff(settings, tried);
  if (asked > settings.times.maxWaitMs) {
    throw new HubError(
      `${error.message} It asks to wait ${countOf(Math.ceil(asked / 60_000), 'minute')}; try again then.`,
      error.status,
      error.code,
    );
  }
  return Math.max(asked, settings.times.backoffMs / 4);
}

/** Carried as the cause of a HubError. */
class RetryLater extends Error {
  readonly ms: number;
  constructor(ms: number) {
    super(`Retry-After: ${ms} ms`);
    this.ms = ms;
  }
}

/** Any failure of a request as a HubError without secrets. */
export function inWords(cause: unknown, settings: HubSettings, action: string): HubError {
  if (cause instanceof HubError) return cause;
  if (cause instanceof UserError) return new HubError(`Cannot ${action}: ${cause.message}`, -1, 'Network', { cause });
  const offline = 'with the files in the cache, HF_HUB_OFFLINE=1 works without a network.';
  if (cause instanceof NetworkError) {
    const words =
      `${settings.endpoint} cannot be reached: ${redact(cause.message)}. ${cause.fix} HF_ENDPOINT names another hub; ` + `${offline}`;
    return new HubError(`Cannot ${action}: ${words}`, cause.isLasting ? -1 : 0, 'Network');
  }
  const isTimeout = cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError');
  const words = isTimeout ? `${settings.endpoint} does not answer` : `${settings.endpoint} cannot be reached (${redact(reasons(cause))})`;
  return new HubError(`Cannot ${action}: ${words}. Check the network (HTTPS_PROXY where it has a proxy) and HF_ENDPOINT; ${offline}`, 0);
}

/** "fetch failed" alone says nothing; its cause says ECONNREFUSED. */
function reasons(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? `: ${'code' in cause.cause ? String(cause.cause.code) : cause.cause.message}` : '';
  return `${cause.message.replace(/https?:\/\/\S+/g, 'address')}${inner}`;
}

/**
 * Sends once and follows redirects. `path` is below the endpoint, or a whole address that the hub gave (a signed upload address): that gets
 * no token unless it is the endpoint's own. @throws HubError for an error status
 */
export async function send(settings: HubSettings, path: string, request: HubRequest, signal: AbortSignal): Promise<Response> {
  if (settings.isOffline) {
    throw new HubError(
      `Cannot ${request.action}: this run is offline (--offline true, or HF_HUB_OFFLINE is set), so nothing is sent to the hub. Leave ` +
        `that out, or use what is in the cache.`,
      -1,
      'Offline',
    );
  }
  let url = new URL(/^https?:\/\//.test(path) ? path : settings.endpoint + path);
  const first = url.origin;
  const { method = 'GET', body } = request;
  for (let hops = 0; ; hops++) {
    const isHub = url.origin === new URL(settings.endpoint).origin;
    const headers = url.origin === first ? { ...request.headers } : withoutCredentials(request.headers);
    if (isHub && settings.token !== undefined) headers['Authorization'] = `Bearer ${settings.token}`;
    const response = await settings.fetch(url, {
      method,
      headers,
      signal,
      redirect: 'manual',
      ...(body !== undefined && { body }),
    });
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null || hops >= MAX_REDIRECTS) {
      if (response.ok || request.accept?.includes(response.status) === true) return response;
      throw await failure(response, settings, request);
    }
    await response.body?.cancel().catch(() => undefined);
    const to = redirectTarget(location, url);
    if (to === undefined) {
      const words =
        `${url.origin} redirects to an address that is not http or https (${redact(location).slice(0, TOLD_CHARACTERS)}), ` +
        `which is not followed`;
      throw new HubError(`Cannot ${request.action}: ${words}. Check HF_ENDPOINT.`, NEVER);
    }
    url = to;
  }
}

/** What the hub gave for one host (an LFS action's header) is not for the one it redirects to. */
function withoutCredentials(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(authorization|cookie|x-.*(token|key))$/i.test(name)));
}

/** The words for an error status. */
async function failure(response: Response, settings: HubSettings, request: HubRequest): Promise<HubError> {
  const { status } = response;
  const code = response.headers.get('x-error-code') ?? '';
  // Redacted before it is cut: half a token is no longer known for one.
  const told = redact(response.headers.get('x-error-message') ?? (await answerText(response))).slice(0, TOLD_CHARACTERS);
  const server = told === '' ? '' : ` The hub says: ${told}`;
  const wait = retryAfter(response.headers);
  const options = wait === undefined ? undefined : { cause: new RetryLater(wait) };
  return new HubError(`Cannot ${request.action}: ${statusWords(status, code, settings, request)}${server}`, status, code, options);
}

async function answerText(response: Response): Promise<string> {
  const text = (await bodyStart(response, MAX_ERROR_BYTES).catch(() => '')).trim();
  try {
    const value = parseJson(text);
    if (typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string') return value.error;
  } catch {
    // plain text or a page
  }
  return text.startsWith('<') ? '' : text;
}

function statusWords(status: number, code: string, settings: HubSettings, { repo, revision }: HubRequest): string {
  const name = repo === undefined ? 'it' : `${repo.type === 'dataset' ? 'the data set' : 'the model'} ${repo.id}`;
  const page = repo === undefined ? settings.endpoint : `${settings.endpoint}/${repo.type === 'dataset' ? 'datasets/' : ''}${repo.id}`;
  const token = settings.token === undefined ? 'no token is set' : `the token of ${settings.tokenSource ?? 'HF_TOKEN'} is used`;
  const login = 'put an access token in HF_TOKEN, or run `hf auth login`';
  if (code === 'GatedRepo') {
    return settings.token === undefined
      ? `${name} is gated: its owner asks you to accept a licence. Open ${page} in a browser, log in and accept it; then ${login}.`
      : `${name} is gated and this account has no access to it (${token}). Open ${page} in a browser with the same account and accept ` +
          `its terms; some owners answer by hand.`;
  }
  if (code === 'DisabledRepo') return `${name} is disabled by the hub.`;
  if (code === 'RevisionNotFound')
    return `${name} has no revision ${revision ?? 'of that name'}. The branches, tags and commits are listed at ${page}/commits.`;
  if (code === 'EntryNotFound') return `${name} has no such file${revision === undefined ? '' : ` in revision ${revision}`}.`;
  if (code === 'RepoNotFound' || (repo !== undefined && (status === 404 || status === 401))) {
    return status === 401 && settings.token !== undefined && code !== 'RepoNotFound'
      ? `the hub refuses the token of ${settings.tokenSource ?? 'HF_TOKEN'}. Make a new one at ${settings.endpoint}/settings/tokens.`
      : `there is no ${repo?.type === 'dataset' ? 'data set' : 'model'} ${repo?.id ?? ''} on ${settings.endpoint}, or it is private and ` +
          `${token}. Check the name; for a private one ${login}.`;
  }
  if (status === 401) return `the hub wants a valid token (${token}). Make one at ${settings.endpoint}/settings/tokens and ${login}.`;
  if (status === 403)
    return `this account may not do that to ${name} (${token}). To upload, the token needs write access to that owner's repositories.`;
  if (status === 413) return `a file is larger than the hub takes.`;
  if (status === 429) return 'the hub asks to slow down (429, too many requests).';
  if (status >= 500) return `the hub has a fault of its own (status ${status}).`;
  return `the hub answers with status ${status}.`;
}
