/**
 * The first directory of a TIFF file or of an EXIF block, which is a TIFF file of its own, read as Pillow reads it: what is cut off or
 * points nowhere ends the reading and keeps what came before, so that a broken block never makes a picture unreadable.
 */

export interface TiffEntry {
  /** TIFF's type code. */
  type: number;
  count: number;
  /** Of the values, within the block. */
  offset: number;
  /** The values, as stored. */
  bytes: Uint8Array;
}

export interface TiffDirectory {
  littleEndian: boolean;
  entries: ReadonlyMap<number, TiffEntry>;
  /** Directories in the file (pages), this one included. */
  pages: number;
}

/** Bytes of a number by TIFF's type code. */
export const TIFF_TYPE_BYTES: ReadonlyMap<number, number> = new Map([
  [1, 1], [2, 1], [3, 2], [4, 4], [5, 8], [6, 1], [7, 1], [8, 2], [9, 4], [10, 8], [11, 4], [12, 8], [13, 4], [16, 8],
]);
/** Byte order and magic; the two in the middle are wrong and read all the same. */
const HEADS = ['II*\0', 'MM\0*', 'II\0*', 'MM*\0', 'II+\0', 'MM\0+'];
/** A file of more is counted no further. */
const MAX_PAGES = 10_000;

export function isTiffHead(block: Uint8Array): boolean {
  return HEADS.includes(String.fromCharCode(...block.subarray(0, 4)));
}

/** @returns undefined where the block does not begin as a TIFF file does */
export function readTiffDirectory(block: Uint8Array): TiffDirectory | undefined {
  const littleEndian = block[0] === 0x49;
  const isBig = block[2] === 43 || block[3] === 43;
  if (!isTiffHead(block) || block.length < (isBig ? 16 : 8)) return undefined;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const size = (at: number): number => (isBig ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian));
  const sizeBytes = isBig ? 8 : 4;
  const countBytes = isBig ? 8 : 2;
  const entryBytes = 4 + 2 * sizeBytes;
  const countAt = (at: number): number => (at + countBytes > block.length ? 0 : isBig ? size(at) : view.getUint16(at, littleEndian));

  const entries = new Map<number, TiffEntry>();
  const start = size(sizeBytes);
  let at = start + countBytes;
  for (let left = countAt(start); left > 0 && at + entryBytes <= block.length; left--, at += entryBytes) {
    const tag = view.getUint16(at, littleEndian);
    const type = view.getUint16(at + 2, littleEndian);
    const count = size(at + 4);
    const bytes = (TIFF_TYPE_BYTES.get(type) ?? 0) * count;
    if (bytes === 0) continue;
    const offset = bytes > sizeBytes ? size(at + 4 + sizeBytes) : at + 4 + sizeBytes;
    if (offset + bytes > block.length) break; // as Pillow, which reads no further
    entries.set(tag, { type, count, offset, bytes: block.subarray(offset, offset + bytes) });
  }

  let pages = 1;
  for (let page = start; pages < MAX_PAGES; pages++) {
    const link = page + countBytes + countAt(page) * entryBytes;
    if (countAt(page) === 0 || link + sizeBytes > block.length) break;
    page = size(link);
    if (page === 0 || page + countBytes > block.length) break;
  }
  return { littleEndian, entries, pages };
}

/** The values of an entry as numbers; undefined where there is none of the kind, or where it holds text or bytes. */
export function tiffNumbers({ littleEndian, entries }: TiffDirectory, tag: number): number[] | undefined {
  const entry = entries.get(tag);
  return entry && valuesOf(entry, littleEndian);
}

/** Undefined for text and bytes. */
export function valuesOf({ type, count, bytes }: Pick<TiffEntry, 'type' | 'count' | 'bytes'>, littleEndian: boolean): number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (index: number): number | undefined => {
    switch (type) {
      case 3: return view.getUint16(index * 2, littleEndian);
      case 4: case 13: return view.getUint32(index * 4, littleEndian);
      case 5: return view.getUint32(index * 8, littleEndian) / view.getUint32(index * 8 + 4, littleEndian);
      case 6: return view.getInt8(index);
      case 8: return view.getInt16(index * 2, littleEndian);
      case 9: return view.getInt32(index * 4, littleEndian);
      case 10: return view.getInt32(index * 8, littleEndian) / view.getInt32(index * 8 + 4, littleEndian);
      case 11: return view.getFloat32(index * 4, littleEndian);
      case 12: return view.getFloat64(index * 8, littleEndian);
      case 16: return Number(view.getBigUint64(index * 8, littleEndian));
      default: return undefined;
    }
  };
  const values = Array.from({ length: count }, (_, index) => read(index));
  return values.every((value) => value !== undefined) ? values : undefined;
}
