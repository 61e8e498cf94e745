/** Who is not answered, and what nobody gets: every way into the server but the one that is meant. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseFor } from '../../../src/options/program.ts';
import { uiProgram } from '../../../src/options/ui.ts';
import { nodePlatform } from '../../../node/platform.ts';
import { runId } from '../../../src/run/ui/findRuns.ts';
import { uiPlatform } from '../../../src/run/ui/folder.ts';
import { Pages } from '../../../src/run/ui/pages.ts';
import { HOST, openScene, row, START, TOKEN } from './outputs.ts';
import type { Scene } from './outputs.ts';

let scene: Scene;
let id: string;

beforeAll(async () => {
  scene = await openScene();
  scene.put('first/trainer_log.jsonl', START + row(1));
  scene.put('first/adapter_config.json', '{}');
  scene.put('first/private.txt', 'mine');
  id = await runId('first');
});
afterAll(() => {
  scene.close();
  expect(scene.failures).toEqual([]);
});

const cookie = `vernier_ui_4711=${TOKEN}`;
const PATHS = ['/', '/ui.html', '/studio/', '/api/runs', '/assets/ui-1.js'];

describe('the Studio', () => {
  it('finds what lies in node/ under own/, and nothing else of node/', async () => {
    const found = await scene.get('/studio/own/base/config.json');
    expect([found.status, await found.text()]).toEqual([200, '{}']);
    for (const path of ['/studio/own/secret.txt', '/own/base/config.json', '/studio/own/base/', '/studio/own/sample/x.gz']) expect((await scene.get(path)).status, path).toBe(404);
  });

  it('has a port of its own, since browsers keep its projects by address', () => {
    const portOf = (flags: Record<string, string>): number => parseFor(uiProgram, flags).options.port;
    expect([portOf({}), portOf({ studio: 'true' }), portOf({ studio: 'true', port: '0' }), portOf({ studio: 'true', port: '8080' })]).toEqual([0, 4747, 0, 8080]);
  });
});

describe('who is answered', () => {
  it('not without the token, nor with another', async () => {
    for (const path of [...PATHS, `/api/runs/${id}`, `/api/runs/${id}/events`, '/nothing']) {
      expect((await scene.raw(path, { headers: { host: HOST } })).status, path).toBe(401);
      for (const wrong of ['', TOKEN.slice(1), `${TOKEN}0`, TOKEN.toUpperCase(), '0'.repeat(32)])
        expect((await scene.raw(path, { headers: { host: HOST, cookie: `vernier_ui_4711=${wrong}` } })).status, wrong).toBe(401);
      // Another server's cookie.
      expect((await scene.raw(path, { headers: { host: HOST, cookie: `vernier_ui_4712=${TOKEN}` } })).status).toBe(401);
      // The query is for the first address alone.
      if (path !== '/') expect((await scene.raw(`${path}?token=${TOKEN}`, { headers: { host: HOST } })).status, path).toBe(401);
    }
    expect((await scene.raw(`/?token=${TOKEN}x`, { headers: { host: HOST } })).status).toBe(401);
    expect((await scene.raw('/api/runs', { method: 'POST', headers: { host: HOST } })).status).toBe(401);
  });

  it('the printed address becomes a cookie that no script and no other site can use', async () => {
    const response = await scene.raw(`/?token=${TOKEN}`, { headers: { host: HOST } });
    expect([response.status, response.headers.get('location')]).toEqual([303, '/']);
    expect(response.headers.get('set-cookie')).toBe(`${cookie}; Path=/; HttpOnly; SameSite=Strict`);
    const next = await scene.raw('/', { headers: { host: HOST, cookie } });
    expect([next.status, next.headers.get('location')]).toEqual([303, '/ui.html']);
  });

  it('not for another Host, though it brings the token', async () => {
    for (const host of ['evil.example', 'evil.example:4711', '127.0.0.1', '127.0.0.1:4712', `${HOST}.evil.example`, '[::1]:4711', '0.0.0.0:4711', ''])
      for (const path of PATHS) expect((await scene.raw(path, { headers: { host, cookie } })).status, host).toBe(403);
    expect((await scene.raw('/api/runs', { headers: { host: 'LocalHost:4711', cookie } })).status).toBe(200);
  });

  it('not for pages of other origins', async () => {
    for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1:4711', 'http://127.0.0.1:4712', 'http://localhost:4711', ''])
      expect((await scene.get('/api/runs', { origin })).status, origin).toBe(403);
    for (const site of ['cross-site', 'same-site']) expect((await scene.get('/api/runs', { 'sec-fetch-site': site })).status, site).toBe(403);
    for (const headers of [{ origin: `http://${HOST}` }, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }])
      expect((await scene.get('/api/runs', headers as Record<string, string>)).status).toBe(200);
    const preflight = await scene.raw('/api/runs', { method: 'OPTIONS', headers: { host: HOST, origin: 'http://evil.example' } });
    expect(preflight.status).toBe(403);
  });

  it('every answer keeps browsers from using it elsewhere', async () => {
    for (const path of [...PATHS, `/api/runs/${id}`, `/api/runs/${id}/report`, '/nothing']) {
      for (const response of [await scene.get(path), await scene.raw(path, { headers: { host: HOST } }), await scene.raw(path, { headers: { host: 'x' } })]) {
        const head = response.headers;
        expect(head.get('x-content-type-options'), path).toBe('nosniff');
        expect(head.get('referrer-policy')).toBe('no-referrer');
        expect(head.get('content-security-policy')).toMatch(/frame-ancestors '(none|self)'/);
        expect([...head.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    }
    expect((await scene.get(`/api/runs/${id}/report`)).headers.get('content-security-policy')).toContain('sandbox');
    expect((await scene.get('/ui.html')).headers.get('content-security-policy')).toContain("script-src 'self';");
  });
});

const CLIMBS = [
  '..',
  '%2e%2e',
  '..%2f..%2fsecret.txt',
  '%2e%2e%2f%2e%2e%2fsecret.txt',
  '..%5c..%5csecret.txt',
  '%252e%252e%252fsecret.txt',
  '%2fetc%2fpasswd',
  'C:%5cWindows%5cwin.ini',
  '%5c%5chost%5cshare',
  'private.txt',
  'trainer_log.jsonl%00.html',
  '%00',
  '.%2ftrainer_log.jsonl',
  'trainer_log.jsonl%2f',
  'TRAINER_LOG.JSONL',
  'checkpoint-1%2ftrainer_state.json',
  '__proto__',
  'constructor',
  '%ff',
  'aux',
];

describe('nothing outside', () => {
  it('files are of a few names, and runs of known ids', async () => {
    expect((await scene.get(`/api/runs/${id}/files/trainer_log.jsonl`)).status).toBe(200);
    for (const climb of CLIMBS) {
      for (const path of [`/api/runs/${id}/files/${climb}`, `/api/runs/${climb}`, `/api/runs/${climb}/events`, `/api/runs/${climb}/report`, `/${climb}`, `/studio/${climb}`, `/assets/${climb}`]) {
        const response = await scene.get(path);
        // An address that a client makes shorter may become that of the server itself, which leads to its page.
        if (response.headers.get('location') !== '/ui.html') expect([400, 404], path).toContain(response.status);
        expect(await response.text()).not.toContain('secret');
      }
      expect([400, 404]).toContain((await scene.post(`/api/runs/${climb}/stop`, {})).status);
      expect((await scene.get(`/api/compare?runs=${climb},${id}`)).status).toBe(400);
    }
    expect(scene.asked).toEqual([]);
  });

  it('links that lead out are not there, those within are', async () => {
    scene.put('linked/trainer_state.json', '{}');
    symlinkSync(join(scene.dir, '../secret.txt'), join(scene.dir, 'linked/trainer_log.jsonl'));
    symlinkSync(join(scene.dir, '../secret.txt'), join(scene.dir, 'linked/README.md'));
    symlinkSync(join(scene.dir, 'first/adapter_config.json'), join(scene.dir, 'linked/adapter_config.json'));
    symlinkSync(join(scene.dir, '..'), join(scene.dir, 'out'));
    symlinkSync(join(scene.dir, 'first'), join(scene.dir, 'same'));
    const linked = await runId('linked');
    const files = ((await (await scene.get(`/api/runs/${linked}`)).json()) as { files: { name: string }[] }).files.map(({ name }) => name);
    expect(files.sort()).toEqual(['adapter_config.json', 'trainer_state.json']);
    for (const name of ['README.md', 'trainer_log.jsonl']) expect((await scene.get(`/api/runs/${linked}/files/${name}`)).status).toBe(404);
    expect((await scene.get(`/api/runs/${linked}/files/adapter_config.json`)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const names = ((await (await scene.get('/api/runs')).json()) as { name: string }[]).map(({ name }) => name).sort();
    expect(names).toEqual(['first', 'linked']); // same is first, out is out
  });

  it('pages that are not built say what to do', async () => {
    const pages = await Pages.open(uiPlatform(nodePlatform), join(scene.dir, 'no such folder'));
    for (const path of ['/ui.html', '/studio/']) {
      const response = await pages.response(path, new Headers());
      expect(response.status).toBe(404);
      expect(await response.text()).toContain('npm run build');
    }
    await expect(pages.response('/other.html', new Headers())).rejects.toThrow('There is nothing here');
  });

  it('pages are served as they were when the server started, whatever was built since', async () => {
    const dir = join(scene.dir, '../built');
    mkdirSync(join(dir, 'assets'), { recursive: true });
    writeFileSync(join(dir, 'ui.html'), 'old page');
    writeFileSync(join(dir, 'assets/ui-old.js'), 'old script');
    const pages = await Pages.open(uiPlatform(nodePlatform), dir);
    writeFileSync(join(dir, 'ui.html'), 'new page');
    rmSync(join(dir, 'assets/ui-old.js'));
    for (const [path, text] of [['/ui.html', 'old page'], ['/assets/ui-old.js', 'old script']] as const)
      expect(await (await pages.response(path, new Headers())).text()).toBe(text);
  });

  it('bodies are JSON, small, and say so', async () => {
    expect((await scene.post('/api/runs', {}, { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await scene.post('/api/runs', {}, { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
    expect((await scene.post('/api/runs', '{')).status).toBe(400);
    expect((await scene.post('/api/runs', '[]')).status).toBe(400);
    expect((await scene.post('/api/runs', '['.repeat(100_000))).status).toBe(400);
    expect((await scene.post('/api/runs', ' '.repeat(300_000))).status).toBe(413);
    expect((await scene.post('/api/runs', {}, { 'content-length': '9'.repeat(9) })).status).toBe(413);
    expect(scene.asked).toEqual([]);
  });

  it('a run is written where the server says, under a name that is one', async () => {
    const options = { base_model_hf: 'tiny', train_file: 'rows.jsonl' };
    for (const name of ['', '..', '.', 'a/b', 'a\\b', '../x', '.hidden', 'a..b', 'x'.repeat(81), 'nul', 'CON.txt', 'a\0', 'a b', 'a.', '-a'])
      expect((await scene.post('/api/runs', { name, options })).status, name).toBe(422);
    for (const [option, value] of Object.entries({
      output_dir: '/tmp/x', lora_checkpoint_dir: '/tmp/x', config: 'x.yaml', export_jsonl: '/tmp/x', merged_model_dir: '/tmp/x', wandb_dir: '/tmp', run_name: 'x', merge_only: true,
    }))
      expect((await scene.post('/api/runs', { name: 'new', options: { ...options, [option]: value } })).status, option).toBe(422);
    const taken = await scene.post('/api/runs', { name: 'first', options });
    expect(taken.status).toBe(409);
    expect((await scene.post('/api/runs', { name: 'out', options: { ...options, overwrite: true } })).status).toBe(409);
    expect(scene.asked).toEqual([]);
  });
});
