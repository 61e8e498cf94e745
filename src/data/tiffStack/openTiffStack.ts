/**
 * A TIFF stack as a volume: its pages are the slices, a row of a page the first axis, a column the second. TIFF says no directions, so they
 * are taken to run to the left, to the back and up, as those of other files that say none. Where the pages lie one after the other,
 * uncompressed, slices are read when they are asked for; else all are unpacked once.
 */
import { UserError } from '../../platform.ts';
import type { Platform, RangedFile } from '../../platform.ts';
import { checkRatio } from '../gzip.ts';
import { HeaderSource, readFromFile } from '../imageHeaders/source.ts';
import type { Reading } from '../imageHeaders/source.ts';
import { tiffForm, tiffLink, tiffTags, tiffValue } from '../imageHeaders/tiffTags.ts';
import type { TiffForm, TiffTags } from '../imageHeaders/tiffTags.ts';
import { MAX_VOLUME_BYTES, roomFor, Volume, voxelsOfBytes } from '../nifti.ts';
import type { SliceDim } from '../nifti.ts';
import type { RawVolume } from '../rawVolumes/openRawVolume.ts';
import { placed, shapeOf, volumeHeader } from '../rawVolumes/rawHeader.ts';
import { imageJImages, stackSizes, tiffDescription } from './description.ts';
import type { Resolution } from './description.ts';
import { datatypeOf, TAG, tiffPage, UNCOMPRESSED } from './pages.ts';
import type { PageKind, TiffPage } from './pages.ts';
import { BadSegment, unpackSegment } from './segments.ts';

/** How much of a TIFF file is believed, so that a small or broken one cannot cost the memory or the time of a large one. */
export interface TiffLimits {
  pages: number;
  /** Strips and tiles of all pages. */
  segments: number;
  /** Bytes of all voxels. */
  volumeBytes: number;
}

export const TIFF_LIMITS: TiffLimits = { pages: 32_767, segments: 1 << 22, volumeBytes: MAX_VOLUME_BYTES };

/** @throws UserError that names the file, for whatever is no stack of grey pages that could be read to its end */
export async function openTiffStack(platform: Platform, path: string, limits: TiffLimits = TIFF_LIMITS): Promise<RawVolume> {
  const file = await platform.openFile(path);
  try {
    const stack = await readPages(file, limits);
    const [first] = stack.pages;
    if (first === undefined) throw new UserError(`${path}: this TIFF file has no page. Fetch it again.`);
    const { form, text, resolution } = stack;
    const images = stack.pages.length === 1 ? imageJImages(text) : 1;
    const depth = Math.max(images, stack.pages.length);
    const shape = shapeOf([first.width, first.height, depth], path);
    const { mm, slope, inter, notes } = stackSizes(text, resolution, depth, path);
    const [x, y, z] = mm.map((size) => size ?? 1) as [number, number, number];
    const sizeless = ([0, 1, 2] as const).filter((axis) => mm[axis] === null);
    const voxels = {
      shape,
      datatype: datatypeOf(first, path),
      littleEndian: form.littleEndian,
      ...placed([[x, 0, 0], [0, y, 0], [0, 0, z]], [0, 0, 0], path), // prettier-ignore
      hasZooms: sizeless.length === 0,
      hasOrientation: false,
    };
    const header = { ...volumeHeader(voxels, path, { slope, inter }), sizeless };
    const { byteLength } = header;
    if (byteLength > limits.volumeBytes)
      throw new UserError(`${path}: ${byteLength} bytes of voxels (${shape.join('×')}); at most ${limits.volumeBytes} can be opened.`);
    const told = [...notes, ...kindNotes(first), ...sizeNotes(depth === 1 ? sizeless.filter((axis) => axis < 2) : sizeless)];
    const start = whereInOne(stack.pages, byteLength / depth);
    if (start !== undefined && start + byteLength <= file.size)
      return { volume: new Volume({ ...header, voxelOffset: start }, platform), notes: told };
    if (images > 1)
      throw new UserError(`${path}: ImageJ's text has ${images} images, of which the file has one page. It is cut off; fetch it again.`);
    checkRatio(path, byteLength, file.size, byteLength);
    const bytes = await unpacked(file, stack.pages, form, roomFor(header));
    const inMemory = { ...header, littleEndian: true };
    return { volume: new Volume(inMemory, voxelsOfBytes(bytes, inMemory)), notes: told };
  } finally {
    await file.close();
  }
}

function kindNotes({ photometric }: PageKind): string[] {
  if (photometric === 0) return ['its pages count from white to black (WhiteIsZero); values are as they are stored'];
  return photometric === 3 ? ['its pages have a table of colours; values are the numbers of the colours'] : [];
}

function sizeNotes(sizeless: readonly SliceDim[]): string[] {
  const notes = ['TIFF says no directions; rows are taken to run to the left, columns to the back, pages upwards'];
  const fix = 'say it in ImageJ (Image › Properties) and save it, or save the scan as NIfTI, NRRD or MHA';
  if (sizeless.some((axis) => axis < 2)) notes.push(`nothing tells how large its pixels are: ${fix}`);
  if (sizeless.includes(2)) notes.push(`nothing tells how far apart its pages are: ${fix}`);
  return notes;
}

interface Stack {
  form: TiffForm;
  pages: TiffPage[];
  /** Of the first page. */
  text: string;
  resolution: Resolution;
}

