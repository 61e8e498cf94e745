/**
 * A Hugging Face hub in this process, on a local port: repositories in memory, the endpoints that downloads and uploads use, large files behind a second
 * origin as on the real one, and faults on demand. It answers huggingface_hub and @huggingface/hub too, so that it is held to the same protocol.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Answer } from './answer.ts';
import type { Fault } from './answer.ts';

export type { Fault } from './answer.ts';

export interface PlannedFault {
  /** Matched against "METHOD /path". */
  on: RegExp;
  fault: Fault;
  /** How often; default once. */
  times?: number;
}

interface Entry {
  bytes: Buffer;
  isLfs: boolean;
}

interface HubRepo {
  type: 'model' | 'dataset';
  id: string;
  isPrivate: boolean;
  isGated: boolean;
  /** Branch or tag → commit. */
  refs: Map<string, string>;
  commits: Map<string, { files: Map<string, Entry>; title: string; parent: string | undefined }>;
}

export interface LoggedRequest {
  method: string;
  /** With the query. */
  url: string;
  origin: 'hub' | 'cdn';
  headers: Record<string, string>;
  bodyBytes: number;
  /** Of a commit: its title. */
  title?: string;
}

export interface TestHubOptions {
  /** Token that owners' requests carry; others see public repositories only. */
  token?: string;
  /** The user of that token. */
  user?: string;
  /** Smallest size of an LFS file. */
  lfsBytes?: number;
  /** Uploads from this size on come in parts of this size. */
  partBytes?: number;
  /** Entries in a page of a file list. */
  pageSize?: number;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const gitSha1 = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

export class TestHub {
  readonly options: Required<TestHubOptions>;
  readonly repos = new Map<string, HubRepo>();
  /** LFS objects that were uploaded, by SHA-256. */
  readonly objects = new Map<string, Buffer>();
  readonly requests: LoggedRequest[] = [];
  faults: PlannedFault[] = [];
  /** Set to refuse everything, as an unplugged cable; what is answered late is then not carried out. */
  isDown = false;
  /** Requests that came, or were due, while it was down. */
  refused = 0;
  /** Commits in the order they were made: "id title". */
  readonly commitLog: string[] = [];
  private readonly parts = new Map<string, Map<number, Buffer>>();
  private hub!: Server;
  private cdn!: Server;

  private constructor(options: TestHubOptions) {
    this.options = { token: 'hf_testHubOwnerToken0123456789', user: 'tester', lfsBytes: 2000, partBytes: 1 << 30, pageSize: 50, ...options };
  }

  static async start(options: TestHubOptions = {}): Promise<TestHub> {
    const hub = new TestHub(options);
    hub.hub = await listen('127.0.0.1', (request, response) => hub.answer('hub', request, response));
    hub.cdn = await listen('localhost', (request, response) => hub.answer('cdn', request, response));
    return hub;
  }

  /** The address that it gives of itself, where that is not its port's: a proxy or an https server before it. */
  outside: string | undefined;

