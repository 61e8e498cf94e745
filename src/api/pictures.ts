/** Pictures as scripts have them, made into what rows hold: files' bytes, or paths. */
import { imageSource } from '../data/conversations/images.ts';
import type { ImageSource } from '../data/example.ts';
import type { DecodedImage, Platform } from '../platform.ts';

/**
 * A path; a `data:` URL or bare base64 of a picture file; its bytes; a Blob or File of it; or pixels, RGB with 3 bytes each. A `path`
 * beside bytes is a name for messages.
 */
export type Picture = string | Uint8Array | Blob | DecodedImage | { bytes: Uint8Array; path?: string };

/** @param where it is given, for messages @throws UserError for what is no picture */
export async function pictureSource(platform: Platform, picture: Picture, where: string): Promise<ImageSource> {
  return imageSource(await fileOf(platform, picture), where, where);
}

/** Whatever a row holds, with the pictures that no file of rows can hold as the bytes of picture files. */
export async function withFiles(platform: Platform, value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item: unknown) => withFiles(platform, item)));
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof Blob || isDecoded(value)) return fileOf(platform, value);
  const entries = Object.entries(value).map(async ([name, one]) => [name, await withFiles(platform, one)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function fileOf(platform: Platform, picture: Picture): Promise<unknown> {
  if (picture instanceof Blob) {
    const bytes = new Uint8Array(await picture.arrayBuffer());
    return 'name' in picture && typeof picture.name === 'string' ? { bytes, path: picture.name } : bytes;
  }
  // Without loss, so that it takes the way of all others: the same checks, the same pixels.
  if (isDecoded(picture)) return platform.encodePng(picture.data, picture.width, picture.height, 3);
  return picture;
}

function isDecoded(value: Picture | object): value is DecodedImage {
  return typeof value === 'object' && 'width' in value && 'height' in value && 'data' in value && value.data instanceof Uint8Array;
}
