/** What servers send is read as far as an honest one would go: no answer fills the memory, leads out of a folder, or ends in a bare error. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { requestJson } from '../../src/hub/request.ts';
import { hubSettings, parseHubId } from '../../src/hub/settings.ts';
import { listTree, resolveRevision } from '../../src/hub/tree.ts';
import { UserError } from '../../src/platform.ts';
import { keepSecret } from '../../src/track/secrets.ts';
import { WandbClient } from '../../src/track/wandb/client.ts';
import { isRunId } from '../../src/track/wandb/settings.ts';

let server: Server;
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const times = { backoffMs: 1, maxWaitMs: 5, stallMs: 10_000, attempts: 2 };
const repo = { type: 'model', id: 'org/name' } as const;

async function failure(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    (value) => new Error(`no error: ${JSON.stringify(value)}`),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

/** Hands out spaces for as long as somebody listens; counts them. */
function endless(response: ServerResponse, count: { bytes: number }): void {
  const piece = Buffer.alloc(2 ** 20, ' ');
  const push = (): void => {
    while (!response.destroyed && response.write(piece)) count.bytes += piece.length;
    count.bytes += piece.length;
  };
  response.on('drain', push);
  push();
}

test('an answer without an end, as it is and as a gzip bomb', async () => {
  const count = { bytes: 0 };
  let asked = 0;
  const bomb = gzipSync(Buffer.alloc(100 * 2 ** 20, ' '));
  const endpoint = await serve((request, response) => {
    asked++;
    if (request.url === '/bomb') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb);
    else endless(response, count);
  });
  const settings = hubSettings({ endpoint, times });
  expect(await failure(requestJson(settings, '/long', { action: 'ask' }))).toMatch(/^Cannot ask: the answer is longer than 67108864 bytes/);
  expect(await failure(requestJson(settings, '/bomb', { action: 'ask' }))).toMatch(/^Cannot ask: the answer is longer than/);
  expect(asked).toBe(2); // it is not tried again
  expect(count.bytes).toBeLessThan(96 * 2 ** 20);
  expect(await failure(new WandbClient(endpoint, 'k'.repeat(40)).graphql('{}', {}))).toMatch(/W&B at .* answered a query at great length/);
}, 30_000);

test('an error without an end is cut, and its secrets are taken out before', async () => {
  keepSecret('sixteen-letters!');
  const endpoint = await serve((_, response) => {
    response.writeHead(400);
    response.write(`${'x'.repeat(290)}sixteen-letters!`);
    endless(response, { bytes: 0 });
  });
  const words = await failure(requestJson(hubSettings({ endpoint, times }), '/', { action: 'ask' }));
  expect(words.length).toBeLessThan(600);
  expect(words).not.toContain('sixteen');
  const wandb = await failure(new WandbClient(endpoint, 'k'.repeat(40)).graphql('{}', {}));
  expect(wandb.length).toBeLessThan(600);
  expect(wandb).not.toContain('sixteen');
}, 30_000);

test.each(['../../etc', '..', 'main', 'a'.repeat(39), 'A'.repeat(40), '0'.repeat(40) + '/x', 5, { toString: 1 }, null])('the commit %j is refused', async (sha) => {
  const endpoint = await serve((_, response) => response.end(JSON.stringify({ sha })));
  expect(await failure(resolveRevision(hubSettings({ endpoint, times }), repo, 'main'))).toMatch(/did not answer with the commit of org\/name/);
});

test.each(['file:///etc/passwd', 'ftp://host/x', 'data:application/json,{}', 'javascript:1', 'http://[', 'hub:x'])('a redirect to %s is refused in words, at once', async (location) => {
  let asked = 0;
  const endpoint = await serve((_, response) => {
    asked++;
    response.writeHead(302, { Location: location }).end();
  });
  const words = await failure(requestJson(hubSettings({ endpoint, times }), '/', { action: 'ask' }));
  expect(words).toBe(`Cannot ask: ${endpoint} redirects to an address that is not http or https (${location}), which is not followed. Check HF_ENDPOINT.`);
  const wandb = await failure(new WandbClient(endpoint, 'k'.repeat(40)).graphql('{}', {}));
  expect(wandb).toContain(`redirects its API (HTTP 302) to ${location}, which is not followed`.replace('its API', /redirects (.*) \(HTTP/.exec(wandb)?.[1] ?? ''));
  expect(asked).toBe(2);
});

test('a list of files that leads out of its folder, or has no end', async () => {
  const names = ['../x', 'a/../../x', '/etc/x', 'a\\b', 'C:/x', 'a//b', './a', '', 'a\0b'];
  let files: unknown = [];
  let page = 0;
  const endpoint = await serve((_, response) => {
    if (files === 'endless') response.setHeader('Link', `</api/models/org/name/tree/x?page=${page++}>; rel="next"`);
    response.end(JSON.stringify(files === 'endless' ? [] : files));
  });
  const list = (): Promise<string> => failure(listTree(hubSettings({ endpoint, times }), repo, 'x'));
  for (const path of names) {
    files = [{ type: 'file', path, size: 1, oid: 'x' }];
    expect(await list()).toMatch(/leads out of its folder/);
  }
  for (files of [{}, [1], [null], [{ type: 'file', path: 'a', size: -1, oid: 'x' }], [{ type: 'file', path: 'a', size: 1e300, oid: 'x' }]]) {
    expect(await list()).toMatch(/in the form that a Hugging Face hub has/);
  }
  files = 'endless';
  expect(await list()).toMatch(/its list of files does not end/);
}, 60_000);

test('revisions and run ids stay names', () => {
  expect(parseHubId('org/name@refs/pr/1')?.revision).toBe('refs/pr/1');
  for (const id of ['org/name@a/../../x', 'org/name@..', 'org/..', '../name', 'org/name/x', 'org/na me']) expect(parseHubId(id)).toBeUndefined();
  for (const id of ['../x', 'a/b', '..', '', 'a\nb', 'x'.repeat(129)]) expect(isRunId(id)).toBe(false);
  expect(isRunId('abc-123_x.y')).toBe(true);
});
