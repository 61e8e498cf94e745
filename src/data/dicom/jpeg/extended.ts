/**
 * Extended sequential JPEG of 12 bits (ISO 10918-1, Annex F, process 4), with the inverse transform of the Independent JPEG Group's library
 * (jidctint: Loeffler, Ligtenberg and Moschytz, 13 bits of fraction), so that values are those of libjpeg.
 */
import { BitReader } from './huffman.ts';
import { ZIGZAG } from './stream.ts';
import type { Component, JpegStream, Scan } from './stream.ts';

interface Plane {
  values: Int32Array;
  /** Of the plane, whole blocks. */
  width: number;
  height: number;
}

/** @returns samples pixel by pixel @throws Error in words */
export function decodeExtended(stream: JpegStream): Uint16Array {
  const { width, height, components } = stream;
  const most = {
    horizontal: Math.max(...components.map((one) => one.horizontal)),
    vertical: Math.max(...components.map((one) => one.vertical)),
  };
  const across = Math.ceil(width / (8 * most.horizontal));
  const down = Math.ceil(height / (8 * most.vertical));
  const planes = components.map(({ horizontal, vertical }): Plane => {
    const [w, h] = [across * horizontal * 8, down * vertical * 8];
    return { values: new Int32Array(w * h), width: w, height: h };
  });
  for (const scan of stream.scans) decodeScan(stream, scan, planes, most, across, down);
  const out = new Uint16Array(width * height * components.length);
  components.forEach(({ horizontal, vertical }, k) => {
    const plane = planes[k];
    if (plane === undefined) return;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const from = Math.floor((y * vertical) / most.vertical) * plane.width + Math.floor((x * horizontal) / most.horizontal);
        out[(y * width + x) * components.length + k] = plane.values[from] ?? 0;
      }
  });
  return out;
}

function decodeScan(
  stream: JpegStream,
  scan: Scan,
  planes: readonly Plane[],
  most: { horizontal: number; vertical: number },
  across: number,
  down: number,
): void {
  const bits = new BitReader(stream.bytes, scan.start);
  const before = new Int32Array(scan.components.length);
  const block = new Int32Array(64);
  // A scan of one component has its blocks one after the other, without those that only fill up.
  const [single] = scan.components;
  const isSingle = scan.components.length === 1 && single !== undefined;
  const columns = isSingle ? Math.ceil((stream.width * single.horizontal) / (8 * most.horizontal)) : across;
  const rows = isSingle ? Math.ceil((stream.height * single.vertical) / (8 * most.vertical)) : down;
  for (let unit = 0; unit < columns * rows; unit++) {
    if (stream.restartInterval > 0 && unit > 0 && unit % stream.restartInterval === 0) {
      bits.restart();
      before.fill(0);
    }
    const [column, row] = [unit % columns, Math.floor(unit / columns)];
    scan.components.forEach((component, k) => {
      const plane = planes[stream.components.findIndex(({ id }) => id === component.id)];
      const quantization = stream.quantization[component.quantization];
      if (plane === undefined || quantization === undefined) throw new Error('a quantization table of its JPEG is missing');
      const [h, v] = isSingle ? [1, 1] : [component.horizontal, component.vertical];
      for (let y = 0; y < v; y++)
        for (let x = 0; x < h; x++) {
          before[k] = readBlock(bits, component, block, quantization, before[k] ?? 0);
          inverse(block, plane, (column * h + x) * 8, (row * v + y) * 8, stream.precision);
        }
    });
  }
}

