/**
 * Requests to a W&B server: GraphQL, the file stream that takes a run's lines, and uploads. What can be tried again is told apart from what
 * cannot.
 */
import { parseJson, textOrNothing } from '../../io/parseJson.ts';
import { redirectTarget } from '../../io/redirectTarget.ts';
import { bodyStart, bodyText, BodyTooLong } from '../../io/responseBody.ts';
import { NetworkError, UserError, withoutFullStop } from '../../platform.ts';
import type { Network } from '../../platform.ts';
import { keepSecret, redact } from '../secrets.ts';

/** The server did not answer, or asked to come back later: try again. */
export class WandbUnavailable extends Error {
  override readonly name = 'WandbUnavailable';
  /** From Retry-After. */
  readonly retryAfterMs: number;
  constructor(words: string, retryAfterMs = 0) {
    super(words);
    this.retryAfterMs = retryAfterMs;
  }
}

const RETRIED = new Set([408, 409, 425, 429]);
const MAX_REDIRECTS = 4;
const MAX_ANSWER_BYTES = 16 * 2 ** 20;
const MAX_ERROR_BYTES = 64 * 2 ** 10;

export class WandbClient {
  readonly baseUrl: string;
  readonly #authorization: string;
  readonly #network: Network;
  readonly #timeoutMs: number;

  constructor(baseUrl: string, apiKey: string, network: Network = { fetch: (url, init) => fetch(url, init) }, timeoutMs = 20_000) {
    this.#network = network;
    this.baseUrl = baseUrl;
    keepSecret(apiKey);
    this.#authorization = `Basic ${btoa(`api:${apiKey}`)}`;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws UserError where the server refuses, WandbUnavailable where it may not the next time */
  async graphql(query: string, variables: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const reply = asRecord(await this.#post('/graphql', { query, variables }));
    const errors = reply['errors'];
    if (Array.isArray(errors) && errors.length > 0) {
      const words = errors.map((error) => textOrNothing(asRecord(error)['message'] ?? error)).join('; ');
      throw new UserError(redact(`W&B at ${this.baseUrl} refused: ${redact(words).slice(0, 2000)}`));
    }
    return asRecord(reply['data']);
  }

  /** Lines of a run's files, from an offset each; sending the same lines at the same offset again changes nothing. */
  async fileStream(run: { entity: string; project: string; id: string }, body: Readonly<Record<string, unknown>>): Promise<void> {
    const path = [run.entity, run.project, run.id].map(encodeURIComponent).join('/');
    await this.#post(`/files/${path}/file_stream`, body);
  }

  /** PUT to an address that the server gave out. `headers` as "Name: value". */
  async upload(url: string, headers: readonly string[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const target = new URL(url, this.baseUrl);
    const fields = headers.map(
      (line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()] as [string, string],
    );
    // The key is for the API's own host; storage has its signature in the address.
    const own: [string, string][] = target.origin === new URL(this.baseUrl).origin ? [['Authorization', this.#authorization]] : [];
    await this.#send(target.href, { method: 'PUT', headers: [...own, ...fields], body: bytes }, 'an upload');
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const headers = { 'Content-Type': 'application/json', Authorization: this.#authorization };
    const text = await this.#send(
      this.baseUrl + path,
      { method: 'POST', headers, body: JSON.stringify(body) },
      path === '/graphql' ? 'a query' : "a run's lines",
    );
    try {
      return text === '' ? {} : parseJson(text);
    } catch {
      throw new WandbUnavailable(`W&B at ${this.baseUrl} answered with something that is not JSON`);
    }
  }

  async #send(url: string, request: RequestInit, what: string): Promise<string> {
    let response: Response;
    let text: string;
    try {
      response = await this.#follow(url, request, what);
      text = response.ok ? await bodyText(response, MAX_ANSWER_BYTES) : await bodyStart(response, MAX_ERROR_BYTES);
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof BodyTooLong)
        throw new UserError(`W&B at ${this.baseUrl} answered ${what} at great length: ${error.message}. Check WANDB_BASE_URL.`);
      throw new WandbUnavailable(redact(`W&B at ${this.baseUrl} cannot be reached: ${reason(error)}`));
    }
    if (response.ok) return text;
    const { status } = response;
    if (status >= 500 || RETRIED.has(status)) {
      throw new WandbUnavailable(
        `W&B at ${this.baseUrl} answered ${what} with HTTP ${status}`,
        retryAfter(response.headers.get('Retry-After')),
      );
    }
    if (status === 401 || status === 403) {
      throw new UserError(
        `W&B at ${this.baseUrl} does not accept the API key (HTTP ${status}). Check WANDB_API_KEY or run \`wandb login --relogin\`; for ` +
          `a team, whether the key's owner ` +
          'may write to its project.',
      );
    }
    throw new UserError(redact(`W&B at ${this.baseUrl} refused ${what} (HTTP ${status}): ${redact(text).slice(0, 300)}`));
  }

  /**
   * Follows redirects within one origin; another host gets neither the key nor what was to be sent. @throws UserError for one to elsewhere
   */
  async #follow(url: string, request: RequestInit, what: string): Promise<Response> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    for (let at = new URL(url), hops = 0; ; hops++) {
      const response = await this.#network.fetch(at, { ...request, signal, redirect: 'manual' });
      const location = response.headers.get('location');
      if (response.status < 300 || response.status > 399 || location === null) return response;
      await response.body?.cancel().catch(() => undefined);
      const to = redirectTarget(location, at);
      // 301 to 303 would make a GET of it, which stores nothing.
      if (to?.origin === at.origin && [307, 308].includes(response.status) && hops < MAX_REDIRECTS) {
        at = to;
        continue;
      }
      throw new UserError(
        redact(
          `W&B at ${at.origin} redirects ${what} (HTTP ${response.status}) to ${to ? to.origin + to.pathname : location.slice(0, 300)}, ` +
            `which is not followed: ` +
            'your key and figures are for the host you named. If that is the right server, give its address in WANDB_BASE_URL.',
        ),
      );
    }
  }
}

function reason(error: unknown): string {
  // The full stop comes with what the caller adds.
  if (error instanceof NetworkError) return `${error.message}. ${withoutFullStop(error.fix)}`;
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

function retryAfter(header: string | null): number {
  if (header === null) return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), 300_000) : 0;
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
