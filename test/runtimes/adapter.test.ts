/** Every runtime finds an adapter, computes on it and reads files: the ground that the training-step test stands on. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { INSTALL_CHROMIUM, RUNTIMES, findChromium, repository, runIn } from './runIn.ts';

/** Whole numbers, so that the sum is exact in f32 in any order. */
const values = Array.from({ length: 1000 }, (_, i) => (i * 37) % 101);
const sum = values.reduce((a, b) => a + b, 0);
const file = join(repository, 'LICENSE');
/** CI must prove the browser; a person's machine may do without one. */
const skipsChromium = findChromium() === undefined && process.env.CI !== 'true';

test.for(RUNTIMES)('%s sums on its GPU', async (runtime, { skip }) => {
  skip(runtime === 'chromium' && skipsChromium, INSTALL_CHROMIUM);
  const result = await runIn(runtime, 'test/runtimes/adapter.script.mjs', { values, file });
  expect(result).toMatchObject({ runtime: runtime === 'chromium' ? 'browser' : runtime, sum, fileBytes: statSync(file).size });
  if (runtime === 'chromium') expect(result).toMatchObject({ f16: false });
});

test.for(RUNTIMES)("%s passes the script's own error on", async (runtime, { skip }) => {
  skip(runtime === 'chromium' && skipsChromium, INSTALL_CHROMIUM);
  await expect(runIn(runtime, 'test/runtimes/adapter.script.mjs', { values, file: join(repository, 'no-such-file') })).rejects.toThrow(/no-such-file/);
});
