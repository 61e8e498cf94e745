/** `--offline true` takes the network away from undici too, which does not go through the global fetch. */
import { afterAll, expect, it } from 'vitest';
import { openNetwork } from '../../node/network/network.ts';
import { goOffline } from '../../node/offline.ts';
import { Proxy } from './hospital.ts';

const proxy = new Proxy();
afterAll(() => proxy.close());

it('nothing is sent, through a proxy or not', async () => {
  await proxy.start();
  goOffline();
  for (const env of [{}, { HTTP_PROXY: proxy.address }] as Record<string, string>[]) {
    await expect(openNetwork('node', (name) => env[name]).fetch('http://hub.hospital.test/', {})).rejects.toThrow(
      '--offline true: the connection to hub.hospital.test is refused.',
    );
  }
  expect(proxy.seen).toEqual([]);
});
