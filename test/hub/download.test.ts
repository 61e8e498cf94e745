/** Downloads against the test hub: the cache's layout, every fault, what users are told, and that no token leaks. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { thisProcess } from '../../node/locks/thisProcess.ts';
import { nodePlatform } from '../../node/platform.ts';
import { fetchAdapter, fetchModel } from '../../src/hub/modelFiles.ts';
import { hubSettings } from '../../src/hub/settings.ts';
import type { HubSettings } from '../../src/hub/settings.ts';
import type { Platform } from '../../src/platform.ts';
import { plainFiles } from './plainFiles.ts';
import { TestHub } from './testHub.ts';
import type { Fault } from './testHub.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-hub-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const random = (bytes: number, seed: number): Buffer => {
  let state = seed;
  return Buffer.from(Uint8Array.from({ length: bytes }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16));
};
const WEIGHTS = random(300_000, 1);
const MODEL = {
  'config.json': '{"model_type":"qwen2_5_vl"}',
  'tokenizer.json': `{"pad":"${'x'.repeat(5000)}"}`,
  'tokenizer_config.json': '{}',
  'preprocessor_config.json': '{}',
  'chat_template.jinja': '{{ x }}',
  'model.safetensors': WEIGHTS,
  'pytorch_model.bin': random(1000, 2),
  'onnx/model.onnx': random(1000, 3),
  'README.md': '# nothing',
};
const FAST = { stallMs: 400, backoffMs: 10, maxWaitMs: 3000, attempts: 4 };

let hub: TestHub;
let count = 0;
let cacheDir = '';
beforeEach(async () => {
  hub = await TestHub.start({ pageSize: 3, lfsBytes: 20_000 });
  cacheDir = join(scratch, `cache-${count++}`);
});
afterEach(() => hub.close());

const settings = (more: Partial<Parameters<typeof hubSettings>[0]> = {}): HubSettings => hubSettings({ endpoint: hub.endpoint, cacheDir, times: FAST, ...more });
const fetchIt = (more: Partial<Parameters<typeof hubSettings>[0]> = {}, platform: Platform = nodePlatform): Promise<string> =>
  fetchModel(platform, settings(more), { id: 'org/model' }).then(({ dir }) => dir);
const repoDir = (): string => join(cacheDir, 'models--org--model');

describe('the cache', () => {
  it("has Python's layout: blobs by hash, relative links, a ref; and only the files that are needed", async () => {
    const commit = hub.add('model', 'org/model', MODEL);
    let announced: { files: number; bytes: number } | undefined;
    const progress: number[] = [];
    const { dir } = await fetchModel(nodePlatform, settings(), { id: 'org/model' }, {
      onTotal: (total) => (announced = total),
      onProgress: (done) => progress.push(done),
    });
    expect(dir).toBe(join(repoDir(), 'snapshots', commit));
    const wanted = ['chat_template.jinja', 'config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'];
    expect(readdirSync(dir).sort()).toEqual(wanted);
    expect(readFileSync(join(dir, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(join(repoDir(), 'refs/main'), 'utf8')).toBe(commit);
    for (const name of wanted) {
      expect(lstatSync(join(dir, name)).isSymbolicLink()).toBe(true);
      expect(readlinkSync(join(dir, name))).toMatch(/^\.\.\/\.\.\/blobs\/([0-9a-f]{40}|[0-9a-f]{64})$/);
    }
    // tokenizer_config.json and preprocessor_config.json are equal and share a blob
    expect(readdirSync(join(repoDir(), 'blobs')).length).toBe(wanted.length - 1);
    const bytes = wanted.reduce((sum, name) => sum + Buffer.from(MODEL[name as keyof typeof MODEL]).length, 0);
    expect(announced).toMatchObject({ files: wanted.length, bytes });
    expect(progress.at(-1)).toBe(bytes);
  });

  it('asks for nothing twice, and a second run fetches no file', async () => {
    hub.add('model', 'org/model', MODEL);
    await fetchIt();
    const before = hub.requests.length;
    await fetchIt();
    expect(hub.requests.slice(before).filter(({ url }) => /resolve|objects/.test(url))).toEqual([]);
  });

  it('takes the shards that the index names, and no other safetensors', async () => {
    const index = JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' } });
    hub.add('model', 'org/model', {
      'config.json': '{}', 'model.safetensors.index.json': index, 'model-00001-of-00002.safetensors': random(3000, 4), 'model-00002-of-00002.safetensors': random(3000, 5),
      'consolidated.safetensors': random(6000, 6),
    });
    expect(readdirSync(await fetchIt()).sort()).toEqual(['config.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']);
  });

  it('pins a revision to its commit, and fetches what another revision shares once', async () => {
    const old = hub.add('model', 'org/model', MODEL);
    await fetchIt();
    const { commits, refs } = hub.repo('model', 'org/model');
    refs.set('v1.0', old);
    const next = new Map(commits.get(old)?.files);
    next.set('config.json', { bytes: Buffer.from('{"model_type":"new"}'), isLfs: false });
    commits.set('b'.repeat(40), { files: next, title: 'later', parent: old });
    refs.set('main', 'b'.repeat(40));
    const before = hub.requests.length;
    const dir = await fetchIt();
    expect(dir).toContain('b'.repeat(40));
    expect(hub.requests.slice(before).filter(({ url }) => url.includes('/resolve/')).map(({ url }) => url.split('/').at(-1))).toEqual(['config.json']);
    const { commit } = await fetchModel(nodePlatform, settings(), { id: 'org/model', revision: 'v1.0' });
    expect(commit).toBe(old);
    expect(readFileSync(join(repoDir(), 'refs/v1.0'), 'utf8')).toBe(old);
  });

  it('offline uses what is there, and says what is not', async () => {
    hub.add('model', 'org/model', MODEL);
    await expect(fetchIt({ isOffline: true })).rejects.toThrow(/org\/model at revision main is not in the cache .* HF_HUB_OFFLINE/);
    const online = await fetchIt();
    const before = hub.requests.length;
    expect(await fetchIt({ isOffline: true })).toBe(online);
    expect(hub.requests.length).toBe(before);
    rmSync(join(online, 'model.safetensors'));
    await expect(fetchIt({ isOffline: true })).rejects.toThrow(/no model\.safetensors/);
  });

  it('goes on from the cache when the hub is down, and says so', async () => {
    hub.add('model', 'org/model', MODEL);
    const dir = await fetchIt();
    hub.isDown = true;
    const notes: string[] = [];
    expect((await fetchModel(nodePlatform, settings(), { id: 'org/model' }, { onNote: (text) => notes.push(text) })).dir).toBe(dir);
    expect(notes.join()).toMatch(/cannot be reached.*from the cache/);
  });

  it('works without links and without what not every runtime can do with files, as in a browser', async () => {
    hub.add('model', 'org/model', { ...MODEL, 'model.safetensors': random(100_000, 9) });
    hub.faults = [{ on: /GET \/objects/, fault: { kind: 'drop', afterBytes: 40_000 } }];
    const dir = await fetchIt({}, plainFiles);
    expect(lstatSync(join(dir, 'config.json')).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(dir, 'model.safetensors')).equals(random(100_000, 9))).toBe(true);
    expect(readdirSync(join(repoDir(), 'blobs'))).toEqual([]);
    expect(hub.requests.some(({ origin, headers }) => origin === 'cdn' && headers['range'] !== undefined)).toBe(true);
    await fetchIt({}, plainFiles);
  });

  it('two at once fetch each file once', async () => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [{ on: /GET \/objects/, fault: { kind: 'slow', bytes: 30_000, ms: 20 }, times: 99 }];
    // A busy machine is no stall.
    const patient = { times: { ...FAST, stallMs: 10_000 } };
    const [a, b] = await Promise.all([fetchIt(patient), fetchIt(patient)]);
    expect(a).toBe(b);
    const gets = hub.requests.filter(({ origin }) => origin === 'cdn').map(({ url }) => url);
    expect(new Set(gets).size).toBe(gets.length);
  });
});

describe('faults of the network and the server', () => {
  const big = /GET \/objects/;
  const cases: [string, Fault, times: number][] = [
    ['a connection that breaks', { kind: 'drop', afterBytes: 100_000 }, 2],
    ['a connection that breaks at once', { kind: 'drop', afterBytes: 0 }, 2],
    ['a transfer that stalls', { kind: 'stall', afterBytes: 50_000 }, 1],
    ['429 with Retry-After', { kind: 'status', status: 429, headers: { 'Retry-After': '1' } }, 1],
    ['500', { kind: 'status', status: 500 }, 2],
    ['503', { kind: 'status', status: 503 }, 1],
    ['a body with a wrong byte', { kind: 'corrupt' }, 1],
    ['a truncated file', { kind: 'truncate', toBytes: 120_000 }, 1],
    ['a wrong ETag', { kind: 'etag', etag: '"0123456789abcdef0123456789abcdef01234567"' }, 1],
    ['slow answers', { kind: 'slow', bytes: 60_000, ms: 50 }, 1],
  ];
  it.each(cases)('%s: the file arrives whole', async (_, fault, times) => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [{ on: big, fault, times }];
    const started = Date.now();
    const dir = await fetchIt();
    expect(readFileSync(join(dir, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readdirSync(join(repoDir(), 'blobs')).some((name) => name.includes('incomplete'))).toBe(false);
    expect(Date.now() - started).toBeLessThan(10_000);
    if (fault.kind === 'status' && fault.status === 429) expect(Date.now() - started).toBeGreaterThanOrEqual(1000);
  });

  it('faults of the lists and of small files are repeated too', async () => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [
      { on: /revision/, fault: { kind: 'status', status: 502 } },
      { on: /revision/, fault: { kind: 'stall', afterBytes: 5 } },
      { on: /tree/, fault: { kind: 'drop', afterBytes: 10 } },
      { on: /resolve.*config\.json/, fault: { kind: 'corrupt' } },
      { on: /resolve.*jinja/, fault: { kind: 'status', status: 429 } },
    ];
    const dir = await fetchIt();
    expect(readFileSync(join(dir, 'config.json'), 'utf8')).toBe(MODEL['config.json']);
    expect(hub.faults.every(({ times }) => times === 0)).toBe(true);
  });

  it('continues after the process died, by range, and fetches only the rest', async () => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [{ on: big, fault: { kind: 'drop', afterBytes: 200_000 } }, { on: big, fault: { kind: 'status', status: 500 }, times: 99 }];
    const failure = await fetchIt().catch((error: unknown) => error);
    const [partial] = readdirSync(join(repoDir(), 'blobs')).filter((name) => name.endsWith('.incomplete'));
    // What was on its way when the connection broke may be lost.
    const kept = readFileSync(join(repoDir(), 'blobs', partial ?? '')).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(200_000);
    expect(String(failure)).toMatch(new RegExp(`model\\.safetensors.*${kept} of 300000 bytes are kept`, 's'));
    hub.faults = [];
    const before = hub.requests.length;
    await fetchIt();
    const [rest] = hub.requests.slice(before).filter(({ origin }) => origin === 'cdn');
    expect(rest?.headers['range']).toBe(`bytes=${kept}-`);
  });

  it('starts over where what was kept is not the beginning of the file', async () => {
    hub.add('model', 'org/model', MODEL);
    const dir = await fetchIt();
    const blob = readlinkSync(join(dir, 'model.safetensors')).split('/').at(-1) ?? '';
    rmSync(join(repoDir(), 'snapshots'), { recursive: true });
    rmSync(join(repoDir(), 'blobs', blob));
    writeFileSync(join(repoDir(), 'blobs', `${blob}.incomplete`), random(90_000, 77));
    expect(readFileSync(join(await fetchIt(), 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });

  it('a server that ignores ranges sends the file again', async () => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [{ on: big, fault: { kind: 'drop', afterBytes: 100_000 } }, { on: big, fault: { kind: 'ignoreRange' } }];
    expect(readFileSync(join(await fetchIt(), 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });

  it('gives up in bounded time, with words', async () => {
    hub.add('model', 'org/model', MODEL);
    hub.faults = [{ on: big, fault: { kind: 'stall', afterBytes: 0 }, times: 99 }];
    const started = Date.now();
    await expect(fetchIt()).rejects.toThrow(/Cannot fetch model\.safetensors of org\/model: nothing came for 0\.4 s/);
    expect(Date.now() - started).toBeLessThan(8000);
    hub.faults = [{ on: big, fault: { kind: 'corrupt' }, times: 99 }];
    await expect(fetchIt()).rejects.toThrow(/does not have the content that commit .* 3 times in a row/);
    hub.faults = [{ on: /revision/, fault: { kind: 'status', status: 429, headers: { 'Retry-After': '7200' } } }];
    await expect(fetchIt()).rejects.toThrow(/asks to wait 120 minutes/);
  });

  it('a stale lock of a dead process is taken over', async () => {
    hub.add('model', 'org/model', MODEL);
    await fetchIt();
    const locks = join(cacheDir, '.locks/models--org--model');
    rmSync(repoDir(), { recursive: true });
    mkdirSync(locks, { recursive: true });
    const etag = (await import('node:crypto')).createHash('sha256').update(WEIGHTS).digest('hex');
    writeFileSync(join(locks, `${etag}.vernier.lock`), JSON.stringify({ ...(await thisProcess()), pid: 2 ** 22 + 1, started: 'long ago' }));
    await fetchIt();
    expect(existsSync(join(locks, `${etag}.vernier.lock`))).toBe(false);
  });
});

it('what a killed process left of a ref is cleared, and nothing else', async () => {
  hub.add('model', 'org/model', MODEL);
  const refs = join(cacheDir, 'models--org--model/refs');
  mkdirSync(refs, { recursive: true });
  for (const name of ['main.tmp-0123456789abcdef', 'main.tmp-2026', 'other.tmp-0123456789abcdef']) writeFileSync(join(refs, name), '');
  await fetchIt();
  expect(readdirSync(refs).sort()).toEqual(['main', 'main.tmp-2026', 'other.tmp-0123456789abcdef']);
});

describe('what users are told', () => {
  it.each([
    ['a repository that is not there', () => fetchIt(), /there is no model org\/model on http.*or it is private and no token is set\. .*HF_TOKEN/],
    ['a gated one, logged out', () => (hub.add('model', 'org/model', MODEL, { isGated: true }), fetchIt()), /gated: its owner asks you to accept a licence\. Open http[^ ]*\/org\/model in a browser/],
    ['a gated one, logged in', () => (hub.add('model', 'org/model', MODEL, { isGated: true }), fetchIt({ token: hub.options.token })), /this account has no access .*org\/model in a browser with the same account/],
    ['a wrong token', () => (hub.add('model', 'org/model', MODEL), fetchIt({ token: 'hf_wrongWrongWrongWrong' })), /refuses the token of the token given/],
    ['a revision that is not there', () => (hub.add('model', 'org/model', MODEL), fetchModel(nodePlatform, settings(), { id: 'org/model', revision: 'v9' })), /has no revision v9/],
    ['weights of another format', () => (hub.add('model', 'org/model', { 'config.json': '{}', 'pytorch_model.bin': 'x' }), fetchIt()), /org\/model has no model\.safetensors\. Its weights are in pytorch_model\.bin/],
    ['an adapter for a model', () => (hub.add('model', 'org/model', { 'adapter_config.json': '{}' }), fetchIt()), /is a LoRA adapter, not a model: give it as --init_adapter/],
    ['a model for an adapter', () => (hub.add('model', 'org/model', MODEL), fetchAdapter(nodePlatform, settings(), { id: 'org/model' })), /org\/model has no adapter_config\.json\. It is not a PEFT adapter/],
    ['no network', () => ((hub.isDown = true), fetchIt()), /cannot be reached.*Check the network .*and HF_ENDPOINT/],
    ['a file that leads out of the cache', () => (hub.add('model', 'org/model', { 'config.json': '{}', '..\\evil.json': '{}' }), fetchIt()), /leads out of its folder/],
  ])('%s', async (_, act, words) => {
    const error: unknown = await act().then(() => undefined, (cause: unknown) => cause);
    expect(error).toMatchObject({ name: 'UserError' });
    expect(String(error)).toMatch(words);
    expect(String(error)).not.toContain(hub.options.token);
  });

  it('the token goes to the hub, never to where it redirects, and never into a name or a URL', async () => {
    const { token } = hub.options;
    hub.add('model', 'org/model', MODEL, { isPrivate: true });
    await fetchIt({ token });
    const [onHub, onCdn] = (['hub', 'cdn'] as const).map((origin) => hub.requests.filter((one) => one.origin === origin));
    expect(onHub?.every(({ headers }) => headers['authorization'] === `Bearer ${token}`)).toBe(true);
    expect(onCdn?.length).toBeGreaterThan(0);
    expect(onCdn?.some(({ headers }) => headers['authorization'] !== undefined)).toBe(false);
    expect(hub.requests.some(({ url }) => url.includes(token))).toBe(false);
    for (const name of readdirSync(cacheDir, { recursive: true, encoding: 'utf8' })) {
      expect(name).not.toContain(token);
      if (lstatSync(join(cacheDir, name)).isFile()) expect(readFileSync(join(cacheDir, name)).includes(token)).toBe(false);
    }
  });
});
