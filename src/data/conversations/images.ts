/**
 * Pictures as rows name them: a path, a URL of a file, bytes in base64, a `data:` URI, or `datasets`' Image (`{"bytes": …, "path": …}`).
 */
import { UserError } from '../../platform.ts';
import type { ImageSource } from '../example.ts';
import { isEmpty, isObject, shown } from './shown.ts';

/** Keys of an object that stands for a picture, the most telling first: bytes win over a path, which is only where they came from. */
const KEYS = ['bytes', 'base64', 'data', 'image', 'image_url', 'url', 'path'] as const;

/**
 * @param where of the value, for messages: `rows.jsonl:3: images[0]`
 * @param name what a picture without a path is called in messages about it
 * @throws UserError for what is no picture, or one that would have to be fetched
 */
export function imageSource(value: unknown, where: string, name: string): ImageSource {
  if (value instanceof Uint8Array && value.length > 0) return { bytes: value.slice(), name };
  if (typeof value === 'string' && value !== '') return fromText(value, where, name);
  if (!isObject(value)) throw new UserError(`${where} should be a file path, ${shown(value)} found.`);
  if (value['type'] === 'base64' && typeof value['data'] === 'string') return fromBase64(value['data'], where, name);
  const key = KEYS.find((one) => !isEmpty(value[one]));
  if (key === undefined) throw new UserError(`${where} should be a file path, ${shown(value)} found.`);
  const found = value[key];
  const path = typeof value['path'] === 'string' && value['path'] !== '' ? value['path'] : name;
  if (key === 'bytes' || key === 'base64' || key === 'data') {
    if (found instanceof Uint8Array) return { bytes: found.slice(), name: path };
    if (typeof found === 'string') return found.startsWith('data:') ? fromDataUri(found, where, path) : fromBase64(found, where, path);
    throw new UserError(`${where}: ${shown(key)} should be the picture file in base64, ${shown(found)} found.`);
  }
  return imageSource(found, where, name);
}

/** Two ways to name one picture. */
export function isSameImage(a: ImageSource, b: ImageSource): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return a.bytes.length === b.bytes.length && a.bytes.every((byte, i) => byte === b.bytes[i]);
}

/** For messages about a picture, and to tell rows apart. */
export function imageName(source: ImageSource): string {
  return typeof source === 'string' ? source : source.name;
}

/** What can only be a picture, under whatever key it is: bytes of one, a `data:` URI of one, the path of a picture file. */
export function looksLikeImage(value: unknown): boolean {
  if (value instanceof Uint8Array) return startsAsImage(value);
  if (typeof value === 'string') {
    return (
      value.startsWith('data:image/') || isBareBase64(value) || (value.length < 1024 && IMAGE_FILE.test(value) && !value.includes('\n'))
    );
  }
  if (Array.isArray(value)) return value.length > 0 && value.every(looksLikeImage);
  return isObject(value) && (looksLikeImage(value['bytes']) || (isEmpty(value['bytes']) && looksLikeImage(value['path'])));
}

const IMAGE_FILE = /^(?!https?:)\S[^?#]*\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|hei[cf]|jp2|jxl|dcm|nii(?:\.gz)?)$/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** How PNG, JPEG, GIF and WebP begin in base64. */
const BASE64_STARTS = ['iVBORw0KGgo', '/9j/', 'R0lGOD', 'UklGR'];

function fromText(text: string, where: string, name: string): ImageSource {
  if (text.startsWith('data:')) return fromDataUri(text, where, name);
  if (text.startsWith('file://')) return filePath(text, where);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new UserError(`${where}: ${shown(text)} is not a file. Download the image and name the file.`);
  }
  // transformers' load_image takes such texts too.
  return isBareBase64(text) ? fromBase64(text, where, name) : text;
}

function isBareBase64(text: string): boolean {
  if (text.length < 64 || !BASE64_STARTS.some((start) => text.startsWith(start))) return false;
  return BASE64.test(text) && startsAsImage(decoded(text.slice(0, 16)));
}

function startsAsImage(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  const starts = [
    [0x89, 0x50, 0x4e, 0x47],
    [0xff, 0xd8, 0xff],
    [0x47, 0x49, 0x46, 0x38],
    [0x52, 0x49, 0x46, 0x46],
    [0x42, 0x4d],
    [0x49, 0x49, 0x2a, 0],
  ];
  return starts.some((start) => start.every((byte, i) => bytes[i] === byte));
}

function filePath(url: string, where: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname);
  } catch {
    throw new UserError(`${where}: ${shown(url)} is not the URL of a file. Give the path.`);
  }
}

function fromDataUri(text: string, where: string, name: string): ImageSource {
  const comma = text.indexOf(',');
  if (comma < 0 || !/;base64$/i.test(text.slice(0, comma))) {
    throw new UserError(`${where}: ${shown(text)} is not a picture in base64 (data:image/png;base64,…). Write it so, or name a file.`);
  }
  return fromBase64(text.slice(comma + 1), where, name);
}

function fromBase64(text: string, where: string, name: string): ImageSource {
  const bytes = decoded(text.replaceAll(/\s/g, ''));
  if (bytes === undefined || bytes.length === 0) throw new UserError(`${where}: ${shown(text)} is not base64 of a picture file.`);
  return { bytes, name };
}

function decoded(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}
