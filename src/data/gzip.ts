/**
 * Files as streams of bytes, gzip-decompressed where they need it, several members one after the other included (bgzip, `cat a.gz b.gz`).
 * The output is handed on piece by piece, so a reader stops when it has what it needs and a gzip bomb never unfolds.
 */
import { FlateErrorCode, Gunzip } from 'fflate';
import type { Platform, RangedFile } from '../platform.ts';
import { errorText, UserError } from '../platform.ts';
import { CRC_START, updatedCrc } from './crc32.ts';

const CHUNK_BYTES = 1 << 20;
/**
 * Beyond this much output, data that unfolds further than this is refused. Images never reach a tenth of it. A mask that is nearly empty
 * does (900 times and more), and cannot be told from a bomb but by its header.
 */
const BOMB_BYTES = 256 * 2 ** 20;
const BOMB_RATIO = 500;
/** What a header can answer for: it costs so much memory and no more. A mask of 512×512×1200 in float32 has 1.2 GiB. */
const STATED_BYTES = 2 * 2 ** 30;

/**
 * @param stated bytes that the data's own header says it has; 0: it has none
 * @throws UserError where so many bytes would unfold from a file of `fileBytes` that it is no data
 */
export function checkRatio(path: string, bytes: number, fileBytes: number, stated = 0): void {
  if (bytes <= Math.max(BOMB_BYTES, Math.min(stated, STATED_BYTES)) || bytes <= fileBytes * BOMB_RATIO) return;
  throw new UserError(
    `${path}: its ${fileBytes} bytes unfold to more than ${BOMB_RATIO} times as many; it is a gzip bomb, or nearly empty. Fetch the file ` +
      'again; if it is right, as a mask in float64, save it uncompressed or with a smaller data type.',
  );
}

/**
 * The bytes of a file; `.gz` files (by their magic number, not their name) are decompressed. Leaving the loop early stops the work.
 * @param chunkBytes read from the file at once
 * @param stated what the data's header says; whoever reads it there sets it, while the data comes
 * @throws UserError that names the file where it is truncated or corrupt
 */
export async function* fileChunks(
  platform: Platform,
  path: string,
  chunkBytes = CHUNK_BYTES,
  stated: { bytes: number } = { bytes: 0 },
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await platform.openFile(path);
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    const raw = fileBytes(file, chunkBytes);
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
      yield* raw;
      return;
    }
    let produced = 0;
    const handOn = function* (bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
      if (bytes.length === 0) return;
      produced += bytes.length;
      checkRatio(path, produced, file.size, stated.bytes);
      yield bytes;
    };
    if (await readsMembers()) {
      try {
        for await (const bytes of gunzipNative(raw, path)) yield* handOn(bytes);
        return;
      } catch (error) {
        // Not every runtime takes zeros behind a member for what they are; a file that is corrupt is refused below as well.
        if (!(error instanceof CorruptGzip)) throw error;
      }
    }
    let known = produced;
    for await (const bytes of gunzipMembers(fileBytes(file, chunkBytes), path)) {
      const skipped = Math.min(known, bytes.length);
      known -= skipped;
      yield* handOn(bytes.subarray(skipped));
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

/**
 * Whether DecompressionStream goes on after the first member, and says so where it ends before the file does. That of Node 22 and of Bun
 * does both; Node 20 leaves out without a word whatever follows zeros; others take what follows the first member for an error.
 */
function readsMembers(): Promise<boolean> {
  hasMembers ??= (async () => {
    // "a" and "b", each a member with one stored block.
    const member = (letter: number, crc: number[]): number[] => [
      31,
      139,
      8,
      0,
      0,
      0,
      0,
      0,
      0,
      255,
      1,
      1,
      0,
      254,
      255,
      letter,
      ...crc,
      1,
      0,
      0,
      0,
    ];
    const [a, b] = [member(97, [0x43, 0xbe, 0xb7, 0xe8]), member(98, [0xf9, 0xef, 0xbe, 0x71])];
    const read = (bytes: number[]): Promise<string | undefined> => {
      const unpacked = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(new DecompressionStream('gzip'));
      return new Response(unpacked).text().catch(() => undefined);
    };
    return (await read([...a, ...b])) === 'ab' && (await read([...a, ...new Array<number>(20).fill(0), ...b])) !== 'a';
  })();
  return hasMembers;
}

/**
 * For runtimes whose DecompressionStream ends with the first member, or at zeros: fflate unpacks, the checksums and lengths of the members
 * are compared here. As in Python's gzip, zeros behind a member are padding, and a member may follow them.
 */
export async function* gunzipMembers(raw: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  const take = (bytes: Uint8Array): void => {
    if (bytes.length > 0) pieces.push(bytes);
  };
  let run = new MemberRun(take);
  for await (const bytes of raw) {
    // Small pieces: what one of them unfolds to is bounded before it is handed on.
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      try {
        let rest: Uint8Array | undefined = bytes.slice(at, at + PIECE_BYTES);
        while (rest !== undefined) {
          rest = run.push(rest);
          if (rest !== undefined) run = new MemberRun(take, run.count);
        }
      } catch (cause) {
        throw corrupt(path, cause);
      }
      yield* pieces;
      pieces = [];
    }
  }
  try {
    run.end();
  } catch (cause) {
    throw corrupt(path, cause);
  }
  yield* pieces;
}

