/**
 * Requests through a proxy and past a certificate authority of the network's own, in Node, Deno and Bun; and what is said where they do not
 * get through.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ownCertificates } from '../../node/network/certificates.ts';
import { runIn } from '../runtimes/runIn.ts';
import { CA_FILE, Proxy, TlsFront } from './hospital.ts';
import sendAll from './requests.script.mjs';

interface Case {
  url: string;
  env: Record<string, string>;
  bytes?: number;
}
interface Result {
  status?: number;
  length?: number;
  error?: string;
  words?: string;
  isLasting?: boolean;
}

const scratch = mkdtempSync(join(tmpdir(), 'vernier-network-'));
const BIG = 20_000_000;
const server = createServer((request, response) => {
  if (request.url === '/big') return void response.end(Buffer.alloc(BIG));
  let length = 0;
  request.on('data', (piece: Buffer) => (length += piece.length));
  request.on('end', () => response.end('x'.repeat(length === BIG ? 100 : 10)));
});
let plain: string;
const front = new TlsFront();
const proxy = new Proxy();
const locked = new Proxy();

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  plain = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await front.start(plain);
  await proxy.start();
  await locked.start();
  locked.signIn = 'user:p@ss word';
});
afterAll(async () => {
  await front.close();
  await proxy.close();
  await locked.close();
  server.closeAllConnections();
  server.close();
  rmSync(scratch, { recursive: true });
});
beforeEach(() => {
  proxy.seen.length = 0;
  locked.seen.length = 0;
});

const DEAD = 'http://127.0.0.1:9';

describe.each(['node', 'deno', 'bun'] as const)('%s', (runtime) => {
  const send = async (cases: readonly Case[]): Promise<Result[]> =>
    runtime === 'node' ? sendAll({ runtime, args: { cases } }) : ((await runIn(runtime, 'test/network/requests.script.mjs', { cases })) as Result[]);

  it('gets through, the way the variables say', async () => {
    const here = new URL(plain).host;
    const tls = new URL(front.address).host;
    const signedIn = locked.address.replace('//', '//user:p%40ss%20word@');
    const cases: Case[] = [
      { url: plain, env: {} },
      { url: front.address, env: { SSL_CERT_FILE: CA_FILE } },
      { url: plain, env: { HTTP_PROXY: proxy.address } },
      { url: front.address, env: { HTTPS_PROXY: proxy.address, REQUESTS_CA_BUNDLE: CA_FILE } },
      // A name that only the proxy knows.
      { url: `https://hub.hospital.test:${front.port}/`, env: { https_proxy: proxy.address, CURL_CA_BUNDLE: CA_FILE } },
      { url: front.address, env: { ALL_PROXY: proxy.address, NODE_EXTRA_CA_CERTS: CA_FILE } },
      { url: plain, env: { http_proxy: signedIn } },
      { url: front.address, env: { https_proxy: signedIn, SSL_CERT_FILE: CA_FILE } },
      // Our rules hold, whatever the runtime's own are.
      { url: front.address, env: { https_proxy: DEAD, NO_PROXY: tls, SSL_CERT_FILE: CA_FILE } },
      { url: plain, env: { http_proxy: DEAD, NO_PROXY: here } },
      { url: plain, env: { http_proxy: DEAD, NO_PROXY: '127.0.0.0/8' } },
      { url: plain, env: { http_proxy: '', HTTP_PROXY: DEAD } },
    ];
    expect(await send(cases)).toEqual(cases.map(() => ({ status: 200, length: 10 })));
    const by = (address: string): string[] => [`GET ${address}/`];
    expect(proxy.seen).toEqual([...by(plain), `CONNECT ${tls}`, `CONNECT hub.hospital.test:${front.port}`, ...(runtime === 'bun' ? [] : [`CONNECT ${tls}`])]);
    expect(locked.seen.filter((line, i, all) => line !== all[i - 1])).toEqual([...by(plain), `CONNECT ${tls}`]);
  });

  it('carries much both ways through the proxy', async () => {
    const env = { HTTPS_PROXY: proxy.address, SSL_CERT_FILE: CA_FILE };
    const before = proxy.bytesThrough;
    expect(await send([{ url: `${front.address}/big`, env }, { url: front.address, env, bytes: BIG }])).toEqual([
      { status: 200, length: BIG },
      { status: 200, length: 100 },
    ]);
    expect(proxy.bytesThrough - before).toBeGreaterThan(BIG);
  });

  it('says what is in the way and what to set', async () => {
    const trusting = { SSL_CERT_FILE: CA_FILE };
    const wrong = locked.address.replace('//', '//user:verySecretWord@');
    const garbage = join(scratch, 'garbage.pem');
    writeFileSync(garbage, 'no certificate\n');
    const forbidding = await new Proxy().start();
    forbidding.refusal = 403;
    const told: [Case, RegExp, boolean | undefined][] = [
      [{ url: front.address, env: {} }, /certificate of localhost is signed by an authority that is not known here .* SSL_CERT_FILE; SSL_CERT_DIR, REQUESTS_CA_BUNDLE, /, true],
      [{ url: front.address, env: { https_proxy: proxy.address } }, /through the proxy http:\/\/127\.0\.0\.1:\d+ \(https_proxy\) is signed by .* in SSL_CERT_FILE/, true],
      [{ url: front.address, env: { HTTPS_PROXY: DEAD, ...trusting } }, /the proxy http:\/\/127\.0\.0\.1:9 \(HTTPS_PROXY\) refuses the connection\. Check HTTPS_PROXY/, false],
      [{ url: front.address, env: { HTTPS_PROXY: 'http://nowhere.invalid:1', ...trusting } }, /the name of the proxy http:\/\/nowhere\.invalid:1 \(HTTPS_PROXY\)/, false],
      [{ url: plain, env: { HTTP_PROXY: locked.address } }, /\(HTTP_PROXY\) wants a user and a password \(407\)\. Put them in HTTP_PROXY: http:\/\/USER:PASSWORD@127/, true],
      [{ url: front.address, env: { HTTPS_PROXY: locked.address, ...trusting } }, /\(HTTPS_PROXY\) wants a user and a password \(407\)/, true],
      [{ url: plain, env: { HTTP_PROXY: wrong } }, /\(HTTP_PROXY\) does not take this user and password \(407\)/, true],
      [{ url: front.address, env: { HTTPS_PROXY: wrong, ...trusting } }, /\(HTTPS_PROXY\) does not take this user and password \(407\)/, true],
      [{ url: front.address, env: { HTTPS_PROXY: forbidding.address, ...trusting } }, /does not let the request to localhost pass(?: \(403\))?\./, true],
      [{ url: front.address, env: { HTTPS_PROXY: proxy.address.replace('http', 'https'), ...trusting } }, /does not speak as its address says/, true],
      [{ url: plain.replace('http', 'https'), env: trusting }, /127\.0\.0\.1:\d+ does not speak https/, true],
      [{ url: DEAD, env: {} }, /refuses the connection|bad port|blocked/i, false],
      [{ url: 'https://nowhere.invalid/', env: {} }, /the name nowhere\.invalid is not known\. .*HTTPS_PROXY/, false],
      [{ url: front.address, env: { SSL_CERT_FILE: garbage } }, /SSL_CERT_FILE=.*garbage\.pem: a file of certificates \(PEM.* none is in it\. .* or unset SSL_CERT_FILE/, undefined],
      [{ url: plain, env: { HTTP_PROXY: 'http://u:verySecretWord@p:port' } }, /HTTP_PROXY: an address as/, undefined],
    ];
    const results = await send(told.map(([one]) => one));
    await forbidding.close();
    told.forEach(([{ env }, words, isLasting], i) => {
      expect(results[i]?.words, JSON.stringify(env)).toMatch(words);
      expect(results[i]?.isLasting, JSON.stringify(env)).toBe(isLasting);
      expect(results[i]?.error).toBe(isLasting === undefined ? 'UserError' : 'NetworkError');
    });
    expect(JSON.stringify(results)).not.toContain('verySecretWord');
  });
});

describe('certificates', () => {
  const named = (env: Record<string, string>): ReturnType<typeof ownCertificates> => ownCertificates((name) => env[name]);

  it('of all variables together, each once; a folder too', async () => {
    const folder = mkdtempSync(join(scratch, 'certs-'));
    writeFileSync(join(folder, 'a.0'), readFileSync(CA_FILE));
    writeFileSync(join(folder, 'readme.txt'), 'no certificate');
    writeFileSync(join(folder, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(await named({})).toEqual({ pem: [], variables: [] });
    const found = await named({ SSL_CERT_FILE: CA_FILE, REQUESTS_CA_BUNDLE: folder, SSL_CERT_DIR: `${folder}:${folder}`, CURL_CA_BUNDLE: '' });
    expect(found.variables).toEqual(['SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE']);
    expect(found.pem).toHaveLength(1);
  });

  it.each(['SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'])('%s that cannot be read is named', async (variable) => {
    const missing = join(scratch, 'none.pem');
    await expect(named({ [variable]: missing })).rejects.toThrow(`${variable}=${missing}: the certificates cannot be read: there is no such file`);
    const broken = join(scratch, 'broken.pem');
    writeFileSync(broken, `${readFileSync(CA_FILE, 'utf8')}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
    if (variable !== 'SSL_CERT_DIR') await expect(named({ [variable]: broken })).rejects.toThrow(`${variable}=${broken}: certificate 2 in it cannot be read`);
  });
});
