/** gzip of one member and of several, by the runtime's DecompressionStream and by the way for runtimes that stop after the first. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { fileChunks, gunzipMembers } from '../../src/data/gzip.ts';
import { latin1 } from '../../src/data/imageFormats.ts';
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

  // As Python's gzip: python3 -c "import gzip; print(gzip.decompress(gzip.compress(b'a') + bytes(9) + gzip.compress(b'b') + bytes(2)))" gives b'ab'.
  test('zeros behind members and between them are padding', async () => {
    const member = fc.record({ size: fc.nat(3000), zeros: fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 512, 40_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 20_000 }), async (members, chunk) => {
        const parts = members.map(({ size }, i) => noise.subarray(i * 1000, i * 1000 + size));
        const bytes = Buffer.concat(parts.flatMap((part, i) => [gzipSync(part), Buffer.alloc(members[i]?.zeros ?? 0)]));
        expect((await unpack(bytes, chunk)).equals(Buffer.concat(parts))).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  test('a volume in blocks of 512 bytes', async () => {
    const bytes = gzipSync(Buffer.concat([noise, noise]));
    const padded = Buffer.concat([bytes, Buffer.alloc(512 - (bytes.length % 512))]);
    expect((await unpack(padded, 1 << 20)).equals(Buffer.concat([noise, noise]))).toBe(true);
  });
});

describe.each([
  ['a DecompressionStream of several members and no padding, as of Node 22', (bytes: Uint8Array) => bytes.length > 10 && !/\0{9}/.test(latin1(bytes))],
  ['a DecompressionStream of one member and no padding, as of Node 24', () => false],
])('on a runtime with %s', (_, isRead) => {
  test('padded files and files of members are read all the same', async () => {
    vi.resetModules();
    const Real = DecompressionStream;
    // Hands on what it has and then fails, where the real one of that runtime would.
    vi.stubGlobal('DecompressionStream', class {
      readonly readable: ReadableStream<Uint8Array>;
      readonly writable: WritableStream<BufferSource>;
      constructor(format: CompressionFormat) {
        const real = new Real(format);
        const given: Uint8Array[] = [];
        const watching = new TransformStream<Uint8Array, Uint8Array>({ transform: (chunk, to) => { given.push(chunk); to.enqueue(chunk); } });
        const failing = new TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, to) => to.enqueue(chunk),
          flush: (to) => { if (!isRead(Buffer.concat(given))) to.error(new TypeError('trailing junk')); },
        });
        this.writable = watching.writable as WritableStream<BufferSource>;
        this.readable = watching.readable.pipeThrough(real as ReadableWritablePair<Uint8Array, Uint8Array>).pipeThrough(failing);
      }
    });
    try {
      const { fileChunks: chunksHere } = await import('../../src/data/gzip.ts');
      const [head, tail] = [noise.subarray(0, 70_000), noise.subarray(5, 900)];
      for (const parts of [[gzipSync(head), gzipSync(tail)], [gzipSync(head), Buffer.alloc(512)], [gzipSync(head), Buffer.alloc(9), gzipSync(tail), Buffer.alloc(20)]]) {
        writeFileSync(path, Buffer.concat(parts));
        const found: Uint8Array[] = [];
        for await (const part of chunksHere(nodePlatform, path, 5000)) found.push(part);
        expect(Buffer.concat(found).equals(parts.length === 2 && parts[1]![0] === 0 ? head : Buffer.concat([head, tail]))).toBe(true);
      }
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });
});

test('what follows the padding and is no member is refused', async () => {
  for (const junk of [[1], [0x1f], [0x1f, 0x8b, 8], [0x1f, 0x8b, 8, ...new Array<number>(40).fill(0)], [7, ...new Array<number>(40).fill(0)], [...Buffer.from('PADDING PADDING')]]) {
    for (const zeros of [0, 1, 20]) {
      const bytes = Buffer.concat([gzipSync(noise.subarray(0, 900)), Buffer.alloc(zeros), Buffer.from(junk)]);
      await expect(byMembers(bytes, 300), `${zeros} zeros, ${junk.join(' ')}`).rejects.toThrow(/truncated or corrupt/);
    }
  }
});

test('a bomb is refused long before it has unfolded', async () => {
  writeFileSync(path, gzipSync(Buffer.alloc(400 * 2 ** 20), { level: 9 }));
  let bytes = 0;
  const reading = (async () => {
    for await (const part of fileChunks(nodePlatform, path)) bytes += part.length;
  })();
  await expect(reading).rejects.toThrow(/data\.gz: .* it is a gzip bomb, or nearly empty\. .* save it uncompressed/);
  expect(bytes).toBeLessThanOrEqual(257 * 2 ** 20);
});
