/** Lossless JPEG, process 14 with each of its predictors (ISO 10918-1, Annex H). */
import { BitReader } from './huffman.ts';
import type { JpegStream, Scan } from './stream.ts';

/** @returns samples pixel by pixel @throws Error in words */
export function decodeLossless(stream: JpegStream): Uint16Array {
  const { width, height, components } = stream;
  if (components.some(({ horizontal, vertical }) => horizontal !== 1 || vertical !== 1))
    throw new Error('its lossless JPEG has subsampled colours');
  const out = new Uint16Array(width * height * components.length);
  for (const scan of stream.scans) decodeScan(stream, scan, out);
  return out;
}

function decodeScan(stream: JpegStream, { components, selection, pointTransform, start }: Scan, out: Uint16Array): void {
  const { width, height, precision, restartInterval } = stream;
  const all = stream.components.length;
  const places = components.map(({ id }) => stream.components.findIndex((component) => component.id === id));
  const tables = components.map(({ dc }) => {
    if (dc === undefined) throw new Error('a Huffman table of its JPEG is missing');
    return dc;
  });
  if (selection < 1 || selection > 7) throw new Error(`predictor ${selection} of its lossless JPEG is not known`);
  const bits = new BitReader(stream.bytes, start);
  const first = 1 << Math.max(0, precision - pointTransform - 1);
  const row = width * all;
  // The pixel that begins again: it and the rest of its row are predicted as in the first row.
  let begunAt = 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (restartInterval > 0 && pixel > 0 && pixel % restartInterval === 0) {
      bits.restart();
      begunAt = pixel;
    }
    const x = pixel % width;
    const isFirstRow = pixel - x <= begunAt;
    for (let k = 0; k < places.length; k++) {
      const at = pixel * all + (places[k] ?? 0);
      const length = tables[k]?.read(bits) ?? 0;
      if (length > 16) throw new Error('its lossless JPEG has a difference of more than 16 bits');
      const difference = length === 16 ? 32_768 : bits.difference(length);
      const prediction =
        pixel === begunAt
          ? first
          : isFirstRow
            ? (out[at - all] ?? 0)
            : x === 0
              ? (out[at - row] ?? 0)
              : predicted(selection, out[at - all] ?? 0, out[at - row] ?? 0, out[at - row - all] ?? 0);
      out[at] = prediction + difference;
    }
  }
  if (pointTransform > 0)
    for (const place of places) for (let at = place; at < out.length; at += all) out[at] = (out[at] ?? 0) << pointTransform;
}

/** @param a to the left @param b above @param c above to the left (H.1.2.1) */
function predicted(selection: number, a: number, b: number, c: number): number {
  switch (selection) {
    case 1:
      return a;
    case 2:
      return b;
    case 3:
      return c;
    case 4:
      return a + b - c;
    case 5:
      return a + ((b - c) >> 1);
    case 6:
      return b + ((a - c) >> 1);
    default:
      return (a + b) >> 1;
  }
}