  get endpoint(): string {
    return this.outside ?? `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
  }

  private get cdnEndpoint(): string {
    // Another host name than the hub's, as clients go by names.
    return `http://localhost:${(this.cdn.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const server of [this.hub, this.cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Makes a repository with one commit on main. @returns the commit */
  add(type: 'model' | 'dataset', id: string, files: Record<string, Uint8Array | string>, flags: { isPrivate?: boolean; isGated?: boolean } = {}): string {
    const repo: HubRepo = { type, id, isPrivate: flags.isPrivate ?? false, isGated: flags.isGated ?? false, refs: new Map(), commits: new Map() };
    this.repos.set(`${type}/${id}`, repo);
    const entries = Object.entries(files).map(([path, content]) => {
      const bytes = Buffer.from(content as Uint8Array);
      return [path, { bytes, isLfs: this.isLfs(path, bytes.length) }] as const;
    });
    return this.commit(repo, new Map(entries), 'initial commit');
  }

  repo(type: 'model' | 'dataset', id: string): HubRepo {
    const repo = this.repos.get(`${type}/${id}`);
    if (repo === undefined) throw new Error(`the test hub has no ${type} ${id}`);
    return repo;
  }

  /** Files of a branch, now. */
  files(type: 'model' | 'dataset', id: string, branch = 'main'): Map<string, Buffer> {
    const repo = this.repo(type, id);
    const head = repo.commits.get(repo.refs.get(branch) ?? '');
    return new Map([...(head?.files ?? [])].map(([path, { bytes }]) => [path, bytes]));
  }

  private isLfs(path: string, size: number): boolean {
    return size >= this.options.lfsBytes || /\.(safetensors|gz|zip|bin)$/.test(path);
  }

  private commit(repo: HubRepo, files: Map<string, Entry>, title: string, branch = 'main'): string {
    const oid = randomBytes(20).toString('hex');
    repo.commits.set(oid, { files, title, parent: repo.refs.get(branch) });
    repo.refs.set(branch, oid);
    this.commitLog.push(`${repo.id} ${title}`);
    return oid;
  }

  private answer(origin: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    const { method = 'GET', url = '/' } = request;
    const refuse = (): void => {
      this.refused++;
      request.socket.destroy();
    };
    if (this.isDown) return refuse();
    const planned = this.faults.find(({ on, times = 1 }) => times > 0 && on.test(`${method} ${url}`));
    if (planned !== undefined) planned.times = (planned.times ?? 1) - 1;
    const fault = planned?.fault;
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (method !== 'GET' && fault?.kind === 'drop' && Buffer.concat(chunks).length > fault.afterBytes) request.socket.destroy();
    });
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const title = /\/commit\//.test(url) ? /"summary":"([^"]*)"/.exec(body.subarray(0, 2000).toString())?.[1] : undefined;
      this.requests.push({ method, url, origin, headers, bodyBytes: body.length, ...(title !== undefined && { title }) });
      if (method !== 'GET' && fault?.kind === 'drop') return void request.socket.destroy();
      if (fault?.kind === 'status') {
        response.writeHead(fault.status, fault.headers).end('{"error":"a fault of the test"}');
        return;
      }
      const route = (): void => {
        if (this.isDown) return refuse();
        try {
          this.route(origin, method, new URL(url, this.endpoint), headers, body, new Answer(response, method, headers, fault));
        } catch (error) {
          response.writeHead(500).end(`${JSON.stringify({ error: String(error) })}\n`);
        }
      };
      if (fault?.kind === 'late') setTimeout(route, fault.ms);
      else route();
    });
  }

  private route(origin: 'hub' | 'cdn', method: string, url: URL, headers: Record<string, string>, body: Buffer, answer: Answer): void {
    const path = decodeURIComponent(url.pathname);
    if (origin === 'cdn') return this.routeCdn(method, url, path, body, answer);
    const isOwner = headers['authorization'] === `Bearer ${this.options.token}`;
    if (headers['authorization'] !== undefined && !isOwner) return answer.json(401, { error: 'Invalid credentials in Authorization header' });
    if (path === '/api/whoami-v2') return isOwner ? answer.json(200, { type: 'user', name: this.options.user, orgs: [{ name: 'team' }] }) : answer.json(401, { error: 'who?' });
    if (path === '/api/repos/create' && method === 'POST') return this.create(isOwner, JSON.parse(body.toString()) as Record<string, unknown>, answer);

    const lfs = /^\/(datasets\/)?([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/(batch|verify|complete)$/.exec(path);
    if (lfs !== null) return isOwner ? this.lfs(lfs[3] ?? '', url, body, answer) : answer.json(401, { error: 'log in' });

    const api = /^\/api\/(model|dataset)s\/([^/]+\/[^/]+)(?:\/(revision|tree|paths-info|preupload|commit)\/([^/]+)(?:\/(.*))?)?$/.exec(url.pathname);
    const file = /^\/(datasets\/)?([^/]+\/[^/]+)\/(resolve|raw)\/([^/]+)\/(.+)$/.exec(url.pathname);
    const type = api?.[1] === 'dataset' || file?.[1] !== undefined ? 'dataset' : 'model';
    const repo = this.repos.get(`${type}/${decodeURIComponent(api?.[2] ?? file?.[2] ?? '')}`);
    if (repo === undefined || (repo.isPrivate && !isOwner)) {
      return answer.json(isOwner ? 404 : 401, { error: 'Repository not found' }, { 'X-Error-Code': 'RepoNotFound' });
    }
    const revision = decodeURIComponent(api?.[4] ?? file?.[4] ?? 'main');
    const oid = repo.refs.get(revision) ?? revision;
    const commit = repo.commits.get(oid);
    if (commit === undefined && !(repo.commits.size === 0 && method === 'POST')) {
      return answer.json(404, { error: `Invalid rev id: ${revision}` }, { 'X-Error-Code': 'RevisionNotFound' });
    }
    const files = commit?.files ?? new Map<string, Entry>();
    if (file !== null) return this.resolve(repo, isOwner, oid, files, decodeURIComponent(file[5] ?? ''), answer);
    switch (api?.[3]) {
      case 'tree':
        return this.tree(url, files, decodeURIComponent(api[5] ?? ''), answer);
      case 'paths-info':
        return this.pathsInfo(headers, body, files, answer);
      case 'preupload':
      case 'commit':
        if (!isOwner) return answer.json(403, { error: 'You have no write access' });
        return api[3] === 'preupload' ? this.preupload(body, answer) : this.commitRequest(repo, revision, oid, files, body, answer);
      default: {
        const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
        const now = '2026-01-01T00:00:00.000Z';
        return answer.json(200, {
          _id: '0', id: repo.id, modelId: repo.id, sha: oid, private: repo.isPrivate, gated: repo.isGated && 'manual', downloads: 0, likes: 0, tags: [],
          lastModified: now, createdAt: now, updatedAt: now, siblings,
        });
      }
    }
  }

  private create(isOwner: boolean, { name, organization, type = 'model', private: isPrivate }: Record<string, unknown>, answer: Answer): void {
    if (!isOwner) return answer.json(401, { error: 'Invalid username or password.' });
    const owner = String(organization ?? this.options.user);
    if (![this.options.user, 'team'].includes(owner)) return answer.json(403, { error: `You don't have the rights to create a model under the namespace "${owner}"` });
    const id = `${owner}/${String(name)}`;
    const key = `${String(type)}/${id}`;
    if (this.repos.has(key)) return answer.json(409, { error: 'You already created this model repo', url: `${this.endpoint}/${id}` });
    const repo: HubRepo = { type: type === 'dataset' ? 'dataset' : 'model', id, isPrivate: isPrivate === true, isGated: false, refs: new Map(), commits: new Map() };
    this.repos.set(key, repo);
    this.commit(repo, new Map([['.gitattributes', { bytes: Buffer.from('*.safetensors filter=lfs\n'), isLfs: false }]]), 'initial commit');
    answer.json(200, { url: `${this.endpoint}/${id}`, name: id, id });
  }

  private tree(url: URL, files: Map<string, Entry>, folder: string, answer: Answer): void {
    const isRecursive = ['true', 'True', '1'].includes(url.searchParams.get('recursive') ?? '');
    const below = [...files].filter(([path]) => folder === '' || path.startsWith(`${folder}/`));
    if (folder !== '' && below.length === 0) return answer.json(404, { error: `${folder} does not exist` }, { 'X-Error-Code': 'EntryNotFound' });
    const rest = (path: string): string => (folder === '' ? path : path.slice(folder.length + 1));
    const direct = below.filter(([path]) => isRecursive || !rest(path).includes('/')).map(([path, entry]) => entryJson(path, entry));
    const folders = new Set(below.filter(([path]) => rest(path).includes('/')).map(([path]) => path.slice(0, path.length - rest(path).length) + (rest(path).split('/')[0] ?? '')));
    const all = [...direct, ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: sha256(Buffer.from(path)).slice(0, 40) }))];
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const next = from + this.options.pageSize;
    const link = new URL(url);
    link.searchParams.set('cursor', String(next));
    answer.json(200, all.slice(from, next), next < all.length ? { Link: `<${this.endpoint}${link.pathname}${link.search}>; rel="next"` } : {});
  }

  private pathsInfo(headers: Record<string, string>, body: Buffer, files: Map<string, Entry>, answer: Answer): void {
    const isJson = (headers['content-type'] ?? '').includes('json');
    const paths = isJson ? (JSON.parse(body.toString()) as { paths: string[] }).paths : new URLSearchParams(body.toString()).getAll('paths');
    answer.json(200, paths.flatMap((path) => {
      const entry = files.get(path);
      return entry === undefined ? [] : [entryJson(path, entry)];
    }));
  }

  private resolve(repo: HubRepo, isOwner: boolean, oid: string, files: Map<string, Entry>, path: string, answer: Answer): void {
    const head = { 'X-Repo-Commit': oid };
    if (repo.isGated) {
      const error = `Access to model ${repo.id} is restricted.`;
      return answer.json(isOwner ? 403 : 401, { error }, { ...head, 'X-Error-Code': 'GatedRepo', 'X-Error-Message': error });
    }
    const entry = files.get(path);
    if (entry === undefined) return answer.json(404, { error: 'Entry not found' }, { ...head, 'X-Error-Code': 'EntryNotFound' });
    const size = String(entry.bytes.length);
    if (!entry.isLfs) return answer.file(entry.bytes, { ...head, ETag: `"${gitSha1(entry.bytes)}"` });
    const hash = sha256(entry.bytes);
    this.objects.set(hash, entry.bytes);
    answer.redirect(`${this.cdnEndpoint}/objects/${hash}?X-Amz-Signature=signedSecret`, { ...head, 'X-Linked-Etag': `"${hash}"`, 'X-Linked-Size': size, ETag: `"${hash}"` });
  }

  private preupload(body: Buffer, answer: Answer): void {
    const { files } = JSON.parse(body.toString()) as { files: { path: string; size: number; sample: string }[] };
    answer.json(200, { files: files.map(({ path, size }) => ({ path, uploadMode: this.isLfs(path, size) ? 'lfs' : 'regular', shouldIgnore: false })) });
  }

  private lfs(what: string, url: URL, body: Buffer, answer: Answer): void {
    const json = JSON.parse(body.toString()) as { objects?: { oid: string; size: number }[]; oid?: string; parts?: { partNumber: number; etag: string }[] };
    if (what === 'verify') return this.objects.has(json.oid ?? '') ? answer.json(200, {}) : answer.json(404, { error: 'no such object' });
    if (what === 'complete') {
      const oid = url.searchParams.get('oid') ?? '';
      const got = this.parts.get(oid) ?? new Map<number, Buffer>();
      const wanted = json.parts ?? [];
      const isComplete = wanted.every(({ partNumber, etag }) => etag === `"${sha256(got.get(partNumber) ?? Buffer.alloc(0))}"`);
      const whole = Buffer.concat(wanted.map(({ partNumber }) => got.get(partNumber) ?? Buffer.alloc(0)));
      if (!isComplete || sha256(whole) !== oid) return answer.json(400, { error: 'the parts are not the object' });
      this.objects.set(oid, whole);
      return answer.json(200, {});
    }
    const actions = ({ oid, size }: { oid: string; size: number }): object => {
      if (this.objects.has(oid)) return {};
      const verify = { href: `${this.endpoint}${url.pathname.replace(/batch$/, 'verify')}`, header: {} };
      const target = `${this.cdnEndpoint}/upload/${oid}?X-Amz-Signature=signedSecret`;
      if (size < this.options.partBytes) return { actions: { upload: { href: target, header: {} }, verify } };
      const count = Math.ceil(size / this.options.partBytes);
      const numbered = Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i + 1).padStart(5, '0'), `${target}&partNumber=${i + 1}`]));
      const href = `${this.endpoint}${url.pathname.replace(/batch$/, 'complete')}?oid=${oid}`;
      return { actions: { upload: { href, header: { chunk_size: String(this.options.partBytes), ...numbered } }, verify } };
    };
    answer.json(200, { transfer: 'basic', objects: (json.objects ?? []).map((object) => ({ ...object, ...actions(object) })) });
  }

  private routeCdn(method: string, url: URL, path: string, body: Buffer, answer: Answer): void {
    const [, what = '', oid = ''] = path.split('/');
    if (what === 'objects') {
      const object = this.objects.get(oid);
      return object === undefined ? answer.json(404, { error: 'no such object' }) : answer.file(object, { ETag: `"${oid}"` });
    }
    if (method !== 'PUT') return answer.json(405, { error: 'PUT it' });
    const part = url.searchParams.get('partNumber');
    if (part !== null) {
      const parts = this.parts.get(oid) ?? new Map<number, Buffer>();
      this.parts.set(oid, parts.set(Number(part), body));
      return answer.json(200, {}, { ETag: `"${sha256(body)}"` });
    }
    if (sha256(body) !== oid) return answer.json(400, { error: 'BadDigest' });
    this.objects.set(oid, body);
    answer.json(200, {}, { ETag: `"${oid}"` });
  }

  private commitRequest(repo: HubRepo, branch: string, oid: string, files: Map<string, Entry>, body: Buffer, answer: Answer): void {
    const lines = body.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
    const header = lines.find(({ key }) => key === 'header')?.value ?? {};
    if (header['parentCommit'] !== undefined && header['parentCommit'] !== oid) return answer.json(412, { error: 'A commit has happened since. Please refresh and try again.' });
    const next = new Map(files);
    for (const { key, value } of lines) {
      const path = value['path'] ?? '';
      if (key === 'deletedFile') next.delete(path);
      if (key === 'file') next.set(path, { bytes: Buffer.from(value['content'] ?? '', 'base64'), isLfs: false });
      if (key !== 'lfsFile') continue;
      const object = this.objects.get(value['oid'] ?? '');
      if (object === undefined) return answer.json(400, { error: `LFS pointer pointed to a file that does not exist: ${path}` });
      next.set(path, { bytes: object, isLfs: true });
    }
    const made = this.commit(repo, next, header['summary'] ?? '', branch);
    answer.json(200, { success: true, commitOid: made, commitUrl: `${this.endpoint}/${repo.id}/commit/${made}`, hookOutput: '' });
  }
}

function entryJson(path: string, { bytes, isLfs }: Entry): object {
  const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`);
  const lfs = isLfs ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: pointer.length } } : {};
  return { type: 'file', path, size: bytes.length, oid: gitSha1(isLfs ? pointer : bytes), ...lfs };
}

async function listen(host: string, handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method !== 'OPTIONS') return handle(request, response);
    const any = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*, Authorization', 'Access-Control-Allow-Methods': '*' };
    response.writeHead(204, any).end();
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return server;
}
