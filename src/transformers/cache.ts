/**
 * The browser cache of transformers.js (Cache API, `transformers-cache`): what it has fetched of a model is not fetched again, and it finds
 * what is fetched here. Weights are left out: the two take other ones, of gigabytes.
 */
import type { Platform } from '../platform.ts';

/** What is used of the Cache API. */
export interface CacheLike {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
}

type Send = (url: string | URL, init: RequestInit) => Promise<Response>;

const FILE = /^(.*\/resolve\/)([^/]+)(\/.+)$/;
const REVISION = /\/api\/models\/.+\/revision\/([^/?]+)$/;
const WEIGHTS = /\.(safetensors|onnx|onnx_data|bin|gguf|pt)$/i;

/**
 * A platform for `fineTune` and `loadModel` whose downloads share the cache. A file in it counts only with the size and hash that the hub
 * states for the commit, as one from the hub itself does; else it is fetched.
 * @param cache default: that of transformers.js
 */
export function sharedCache(platform: Platform, cache?: CacheLike): Platform {
  const { network } = platform;
  const send: Send = network === undefined ? (url, init) => fetch(url, init) : (url, init) => network.fetch(url, init);
  let opened = cache && Promise.resolve(cache);
  /** Commit → the branch or tag that it was asked for by, under which transformers.js keeps files. */
  const revisions = new Map<string, string>();
  /** Addresses that the cache has answered for: where that was not the right file, it is asked for again. */
  const answered = new Set<string>();

  const learn = async (answer: Response, revision: string): Promise<Response> => {
    const facts: unknown = answer.ok ? await answer.clone().json() : undefined;
    if (typeof facts === 'object' && facts !== null && 'sha' in facts && typeof facts.sha === 'string') revisions.set(facts.sha, revision);
    return answer;
  };

  const shared: Send = async (url, init) => {
    const address = String(url);
    if ((init.method ?? 'GET') !== 'GET' || new Headers(init.headers).has('range')) return send(url, init);
    const revision = REVISION.exec(address)?.[1];
    if (revision !== undefined) return learn(await send(url, init), revision);
    const [, before, commit, path] = FILE.exec(address) ?? [];
    if (before === undefined || commit === undefined || path === undefined || WEIGHTS.test(path)) return send(url, init);
    const store = await (opened ??= caches.open('transformers-cache'));
    const key = `${before}${revisions.get(commit) ?? 'main'}${path}`;
    const hit = answered.has(address) ? undefined : ((await store.match(key)) ?? (await store.match(address)));
    answered.add(address);
    if (hit !== undefined) return hit;
    const answer = await send(url, init);
    if (answer.status === 200) await store.put(key, answer.clone()).catch(() => undefined); // a full store loses nothing
    return answer;
  };
  return { ...platform, network: { fetch: shared } };
}
