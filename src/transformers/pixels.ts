/** Pictures of transformers.js. */
import type { DecodedImage } from '../platform.ts';

/** As `RawImage` of `@huggingface/transformers`: pixels row by row, with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) bytes each. */
export interface RawImageLike {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

/**
 * The picture for `rows`, `ask` and processors: RGB, grey repeated, alpha dropped, as Pillow's `convert('RGB')`. A RawImage is what a
 * canvas or sharp made of the file, which for some files (profiles, 16 bits, transparent WebP) is not what Pillow makes of it; give the
 * file where the difference matters.
 * @throws RangeError where there are not as many bytes as it says
 */
export function decodedImage({ data, width, height, channels }: RawImageLike): DecodedImage {
  const pixels = width * height;
  if (data.length !== pixels * channels)
    throw new RangeError(`a RawImage of ${width}×${height}×${channels} has ${pixels * channels} bytes, ${data.length} found`);
  const rgb = new Uint8Array(pixels * 3);
  const isGrey = channels <= 2;
  for (let at = 0; at < pixels; at++) {
    for (let k = 0; k < 3; k++) rgb[at * 3 + k] = data[at * channels + (isGrey ? 0 : k)] ?? 0;
  }
  return { width, height, data: rgb };
}