/** Members that follow each other without padding. */
class MemberRun {
  /** Members that ended, those of earlier runs included. */
  count: number;
  private register = CRC_START;
  private length = 0;
  /** The last bytes so far, of which the first is number `tailAt`; empty while zeros are skipped before the first member. */
  private tail: Uint8Array = new Uint8Array(0);
  private tailAt = 0;
  private readonly gunzip: Gunzip;

  constructor(take: (bytes: Uint8Array) => void, count = 0) {
    this.count = count;
    this.gunzip = new Gunzip((bytes) => {
      this.register = updatedCrc(this.register, bytes);
      this.length += bytes.length;
      take(bytes);
    });
    this.gunzip.onmember = (end) => {
      if (!this.endsAt(end - this.tailAt)) throw new Error('the checksum does not match');
      this.count++;
      this.register = CRC_START;
      this.length = 0;
    };
  }

  /** @returns what follows the padding that ended this run, if it has ended */
  push(bytes: Uint8Array): Uint8Array | undefined {
    let piece = bytes;
    if (this.tail.length === 0) {
      const start = this.count === 0 ? 0 : bytes.findIndex((byte) => byte !== 0);
      if (start < 0 || bytes.length === 0) return undefined;
      piece = bytes.subarray(start);
    }
    const kept = this.tail.slice(-TAIL_BYTES);
    this.tailAt += this.tail.length - kept.length;
    this.tail = new Uint8Array(kept.length + piece.length);
    this.tail.set(kept);
    this.tail.set(piece, kept.length);
    try {
      this.gunzip.push(piece, false);
      return undefined;
    } catch (cause) {
      if (!(cause instanceof Error) || !('code' in cause) || cause.code !== FlateErrorCode.InvalidHeader) throw cause;
      const end = this.tail[0] === 0x1f || this.tailAt > 0 ? this.paddedEnd() : undefined;
      if (end === undefined) throw cause;
      this.count++;
      return this.tail.slice(end);
    }
  }

  /** @throws Error where a member has begun and not ended */
  end(): void {
    if (this.tail.length === 0 && this.count > 0) return;
    this.gunzip.push(new Uint8Array(0), true); // throws where the member's blocks go on
    // fflate looks at what follows a member when four bytes of it are there.
    for (let zeros = 0; zeros < 4; zeros++) {
      if (this.endsAt(this.tail.length - zeros)) return;
      if (this.tail.at(-1 - zeros) !== 0) break;
    }
    throw new Error('unexpected end, or the checksum does not match');
  }

  /** Whether checksum and length of what has been unpacked stand before this place of the tail. */
  private endsAt(at: number): boolean {
    if (at < 18 - this.tailAt || at < 8) return false; // header, one byte and more, checksum and length
    const view = new DataView(this.tail.buffer, this.tail.byteOffset + at - 8, 8);
    return view.getInt32(0, true) === ~this.register && view.getUint32(4, true) === this.length % 2 ** 32;
  }

  private paddedEnd(): number | undefined {
    for (let at = 8; at < this.tail.length; at++) if (this.tail[at] === 0 && this.endsAt(at)) return at;
    return undefined;
  }
}

const PIECE_BYTES = 1 << 14;
/** More than a member's end and the next one's header together. */
const TAIL_BYTES = 1 << 17;

/** So that another way to unpack can be tried. */
class CorruptGzip extends UserError {}

function corrupt(path: string, cause: unknown): UserError {
  const why = errorText(cause);
  return new CorruptGzip(`${path}: the gzip data is truncated or corrupt (${why}). Fetch the file again.`);
}
