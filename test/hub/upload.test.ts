/** Pushes against the test hub: large and small files, parts, every fault, nothing lost and nothing doubled; and the queue that pushes while training. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listFiles, uploadFiles as theirUpload } from '@huggingface/hub';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { nodePlatform } from '../../node/platform.ts';
import { modelCard } from '../../src/hub/modelCard.ts';
import { Pusher } from '../../src/hub/pusher.ts';
import { hubSettings } from '../../src/hub/settings.ts';
import type { HubSettings } from '../../src/hub/settings.ts';
import { uploadFiles, whoAmI } from '../../src/hub/upload.ts';
import type { Uploaded, UploadFile } from '../../src/hub/upload.ts';
import type { Platform } from '../../src/platform.ts';
import { plainFiles } from './plainFiles.ts';
import { TestHub } from './testHub.ts';
import type { PlannedFault } from './testHub.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-push-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
const WEIGHTS = Buffer.from(Uint8Array.from({ length: 250_000 }, (_, i) => (i * 7919) >> 5));
const weightsFile = join(scratch, 'adapter_model.safetensors');
writeFileSync(weightsFile, WEIGHTS);
const FILES: UploadFile[] = [
  { path: 'adapter_model.safetensors', content: { file: weightsFile } },
  { path: 'adapter_config.json', content: '{"r":8}' },
  { path: 'README.md', content: new TextEncoder().encode('# ä') },
];
const REPO = { type: 'model', id: 'tester/adapter' } as const;
const FAST = { stallMs: 500, backoffMs: 10, maxWaitMs: 3000, attempts: 4 };

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start({ partBytes: 1 << 20 });
});
afterEach(() => hub.close());
const settings = (token: string | undefined = hub.options.token): HubSettings => hubSettings({ endpoint: hub.endpoint, times: FAST, ...(token !== undefined && { token }) });
const push = (files = FILES, more: { platform?: Platform; isPrivate?: boolean; token?: string } = {}): Promise<Uploaded> =>
  uploadFiles(more.platform ?? nodePlatform, settings(more.token), REPO, files, { message: 'step 10', isPrivate: more.isPrivate ?? true });
const expectWhole = (): void => {
  const files = hub.files('model', REPO.id);
  expect([...files.keys()].sort()).toEqual(['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);
  expect(files.get('adapter_model.safetensors')?.equals(WEIGHTS)).toBe(true);
  expect(files.get('README.md')?.toString()).toBe('# ä');
};
const commits = (): string[] => hub.commitLog.filter((line) => line !== `${REPO.id} initial commit`);

describe('a push', () => {
  it('makes a private repository, sends the large file beside and the rest in one commit', async () => {
    const { url, commit, isChanged } = await push();
    expect({ url, isChanged }).toEqual({ url: `${hub.endpoint}/tester/adapter`, isChanged: true });
    expect(hub.repo('model', REPO.id)).toMatchObject({ isPrivate: true });
    expect(hub.repo('model', REPO.id).refs.get('main')).toBe(commit);
    expectWhole();
    expect(commits()).toEqual(['tester/adapter step 10']);
    expect(hub.requests.some(({ method, origin, headers }) => method === 'PUT' && origin === 'cdn' && headers['content-length'] === '250000')).toBe(true);
  });

  it('is done at once when everything is there; changes commit only once', async () => {
    await push();
    const before = hub.requests.length;
    expect((await push()).isChanged).toBe(false);
    expect(hub.requests.slice(before).some(({ method }) => method === 'PUT')).toBe(false);
    expect(commits().length).toBe(1);
    await push([...FILES.slice(0, 2), { path: 'README.md', content: '# new' }]);
    expect(commits().length).toBe(2);
    expect(hub.files('model', REPO.id).get('README.md')?.toString()).toBe('# new');
  });

  it('in parts where the hub asks for them, also without blobs that stay on disk', async () => {
    hub.options.partBytes = 60_000;
    await push(FILES, { platform: plainFiles });
    expectWhole();
    expect(hub.requests.filter(({ method, origin }) => method === 'PUT' && origin === 'cdn').map(({ bodyBytes }) => bodyBytes)).toEqual([60_000, 60_000, 60_000, 60_000, 10_000]);
  });

  const faults: [string, PlannedFault[], partBytes?: number][] = [
    ['an upload that breaks', [{ on: /PUT/, fault: { kind: 'drop', afterBytes: 90_000 }, times: 2 }]],
    ['an upload whose answer is lost', [{ on: /PUT/, fault: { kind: 'loseAnswer' } }]],
    ['a part that breaks', [{ on: /PUT.*partNumber=3/, fault: { kind: 'drop', afterBytes: 0 }, times: 2 }], 60_000],
    ['a part refused, with an expired address', [{ on: /PUT.*partNumber=2/, fault: { kind: 'status', status: 403 } }], 60_000],
    ['500 from the store', [{ on: /PUT/, fault: { kind: 'status', status: 500 }, times: 2 }]],
    ['429 with Retry-After at the batch', [{ on: /batch/, fault: { kind: 'status', status: 429, headers: { 'Retry-After': '1' } } }]],
    ['faults before the upload', [{ on: /create/, fault: { kind: 'status', status: 503 } }, { on: /preupload/, fault: { kind: 'drop', afterBytes: 0 } }]],
    ['a create whose answer is lost', [{ on: /create/, fault: { kind: 'loseAnswer' } }]],
    ['a commit refused with 500', [{ on: /commit/, fault: { kind: 'status', status: 500 }, times: 2 }]],
    ['a commit whose answer is lost', [{ on: /commit/, fault: { kind: 'loseAnswer' } }]],
    ['a commit whose answer never comes', [{ on: /commit/, fault: { kind: 'stall', afterBytes: 0 } }]],
    ['slow answers', [{ on: /POST/, fault: { kind: 'slow', bytes: 20, ms: 10 }, times: 9 }]],
  ];
  it.each(faults)('%s: everything arrives, once', async (_, planned, partBytes = 1 << 20) => {
    hub.options.partBytes = partBytes;
    hub.faults = planned;
    await push();
    expectWhole();
    expect(commits()).toEqual(['tester/adapter step 10']);
    expect(planned.every(({ times, fault }) => times === 0 || fault.kind === 'slow')).toBe(true);
  });

  it('goes on after an interruption: what the server has is not sent again', async () => {
    hub.faults = [{ on: /commit/, fault: { kind: 'status', status: 500 }, times: 99 }];
    await expect(push()).rejects.toThrow(/Cannot commit to tester\/adapter: the hub has a fault of its own/);
    hub.faults = [];
    const before = hub.requests.length;
    await push();
    expect(hub.requests.slice(before).some(({ method }) => method === 'PUT')).toBe(false);
    expectWhole();
  });

  it('a commit of somebody else in between is kept', async () => {
    await push();
    let isFirst = true;
    hub.faults = [];
    const { commits: known, refs } = hub.repo('model', REPO.id);
    const answer = hub.requests.push.bind(hub.requests);
    hub.requests.push = (...requests) => {
      if (isFirst && requests.some(({ url }) => url.includes('/commit/'))) {
        isFirst = false;
        const head = refs.get('main') ?? '';
        known.set('c'.repeat(40), { files: new Map([...(known.get(head)?.files ?? []), ['NOTES', { bytes: Buffer.from('mine'), isLfs: false }]]), title: 'theirs', parent: head });
        refs.set('main', 'c'.repeat(40));
      }
      return answer(...requests);
    };
    await push([{ path: 'README.md', content: 'ours' }]);
    expect(hub.files('model', REPO.id).get('NOTES')?.toString()).toBe('mine');
    expect(hub.files('model', REPO.id).get('README.md')?.toString()).toBe('ours');
  });

  it('says who may not push where, without the token', async () => {
    await expect(whoAmI(hubSettings({ endpoint: hub.endpoint }))).rejects.toThrow(/needs an access token with write permission/);
    await expect(whoAmI(settings('hf_wrongWrongWrongWrongWrong'))).rejects.toThrow(/wants a valid token/);
    expect(await whoAmI(settings())).toEqual({ name: 'tester', organisations: ['team'] });
    const error: unknown = await uploadFiles(nodePlatform, settings(), { type: 'model', id: 'strangers/adapter' }, FILES, { message: 'x' }).catch((cause: unknown) => cause);
    expect(String(error)).toMatch(/Cannot create strangers\/adapter: this account may not do that.*write access.*namespace "strangers"/);
    expect(String(error)).not.toContain(hub.options.token);
    expect(hub.requests.filter(({ headers }) => headers['authorization'] !== undefined).every(({ origin }) => origin === 'hub')).toBe(true);
  });

  it("the test hub answers Hugging Face's own client: it uploads, we download the same, and the other way round", async () => {
    await push();
    const names: string[] = [];
    const theirs = { hubUrl: hub.endpoint, accessToken: hub.options.token, repo: { type: 'model' as const, name: REPO.id } };
    for await (const { path } of listFiles(theirs)) names.push(path);
    expect(names).toContain('adapter_model.safetensors');
    await theirUpload({ files: [{ path: 'more.safetensors', content: new Blob([WEIGHTS.subarray(0, 5000)]) }], useXet: false, ...theirs });
    expect(hub.files('model', REPO.id).get('more.safetensors')?.length).toBe(5000);
    expectSubset();
  });
  const expectSubset = (): void => expect(hub.files('model', REPO.id).get('adapter_model.safetensors')?.equals(WEIGHTS)).toBe(true);
});

describe('the queue', () => {
  it('pushes one at a time, and of those that wait the newest', async () => {
    const log: string[] = [];
    let active = 0;
    const pusher = new Pusher((job, error) => log.push(`${job.name} failed: ${String(error)}`));
    const job = (name: string, ms: number, fails = false) => ({
      name,
      push: async () => {
        expect(++active).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, ms));
        active--;
        if (fails) throw new Error('no network');
        log.push(name);
      },
    });
    const first = pusher.offer(job('1', 30));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const later = ['2', '3', '4'].map((name) => pusher.offer(job(name, 30)));
    expect(log).toEqual([]);
    await Promise.all([first, ...later]);
    expect(log).toEqual(['1', '4']);
    expect(pusher.replaced).toBe(2);
    await pusher.offer(job('5', 1, true));
    await pusher.offer(job('6', 1));
    await pusher.idle();
    expect(log.slice(-2)).toEqual(['5 failed: Error: no network', '6']);
  });

  it('can be left at once', async () => {
    const pusher = new Pusher(() => undefined);
    void pusher.offer({ name: 'long', push: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))) });
    await Promise.resolve();
    await Promise.resolve();
    pusher.abort();
    await pusher.idle();
  });
});

describe('the model card', () => {
  it('has a head that the hub reads, plans, figures, options without secrets, and how to load it', async () => {
    const text = await modelCard({
      kind: 'adapter', repoId: 'tester/adapter', runName: 'sft', baseModel: 'Qwen/Qwen2.5-VL-3B-Instruct', baseRevision: 'abc123',
      data: ['11 000 rows of KiTS23'], datasets: ['YongchengYAO/MedVision'], plans: [{ file: 'benchmark_plan_detection_v1.0.0.json.gz', version: '1.0.0', sha256: 'f'.repeat(64) }], pin: '1.1.0',
      hyperparameters: { learning_rate: 2e-4, target_modules: ['q_proj', 'a|b'], hub_token: 'hf_abcdefghijklmnopqrstuvwxyz' },
      metrics: [{ name: 'eval_loss', before: 2.5, after: 0.75 }, { name: 'IoU', after: 0.5 }],
    });
    const head = parse(text.split('---')[1] ?? '') as Record<string, unknown>;
    expect(head).toMatchObject({ library_name: 'peft', base_model: 'Qwen/Qwen2.5-VL-3B-Instruct', datasets: ['YongchengYAO/MedVision'] });
    expect(head['tags']).toContain('lora');
    for (const part of ['| eval_loss | 2.5 | 0.75 |', '| IoU |  | 0.5 |', 'f'.repeat(64), '- Annotations of version 1.1.0 or the newest before it (`--planner_version 1.1.0`)\n\n| plan |', '| learning_rate | 0.0002 |', 'a\\|b', 'PeftModel.from_pretrained(base, "tester/adapter")', 'revision="abc123"']) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('hf_abc');
  });

  it('names no local path', async () => {
    const text = await modelCard({ kind: 'merged', runName: 'x' });
    expect(text).toContain('library_name: transformers');
    expect(text).not.toContain('base_model:');
  });
});
