/** gzip of one member and of several, by the runtime's DecompressionStream and by the way for runtimes that stop after the first. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { fileChunks, gunzipMembers } from '../../src/data/gzip.ts';
import { UserError } from '../../src/platform.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-gzip-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'data.gz');

async function native(bytes: Uint8Array, chunk: number): Promise<Buffer> {
  writeFileSync(path, bytes);
  const parts: Uint8Array[] = [];
  for await (const part of fileChunks(nodePlatform, path, chunk)) parts.push(part);
  return Buffer.concat(parts);
}

async function byMembers(bytes: Uint8Array, chunk: number): Promise<Buffer> {
  async function* raw(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunk) yield await Promise.resolve(bytes.slice(at, at + chunk));
  }
  const parts: Uint8Array[] = [];
  for await (const part of gunzipMembers(raw(), path)) parts.push(part);
  return Buffer.concat(parts);
}

const noise = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255));

describe.each([
  ['DecompressionStream', native],
  ['member by member', byMembers],
])('%s', (_, unpack) => {
  test('members of any sizes, in pieces of any size', async () => {
    const members = fc.array(fc.tuple(fc.nat(3000), fc.constantFrom(0, 1, 6, 9)), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(members, fc.integer({ min: 1, max: 5000 }), async (sizes, chunk) => {
        const parts = sizes.map(([size], i) => noise.subarray(i * 1000, i * 1000 + size));
        const bytes = Buffer.concat(parts.map((part, i) => gzipSync(part, { level: sizes[i]?.[1] ?? 6 })));
        expect((await unpack(bytes, chunk)).equals(Buffer.concat(parts))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('large members', async () => {
    const parts = [noise, Buffer.alloc(5_000_000), noise.subarray(7)];
    const bytes = Buffer.concat(parts.map((part) => gzipSync(part)));
    expect((await unpack(bytes, 1 << 20)).equals(Buffer.concat(parts))).toBe(true);
  });

  test('cut anywhere, or with a bit turned: an error that names the file', async () => {
    const first = gzipSync(noise.subarray(0, 2000));
    const bytes = Buffer.concat([first, gzipSync(noise.subarray(0, 900))]);
    for (const end of [3, 12, 500, first.length - 1, first.length + 30, bytes.length - 300, bytes.length - 5, bytes.length - 1]) {
      const cut = unpack(bytes.subarray(0, end), 256);
      await expect(cut, String(end)).rejects.toThrow(UserError);
      await expect(cut).rejects.toThrow(/data\.gz: the gzip data is truncated or corrupt/);
    }
    for (const at of [15, 500, first.length + 100, bytes.length - 6]) {
      await expect(unpack(bytes.map((byte, i) => (i === at ? byte ^ 16 : byte)), 256), String(at)).rejects.toThrow(/truncated or corrupt/);
    }
  });
});

test('a bomb is refused long before it has unfolded', async () => {
  writeFileSync(path, gzipSync(Buffer.alloc(400 * 2 ** 20), { level: 9 }));
  let bytes = 0;
  const reading = (async () => {
    for await (const part of fileChunks(nodePlatform, path)) bytes += part.length;
  })();
  await expect(reading).rejects.toThrow(/data\.gz: .* it is a gzip bomb/);
  expect(bytes).toBeLessThanOrEqual(257 * 2 ** 20);
});
