/**
 * The server of `ask --serve` against everything that clients do wrong or badly, with a model of words in place of the GPU's.
 * askServing.test.ts has the true one.
 */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { serve } from '../../node/ask/server.ts';
import type { ServeSettings, Serving } from '../../src/run/ask/service.ts';
import type { ChatAnswered, ChatListening } from '../../src/run/ask/chat.ts';
import type { ChatRequest } from '../../src/run/ask/chatRequest.ts';

const KEY = 'a-key-for-tests-0123456789';
const PATH = '/v1/chat/completions';
const question = { model: 'words', messages: [{ role: 'user', content: 'Where?' }] };
const picture = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const withPicture = (url: string): unknown => [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: 'Where?' },
    ],
  },
];

interface Told {
  error: { message: string; type: string; param: string | null; code: string | null };
}

let serving: Serving | undefined;
const asked: ChatRequest[] = [];
const failures: unknown[] = [];

/** A word every `ms`, `max_tokens` of them. */
function words(ms: number): ServeSettings['answer'] {
  return async (chat: ChatRequest, { stop, onStart, onText }: ChatListening): Promise<ChatAnswered> => {
    asked.push(chat);
    onStart();
    let text = '';
    const count = Math.min(chat.maxNewTokens, 1000);
    for (let i = 0; i < count; i++) {
      if (ms > 0) await sleep(ms, undefined, { signal: stop }).catch(() => undefined);
      stop.throwIfAborted();
      text += `w${i} `;
      onText?.(`w${i} `);
    }
    return { written: { text, finish: 'end', promptTokens: 3, answerTokens: count }, own: {} };
  };
}

async function start(more: Partial<ServeSettings> = {}): Promise<string> {
  serving = await serve({
    port: 0,
    key: KEY,
    model: 'words',
    maxNewTokens: 10,
    queue: 8,
    bodyBytes: 2 ** 20,
    bodyMs: 5000,
    requestMs: 20_000,
    answer: words(0),
    onFailure: (error) => failures.push(error),
    ...more,
  });
  return `http://127.0.0.1:${serving.port}`;
}

afterEach(async () => {
  await serving?.close();
  serving = undefined;
  expect(failures.splice(0)).toEqual([]);
  asked.length = 0;
});

function post(
  base: string,
  body: unknown,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${base}${PATH}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
}

async function refused(response: Response, status: number): Promise<Told['error']> {
  const { error } = (await response.json()) as Told;
  expect(response.status, error.message).toBe(status);
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
  return error;
}

const headOf = (port: number): string =>
  `POST ${PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\n`;

/** Bytes as they are, and what comes back until the connection ends. */
function raw(port: number, text: string, { end = true }: { end?: boolean } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (end ? socket.end(text) : socket.write(text)));
    let out = '';
    socket.on('data', (piece: Buffer) => (out += piece.toString()));
    socket.on('error', () => undefined).on('close', () => resolve(out));
  });
}

const emptied = async (): Promise<void> => {
  for (let i = 0; i < 200 && serving!.held().requests > 0; i++) await sleep(10);
  expect(serving!.held()).toEqual({ requests: 0, bytes: 0 });
};

