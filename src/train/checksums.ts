/**
 * `checksums.json` of a checkpoint: the length of every file and the SHA-256 of each 16 MiB of it, so that a bit that turned on the disk is
 * found before a run goes on from it, and named with its place. Chunks, because the runtimes' own SHA-256 (fast, off the main thread) takes
 * a whole buffer and files may be larger than memory. They are taken from the bytes on their way to the disk, which also finds what the
 * disk got wrong while writing.
 */
import { sha256Hex } from '../data/prepared/identity.ts';
import { readJsonObject } from '../io/modelFolder.ts';
import { joinPath, UserError, withoutFullStop } from '../platform.ts';
import type { AtomicFile, Platform } from '../platform.ts';

export const CHECKSUMS = 'checksums.json';
const CHUNK_BYTES = 16 * 2 ** 20;
/** Chunks that may wait for their digest: what a save holds in memory beside the tensors. */
const CHUNKS_AHEAD = 4;

interface Checksum {
  bytes: number;
  /** Of each chunk, in hexadecimal; for a file below 16 MiB it is what `sha256sum` prints. */
  sha256: string[];
}

class RunningChecksum {
  /** Grows up to CHUNK_BYTES: most files of a checkpoint are small. */
  private chunk = new Uint8Array(2 ** 14);
  private used = 0;
  private bytes = 0;
  private readonly digests: Promise<string>[] = [];

  async add(data: Uint8Array): Promise<void> {
    this.bytes += data.length;
    for (let at = 0; at < data.length;) {
      if (this.used === 0 && data.length - at >= CHUNK_BYTES) {
        await this.digest(data.subarray(at, at + CHUNK_BYTES));
        at += CHUNK_BYTES;
        continue;
      }
      const part = data.subarray(at, at + CHUNK_BYTES - this.used);
      if (this.used + part.length > this.chunk.length) {
        const larger = new Uint8Array(Math.min(CHUNK_BYTES, 2 * (this.used + part.length)));
        larger.set(this.chunk.subarray(0, this.used));
        this.chunk = larger;
      }
      this.chunk.set(part, this.used);
      this.used += part.length;
      at += part.length;
      if (this.used === CHUNK_BYTES) await this.endChunk();
    }
  }

  async end(): Promise<Checksum> {
    if (this.used > 0 || this.bytes === 0) await this.endChunk();
    return { bytes: this.bytes, sha256: await Promise.all(this.digests) };
  }

  private async endChunk(): Promise<void> {
    await this.digest(this.chunk.subarray(0, this.used));
    this.used = 0;
  }

  private async digest(chunk: Uint8Array): Promise<void> {
    // WebCrypto copies its input before it returns, so the chunk may be filled again at once.
    this.digests.push(sha256Hex(chunk));
    if (this.digests.length >= CHUNKS_AHEAD) await this.digests.at(-CHUNKS_AHEAD);
  }
}

export interface ChecksummedFolder {
  /** The platform to write the folder's files with. */
  platform: Platform;
  /** Writes `checksums.json` for all that was written; the last file of the folder. */
  seal(): Promise<void>;
}

/** Takes the checksums of all files written into `dir` through the platform it returns. */
export function checksummed(platform: Platform, dir: string): ChecksummedFolder {
  const files = new Map<string, Checksum>();
  const nameOf = (path: string): string => path.slice(joinPath(dir, '').length).replace(/^\/+/, '');
  const createFile = async (path: string): Promise<AtomicFile> => {
    const file = await platform.createFile(path);
    const sum = new RunningChecksum();
    return {
      async write(bytes) {
        await Promise.all([file.write(bytes), sum.add(bytes)]);
      },
      async commit() {
        await file.commit();
        files.set(nameOf(path), await sum.end());
      },
      abort: () => file.abort(),
    };
  };
  const recording: Platform = {
    ...platform,
    createFile,
    async writeFile(path, data) {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      await platform.writeFile(path, bytes);
      const sum = new RunningChecksum();
      await sum.add(bytes);
      files.set(nameOf(path), await sum.end());
    },
  };
  return {
    platform: recording,
    async seal() {
      const sorted = Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
      await platform.writeFile(
        joinPath(dir, CHECKSUMS),
        `${JSON.stringify({ format: 1, chunk_bytes: CHUNK_BYTES, files: sorted }, null, 2)}\n`,
      );
    },
  };
}

/**
 * What is wrong with the folder's files, a sentence without its full stop for each; empty for a folder that is as it was written. Files
 * that were added later are not looked at.
 */
export async function damageIn(platform: Platform, dir: string): Promise<string[]> {
  try {
    const { chunkBytes, files } = await readChecksums(platform, dir);
    const complaints: string[] = [];
    for (const [name, sum] of Object.entries(files)) {
      const complaint = await fileDamage(platform, joinPath(dir, name), sum, chunkBytes);
      if (complaint !== undefined) complaints.push(complaint);
    }
    return complaints;
  } catch (error) {
    if (error instanceof UserError) return [withoutFullStop(error.message)];
    throw error;
  }
}

async function fileDamage(platform: Platform, path: string, sum: Checksum, chunkBytes: number): Promise<string | undefined> {
  if (!(await platform.exists(path))) return `${path} is missing`;
  const file = await platform.openFile(path);
  try {
    if (file.size !== sum.bytes) return `${path} has ${file.size} bytes, ${sum.bytes} were written`;
    for (const [index, expected] of sum.sha256.entries()) {
      const from = index * chunkBytes;
      const length = Math.min(chunkBytes, file.size - from);
      if ((await sha256Hex(await file.read(from, length))) !== expected) {
        return `${path} is not as it was written: the checksum of bytes ${from} to ${from + length} differs`;
      }
    }
    return undefined;
  } finally {
    await file.close();
  }
}

async function readChecksums(platform: Platform, dir: string): Promise<{ chunkBytes: number; files: Record<string, Checksum> }> {
  const path = joinPath(dir, CHECKSUMS);
  const { chunk_bytes: chunkBytes, files } = await readJsonObject(platform, path, 'a checkpoint that can be resumed has it');
  const isSum = (sum: unknown): sum is Checksum =>
    typeof sum === 'object' &&
    sum !== null &&
    'bytes' in sum &&
    typeof sum.bytes === 'number' &&
    'sha256' in sum &&
    Array.isArray(sum.sha256);
  if (typeof chunkBytes !== 'number' || !(chunkBytes > 0) || typeof files !== 'object' || files === null)
    throw new UserError(`${path} is not a list of checksums`);
  const entries = Object.entries(files as Record<string, unknown>);
  const sums: Record<string, Checksum> = {};
  for (const [name, sum] of entries) {
    if (!isSum(sum) || sum.sha256.length !== Math.max(1, Math.ceil(sum.bytes / chunkBytes)))
      throw new UserError(`${path}: the entry of ${name} is damaged`);
    sums[name] = sum;
  }
  return { chunkBytes, files: sums };
}
