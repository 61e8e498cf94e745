/**
 * PNG files to their samples, every depth, colour type and interlacing. Browsers read PNG into a canvas, which multiplies colours by alpha
 * and keeps 8 bits, and sharp gives 16-bit greys with transparency in neither of Pillow's ways, so what they cannot give comes from here,
 * the same on every runtime. Our own because fast-png mixes up interlaced rows of less than 8 bits and takes missing pixels for black; what
 * alpha, gamma and profiles say is ignored, as by Pillow.
 */
import { unzlibSync } from 'fflate';
import { joinArrays } from '../../io/joinArrays.ts';
import { crc32 } from '../crc32.ts';
import { pngChunks } from './pngChunks.ts';
import type { PngChunk } from './pngChunks.ts';

export interface PngHeader {
  width: number;
  height: number;
  depth: number;
  /** Samples of a pixel; 1 for a palette's indices. */
  channels: number;
  isIndexed: boolean;
  isInterlaced: boolean;
}

const CHANNELS = new Map([[0, 1], [2, 3], [3, 1], [4, 2], [6, 4]]);
const DEPTHS = new Map([[0, [1, 2, 4, 8, 16]], [2, [8, 16]], [3, [1, 2, 4, 8]], [4, [8, 16]], [6, [8, 16]]]);

/** @throws Error in words where the first chunk is no header of a picture */
export function pngHeader(bytes: Uint8Array): PngHeader {
  if (bytes.length < 33) throw new Error('the header is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth = 0, colour = 0, , , interlace = 0] = bytes.subarray(24, 29);
  const channels = CHANNELS.get(colour);
  if (channels === undefined || !DEPTHS.get(colour)?.includes(depth))
    throw new Error(`colour type ${colour} with ${depth} bits does not exist`);
  if (width === 0 || height === 0) throw new Error(`the size is ${width}×${height}`);
  if (interlace > 1) throw new Error(`interlacing ${interlace} does not exist`);
  return { width, height, depth, channels, isIndexed: colour === 3, isInterlaced: interlace === 1 };
}

/** Column and row of the first pixel, and the steps, of Adam7's passes. */
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const;

/**
 * (height, width, channels) samples as stored: 0 to 2^depth - 1, indices of a palette among them.
 * @throws Error in words where the file is cut off or corrupt
 */
export function pngSamples(bytes: Uint8Array): { header: PngHeader; samples: Uint8Array | Uint16Array; palette: Uint8Array } {
  const header = pngHeader(bytes);
  const { width, height, channels, depth } = header;
  const chunks = pngChunks(bytes);
  checkSums(bytes, chunks);
  const packed = joinArrays(Uint8Array, chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data as Uint8Array<ArrayBuffer>));
  const passes = (header.isInterlaced ? PASSES : [[0, 0, 1, 1] as const])
    .map(([x, y, dx, dy]) => ({ x, y, dx, dy, columns: Math.ceil((width - x) / dx), rows: Math.ceil((height - y) / dy) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const rowBytes = (columns: number): number => Math.ceil((columns * channels * depth) / 8);
  const expected = passes.reduce((sum, { columns, rows }) => sum + rows * (1 + rowBytes(columns)), 0);
  const rows = unzlibSync(packed, { out: new Uint8Array(expected) });
  if (rows.length < expected) throw new Error(`${rows.length} of ${expected} bytes of pixels are there`);

  const samples = depth === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  const pixelBytes = Math.max(1, (channels * depth) / 8);
  let at = 0;
  for (const pass of passes) {
    const length = rowBytes(pass.columns);
    let previous: Uint8Array = new Uint8Array(length);
    for (let y = pass.y; y < height; y += pass.dy, at += 1 + length) {
      const row = rows.subarray(at + 1, at + 1 + length);
      unfilter(rows[at] ?? 0, row, previous, pixelBytes);
      previous = row;
      place(row, samples, { start: (y * width + pass.x) * channels, step: pass.dx * channels, columns: pass.columns }, header);
    }
  }
  const palette = new Uint8Array(768); // indices beyond the palette are black, as in Pillow
  palette.set(chunks.find(({ type }) => type === 'PLTE')?.data.subarray(0, 768) ?? []);
  return { header, samples, palette };
}

/** Of what pixels depend on; broken remarks do no harm. */
function checkSums(bytes: Uint8Array, chunks: readonly PngChunk[]): void {
  for (const { type, data } of chunks) {
    if (type !== 'IHDR' && type !== 'PLTE' && type !== 'IDAT') continue;
    const start = data.byteOffset - bytes.byteOffset;
    const stated = new DataView(bytes.buffer, bytes.byteOffset + start + data.length).getUint32(0);
    if (crc32(bytes.subarray(start - 4, start + data.length)) !== stated) throw new Error(`the checksum of ${type} does not match`);
  }
}

/** Undoes a row's filter in place. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): void {
  switch (filter) {
    case 0: return;
    case 1:
      for (let i = step; i < row.length; i++) row[i] = row[i]! + row[i - step]!;
      return;
    case 2:
      for (let i = 0; i < row.length; i++) row[i] = row[i]! + above[i]!;
      return;
    case 3:
      for (let i = 0; i < row.length; i++) row[i] = row[i]! + (((i < step ? 0 : row[i - step]!) + above[i]!) >> 1);
      return;
    case 4:
      for (let i = 0; i < row.length; i++) {
        const left = i < step ? 0 : row[i - step]!;
        const up = above[i]!;
        const corner = i < step ? 0 : above[i - step]!;
        const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
        row[i] = row[i]! + (toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner);
      }
      return;
    default: throw new Error(`filter ${filter} does not exist`);
  }
}

/** A row's samples to where they belong; `step` samples from one pixel to the next. */
function place(
  row: Uint8Array,
  samples: Uint8Array | Uint16Array,
  { start, step, columns }: { start: number; step: number; columns: number },
  { channels, depth }: PngHeader,
): void {
  if (depth === 8 && step === channels) {
    samples.set(row, start);
    return;
  }
  const mask = 2 ** depth - 1;
  for (let column = 0, from = 0; column < columns; column++) {
    for (let channel = 0; channel < channels; channel++, from++) {
      const at = start + column * step + channel;
      if (depth === 16) samples[at] = (row[2 * from]! << 8) | row[2 * from + 1]!;
      else if (depth === 8) samples[at] = row[from]!;
      else samples[at] = (row[(from * depth) >> 3]! >> (8 - depth - ((from * depth) & 7))) & mask;
    }
  }
}

/**
 * What Pillow's convert('RGB') makes of a PNG that is no 16-bit grey: fewer bits are spread to 0…255, of 16 the high byte stays, alpha is
 * dropped.
 */
export function pngToRgb(bytes: Uint8Array): { width: number; height: number; data: Uint8Array } {
  const { header, samples, palette } = pngSamples(bytes);
  const { width, height, depth, channels, isIndexed } = header;
  const data = new Uint8Array(width * height * 3);
  const spread = 255 / (2 ** depth - 1); // a whole number up to 8 bits
  const byte = (value: number): number => (depth === 16 ? value >> 8 : value * spread);
  for (let i = 0, from = 0, to = 0; i < width * height; i++, from += channels, to += 3) {
    for (let k = 0; k < 3; k++) {
      data[to + k] = isIndexed ? palette[samples[from]! * 3 + k]! : byte(samples[channels < 3 ? from : from + k]!);
    }
  }
  return { width, height, data };
}