/** Dequantized coefficients in their natural order. @returns the DC value, for the next block */
function readBlock(bits: BitReader, { dc, ac }: Component, block: Int32Array, quantization: Int32Array, before: number): number {
  if (dc === undefined || ac === undefined) throw new Error('a Huffman table of its JPEG is missing');
  block.fill(0);
  const size = dc.read(bits);
  if (size > 16) throw new Error('its JPEG has a coefficient out of range');
  const value = before + bits.difference(size);
  block[0] = value * (quantization[0] ?? 0);
  for (let k = 1; k < 64; k++) {
    const symbol = ac.read(bits);
    const length = symbol & 15;
    if (length === 0) {
      if (symbol !== 0xf0) break;
      k += 15;
      continue;
    }
    k += symbol >> 4;
    const to = ZIGZAG[k] ?? 0;
    const coefficient = bits.difference(length);
    if (k < 64) block[to] = coefficient * (quantization[to] ?? 0);
  }
  return value;
}

const BITS = 13;
const fixed = (value: number): number => Math.round(value * (1 << BITS));
const F0298 = fixed(0.298631336);
const F0390 = fixed(0.390180644);
const F0541 = fixed(0.5411961);
const F0765 = fixed(0.765366865);
const F0899 = fixed(0.899976223);
const F1175 = fixed(1.175875602);
const F1501 = fixed(1.50132111);
const F1847 = fixed(1.847759065);
const F1961 = fixed(1.96157056);
const F2053 = fixed(2.053119869);
const F2562 = fixed(2.562915447);
const F3072 = fixed(3.072711026);
/** Extra bits between both passes; libjpeg keeps one for 12 bits, two for 8. */
const passBits = (precision: number): number => (precision > 8 ? 1 : 2);
const middle = new Float64Array(64);
const eight = new Float64Array(8);

function inverse(block: Int32Array, plane: Plane, left: number, top: number, precision: number): void {
  const extra = passBits(precision);
  for (let column = 0; column < 8; column++) {
    for (let i = 0; i < 8; i++) eight[i] = block[8 * i + column] ?? 0;
    transform(BITS - extra);
    for (let i = 0; i < 8; i++) middle[8 * i + column] = eight[i] ?? 0;
  }
  const [most, centre] = [(1 << precision) - 1, 1 << (precision - 1)];
  for (let row = 0; row < 8; row++) {
    for (let i = 0; i < 8; i++) eight[i] = middle[8 * row + i] ?? 0;
    transform(BITS + extra + 3);
    const at = (top + row) * plane.width + left;
    for (let i = 0; i < 8; i++) plane.values[at + i] = Math.min(most, Math.max(0, (eight[i] ?? 0) + centre));
  }
}

/** One dimension, in place in `eight`; sums are divided by 2^shift, rounded. Doubles hold them exactly. */
function transform(shift: number): void {
  const [e0 = 0, e1 = 0, e2 = 0, e3 = 0, e4 = 0, e5 = 0, e6 = 0, e7 = 0] = eight;
  const z = (e2 + e6) * F0541;
  const t2 = z - e6 * F1847;
  const t3 = z + e2 * F0765;
  const t0 = (e0 + e4) * (1 << BITS);
  const t1 = (e0 - e4) * (1 << BITS);
  const [s0, s3, s1, s2] = [t0 + t3, t0 - t3, t1 + t2, t1 - t2];
  const z5 = (e7 + e3 + e5 + e1) * F1175;
  const z1 = -(e7 + e1) * F0899;
  const z2 = -(e5 + e3) * F2562;
  const z3 = z5 - (e7 + e3) * F1961;
  const z4 = z5 - (e5 + e1) * F0390;
  const o0 = e7 * F0298 + z1 + z3;
  const o1 = e5 * F2053 + z2 + z4;
  const o2 = e3 * F3072 + z2 + z3;
  const o3 = e1 * F1501 + z1 + z4;
  const half = 2 ** (shift - 1);
  const scale = 2 ** shift;
  const down = (value: number): number => Math.floor((value + half) / scale);
  eight[0] = down(s0 + o3);
  eight[7] = down(s0 - o3);
  eight[1] = down(s1 + o2);
  eight[6] = down(s1 - o2);
  eight[2] = down(s2 + o1);
  eight[5] = down(s2 - o1);
  eight[3] = down(s3 + o0);
  eight[4] = down(s3 - o0);
}
