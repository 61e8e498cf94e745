/** The cache of transformers.js: what is read from it, what is put there, and that what is wrong in it is fetched. */
import { expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { sharedCache } from '../../src/transformers/index.ts';

const hub = 'https://hub.test';
const commit = 'a'.repeat(40);
const file = (revision: string, name = 'config.json'): string => `${hub}/org/model/resolve/${revision}/${name}`;

function setUp(cached: Record<string, string>) {
  const stored = new Map(Object.entries(cached));
  const asked: string[] = [];
  const cache = {
    match: (url: string) => Promise.resolve(stored.has(url) ? new Response(stored.get(url) ?? null) : undefined),
    put: async (url: string, response: Response) => void stored.set(url, await response.text()),
  };
  const fetch = (url: string | URL): Promise<Response> => {
    asked.push(String(url));
    return Promise.resolve(/\/revision\//.test(String(url)) ? Response.json({ sha: commit }) : new Response('from the hub'));
  };
  const { network } = sharedCache({ ...nodePlatform, network: { fetch } }, cache);
  const get = async (url: string, init: RequestInit = {}): Promise<string> => (await network!.fetch(url, init)).text();
  return { stored, asked, get };
}

test('a file that transformers.js has fetched is not fetched again', async () => {
  const { asked, get } = setUp({ [file('main')]: 'cached' });
  expect(await get(file(commit))).toBe('cached');
  expect(asked).toEqual([]);
});

test('one of another branch is found by it, and kept under it', async () => {
  const { asked, stored, get } = setUp({ [file('main')]: 'of main' });
  expect(JSON.parse(await get(`${hub}/api/models/org/model/revision/v2`))).toEqual({ sha: commit });
  expect(await get(file(commit))).toBe('from the hub');
  expect(stored.get(file('v2'))).toBe('from the hub');
  expect(asked).toHaveLength(2);
});

test('asked for a second time, since its hash was wrong, it is fetched, and takes its place', async () => {
  const { stored, get } = setUp({ [file('main')]: 'old' });
  expect(await get(file(commit))).toBe('old');
  expect(await get(file(commit))).toBe('from the hub');
  expect(stored.get(file('main'))).toBe('from the hub');
});

test('weights, the rest of a file, and what is sent go past it', async () => {
  const { asked, stored, get } = setUp({ [file('main', 'model.safetensors')]: 'no', [file('main')]: 'no' });
  expect(await get(file(commit, 'model.safetensors'))).toBe('from the hub');
  expect(await get(file(commit), { headers: { Range: 'bytes=3-' } })).toBe('from the hub');
  expect(await get(file(commit), { method: 'POST' })).toBe('from the hub');
  expect(asked).toHaveLength(3);
  expect(stored.size).toBe(2);
});