async function readPages(file: RangedFile, limits: TiffLimits): Promise<Stack> {
  const { path } = file;
  // Each page is a header of its own, with its own limit of parts.
  const read = <T>(reading: (source: HeaderSource) => Reading<T>): Promise<T> =>
    readFromFile(reading(new HeaderSource(path, file.size, false)), file);
  const form = await read(tiffForm);
  const pages: TiffPage[] = [];
  const seen = new Set<number>();
  let [segments, bytes] = [0, 0];
  let about: Pick<Stack, 'text' | 'resolution'> = { text: '', resolution: { x: undefined, y: undefined, unit: 1 } };
  for (let at = form.first; at !== 0;) {
    if (seen.has(at))
      throw new UserError(`${path}: its pages lead back to page ${[...seen].indexOf(at) + 1}. It is damaged; fetch it again.`);
    if (pages.length >= limits.pages)
      throw new UserError(`${path}: it has more than ${limits.pages} pages; a volume has fewer slices. Split it.`);
    seen.add(at);
    const { page, next, directory } = await read((source) => pageAt(source, form, at, limits.segments - segments));
    if (pages.length === 0) about = await read((source) => saidOf(source, form, directory));
    const [first = page] = pages;
    const differs = (['width', 'height', 'bits', 'format', 'photometric'] as const).find((key) => page[key] !== first[key]);
    if (differs !== undefined) throw otherPage(path, pages.length + 1, page, first);
    segments += page.offsets.length;
    bytes += page.lengths.reduce((sum, length) => sum + length, 0);
    if (bytes > file.size)
      throw new UserError(`${path}: its pages ask for more bytes than the file has (${file.size}). It is damaged; fetch it again.`);
    pages.push(page);
    at = next;
  }
  return { form, pages, ...about };
}

function* pageAt(
  source: HeaderSource,
  form: TiffForm,
  at: number,
  budget: number,
): Reading<{ page: TiffPage; next: number; directory: TiffTags }> {
  const directory = yield* tiffTags(source, form, at);
  const page = yield* tiffPage(source, form, directory, budget);
  return { page, next: yield* tiffLink(source, form, directory), directory };
}

function* saidOf(source: HeaderSource, form: TiffForm, directory: TiffTags): Reading<Pick<Stack, 'text' | 'resolution'>> {
  const text = yield* tiffDescription(source, directory);
  const [x, y] = [yield* tiffValue(source, form, directory, TAG.xResolution), yield* tiffValue(source, form, directory, TAG.yResolution)];
  return { text, resolution: { x, y: y ?? x, unit: (yield* tiffValue(source, form, directory, TAG.resolutionUnit)) ?? 2 } };
}

function otherPage(path: string, number: number, page: PageKind, first: PageKind): UserError {
  const shown = ({ width, height, bits, format }: PageKind): string =>
    `${width}×${height} pixels of ${bits} bits${format === 2 ? ', signed' : format === 3 ? ', floating point' : ''}`;
  const [found, wanted] = [shown(page), shown(first)];
  const how = found === wanted ? 'counts its greys or colours in another way than the first' : `has ${found}, the first ${wanted}`;
  return new UserError(
    `${path}: page ${number} ${how}; the slices of a volume are alike. Save the pages of one size and kind alone, without a thumbnail or ` +
      'smaller copies.',
  );
}

/** Where the voxels begin that lie one after the other as those of a volume do; undefined where they don't. */
function whereInOne(pages: readonly TiffPage[], pageBytes: number): number | undefined {
  const start = pages[0]?.offsets[0];
  let at = start;
  for (const { compression, isTiled, offsets, segment, height } of pages) {
    if (compression !== UNCOMPRESSED || isTiled) return undefined;
    for (const [part, offset] of offsets.entries()) {
      if (offset !== at) return undefined;
      at += (pageBytes / height) * Math.min(segment[1], height - part * segment[1]);
    }
  }
  return start;
}

async function unpacked(
  file: RangedFile,
  pages: readonly TiffPage[],
  { littleEndian }: TiffForm,
  into: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const pageBytes = into.length / pages.length;
  let room = new Uint8Array(0);
  for (const [number, page] of pages.entries()) {
    const { width, height, bits, isTiled, segment, offsets, lengths } = page;
    const [columns, rows] = segment;
    const bytes = bits / 8;
    const across = Math.ceil(width / columns);
    const most = columns * rows * bytes;
    if (room.length < most) room = new Uint8Array(most);
    for (const [part, offset] of offsets.entries()) {
      const [left, top] = [(part % across) * columns, Math.floor(part / across) * rows];
      const here = Math.min(rows, height - top);
      // A tile is whole, also where it stands out of its page.
      const whole = room.subarray(0, columns * (isTiled ? rows : here) * bytes);
      try {
        unpackSegment(page, await file.read(offset, lengths[part] ?? 0), whole, most, littleEndian);
      } catch (cause) {
        if (!(cause instanceof BadSegment)) throw cause;
        const what = isTiled ? 'tile' : 'strip';
        throw new UserError(`${file.path}: ${what} ${part + 1} of page ${number + 1} ${cause.message}. Fetch the file again.`, { cause });
      }
      const run = Math.min(columns, width - left) * bytes;
      for (let row = 0; row < here; row++)
        into.set(
          whole.subarray(row * columns * bytes, row * columns * bytes + run),
          number * pageBytes + ((top + row) * width + left) * bytes,
        );
    }
  }
  return into;
}
