/** A W&B server for tests: the queries and the file stream that a run needs, on a local port, with faults to inject. Stores lines by their place, as the real one. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StoredRun {
  history: Record<string, unknown>[];
  summary: Record<string, unknown>;
  config: Record<string, unknown>;
  displayName: string;
  tags: string[];
  files: Map<string, Buffer>;
  exitCode?: number;
}

/** What to do to a request: nothing, an HTTP status, cut the connection before or after it counts, or never answer. */
export type Fault = 'none' | number | 'drop' | 'drop-after' | 'hang';

export class WandbServer {
  readonly key: string;
  readonly runs = new Map<string, StoredRun>();
  /** Every request: method, path, the text of its body. */
  readonly requests: { path: string; body: string; authorized: boolean }[] = [];
  /** Asked for each request in turn. */
  fault: (path: string) => Fault = () => 'none';
  retryAfter: string | undefined;
  readonly #server: Server;

  constructor(key: string) {
    this.key = key;
    this.#server = createServer((request, response) => {
      // Pages may ask it, too.
      response.setHeader('Access-Control-Allow-Origin', '*');
      if (request.method !== 'OPTIONS') return void this.#serve(request, response);
      response.writeHead(204, { 'Access-Control-Allow-Headers': '*, Authorization', 'Access-Control-Allow-Methods': '*' }).end();
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(port, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const path = request.url ?? '';
    const authorized = request.headers.authorization === `Basic ${Buffer.from(`api:${this.key}`).toString('base64')}`;
    this.requests.push({ path, body: request.method === 'PUT' ? '' : bytes.toString(), authorized });
    const fault = this.fault(path);
    if (fault === 'hang') return;
    if (fault === 'drop') return void request.socket.destroy();
    if (typeof fault === 'number') {
      response.writeHead(fault, this.retryAfter === undefined ? {} : { 'Retry-After': this.retryAfter }).end('{"error":"injected"}');
      return;
    }
    if (request.method === 'PUT' && path.startsWith('/storage/')) {
      const [, , id, ...name] = path.split('/').map(decodeURIComponent);
      this.runs.get(id!)!.files.set(name.join('/'), bytes);
      response.end();
      return;
    }
    const reply = authorized ? this.#answer(path, JSON.parse(bytes.toString()) as Record<string, unknown>) : undefined;
    if (fault === 'drop-after') return void request.socket.destroy();
    response.writeHead(authorized ? 200 : 401, { 'Content-Type': 'application/json' }).end(JSON.stringify(reply ?? { errors: [{ message: 'user is not logged in' }] }));
  }

  #answer(path: string, body: Record<string, unknown>): unknown {
    const stream = /^\/files\/([^/]+)\/([^/]+)\/([^/]+)\/file_stream$/.exec(path);
    if (stream) return this.#take(decodeURIComponent(stream[3]!), body);
    const query = String(body['query']);
    const given = body['variables'] as Record<string, unknown>;
    const id = String(given['name']);
    const run = this.runs.get(id);
    const bucket = run && { id: `x${id}`, name: id, displayName: run.displayName, historyLineCount: run.history.length };
    if (query.includes('viewer')) return { data: { viewer: { id: 'u1', entity: 'team', username: 'someone' } } };
    if (query.includes('RunResumeStatus')) return { data: { model: { id: 'p1', name: given['project'], entity: { id: 'e1', name: 'team' }, bucket: bucket ?? null } } };
    if (query.includes('upsertBucket')) {
      const config = JSON.parse(String(given['config'] ?? '{}')) as Record<string, unknown>;
      const stored = run ?? { history: [], summary: {}, config, displayName: '', tags: [], files: new Map<string, Buffer>() };
      Object.assign(stored, { displayName: given['displayName'] ?? stored.displayName, tags: given['tags'] ?? stored.tags, config });
      this.runs.set(id, stored);
      const project = { id: 'p1', name: given['project'], entity: { id: 'e1', name: given['entity'] } };
      return { data: { upsertBucket: { bucket: { id: `x${id}`, name: id, displayName: stored.displayName, project, historyLineCount: stored.history.length }, inserted: !run } } };
    }
    if (query.includes('createRunFiles')) {
      const files = (given['files'] as string[]).map((name) => ({ name, uploadUrl: `/storage/${String(given['run'])}/${encodeURIComponent(name)}` }));
      return { data: { createRunFiles: { runID: 'x', uploadHeaders: ['X-Signature: abc'], files } } };
    }
    return { errors: [{ message: `not a query of this server: ${query.slice(0, 60)}` }] };
  }

  #take(id: string, body: Record<string, unknown>): unknown {
    const run = this.runs.get(id)!;
    const files = (body['files'] ?? {}) as Record<string, { offset: number; content: string[] }>;
    const history = files['wandb-history.jsonl'];
    if (history && history.offset > run.history.length) throw new Error(`a gap: line ${history.offset} after ${run.history.length}`);
    history?.content.forEach((line, i) => (run.history[history.offset + i] = JSON.parse(line) as Record<string, unknown>));
    const summary = files['wandb-summary.json']?.content[0];
    if (summary !== undefined) run.summary = JSON.parse(summary) as Record<string, unknown>;
    if (body['complete'] === true) run.exitCode = Number(body['exitcode']);
    return { exitcode: null, limits: {} };
  }
}
