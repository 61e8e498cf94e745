/** The directories of a TIFF or BigTIFF file, one a page, read by ranges of bytes: nothing is read but what is asked for. */
import { TIFF_TYPE_BYTES, valuesOf } from '../tiffDirectory.ts';
import type { HeaderSource, Reading } from './source.ts';

export interface TiffForm {
  littleEndian: boolean;
  isBig: boolean;
  /** Where the first directory stands. */
  first: number;
}

export interface TiffTag {
  type: number;
  count: number;
  /** Where its values stand. */
  at: number;
}

export interface TiffTags {
  tags: ReadonlyMap<number, TiffTag>;
  /** Where it is said where the next directory stands. */
  linkAt: number;
}

const MAX_ENTRIES = 4096;

export function* tiffForm(source: HeaderSource): Reading<TiffForm> {
  const head = yield* source.view(0, 8);
  const littleEndian = head.getUint8(0) === 0x49;
  const isBig = head.getUint16(2, littleEndian) === 43;
  return { littleEndian, isBig, first: yield* place(source, { littleEndian, isBig }, isBig ? 8 : 4) };
}

/** @param at where the directory stands */
export function* tiffTags(source: HeaderSource, form: TiffForm, at: number): Reading<TiffTags> {
  const { littleEndian, isBig } = form;
  const countBytes = isBig ? 8 : 2;
  const counted = yield* source.view(at, countBytes);
  const entries = isBig ? Number(counted.getBigUint64(0, littleEndian)) : counted.getUint16(0, littleEndian);
  if (entries > MAX_ENTRIES) throw source.damaged(`its directory has ${entries} entries`);
  const entryBytes = isBig ? 20 : 12;
  const directory = yield* source.view(at + countBytes, entries * entryBytes);
  const tags = new Map<number, TiffTag>();
  for (let i = 0; i < entries; i++) {
    const entryAt = i * entryBytes;
    const type = directory.getUint16(entryAt + 2, littleEndian);
    const count = isBig ? Number(directory.getBigUint64(entryAt + 4, littleEndian)) : directory.getUint32(entryAt + 4, littleEndian);
    const valueAt = entryAt + (isBig ? 12 : 8);
    const isInline = count * (TIFF_TYPE_BYTES.get(type) ?? 8) <= (isBig ? 8 : 4);
    const pointer = isBig ? Number(directory.getBigUint64(valueAt, littleEndian)) : directory.getUint32(valueAt, littleEndian);
    const tag = directory.getUint16(entryAt, littleEndian);
    // As in Pillow, the last of a tag counts, and what is of an unknown type or without values is not there.
    if (TIFF_TYPE_BYTES.has(type) && count > 0) tags.set(tag, { type, count, at: isInline ? at + countBytes + valueAt : pointer });
  }
  return { tags, linkAt: at + countBytes + entries * entryBytes };
}

/** Where the next directory stands; 0: there is none. */
export function tiffLink(source: HeaderSource, form: TiffForm, { linkAt }: TiffTags): Reading<number> {
  return place(source, form, linkAt);
}

/** The first value of a tag; undefined where there is none, or where it is text or bytes. */
export function* tiffValue(source: HeaderSource, { littleEndian }: TiffForm, { tags }: TiffTags, tag: number): Reading<number | undefined> {
  const found = tags.get(tag);
  if (found === undefined) return undefined;
  const { type, at } = found;
  return valuesOf({ type, count: 1, bytes: yield* source.read(at, TIFF_TYPE_BYTES.get(type) ?? 1) }, littleEndian)?.[0];
}

function* place(source: HeaderSource, { littleEndian, isBig }: Pick<TiffForm, 'littleEndian' | 'isBig'>, at: number): Reading<number> {
  const view = yield* source.view(at, isBig ? 8 : 4);
  return isBig ? Number(view.getBigUint64(0, littleEndian)) : view.getUint32(0, littleEndian);
}
