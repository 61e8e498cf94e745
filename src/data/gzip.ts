/**
 * Files as streams of bytes, gzip-decompressed where they need it, several members one after the other included (bgzip, `cat a.gz b.gz`). The output is
 * handed on piece by piece, so a reader stops when it has what it needs and a gzip bomb never unfolds.
 */
import { Gunzip } from 'fflate';
import type { Platform, RangedFile } from '../platform.ts';
import { UserError } from '../platform.ts';

const CHUNK_BYTES = 1 << 20;
/** Beyond this much output, data that unfolds further than any measurement or annotation does is refused: noise and numbers never reach a tenth of it. */
const BOMB_BYTES = 256 * 2 ** 20;
const BOMB_RATIO = 500;

/** @throws UserError where so many bytes would unfold from a file of `fileBytes` that it is no data */
export function checkRatio(path: string, bytes: number, fileBytes: number): void {
  if (bytes <= BOMB_BYTES || bytes <= fileBytes * BOMB_RATIO) return;
  throw new UserError(
    `${path}: its ${fileBytes} bytes unfold to more than ${BOMB_RATIO} times as many; it is a gzip bomb, not data. Fetch the file again.`,
  );
}

/**
 * The bytes of a file; `.gz` files (by their magic number, not their name) are decompressed. Leaving the loop early stops the work.
 * @param chunkBytes read from the file at once
 * @throws UserError that names the file where it is truncated or corrupt
 */
export async function* fileChunks(platform: Platform, path: string, chunkBytes = CHUNK_BYTES): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await platform.openFile(path);
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    const raw = fileBytes(file, chunkBytes);
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
      yield* raw;
      return;
    }
    let produced = 0;
    for await (const bytes of (await readsMembers()) ? gunzipNative(raw, path) : gunzipMembers(raw, path)) {
      produced += bytes.length;
      checkRatio(path, produced, file.size);
      yield bytes;
    }
  } finally {
    await file.close();
  }
}

async function* fileBytes(file: RangedFile, chunkBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < file.size; offset += chunkBytes) yield file.read(offset, Math.min(chunkBytes, file.size - offset));
}

/** DecompressionStream of this runtime. */
async function* gunzipNative(raw: AsyncGenerator<Uint8Array, void, undefined>, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await raw.next();
        if (done === true) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>); // a fresh read is never shared memory
      },
    },
    { highWaterMark: 0 },
  );
  const reader = source.pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw cause instanceof UserError ? cause : corrupt(path, cause);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // an errored stream has nothing left to cancel
  }
}

let hasMembers: Promise<boolean> | undefined;

/** Whether DecompressionStream goes on after the first member: Node's does, Deno and browsers take what follows for an error. */
function readsMembers(): Promise<boolean> {
  hasMembers ??= (async () => {
    // "a" and "b", each a member with one stored block.
    const member = (letter: number, crc: number[]): number[] => [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1, 1, 0, 254, 255, letter, ...crc, 1, 0, 0, 0];
    const bytes = Uint8Array.from([...member(97, [0x43, 0xbe, 0xb7, 0xe8]), ...member(98, [0xf9, 0xef, 0xbe, 0x71])]);
    try {
      const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
      return text === 'ab';
    } catch {
      return false;
    }
  })();
  return hasMembers;
}

/** For runtimes whose DecompressionStream ends with the first member: fflate unpacks, the checksums of the members are compared here. */
export async function* gunzipMembers(raw: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let register = -1;
  let tail: Uint8Array = new Uint8Array(0); // the last bytes of the file so far, of which the first is number `tailAt`
  let tailAt = 0;
  /** @param end where the member ends, whose checksum and length are its last 8 bytes */
  const check = (end: number): void => {
    const at = end - 8 - tailAt;
    const stated = at < 0 ? undefined : new DataView(tail.buffer, at).getInt32(0, true);
    if (stated !== ~register) throw new Error('the checksum does not match');
    register = -1;
  };
  const gunzip = new Gunzip((bytes) => {
    register = updatedCrc(register, bytes);
    if (bytes.length > 0) pieces.push(bytes);
  });
  gunzip.onmember = check;
  const push = (bytes: Uint8Array, isLast: boolean): void => {
    try {
      gunzip.push(bytes, isLast);
      if (isLast) check(tailAt + tail.length);
    } catch (cause) {
      throw corrupt(path, cause);
    }
  };
  for await (const bytes of raw) {
    // Small pieces: what one of them unfolds to is bounded before it is handed on.
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.slice(at, at + PIECE_BYTES);
      const kept = tail.slice(-TAIL_BYTES);
      tailAt += tail.length - kept.length;
      tail = new Uint8Array(kept.length + piece.length);
      tail.set(kept);
      tail.set(piece, kept.length);
      push(piece, false);
      yield* pieces;
      pieces = [];
    }
  }
  push(new Uint8Array(0), true);
  yield* pieces;
}

const PIECE_BYTES = 1 << 14;
/** More than a member's end and the next one's header together. */
const TAIL_BYTES = 1 << 17;

function corrupt(path: string, cause: unknown): UserError {
  return new UserError(`${path}: the gzip data is truncated or corrupt (${cause instanceof Error ? cause.message : String(cause)}). Fetch the file again.`);
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The register of CRC-32 (its complement is the checksum) after these bytes. */
function updatedCrc(register: number, bytes: Uint8Array): number {
  for (const byte of bytes) register = (register >>> 8) ^ (CRC_TABLE[(register ^ byte) & 255] ?? 0);
  return register;
}
