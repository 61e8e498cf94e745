/** The hub in Node, Deno, Bun and Chromium, through dist/vernier.js: a download that is interrupted, and a push. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from '../built.ts';
import { findChromium, INSTALL_CHROMIUM, runIn, RUNTIMES } from '../runtimes/runIn.ts';
import { TestHub } from './testHub.ts';

/** CI must prove the browser; a person's machine may do without one. */
const skipsChromium = findChromium() === undefined && process.env.CI !== 'true';
const WEIGHTS = Buffer.from(Uint8Array.from({ length: 400_000 }, (_, i) => (i * 2654435761) >>> 13));
const SHA256 = createHash('sha256').update(WEIGHTS).digest('hex');
const scratch = mkdtempSync(join(tmpdir(), 'vernier-hub-runtimes-'));
let hub: TestHub;

beforeAll(async () => {
  ensureBuilt('library');
  hub = await TestHub.start({ partBytes: 150_000 });
  hub.add('model', 'org/model', { 'config.json': '{}', 'tokenizer.json': '{ }', 'model.safetensors': WEIGHTS }, { isPrivate: true });
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});

describe.each(RUNTIMES)('%s', (runtime) => {
  test.skipIf(runtime === 'chromium' && skipsChromium)(`fetches through a lost connection and pushes in parts${runtime === 'chromium' ? ` (${INSTALL_CHROMIUM})` : ''}`, async () => {
    hub.faults = [
      { on: /GET \/objects/, fault: { kind: 'drop', afterBytes: 150_000 } },
      { on: /PUT.*partNumber=2/, fault: { kind: 'status', status: 503 } },
      { on: /commit/, fault: { kind: 'loseAnswer' } },
    ];
    const before = hub.requests.length;
    const args = { name: runtime, endpoint: hub.endpoint, token: hub.options.token, cacheDir: join(scratch, runtime) };
    const results = (await runIn(runtime, 'test/hub/transfer.script.mjs', args)) as Record<string, { sha256: string; isChanged: boolean[] }>;
    expect(Object.keys(results)).toEqual(['deno', 'bun'].includes(runtime) ? ['memory', 'native'] : ['memory']);
    for (const [platform, result] of Object.entries(results)) {
      // The commit whose answer was lost is found there when it is tried again.
      expect(result).toEqual({ sha256: SHA256, isChanged: [true, false] });
      const id = `tester/${runtime}-${platform}`;
      expect(hub.files('model', id).get('model.safetensors')?.equals(WEIGHTS)).toBe(true);
      expect(hub.commitLog.filter((line) => line === `${id} ${runtime}`).length).toBe(1);
    }
    const own = hub.requests.slice(before).filter(({ method }) => method !== 'OPTIONS');
    expect(own.filter(({ origin }) => origin === 'cdn').some(({ headers }) => headers['authorization'] !== undefined)).toBe(false);
    expect(own.some(({ headers }) => headers['range'] !== undefined)).toBe(true);
  });
});
