/**
 * Pictures in the browser. PNG is read by our own decoder, since a canvas multiplies colours by alpha and keeps 8 bits; the rest is drawn
 * on a canvas, where it comes out as in Pillow as long as it is opaque. What is not (transparent WebP), CMYK and TIFF are refused by name.
 */
import { checkPixels, decodePicture } from '../src/data/pictures/decode.ts';
import type { PictureDecoder } from '../src/data/pictures/decode.ts';
import { pngToRgb } from '../src/data/pictures/png.ts';
import { withoutOrientation } from '../src/data/pictures/withoutOrientation.ts';
import type { DecodedImage, DecodeOptions } from '../src/platform.ts';
import { UserError } from '../src/platform.ts';
import { dicomCodec } from './dicomCodecs.ts';

function canvasOf(width: number, height: number): { canvas: OffscreenCanvas; context: OffscreenCanvasRenderingContext2D } {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context)
    throw new UserError('This browser gives no 2D canvas, which decodes pictures. Use a current Chrome, Edge, Firefox or Safari.');
  return { canvas, context };
}

const canvasDecoder: PictureDecoder = {
  async rgb(bytes, { format, colour }) {
    if (format === 'png') return pngToRgb(bytes);
    if (format === 'tiff') throw new Error('browsers do not read TIFF; save it as PNG');
    // Browsers make RGB of it in ways of their own, up to some levels from Pillow's.
    if (colour === 'cmyk') throw new Error('browsers do not read CMYK as Pillow does; save it as RGB');
    const options: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };
    const bitmap = await createImageBitmap(new Blob([withoutOrientation(bytes, format).slice()]), options);
    const { width, height } = bitmap;
    checkPixels(width, height);
    const { context } = canvasOf(width, height);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const rgba = context.getImageData(0, 0, width, height).data;
    const data = new Uint8Array(width * height * 3);
    for (let from = 0, to = 0; from < rgba.length; from += 4) {
      if (rgba[from + 3] !== 255)
        throw new Error('it has transparent pixels, whose colours a browser does not give exactly; save it as PNG');
      data[to++] = rgba[from]!;
      data[to++] = rgba[from + 1]!;
      data[to++] = rgba[from + 2]!;
    }
    return { width, height, data };
  },
  dicomCodec,
};

export function decodeImage(bytes: Uint8Array, name: string, options: DecodeOptions = {}): Promise<DecodedImage> {
  return decodePicture(bytes, name, options, canvasDecoder);
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
