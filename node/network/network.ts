/**
 * `fetch` as a hospital's network wants it: through its proxy, trusting its certificates. Each runtime has a way of its own: undici's
 * dispatchers in Node (20 to 24: Node's built-in fetch takes none of another version, so undici's fetch goes with them), options of fetch
 * in Bun, a client in Deno. Where nothing is set, Node's own fetch is left alone.
 */
import process from 'node:process';
import * as tls from 'node:tls';
import { UserError } from '../../src/platform.ts';
import type { Network } from '../../src/platform.ts';
import type { OwnCertificates } from '../../src/io/network/certificateVariables.ts';
import { ownCertificates } from './certificates.ts';
import { inWords, proxyRefusal } from '../../src/io/network/faults.ts';
import { credentials, proxyFor } from '../../src/io/network/proxies.ts';
import type { Env, Proxy } from '../../src/io/network/proxies.ts';

type Fetch = Network['fetch'];
type Way = (proxy: Proxy | undefined, certificates: OwnCertificates) => Promise<Fetch>;

let isClosed = false;

/** From now on every request is refused: undici's fetch does not go through the global one, which `--offline true` takes away. */
export function closeNetwork(): void {
  isClosed = true;
}

/** What a request gets that `--offline true` keeps from going out. */
export function refusedOffline(host: string): UserError {
  return new UserError(`--offline true: the connection to ${host} is refused. Leave --offline out to allow it.`);
}

/** @param env of the process; read at the first request, so that a run without a network minds no wrong variable */
export function openNetwork(runtime: 'node' | 'deno' | 'bun', env: Env): Network {
  const way = { node: throughUndici, bun: throughBun, deno: throughDeno }[runtime];
  let certificates: Promise<OwnCertificates> | undefined;
  const ways = new Map<string, Promise<Fetch>>();
  return {
    async fetch(address, init) {
      const url = new URL(address);
      if (isClosed) throw refusedOffline(url.host);
      const proxy = proxyFor(url, env);
      certificates ??= ownCertificates(env);
      const trusted = await certificates;
      const key = proxy?.address.href ?? '';
      const send = ways.get(key) ?? way(proxy, trusted);
      ways.set(key, send);
      let response: Response;
      try {
        response = await (await send)(url, init);
      } catch (cause) {
        // An end that the caller asked for is his own.
        if (cause instanceof UserError || init.signal?.aborted === true) throw cause;
        throw inWords(cause, url, proxy, trusted);
      }
      if (response.status === 407 && proxy !== undefined) {
        await response.body?.cancel().catch(() => undefined);
        throw proxyRefusal(407, proxy, url);
      }
      return response;
    },
  };
}

/** What the runtime trusts by itself, and ours. */
function trustedBy(certificates: OwnCertificates): string[] {
  // From Node 22.15 on, this knows of --use-system-ca too.
  const own = 'getCACertificates' in tls ? (tls.getCACertificates as (type: 'default') => string[])('default') : tls.rootCertificates;
  return [...own, ...certificates.pem];
}

const throughUndici: Way = async (proxy, certificates) => {
  const isPlain = proxy === undefined && certificates.pem.length === 0;
  // Node's own fetch may have been told to use the proxies itself (NODE_USE_ENV_PROXY), by rules that are not these.
  if (isPlain && process.env['NODE_USE_ENV_PROXY'] === undefined) return (url, init) => fetch(url, init);
  const { Agent, ProxyAgent, fetch: send } = await import('undici');
  const trust = certificates.pem.length === 0 ? {} : { ca: trustedBy(certificates) };
  const signIn = proxy && credentials(proxy);
  const dispatcher =
    proxy === undefined
      ? new Agent({ connect: trust })
      : new ProxyAgent({
          uri: proxy.address.origin,
          // Proxies forbid CONNECT for plain http more often than not.
          proxyTunnel: false,
          requestTls: trust,
          proxyTls: trust,
          ...(signIn && { token: `Basic ${Buffer.from(`${signIn.username}:${signIn.password}`).toString('base64')}` }),
        });
  // undici's types are its own; what goes in and out is the same.
  return (url, init) => send(url, { ...(init as object), dispatcher }) as unknown as Promise<Response>;
};

const throughBun: Way = (proxy, certificates) => {
  const trust = certificates.pem.length === 0 ? {} : { tls: { ca: trustedBy(certificates) } };
  const options = proxy === undefined ? trust : { ...trust, proxy: proxy.address.href };
  const send: Fetch = (url, init) => fetch(url, { ...init, ...options } as RequestInit);
  return Promise.resolve(proxy === undefined ? (url, init) => straight(() => send(url, init)) : send);
};

/**
 * Does `work`, which returns at once, while Bun and Deno take every host out of the proxies: where a request has none by our rules, they
 * would go by the variables themselves, and neither has an option to say no. Bun looks at them when fetch is called, Deno when a client is
 * made.
 */
function straight<T>(work: () => T): T {
  const names = ['no_proxy', 'NO_PROXY'] as const;
  const before = names.map((name) => process.env[name]);
  // Deno's star means names only.
  for (const name of names) process.env[name] = '*,0.0.0.0/0,::/0';
  try {
    return work();
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
}

interface DenoClients {
  createHttpClient(options: {
    caCerts?: readonly string[];
    proxy?: { url: string; basicAuth?: { username: string; password: string } };
  }): object;
}

const throughDeno: Way = (proxy, certificates) => {
  const deno = (globalThis as unknown as { Deno: DenoClients }).Deno;
  const basicAuth = proxy && credentials(proxy);
  const trust = certificates.pem.length === 0 ? {} : { caCerts: certificates.pem };
  const client =
    proxy === undefined
      ? straight(() => deno.createHttpClient(trust))
      : deno.createHttpClient({ ...trust, proxy: { url: proxy.address.origin, ...(basicAuth && { basicAuth }) } });
  return Promise.resolve((url, init) => fetch(url, { ...init, client } as RequestInit));
};
