/** `node dist/ui.js` as a user starts it: the address, real requests on the wire, and a run of the tiny base from start over stop to its end. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { RunDetail, RunEntry } from '../../src/run/ui/api.ts';
import { commandLine } from '../runtimes/runIn.ts';
import { buildCommandLine, dist, goldenRows, repository, runProgram, tinyModel } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-ui-'));
const outputs = join(scratch, 'outputs');
const rowsFile = join(scratch, 'rows.jsonl');

beforeAll(() => {
  buildCommandLine();
  writeFileSync(rowsFile, goldenRows('s01_single', 's09_textonly', 's12_string_content').join('\n') + '\n');
});

interface Server {
  child: ChildProcess;
  base: string;
  token: string;
  ended: Promise<number | null>;
  get(path: string): Promise<Response>;
  post(path: string, body?: unknown): Promise<Response>;
}

const servers: Server[] = [];
afterEach(async () => {
  for (const { child, ended } of servers.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function open(runtime: 'node' | 'deno' | 'bun' = 'node', ...words: string[]): Promise<Server> {
  const [program, ...flags] = commandLine(runtime);
  const env = { ...process.env, HF_HUB_OFFLINE: '1' };
  const child = spawn(program, [...flags, join(dist, 'ui.js'), '--outputs', outputs, ...words], { cwd: repository, env });
  let [out, errors] = ['', ''];
  child.stderr.on('data', (piece: Buffer) => (errors += piece.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString();
      if (out.includes('\n')) resolve();
    });
    void ended.then((code) => reject(new Error(`ended with ${code}: ${errors}`)));
  });
  const [, base = '', token = ''] = /^(http:\/\/127\.0\.0\.1:\d+)\/\?token=([0-9a-f]{32})\n$/.exec(out) ?? [];
  expect(base, out).not.toBe('');
  const head = { cookie: `vernier_ui_${base.split(':')[2]}=${token}` };
  const server: Server = {
    child,
    base,
    token,
    ended,
    get: (path) => fetch(base + path, { headers: head, redirect: 'manual' }),
    post: (path, body = {}) => fetch(base + path, { method: 'POST', headers: { ...head, 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  };
  servers.push(server);
  return server;
}

/** Bytes as they are, which no client makes shorter or refuses to send. */
function raw(base: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(base.split(':')[2]), '127.0.0.1', () => socket.end(text));
    let out = '';
    socket.on('data', (piece: Buffer) => (out += piece.toString()));
    socket.on('error', () => undefined).on('close', () => resolve(out));
  });
}

