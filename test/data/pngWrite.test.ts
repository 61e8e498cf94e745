/** PNG files that are written here, read again by the reader of src/data/pictures/png.ts and by sharp. */
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { pngSamples } from '../../src/data/pictures/png.ts';
import { pngBytes } from '../../src/data/pictures/pngWrite.ts';

const SHAPES = [
  [1, 1],
  [1, 5],
  [7, 3],
  [64, 33],
  [255, 2],
] as const;

it.each(
  SHAPES.flatMap(([width, height]) =>
    (
      [
        [1, 1],
        [1, 3],
        [3, 3],
      ] as const
    ).map(([channels, inFile]) => ({ width, height, channels, inFile })),
  ),
)('keeps every pixel of %o', async (raster) => {
  const { width, height, channels, inFile } = raster;
  // The buffer is odd on purpose; two pictures of one size use one memory.
  for (const seed of [1, 2]) {
    const data = Uint8Array.from({ length: width * height * channels + 1 }, (_, i) => (i * i * seed * 31 + i * 7) & 255).subarray(1);
    const png = pngBytes(data, raster, { deflate: (bytes) => deflateSync(bytes), crc32 });
    const wanted = channels === inFile ? data : Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)] ?? 0);
    const { header, samples } = pngSamples(png);
    expect(header).toMatchObject({ width, height, channels: inFile, depth: 8 });
    expect(samples).toEqual(new Uint8Array(wanted));
    const { data: seen, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width, height });
    if (info.channels === inFile) expect(new Uint8Array(seen)).toEqual(new Uint8Array(wanted));
  }
});
