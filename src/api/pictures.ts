/** Pictures as scripts have them, made into what rows hold: files' bytes, or paths. */
import { imageSource } from '../data/conversations/images.ts';
import type { ImageSource } from '../data/example.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';

/**
 * A path; a `data:` URL or bare base64 of a picture file; its bytes; a Blob or File of it; or pixels, RGB with 3 bytes each. A `path`
 * beside bytes is a name for messages.
 */
export type Picture = string | Uint8Array | Blob | DecodedImage | { bytes: Uint8Array; path?: string };

/** @param where it is given, for messages @throws UserError for what is no picture */
export async function pictureSource(platform: Platform, picture: Picture, where: string): Promise<ImageSource> {
  return imageSource(await fileOf(platform, picture, where), where, where);
}

/**
 * Whatever a row holds, with the pictures that no file of rows can hold as the bytes of picture files.
 * @param where the row, for messages @throws UserError for pixels that are no picture, and a row that holds itself
 */
export async function withFiles(platform: Platform, value: unknown, where: string, within: readonly object[] = []): Promise<unknown> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof Blob || isDecoded(value)) return fileOf(platform, value, where);
  if (within.includes(value)) throw new UserError(`${where}: an object in it holds itself; a conversation as JSON has it is expected.`);
  const below = (item: unknown): Promise<unknown> => withFiles(platform, item, where, [...within, value]);
  if (Array.isArray(value)) return Promise.all(value.map(below));
  const entries = Object.entries(value).map(async ([name, one]) => [name, await below(one)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function fileOf(platform: Platform, picture: Picture, where: string): Promise<unknown> {
  if (picture instanceof Blob) {
    const bytes = new Uint8Array(await picture.arrayBuffer());
    return 'name' in picture && typeof picture.name === 'string' ? { bytes, path: picture.name } : bytes;
  }
  // Without loss, so that it takes the way of all others: the same checks, the same pixels.
  if (isDecoded(picture)) {
    checkPixels(picture, where);
    return platform.encodePng(picture.data, picture.width, picture.height, 3);
  }
  return picture;
}

/** Pixels, whatever their form: `checkPixels` says what is wrong with it. */
function isDecoded(value: Picture | object | null): value is DecodedImage {
  if (typeof value !== 'object' || value === null) return false;
  return 'width' in value && 'height' in value && 'data' in value && ArrayBuffer.isView(value.data);
}

/** @throws UserError for another size or form, as the RGBA of a canvas */
function checkPixels({ data, width, height }: DecodedImage, where: string): void {
  const isSize = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!isSize) throw new UserError(`${where}: pixels of ${String(width)}×${String(height)}; whole numbers above 0 are expected.`);
  if (data instanceof Uint8Array && data.length === width * height * 3) return;
  const found = `${(data as ArrayBufferView).constructor.name} of ${data.length}`;
  throw new UserError(
    `${where}: pixels are a Uint8Array of RGB, ${width * height * 3} bytes for ${width}×${height}; ${found} found. ` +
      'Leave out an alpha channel.',
  );
}
