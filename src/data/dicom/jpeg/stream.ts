/**
 * A sequential JPEG stream's tables and scans, as far as DICOM's lossless and 12-bit processes have them (ISO 10918-1, Annex B): those that
 * the decoders of browsers and of libjpeg-turbo's usual builds do not read.
 */
import { HuffmanTable } from './huffman.ts';

export interface Component {
  id: number;
  horizontal: number;
  vertical: number;
  quantization: number;
  dc: HuffmanTable | undefined;
  ac: HuffmanTable | undefined;
}

export interface Scan {
  components: Component[];
  /** Lossless: the predictor, 1 to 7. */
  selection: number;
  /** Lossless: bits that were shifted out. */
  pointTransform: number;
  /** Of the entropy-coded data. */
  start: number;
}

export interface JpegStream {
  bytes: Uint8Array;
  isLossless: boolean;
  precision: number;
  width: number;
  height: number;
  components: Component[];
  quantization: (Int32Array | undefined)[];
  /** MCUs, or lossless samples of all components, between restart markers; 0: none. */
  restartInterval: number;
  scans: Scan[];
}

/** Sequential with Huffman codes: baseline, extended, lossless. */
const READ_FRAMES: ReadonlySet<number> = new Set([0xc0, 0xc1, 0xc3]);

export const ZIGZAG = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
); // prettier-ignore

/** Tables are taken as they stand where a scan begins. @throws Error in words */
export function readJpeg(bytes: Uint8Array): JpegStream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables: Record<'dc' | 'ac', (HuffmanTable | undefined)[]> = { dc: [], ac: [] };
  const stream: JpegStream = {
    bytes, isLossless: false, precision: 0, width: 0, height: 0, components: [], quantization: [], restartInterval: 0, scans: [],
  }; // prettier-ignore
  for (let at = 2; at + 4 <= bytes.length;) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff || marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8)) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    const end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length) throw new Error('a segment of its JPEG is cut off');
    const data = at + 4;
    if (marker === 0xc4) readHuffman(bytes, data, end, tables);
    else if (marker === 0xdb) readQuantization(view, data, end, stream.quantization);
    else if (marker === 0xdd) stream.restartInterval = view.getUint16(data);
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xcc) readFrame(view, data, end, marker, stream);
    else if (marker === 0xda) {
      stream.scans.push(readScan(bytes, data, end, stream, tables));
      at = end;
      // The data of a scan: to the next marker that is no stuffed byte and no restart.
      while (
        at + 1 < bytes.length &&
        !(bytes[at] === 0xff && bytes[at + 1] !== 0 && !((bytes[at + 1] ?? 0) >= 0xd0 && (bytes[at + 1] ?? 0) <= 0xd7))
      )
        at++;
      continue;
    }
    at = end;
  }
  if (stream.components.length === 0 || stream.scans.length === 0) throw new Error('its JPEG has no frame or no scan');
  return stream;
}

function readFrame(view: DataView, data: number, end: number, marker: number, stream: JpegStream): void {
  if (!READ_FRAMES.has(marker) || stream.components.length > 0) throw new Error('its JPEG is progressive, arithmetic or hierarchical');
  const count = view.getUint8(data + 5);
  if (data + 6 + 3 * count > end) throw new Error('the frame header of its JPEG is cut off');
  stream.isLossless = marker === 0xc3;
  stream.precision = view.getUint8(data);
  stream.height = view.getUint16(data + 1);
  stream.width = view.getUint16(data + 3);
  for (let i = 0; i < count; i++) {
    const at = data + 6 + 3 * i;
    const factors = view.getUint8(at + 1);
    const [horizontal, vertical] = [factors >> 4, factors & 15];
    if (horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4) throw new Error('a sampling factor of its JPEG is out of range');
    stream.components.push({
      id: view.getUint8(at),
      horizontal,
      vertical,
      quantization: view.getUint8(at + 2),
      dc: undefined,
      ac: undefined,
    });
  }
}

function readScan(
  bytes: Uint8Array,
  data: number,
  end: number,
  stream: JpegStream,
  tables: Record<'dc' | 'ac', (HuffmanTable | undefined)[]>,
): Scan {
  const count = bytes[data] ?? 0;
  if (count < 1 || count > 4 || data + 4 + 2 * count > end) throw new Error('a scan header of its JPEG is cut off');
  const components = Array.from({ length: count }, (_, i) => {
    const component = stream.components.find(({ id }) => id === bytes[data + 1 + 2 * i]);
    if (component === undefined) throw new Error('a scan of its JPEG names a component that is not there');
    const selectors = bytes[data + 2 + 2 * i] ?? 0;
    return { ...component, dc: tables.dc[selectors >> 4], ac: tables.ac[selectors & 15] };
  });
  const after = data + 1 + 2 * count;
  return { components, selection: bytes[after] ?? 0, pointTransform: (bytes[after + 2] ?? 0) & 15, start: end };
}

function readHuffman(bytes: Uint8Array, data: number, end: number, tables: Record<'dc' | 'ac', (HuffmanTable | undefined)[]>): void {
  for (let at = data; at + 17 <= end;) {
    const which = bytes[at] ?? 0;
    const counts = bytes.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (at + 17 + total > end) throw new Error('a Huffman table of its JPEG is cut off');
    tables[which >> 4 === 0 ? 'dc' : 'ac'][which & 15] = new HuffmanTable(counts, bytes.subarray(at + 17, at + 17 + total));
    at += 17 + total;
  }
}

function readQuantization(view: DataView, data: number, end: number, tables: (Int32Array | undefined)[]): void {
  for (let at = data; at < end;) {
    const which = view.getUint8(at);
    const size = which >> 4 === 0 ? 1 : 2;
    if (at + 1 + 64 * size > end) throw new Error('a quantization table of its JPEG is cut off');
    const table = new Int32Array(64);
    ZIGZAG.forEach((to, i) => (table[to] = size === 1 ? view.getUint8(at + 1 + i) : view.getUint16(at + 1 + 2 * i)));
    tables[which & 15] = table;
    at += 1 + 64 * size;
  }
}