describe('who may ask', () => {
  it('is who brings the key', async () => {
    const base = await start();
    expect((await refused(await fetch(`${base}/v1/models`), 401)).code).toBe('invalid_api_key');
    for (const key of [`${KEY}x`, KEY.slice(1), '', 'x'.repeat(5000)]) {
      const error = await refused(await post(base, question, { headers: { Authorization: `Bearer ${key}` } }), 401);
      expect(error.message).not.toContain(KEY);
    }
    expect(asked).toEqual([]);
    const models = (await (await fetch(`${base}/v1/models`, { headers: { Authorization: `bearer ${KEY}` } })).json()) as {
      data: { id: string }[];
    };
    expect(models.data.map(({ id }) => id)).toEqual(['words']);
  });

  it('is this machine: a page of another name is sent away, and none may read', async () => {
    const base = await start();
    const { port } = serving!;
    const head = (host: string): string =>
      `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${KEY}\r\nConnection: close\r\n\r\n`;
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`, `127.0.0.1:${port}.evil.example`]) {
      expect(await raw(port, head(host)), host).toMatch(/^HTTP\/1.1 403 /);
    }
    expect(await raw(port, head(`LocalHost:${port}`))).toMatch(/^HTTP\/1.1 200 /);
    const preflight = await fetch(`${base}${PATH}`, {
      method: 'OPTIONS',
      headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
    });
    await refused(preflight, 401);
  });
});

describe('a request', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"model":', /not valid JSON/],
    ['JSON that is too deep', `${'['.repeat(100_000)}`, /nested/],
    ['a list', [], /JSON object/],
    ['no messages', { model: 'words' }, /messages should be a list/],
    ['no role', { model: 'words', messages: [{ content: 'x' }] }, /role should be/],
    ['a role of Object', { model: 'words', messages: [{ role: 'constructor', content: 'x' }] }, /role should be/],
    ['an answer last', { model: 'words', messages: [{ role: 'assistant', content: 'x' }] }, /last one/],
    ['a sound', { model: 'words', messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, /text or image_url/],
    ['a path', { model: 'words', messages: withPicture('/etc/passwd') }, /no file is read/],
    ['a file: URL', { model: 'words', messages: withPicture('file:///etc/passwd') }, /no file is read/],
    ['a URL', { model: 'words', messages: withPicture('http://127.0.0.1/x.png') }, /nothing is fetched/],
    ["a path in base64's place", { model: 'words', messages: withPicture('data:image/png;base64,../../etc/passwd.') }, /base64/],
    ['a data: URL that is no picture', { model: 'words', messages: withPicture('data:text/plain;base64,eA==') }, /as data:image/],
    [
      'a path as the picture',
      { model: 'words', messages: [{ role: 'user', content: [{ type: 'image', path: '/etc/passwd' }] }] },
      /text or image_url/,
    ],
    [
      '33 pictures',
      { model: 'words', messages: [{ role: 'user', content: new Array(33).fill({ type: 'image_url', image_url: { url: picture } }) }] },
      /at most 32/,
    ],
    ['two answers', { ...question, n: 2 }, /^n: /],
    ['tools', { ...question, tools: [{}] }, /^tools: /],
    ['JSON as the answer', { ...question, response_format: { type: 'json_object' } }, /^response_format: /],
    ['no tokens', { ...question, max_tokens: 0 }, /max_tokens should be/],
    ['a stream of words', { ...question, stream: 'yes' }, /stream should be true or false/],
    ['a task without a picture', { ...question, vernier: { task: 'Detection', of: 'kidney' } }, /one picture/],
    ['an unknown task', { ...question, vernier: { task: 'Masks', of: 'kidney' } }, /vernier.task is one of Detection/],
  ])('with %s is refused in words', async (_, body, message) => {
    const base = await start();
    const error = await refused(await post(base, body), 400);
    expect(error.message).toMatch(message);
    expect(error.type).toBe('invalid_request_error');
    expect(asked).toEqual([]);
    await emptied();
  });

  it('for another model, place, method or in another form is refused', async () => {
    const base = await start();
    expect((await refused(await post(base, { ...question, model: 'gpt-4o' }), 404)).code).toBe('model_not_found');
    const headers = { Authorization: `Bearer ${KEY}` };
    await refused(await fetch(`${base}/../../etc/passwd`, { headers }), 404);
    expect((await fetch(`${base}${PATH}`, { headers })).headers.get('allow')).toBe('POST');
    await refused(await post(base, question, { headers: { 'Content-Type': 'text/plain' } }), 415);
    await refused(await post(base, question, { headers: { 'Content-Encoding': 'gzip' } }), 415);
    expect(await raw(serving!.port, 'no HTTP at all\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*\{"error"/s);
    expect(await raw(serving!.port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('takes what clients send beside the question, and pictures as bytes', async () => {
    const base = await start();
    const body = {
      ...question,
      messages: withPicture(picture),
      temperature: 0.7,
      top_p: 1,
      user: 'x',
      seed: 3,
      tools: [],
      n: 1,
      stop: null,
      max_completion_tokens: 3,
      detail: {},
    };
    const answer = (await (await post(base, body)).json()) as {
      choices: { message: { content: string }; finish_reason: string }[];
      usage: unknown;
    };
    expect(answer.choices[0]).toMatchObject({ message: { role: 'assistant', content: 'w0 w1 w2 ' }, finish_reason: 'stop' });
    expect(answer.usage).toEqual({ prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 });
    expect(asked[0]!.messages).toEqual([{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Where?' }] }]);
    expect(asked[0]!.images).toMatchObject([{ name: 'picture 1' }]);
  });

  it('of more than the limit is refused at its first bytes, and in pieces when it goes beyond', async () => {
    const base = await start({ bodyBytes: 1000 });
    await refused(await post(base, 'x'.repeat(1001)), 413);
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('x'.repeat(400)));
      },
    });
    const init = {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
      body: stream,
      duplex: 'half',
    };
    const answered = await fetch(`${base}${PATH}`, init as RequestInit).catch(() => undefined);
    if (answered) expect(answered.status).toBe(413);
    await emptied();
    // A client that asks first is told before it sends anything.
    const { port } = serving!;
    const head = `${headOf(port)}Expect: 100-continue\r\nConnection: close\r\n`;
    expect(await raw(port, `${head}Content-Length: 5000\r\n\r\n`, { end: false })).toMatch(/^HTTP\/1.1 413 /);
    const body = JSON.stringify(question);
    expect(await raw(port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)).toMatch(
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /,
    );
  }, 30_000);

  it('whose body does not come is told so after a while, and holds no place', async () => {
    const base = await start({ bodyMs: 300, queue: 1 });
    const { port } = serving!;
    const slow = raw(
      port,
      `${headOf(port)}Content-Length: 100\r\n\r\n{`,
      { end: false },
    );
    await sleep(100);
    expect(serving!.held()).toEqual({ requests: 1, bytes: 100 });
    const full = await post(base, question);
    expect(full.headers.get('retry-after')).toBe('2');
    await refused(full, 503);
    await sleep(400);
    expect((await post(base, question)).status).toBe(200);
    expect(await slow).toMatch(/^HTTP\/1.1 408 /);
    await emptied();
  }, 30_000);

  it('that ends in the middle of its body leaves nothing', async () => {
    await start();
    const { port } = serving!;
    const request = httpRequest({
      port,
      path: PATH,
      method: 'POST',
      headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', 'Content-Length': 1000 },
    });
    request.on('error', () => undefined).write('{"model"');
    await sleep(100);
    request.destroy();
    await emptied();
  });

  it('that takes too long is given up', async () => {
    const base = await start({ answer: words(50), requestMs: 120, maxNewTokens: 1000 });
    expect((await refused(await post(base, question), 504)).code).toBe('timeout');
    const streamed = await (await post(base, { ...question, stream: true })).text();
    expect(streamed).toContain('"code":"timeout"');
    expect(streamed.endsWith('data: [DONE]\n\n')).toBe(true);
    await emptied();
  });

  it('that fails for our own reason is told so without the reason', async () => {
    const told: unknown[] = [];
    const base = await start({ answer: () => Promise.reject(new Error('a secret of /home/me')), onFailure: (error) => told.push(error) });
    expect((await refused(await post(base, question), 500)).message).not.toContain('secret');
    expect(told).toHaveLength(1);
  });
});

describe('a stream', () => {
  it('comes piece by piece', async () => {
    const base = await start({ answer: words(20) });
    const response = await post(base, { ...question, stream: true, stream_options: { include_usage: true }, max_tokens: 5 });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const times: number[] = [];
    let text = '';
    for await (const piece of response.body!) {
      times.push(performance.now());
      text += new TextDecoder().decode(piece as Uint8Array);
    }
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(40);
    const events = text
      .trim()
      .split('\n\n')
      .map((line) => line.replace('data: ', ''));
    expect(events.pop()).toBe('[DONE]');
    const chunks = events.map(
      (line) => JSON.parse(line) as { choices: { delta: { content?: string }; finish_reason: string | null }[]; usage: unknown },
    );
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('w0 w1 w2 w3 w4 ');
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 8 } });
  });

  it('whose client goes is broken off, also while it waits', async () => {
    const base = await start({ answer: words(10), maxNewTokens: 1000 });
    const [first, second] = [new AbortController(), new AbortController()];
    const response = await post(base, { ...question, stream: true }, { signal: first.signal });
    await response.body!.getReader().read();
    const waiting = post(base, { ...question, stream: true }, { signal: second.signal }).catch(() => undefined);
    await sleep(50);
    expect(serving!.held().requests).toBe(2);
    second.abort();
    await waiting;
    for (let i = 0; i < 100 && serving!.held().requests > 1; i++) await sleep(10);
    first.abort();
    await emptied();
    expect(asked).toHaveLength(1);
    expect((await post(base, { ...question, max_tokens: 1 })).status).toBe(200);
  });
});

it('200 requests at once are answered in turn, or told to come again', async () => {
  const base = await start({ queue: 256, answer: words(1) });
  const all = await Promise.all(Array.from({ length: 200 }, () => post(base, { ...question, max_tokens: 2 })));
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
  await Promise.all(all.map((response) => response.text()));
  await serving!.close();
  const small = await start({ queue: 4, answer: words(5) });
  const some = await Promise.all(Array.from({ length: 200 }, () => post(small, { ...question, max_tokens: 2 })));
  const statuses = some.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(4);
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  await Promise.all(some.map((response) => response.text()));
  await emptied();
}, 60_000);

it('a port that is taken is told', async () => {
  await start();
  await expect(
    serve({
      port: serving!.port,
      key: KEY,
      model: 'x',
      maxNewTokens: 1,
      queue: 1,
      bodyBytes: 1,
      bodyMs: 1,
      requestMs: 1,
      answer: words(0),
      onFailure: () => undefined,
    }),
  ).rejects.toThrow('EADDRINUSE');
});
