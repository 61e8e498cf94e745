/**
 * Pixels of 8 bits to a PNG file. Each row is stored as its difference from the row above (filter 2), which suits what scanners make: noise
 * over slow changes. Trying all filters for each row, as libpng does by default, costs more than deflating.
 */
import { deflatedGreys } from './greyDeflate.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const UP = 2;
/** Colour types of PNG. */
const COLOUR_TYPES = { 1: 0, 3: 2 } as const;

interface Raster {
  width: number;
  height: number;
  channels: 1 | 3;
  /** Channels of the file; greys can be written as red, green and blue. */
  inFile: 1 | 3;
}

/** What runtimes have, faster than it could be written here. */
export interface PngTools {
  /** Deflates with a header of zlib; what it is given is written to again later. */
  deflate: (bytes: Uint8Array) => Uint8Array;
  /** 0 to 2³² - 1. */
  crc32: (bytes: Uint8Array) => number;
}

/** @param data rows × columns × channels */
export function pngBytes(data: Uint8Array, raster: Raster, { deflate, crc32 }: PngTools): Uint8Array<ArrayBuffer> {
  const { width, height, channels, inFile } = raster;
  const packed = channels === 1 && inFile === 3 ? deflatedGreys(data, width, height) : deflate(filtered(data, raster));
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = COLOUR_TYPES[inFile];
  const chunks: [string, Uint8Array][] = [
    ['IHDR', header],
    ['IDAT', packed],
    ['IEND', new Uint8Array(0)],
  ];
  const out = new Uint8Array(chunks.reduce((sum, [, own]) => sum + 12 + own.length, SIGNATURE.length));
  out.set(SIGNATURE);
  let at = SIGNATURE.length;
  for (const [type, own] of chunks) at = chunk(out, at, type, own, crc32);
  return out;
}

function chunk(out: Uint8Array, at: number, type: string, data: Uint8Array, crc32: PngTools['crc32']): number {
  const view = new DataView(out.buffer);
  const end = at + 8 + data.length;
  view.setUint32(at, data.length);
  for (let i = 0; i < 4; i++) out[at + 4 + i] = type.charCodeAt(i);
  out.set(data, at + 8);
  view.setUint32(end, crc32(out.subarray(at + 4, end)));
  return end + 4;
}

/** What is kept for the next picture: many of one size come one after the other. */
const KEPT_BYTES = 1 << 22;
let scratch = new Uint8Array(0);

/** Each row behind the number of its filter: what it adds to the row above, which is zeros above the first one. */
function filtered(data: Uint8Array, { width, height, channels }: Raster): Uint8Array {
  const row = width * channels;
  const size = (row + 1) * height;
  const out = scratch.length === size ? scratch : new Uint8Array(size);
  if (size <= KEPT_BYTES) scratch = out;
  for (let y = 0, to = 0; y < height; y++) {
    out[to++] = UP;
    for (let at = y * row, end = at + row; at < end; at++) out[to++] = data[at]! - (y === 0 ? 0 : data[at - row]!);
  }
  return out;
}
