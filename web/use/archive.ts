/**
 * In the worker: what a run has left as one archive, written piece by piece into the origin's storage, from where it is downloaded. What
 * does not get smaller is stored as it is.
 */
import { Zip, ZipDeflate, ZipPassThrough } from 'fflate';
import { parseJson } from '../../src/io/parseJson.ts';
import { isAbsolute, joinPath, parentPath, UserError } from '../../src/platform.ts';
import type { AtomicFile, Platform } from '../../src/platform.ts';
import { isOfModel } from '../../src/run/publish/pushing.ts';
import { bytesText } from '../../src/track/console.ts';
import { texts } from '../texts.ts';

/** A file of the archive: a path of the platform, or its text. */
export type ArchiveFile = { name: string } & ({ path: string } | { text: string });

/** Offsets in the archive have 32 bits. */
const MOST_BYTES = 2 ** 32 - 2 ** 24;
const PIECE_BYTES = 4 * 2 ** 20;
const STORED = /\.(png|jpe?g|webp|gz|safetensors|zip|parquet)$/i;

/** @param tell hears the name of each file as it is begun @throws UserError for more than an archive can hold */
export async function writeArchive(
  platform: Platform,
  out: string,
  files: readonly ArchiveFile[],
  tell: (name: string) => void = () => undefined,
): Promise<number> {
  const target = await platform.createFile(out);
  try {
    const bytes = await fill(platform, target, files, tell);
    await target.commit();
    return bytes;
  } catch (error) {
    await target.abort();
    throw error;
  }
}

async function fill(platform: Platform, target: AtomicFile, files: readonly ArchiveFile[], tell: (name: string) => void): Promise<number> {
  let waiting: Uint8Array[] = [];
  let failure: Error | null = null;
  let written = 0;
  const zip = new Zip((error, piece) => {
    if (error) failure = error;
    else waiting.push(piece);
  });
  const flush = async (): Promise<void> => {
    if (failure) throw failure;
    const pieces = waiting;
    waiting = [];
    for (const piece of pieces) {
      written += piece.length;
      if (written > MOST_BYTES) throw new UserError(texts.use.tooLarge(bytesText(written)));
      await target.write(piece);
    }
  };
  for (const file of files) {
    tell(file.name);
    const entry = STORED.test(file.name) ? new ZipPassThrough(file.name) : new ZipDeflate(file.name, { level: 6 });
    zip.add(entry);
    if ('text' in file) entry.push(new TextEncoder().encode(file.text), true);
    else {
      const source = await platform.openFile(file.path);
      try {
        for (let at = 0; at < source.size || at === 0; at += PIECE_BYTES) {
          const isLast = at + PIECE_BYTES >= source.size;
          entry.push(await source.read(at, Math.min(PIECE_BYTES, source.size - at)), isLast);
          await flush();
        }
      } finally {
        await source.close();
      }
    }
    await flush();
  }
  zip.end();
  await flush();
  return written;
}

/** Of a folder, what others load. */
export async function resultFiles(platform: Platform, dir: string, into: string): Promise<ArchiveFile[]> {
  const names = (await platform.listDir(dir)).filter(isOfModel);
  return names.map((name) => ({ name: `${into}/${name}`, path: joinPath(dir, name) }));
}

/** A file of rows and the pictures beside it, those that it names by a way from there. */
export async function rowFiles(platform: Platform, rows: string, name: string, into: string): Promise<ArchiveFile[]> {
  const files: ArchiveFile[] = [{ name: `${into}/${name}`, path: rows }];
  const seen = new Set<string>();
  const text = new TextDecoder().decode(await platform.readFile(rows));
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    for (const picture of picturesOf(line)) {
      if (seen.has(picture) || isAbsolute(picture) || picture.includes(':') || picture.split('/').includes('..')) continue;
      seen.add(picture);
      const path = joinPath(parentPath(rows), picture);
      if (await platform.exists(path)) files.push({ name: `${into}/${picture}`, path });
    }
  }
  return files;
}

function picturesOf(line: string): string[] {
  const row = parseJson(line);
  const images = typeof row === 'object' && row !== null ? (row as { images?: unknown }).images : undefined;
  return Array.isArray(images) ? images.filter((one) => typeof one === 'string') : [];
}
