/** Reading that ends when it is asked to: whatever reads first, and nothing of what writes or closes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { withCleanUp } from '../../src/io/cleanUp.ts';
import { readingUntil } from '../../src/io/stoppablePlatform.ts';

const dir = mkdtempSync(join(tmpdir(), 'vernier-stoppable-'));
afterAll(() => rmSync(dir, { recursive: true }));

it('reads until the signal, and throws its reason after that', async () => {
  const stop = new AbortController();
  const platform = readingUntil(nodePlatform, stop.signal);
  const path = join(dir, 'file');
  await platform.writeFile(path, 'abc');
  const file = await platform.openFile(path);
  expect(file.size).toBe(3);
  expect(new TextDecoder().decode(await file.read(1, 2))).toBe('bc');
  stop.abort();
  const { reason } = stop.signal as { reason: Error };
  for (const work of [() => file.read(0, 1), () => platform.openFile(path), () => platform.readFile(path), () => platform.decodeImage(new Uint8Array(8), 'x.png')]) {
    await expect(work()).rejects.toBe(reason);
  }
  await file.close();
  await platform.writeFile(path, 'still written');
  expect(readFileSync(path, 'utf8')).toBe('still written');
});

it('of two errors, the work’s own is told, not that of clearing up after it', async () => {
  const fails = (message: string) => (): Promise<never> => Promise.reject(new Error(message));
  await expect(withCleanUp(fails('first'), fails('second'))).rejects.toThrow('first');
  await expect(withCleanUp(() => Promise.resolve(1), fails('second'))).rejects.toThrow('second');
  expect(await withCleanUp(() => Promise.resolve(1), () => Promise.resolve())).toBe(1);
});
