/** `node dist/ask.js --serve` as a user starts it: the key, streams, pictures, and 200 requests at once among clients that are killed. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildCommandLine, dist, repository } from './trainProcess.ts';

const withPicture = (url: string): unknown => [
  { role: 'user', content: [{ type: 'image_url', image_url: { url } }, { type: 'text', text: 'Where?' }] },
];

let child: ChildProcess;
let output = '';
let base = '';
let key = '';

beforeAll(async () => {
  buildCommandLine();
  const flags = ['--base_model_hf', join(repository, 'node/base'), '--serve', '--port', '0', '--serve_queue', '256', '--offline', 'true'];
  child = spawn(process.execPath, [join(dist, 'ask.js'), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  for (let i = 0; i < 600 && !/Key: /.test(output); i++) await sleep(100);
  base = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '';
  key = /Key: (\S+)/.exec(output)?.[1] ?? '';
});
afterAll(() => child.kill('SIGKILL'));

const ask = (body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
const text = { model: 'base', messages: [{ role: 'user', content: 'Where?' }] };

it('the key that is printed opens it, and no other', async () => {
  expect(output.split(key)).toHaveLength(2);
  expect((await fetch(`${base}/v1/models`, { headers: { Authorization: `Bearer ${key}x` } })).status).toBe(401);
  expect((await fetch(`${base}/v1/models`, { headers: { Authorization: `Bearer ${key}` } })).status).toBe(200);
});

it('a stream is the answer, and a picture is measured and drawn on', async () => {
  const whole = (await (await ask({ ...text, max_tokens: 12 })).json()) as { choices: { message: { content: string } }[] };
  const streamed = await (await ask({ ...text, max_tokens: 12, stream: true })).text();
  const pieces = [...streamed.matchAll(/"delta":\{"content":("[^}]*")\}/g)].map(([, piece]) => JSON.parse(piece!) as string);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(whole.choices[0]!.message.content);
  const url = `data:image/png;base64,${readFileSync(join(repository, 'node/quickstart/report.png')).toString('base64')}`;
  const measured = await ask({
    model: 'base',
    messages: withPicture(url),
    max_tokens: 32,
    vernier: { task: 'Detection', of: 'left thalamus', overlay: true },
  });
  const { vernier } = (await measured.json()) as { vernier: { prompt: string; numbers: unknown[]; overlay: { url: string } } };
  expect(vernier.prompt).toContain('bounding box for the left thalamus');
  expect(vernier.overlay.url).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
  // 56×56 pixels of 16-bit grey, which do not fit 8 bits.
  const deep =
    'iVBORw0KGgoAAAANSUhEUgAAADgAAAA4EAAAAADdfbiBAAAAMklEQVR42u3NMQ0AAAgDsDlHOjPAzdVUQDP7K0KhUCgUCoVCoVAo' +
    'FAqFQqFQKBQKhbcC+BNIj0nArdAAAAAASUVORK5CYII=';
  const deepUrl = `data:image/png;base64,${deep}`;
  const noted = await ask({ model: 'base', messages: withPicture(deepUrl), max_tokens: 1 });
  const { notes } = ((await noted.json()) as { vernier: { notes: string[] } }).vernier;
  expect(notes[0]).toMatch(/^picture 1 is 16-bit grey/);
  const broken = await ask({ model: 'base', messages: withPicture('data:image/png;base64,iVBORw0KGgoAAAA=') });
  expect(broken.status).toBe(400);
  expect(((await broken.json()) as { error: { message: string } }).error.message).toContain('picture 1');
});

it('a slice of a volume that is sent is the one that the command line reads', async () => {
  const volume = join(repository, 'node/sample/Datasets/Colin27Mini/Images/k01-bet-1mm-deep_T1w.nii.gz');
  const flags = ['--base_model_hf', join(repository, 'node/base'), '--image', volume, '--slice', 'coronal:20', '--task', 'TL', '--of', 'left thalamus'];
  const asked = await promisify(execFile)(process.execPath, [join(dist, 'ask.js'), ...flags, '--json', '--max_new_tokens', '24', '--offline', 'true']);
  const printed = JSON.parse(asked.stdout) as { answer: string; prompt: string };
  const packed = readFileSync(volume);
  for (const bytes of [packed, gunzipSync(packed)]) {
    const messages = withPicture(`data:application/x-nifti;base64,${bytes.toString('base64')}`);
    const body = { model: 'base', messages, max_tokens: 24, vernier: { task: 'TL', of: 'left thalamus', slices: ['coronal:20'] } };
    const answered = (await (await ask(body)).json()) as { choices: { message: { content: string } }[]; vernier: { prompt: string } };
    expect(answered.choices[0]!.message.content).toBe(printed.answer);
    // The size of its pixels is the volume's.
    expect(answered.vernier.prompt).toBe(printed.prompt);
  }
  const url = `data:application/x-nifti;base64,${packed.toString('base64')}`;
  // What is said of the size of a pixel goes before that, and is worded alike.
  const sized = await promisify(execFile)(process.execPath, [join(dist, 'ask.js'), ...flags, '--json', '--max_new_tokens', '1', '--offline', 'true', '--pixel_size', '0.7']);
  const vernier = { task: 'TL', of: 'left thalamus', slices: ['coronal:20'], pixel_size: 0.7 };
  const said = (await (await ask({ model: 'base', messages: withPicture(url), max_tokens: 1, vernier })).json()) as { vernier: { prompt: string } };
  expect(said.vernier.prompt).toBe((JSON.parse(sized.stdout) as { prompt: string }).prompt);
  expect(said.vernier.prompt).not.toBe(printed.prompt);
  const refused = async (body: object): Promise<string> => {
    const response = await ask({ model: 'base', ...body });
    expect(response.status).toBe(400);
    return ((await response.json()) as { error: { message: string } }).error.message;
  };
  expect(await refused({ messages: withPicture(url) })).toMatch(/^picture 1 is a volume: say which slice, vernier\.slices sagittal:0 to \d+/);
  expect(await refused({ messages: withPicture(url), vernier: { slices: ['axial:9999'] } })).toMatch(/vernier\.slices axial:9999: picture 1 is .* its last axial slice/);
  expect(await refused({ messages: withPicture(url), vernier: { slices: 'oblique:3' } })).toMatch(/^vernier\.slices should be sagittal:N/);
  const cut = `data:application/gzip;base64,${packed.subarray(0, 5000).toString('base64')}`;
  expect(await refused({ messages: withPicture(cut), vernier: { slices: ['axial:3'] } })).toMatch(/^picture 1: /);
});

it('200 requests at once, clients that are killed and ones that send nonsense leave it as it was', async () => {
  const killed = Array.from({ length: 20 }, async (_, i) => {
    const client = new AbortController();
    const asking = ask({ ...text, max_tokens: 1000, stream: true }, client.signal)
      .then(async (response) => response.text())
      .catch(() => 'killed');
    await sleep(20 * i);
    client.abort();
    return asking;
  });
  const nonsense = Array.from({ length: 20 }, () => ask('{"model":"base","messages":"'));
  const good = await Promise.all(Array.from({ length: 200 }, () => ask({ ...text, max_tokens: 1 })));
  expect(new Set(good.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set((await Promise.all(nonsense)).map(({ status }) => status))).toEqual(new Set([400]));
  expect(new Set(await Promise.all(killed))).toEqual(new Set(['killed']));
  const answers = await Promise.all(
    good.map((response) => response.json() as Promise<{ choices: { message: { content: string } }[] }>),
  );
  expect(new Set(answers.map(({ choices }) => choices[0]!.message.content)).size).toBe(1);
  expect(child.exitCode).toBeNull();
  if (process.platform !== 'linux') return;
  // What a request leaves behind would add up: 600 more, after as many as make caches full.
  const round = (): Promise<unknown> => Promise.all(Array.from({ length: 200 }, async () => (await ask({ ...text, max_tokens: 1 })).text()));
  const residentMib = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
  await round();
  const before = residentMib();
  for (let i = 0; i < 3; i++) await round();
  expect(residentMib() - before).toBeLessThan(48);
});

it('ends at Ctrl-C', async () => {
  child.kill('SIGINT');
  for (let i = 0; i < 200 && child.exitCode === null; i++) await sleep(50);
  expect(child.exitCode).toBe(130);
  expect(output).not.toContain('A request failed');
});
