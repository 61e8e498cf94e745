/**
 * The hub and W&B behind a hospital's proxy and authority: a download, a push in parts and a run arrive; where a setting is missing, both
 * name it at once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openNetwork } from '../../node/network/network.ts';
import { nodePlatform } from '../../node/platform.ts';
import { fetchModel } from '../../src/hub/modelFiles.ts';
import { hubSettingsFromEnv } from '../../src/hub/settings.ts';
import { uploadFiles } from '../../src/hub/upload.ts';
import type { Platform } from '../../src/platform.ts';
import { wandbSettings } from '../../src/track/wandb/settings.ts';
import { WandbTracker } from '../../src/track/wandb/tracker.ts';
import { TestHub } from '../hub/testHub.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { CA_FILE, Proxy, TlsFront } from './hospital.ts';

const KEY = '0123456789abcdef0123456789abcdef01234567';
const RUN = { name: 'sft', totalSteps: 1, firstStep: 0, facts: {}, config: {} };
const UNSET = {
  wandb_project: null, wandb_entity: null, wandb_run_name: null, wandb_run_id: null, wandb_dir: null, wandb_resume: null, wandb_mode: null, wandb_tags: [],
};
const WEIGHTS = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 2654435761) >>> 13));

let dir: string;
let hub: TestHub;
let wandb: WandbServer;
let hubFront: TlsFront;
let wandbFront: TlsFront;
let proxy: Proxy;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vernier-services-'));
  hub = await TestHub.start({ partBytes: 1_000_000 });
  hub.add('model', 'org/model', { 'config.json': '{}', 'tokenizer.json': '{ }', 'model.safetensors': WEIGHTS });
  wandb = new WandbServer(KEY);
  hubFront = await new TlsFront().start(hub.endpoint);
  hub.outside = hubFront.address;
  wandbFront = await new TlsFront().start(await wandb.listen());
  proxy = await new Proxy().start();
});
afterEach(async () => {
  for (const server of [hubFront, wandbFront, proxy, hub, wandb]) await server.close();
  rmSync(dir, { recursive: true });
});

/** The Node platform with these variables and no others. */
function platformWith(variables: Record<string, string>): Platform {
  const own: Record<string, string> = {
    HF_ENDPOINT: hubFront.address, HF_HOME: dir, HF_TOKEN: hub.options.token, WANDB_BASE_URL: wandbFront.address, WANDB_API_KEY: KEY, ...variables,
  };
  const env = (name: string): string | undefined => own[name];
  return { ...nodePlatform, env, network: openNetwork('node', env) };
}

async function openRun(platform: Platform, said: string[] = []): Promise<WandbTracker> {
  const settings = await wandbSettings(platform, UNSET, 'sft', dir);
  return new WandbTracker({ platform, settings, say: (level, text) => said.push(`${level}: ${text}`), finishMs: 3000, pace: { post: 1, heartbeat: 200, retryFrom: 5, retryTo: 40 } });
}

it('a download, a push in parts and a run go through the proxy', async () => {
  const platform = platformWith({ HTTPS_PROXY: proxy.address, HTTP_PROXY: proxy.address, SSL_CERT_FILE: CA_FILE });
  const settings = await hubSettingsFromEnv(platform);
  const fetched = await fetchModel(platform, settings, { id: 'org/model' });
  expect(Buffer.from(await platform.readFile(`${fetched.dir}/model.safetensors`)).equals(WEIGHTS)).toBe(true);
  const trained = Buffer.from(WEIGHTS).reverse();
  const file = join(dir, 'trained.safetensors');
  await platform.writeFile(file, trained);
  const sent = await uploadFiles(platform, settings, { type: 'model', id: 'tester/pushed' }, [{ path: 'w.safetensors', content: { file } }], { message: 'pushed' });
  expect(sent.isChanged).toBe(true);
  expect(hub.files('model', 'tester/pushed').get('w.safetensors')?.equals(trained)).toBe(true);
  expect(proxy.seen.some((line) => line === `CONNECT localhost:${hubFront.port}`)).toBe(true);
  expect(proxy.seen.some((line) => line.startsWith('PUT http://localhost:') && line.includes('partNumber=3'))).toBe(true);
  // The store of the test hub is another host: no token goes there, through a proxy or not.
  expect(hub.requests.some(({ origin, headers }) => origin === 'cdn' && headers['authorization'] !== undefined)).toBe(false);

  const run = await openRun(platform);
  await run.start(RUN);
  await run.log({ loss: 1, step: 1 }, 1);
  await run.finish({ outcome: 'finished', figures: {}, files: [] });
  expect([...wandb.runs.values()].map(({ history, exitCode }) => [history.length, exitCode])).toEqual([[1, 0]]);
  expect(proxy.seen).toContain(`CONNECT localhost:${wandbFront.port}`);
});

it('without the certificates both name the variable, the hub at the first try', async () => {
  const platform = platformWith({});
  const started = Date.now();
  const error: unknown = await fetchModel(platform, await hubSettingsFromEnv(platform), { id: 'org/model' }).catch((cause: unknown) => cause);
  expect(String(error)).toMatch(/Cannot look up org\/model: https:\/\/localhost:\d+ cannot be reached: the certificate of localhost is signed by .* in SSL_CERT_FILE; .*HF_HUB_OFFLINE=1/);
  expect(Date.now() - started).toBeLessThan(900); // the first pause alone would be as long
  const said: string[] = [];
  const run = await openRun(platform, said);
  await run.start(RUN);
  expect(said[0]).toMatch(/^warning: W&B at https:\/\/localhost:\d+ cannot be reached: the certificate of localhost is signed by .* in SSL_CERT_FILE; .* work too\. Figures are kept/);
  await run.finish({ outcome: 'finished', figures: {}, files: [] });
});

it('a wrong password of the proxy is told without being shown', async () => {
  proxy.signIn = 'user:right';
  const platform = platformWith({ HTTPS_PROXY: proxy.address.replace('//', '//user:verySecretWord@'), SSL_CERT_FILE: CA_FILE });
  const error: unknown = await fetchModel(platform, await hubSettingsFromEnv(platform), { id: 'org/model' }).catch((cause: unknown) => cause);
  expect(String(error)).toMatch(/\(HTTPS_PROXY\) does not take this user and password \(407\)\. Check both in HTTPS_PROXY/);
  const said: string[] = [];
  const run = await openRun(platform, said);
  await run.start(RUN);
  await run.finish({ outcome: 'finished', figures: {}, files: [] });
  expect(said[0]).toMatch(/does not take this user and password/);
  expect(String(error) + said.join()).not.toContain('verySecretWord');
});

it('a bundle that is not there ends both, by name', async () => {
  const platform = platformWith({ REQUESTS_CA_BUNDLE: join(dir, 'none.pem') });
  await expect(fetchModel(platform, await hubSettingsFromEnv(platform), { id: 'org/model' })).rejects.toThrow(/Cannot .*: REQUESTS_CA_BUNDLE=.*none\.pem: the certificates cannot be read/);
  await expect((await openRun(platform)).start(RUN)).rejects.toThrow(/REQUESTS_CA_BUNDLE=.*none\.pem/);
});
