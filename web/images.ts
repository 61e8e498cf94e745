/**
 * Pictures in the browser. The canvas decodes what an opaque 8-bit picture says, as PIL does; where it would silently differ from PIL (transparency,
 * 16-bit grey) the picture is refused. JPEGs may differ from PIL's by a unit here and there, as decoders do.
 */
import { joinArrays } from '../src/io/joinArrays.ts';
import type { DecodedImage } from '../src/platform.ts';
import { UserError } from '../src/platform.ts';

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47];

/** One channel of 16 bits: PIL clips at 255, a canvas keeps the high byte. */
function isGrey16Png(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte) && bytes[24] === 16 && bytes[25] === 0;
}

/**
 * A JPEG without its APP1 segments. They hold the EXIF orientation, which browsers apply whatever createImageBitmap is asked, and PIL does not.
 * Other bytes come back as they are.
 */
function withoutOrientation(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes;
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let at = 2;
  // Segments (marker, length, content) up to the first scan, 0xda.
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    if (bytes[at + 1] !== 0xe1) kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  return joinArrays(Uint8Array, kept);
}

function canvasOf(width: number, height: number): { canvas: OffscreenCanvas; context: OffscreenCanvasRenderingContext2D } {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new UserError('This browser gives no 2D canvas, which decodes pictures. Use a current Chrome, Edge, Firefox or Safari.');
  return { canvas, context };
}

export async function decodeImage(bytes: Uint8Array, name: string): Promise<DecodedImage> {
  if (isGrey16Png(bytes)) throw new UserError(`Image ${name}: 16-bit grey cannot be read exactly in a browser. Save it with 8 bits a channel.`);
  const options: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };
  const bitmap = await createImageBitmap(new Blob([withoutOrientation(bytes).slice()]), options).catch((cause: unknown) => {
    throw new UserError(
      `Image ${name}: it cannot be decoded (${cause instanceof Error ? cause.message : String(cause)}; ${bytes.length} bytes). ` +
        'A complete PNG, JPEG, WebP or GIF file was expected; write it again in one of these formats.',
    );
  });
  const { width, height } = bitmap;
  const { context } = canvasOf(width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    if (rgba[i * 4 + 3] !== 255) throw new UserError(`Image ${name}: it has transparent pixels, whose colours a browser does not give exactly. Save it without transparency.`);
    data.set(rgba.subarray(i * 4, i * 4 + 3), i * 3);
  }
  return { width, height, data };
}

/** An RGB or grey raster on a canvas; grey is written to all three channels. */
function draw(data: Uint8Array, width: number, height: number, channels: 1 | 3): OffscreenCanvas {
  if (data.length !== width * height * channels) throw new Error(`a raster of ${width}×${height}×${channels} has ${data.length} bytes`);
  const { canvas, context } = canvasOf(width, height);
  const raster = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < 3; k++) raster.data[i * 4 + k] = data[i * channels + (channels === 1 ? 0 : k)] ?? 0;
    raster.data[i * 4 + 3] = 255;
  }
  context.putImageData(raster, 0, 0);
  return canvas;
}

/** Always a colour PNG: a canvas writes no grey ones. */
export async function encodePng(data: Uint8Array, width: number, height: number, channels: 1 | 3): Promise<Uint8Array> {
  const blob = await draw(data, width, height, channels).convertToBlob({ type: 'image/png' });
  return new Uint8Array(await blob.arrayBuffer());
}
