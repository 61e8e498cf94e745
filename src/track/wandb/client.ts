/** Requests to a W&B server: GraphQL, the file stream that takes a run's lines, and uploads. What can be tried again is told apart from what cannot. */
import { UserError } from '../../platform.ts';
import { redact } from '../tracker.ts';

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

export class WandbClient {
  readonly baseUrl: string;
  readonly #authorization: string;
  readonly #timeoutMs: number;

  constructor(baseUrl: string, apiKey: string, timeoutMs = 20_000) {
    this.baseUrl = baseUrl;
    this.#authorization = `Basic ${btoa(`api:${apiKey}`)}`;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws UserError where the server refuses, WandbUnavailable where it may not the next time */
  async graphql(query: string, variables: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const reply = asRecord(await this.#post('/graphql', { query, variables }));
    const errors = reply['errors'];
    if (Array.isArray(errors) && errors.length > 0) {
      const words = errors.map((error) => String(asRecord(error)['message'] ?? error)).join('; ');
      throw new UserError(redact(`W&B at ${this.baseUrl} refused: ${words}`));
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
    const fields = headers.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()] as [string, string]);
    // The key is for the API's own host; storage has its signature in the address.
    const own: [string, string][] = target.origin === new URL(this.baseUrl).origin ? [['Authorization', this.#authorization]] : [];
    await this.#send(target.href, { method: 'PUT', headers: [...own, ...fields], body: bytes }, 'an upload');
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const headers = { 'Content-Type': 'application/json', Authorization: this.#authorization };
    const text = await this.#send(this.baseUrl + path, { method: 'POST', headers, body: JSON.stringify(body) }, path === '/graphql' ? 'a query' : "a run's lines");
    try {
      return text === '' ? {} : (JSON.parse(text) as unknown);
    } catch {
      throw new WandbUnavailable(`W&B at ${this.baseUrl} answered with something that is not JSON`);
    }
  }

  async #send(url: string, request: RequestInit, what: string): Promise<string> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, { ...request, signal: AbortSignal.timeout(this.#timeoutMs) });
      text = await response.text();
    } catch (error) {
      throw new WandbUnavailable(redact(`W&B at ${this.baseUrl} cannot be reached: ${reason(error)}`));
    }
    if (response.ok) return text;
    const { status } = response;
    if (status >= 500 || RETRIED.has(status)) {
      throw new WandbUnavailable(`W&B at ${this.baseUrl} answered ${what} with HTTP ${status}`, retryAfter(response.headers.get('Retry-After')));
    }
    if (status === 401 || status === 403) {
      throw new UserError(
        `W&B at ${this.baseUrl} does not accept the API key (HTTP ${status}). Check WANDB_API_KEY or run \`wandb login --relogin\`; for a team, whether the key's owner ` +
          'may write to its project.',
      );
    }
    throw new UserError(redact(`W&B at ${this.baseUrl} refused ${what} (HTTP ${status}): ${text.slice(0, 300)}`));
  }
}

function reason(error: unknown): string {
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