async function until<T>(get: () => Promise<T>, isSo: (value: T) => boolean, ms = 60_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await get();
    if (isSo(value)) return value;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(value).slice(0, 2000)}`);
    await sleep(200);
  }
}

it.each(['node', 'deno', 'bun'] as const)('in %s it prints one address, is for who has it, and ends by Ctrl-C', async (runtime) => {
  mkdirSync(join(outputs, 'old'), { recursive: true });
  writeFileSync(join(outputs, 'old/trainer_log.jsonl'), '{"event":"start","name":"old","total_steps":2}\n{"step":1,"loss":2}\n');
  const { base, token, get, child, ended } = await open(runtime);
  const opened = await fetch(`${base}/?token=${token}`, { redirect: 'manual' });
  expect([opened.status, opened.headers.get('location')]).toEqual([303, '/']);
  expect(opened.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/);
  expect((await fetch(`${base}/api/runs`)).status).toBe(401);
  const [run] = ((await (await get('/api/runs')).json()) as RunEntry[]).filter(({ name }) => name === 'old');
  expect(run).toMatchObject({ state: 'interrupted', step: 1, totalSteps: 2, loss: 2 });

  const stream = (await get(`/api/runs/${run!.id}/events`)).body!.getReader();
  let text = '';
  while (!text.includes('"step":1')) text += new TextDecoder().decode((await stream.read()).value);
  await stream.cancel();

  const head = `Host: ${base.slice(7)}\r\nCookie: vernier_ui_${base.split(':')[2]}=${token}\r\nConnection: close\r\n\r\n`;
  for (const path of ['/../../etc/passwd', '/assets/../../package.json', '/..%2f..%2fpackage.json', '/studio/..%5c..%5cpackage.json', '/%00', `/api/runs/${run!.id}/files/../../../../package.json`, `/api/runs/${run!.id}/files/..%2F..%2Frows.jsonl`, '//etc/passwd', '/C:/Windows/win.ini'])
    expect(await raw(base, `GET ${path} HTTP/1.1\r\n${head}`), path).toMatch(/^HTTP\/1.1 (400|404) /);
  for (const host of ['evil.example', '127.0.0.1', `127.0.0.1:${Number(base.split(':')[2]) + 1}`])
    expect(await raw(base, `GET /api/runs HTTP/1.1\r\nHost: ${host}\r\n${head.slice(head.indexOf('Cookie'))}`), host).toMatch(/^HTTP\/1.1 403 /);
  expect(await raw(base, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);

  child.kill('SIGINT');
  expect(await ended).toBe(130);
});

it('a run of the tiny base: started, watched, stopped as by Ctrl-C, found by the next server, resumed, finished, merged, evaluated', async () => {
  const first = await open();
  const options = {
    base_model_hf: tinyModel, train_file: rowsFile, val_file: rowsFile, max_steps: 400, per_device_train_batch_size: 3, gradient_accumulation_steps: 1, learning_rate: 0.002,
    lora_r: 4, target_modules: ['q_proj', 'v_proj'], logging_steps: 1, eval_steps: 1000, report_to: ['jsonl'], offline: true,
  };
  const response = await first.post('/api/runs', { name: 'first', options });
  expect(response.status, await response.clone().text()).toBe(202);
  const { id } = (await response.json()) as { id: string };
  const detail = (server: Server) => async () => (await (await server.get(`/api/runs/${id}`)).json()) as RunDetail;
  const begun = await until(detail(first), ({ step }) => (step ?? 0) >= 3);
  expect(begun).toMatchObject({ state: 'running', totalSteps: 400, settings: { lora_r: 4 }, actions: { stop: null } });
  expect(begun.holder).toMatch(/^process \d+ on .* \(train\), since/);
  expect(begun.pace!.secondsPerStep).toBeGreaterThan(0);
  expect(begun.peakBytes!).toBeGreaterThan(1e5);
  expect((await first.post(`/api/runs/${id}/resume`)).status).toBe(409);

  // The server ends, the run goes on.
  first.child.kill('SIGINT');
  expect(await first.ended).toBe(130);
  const second = await open();
  const going = await until(detail(second), ({ step }) => (step ?? 0) > begun.step!);
  expect(going.state).toBe('running');
  expect((await second.post(`/api/runs/${id}/stop`)).status).toBe(202);
  expect((await second.post(`/api/runs/${id}/stop`)).status).toBe(202);
  const stopped = await until(detail(second), ({ state }) => state !== 'running');
  expect(stopped.state).toBe('stopped');
  expect(existsSync(join(outputs, 'first', `checkpoint-${stopped.step}`))).toBe(true);
  const said = (await (await second.get(`/api/runs/${id}/said`)).json()) as { kind: string; text: string }[];
  expect(said).toMatchObject([{ kind: 'train', text: expect.stringContaining('Stopping, and saving what is done') as string }]);

  // The same recipe, with fewer steps to go: it is the user's to edit.
  const recipe = join(outputs, '.vernier-ui', `${id}.train.yaml`);
  expect(statSync(recipe).mode & 0o77).toBe(0);
  writeFileSync(recipe, readFileSync(recipe, 'utf8').replace('max_steps: 400', `max_steps: ${stopped.step! + 3}`));
  expect((await second.post(`/api/runs/${id}/resume`)).status).toBe(202);
  const finished = await until(detail(second), ({ state }) => state === 'finished' || state === 'failed');
  expect(finished).toMatchObject({ state: 'finished', step: stopped.step! + 3, actions: { resume: 'It is finished.', evaluate: null, merge: null } });
  const steps = finished.rows.filter((row) => 'loss' in row).map(({ step }) => step);
  expect(steps).toEqual(Array.from({ length: steps.length }, (_, i) => i + 1));
  expect(await (await second.get(`/api/runs/${id}/report`)).text()).toContain('Fine-tuning: first');

  expect((await second.post(`/api/runs/${id}/merge`)).status).toBe(202);
  await until(detail(second), ({ actions }) => actions.merge === null);
  expect(existsSync(join(outputs, 'first_merged/model.safetensors'))).toBe(true);
  const evaluation = (await (await second.post(`/api/runs/${id}/evaluate`)).json()) as { id: string };
  const evaluated = async (): Promise<RunDetail> => (await (await second.get(`/api/runs/${evaluation.id}`)).json()) as RunDetail;
  expect(await until(evaluated, ({ state }) => state !== 'running')).toMatchObject({ kind: 'evaluation', state: 'finished', name: 'first-evaluation' });
  expect((await evaluated()).figures).toContainEqual(['Answers', '3']);
}, 300_000);

it('a run that fails at its start is told with what it said', async () => {
  const server = await open();
  const options = { base_model_hf: tinyModel, train_file: join(scratch, 'none.jsonl'), offline: true };
  const { id } = (await (await server.post('/api/runs', { name: 'failing', options })).json()) as { id: string };
  const failed = await until(async () => (await (await server.get(`/api/runs/${id}`)).json()) as RunDetail, ({ state }) => state !== 'running');
  expect(failed.state).toBe('failed');
  const [train] = (await (await server.get(`/api/runs/${id}/said`)).json()) as { text: string }[];
  expect(train!.text).toContain('none.jsonl');
});

it('what cannot be served is said in a line', async () => {
  writeFileSync(join(scratch, 'file'), '');
  expect(await runProgram('ui', { outputs: join(scratch, 'file') })).toMatchObject({ code: 1, error: expect.stringContaining('is a file') as string });
  const { base } = await open();
  expect(await runProgram('ui', { outputs, port: base.split(':')[2]! })).toMatchObject({ code: 1, error: expect.stringContaining('another program listens there') as string });
  expect((await runProgram('ui', {}, undefined, {}, ['--help'])).output).toContain('--outputs');
});
