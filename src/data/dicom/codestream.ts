/**
 * What a compressed frame says of itself, read before it is decoded: a decoder would take memory for the size that stands there, and
 * colours and signs in it may differ from the DICOM header's.
 */

export interface Codestream {
  width: number;
  height: number;
  components: number;
  /** Bits of a sample. */
  precision: number;
  /** JPEG. */
  isLossless?: boolean;
  /** JPEG-LS: 0 where components lie one after the other. */
  interleave?: number;
  /** JPEG 2000. */
  isSigned?: boolean;
  /** JPEG: components are named R, G, B. */
  hasRgbNames?: boolean;
  /** JPEG: a JFIF marker is there, which says YCbCr. */
  isJfif?: boolean;
  /** JPEG: the transform that an Adobe marker names; 0 none, 1 YCbCr. */
  adobeTransform?: number;
}

const cutOff = (): Error => new Error('its compressed frame has no size in its header');

/** Of JPEG and JPEG-LS (ISO 10918-1, B.2.2; 14495-1, C.2.2). @throws Error in words */
export function jpegCodestream(bytes: Uint8Array): Codestream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) throw new Error('its compressed frame is no JPEG');
  let isJfif = false;
  let adobeTransform: number | undefined;
  for (let at = 2; at + 4 <= bytes.length;) {
    if (bytes[at] !== 0xff) throw cutOff();
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const length = view.getUint16(at + 2);
    const data = at + 4;
    const isFrame = (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) || marker === 0xf7;
    if (isFrame) {
      const components = bytes[data + 5] ?? 0;
      if (length < 8 + 3 * components || data + 6 + 3 * components > bytes.length) throw cutOff();
      const names = String.fromCharCode(...Array.from({ length: components }, (_, i) => bytes[data + 6 + 3 * i] ?? 0));
      return {
        width: view.getUint16(data + 3),
        height: view.getUint16(data + 1),
        components,
        precision: bytes[data] ?? 0,
        isLossless: marker === 0xc3,
        ...(marker === 0xf7 && { interleave: interleaveOf(bytes, data - 2 + length) }),
        hasRgbNames: /^rgb$/i.test(names),
        isJfif,
        ...(adobeTransform !== undefined && { adobeTransform }),
      };
    }
    if (marker === 0xd9 || marker === 0xda || length < 2) throw cutOff();
    const word = String.fromCharCode(...bytes.subarray(data, data + 5));
    if (marker === 0xe0 && word.startsWith('JFIF')) isJfif = true;
    if (marker === 0xee && word === 'Adobe' && length >= 14) adobeTransform = bytes[data + 11];
    at += 2 + length;
  }
  throw cutOff();
}

/** ILV of the first scan after `at` (14495-1, C.2.3). */
function interleaveOf(bytes: Uint8Array, at: number): number {
  for (let i = at; i + 4 < bytes.length;) {
    const length = ((bytes[i + 2] ?? 0) << 8) | (bytes[i + 3] ?? 0);
    if (bytes[i] !== 0xff || length < 2) break;
    if (bytes[i + 1] === 0xda) return bytes[i + 6 + 2 * (bytes[i + 4] ?? 0)] ?? 0;
    i += 2 + length;
  }
  return 0;
}

/** APP14 "Adobe", version 100, no flags, transform 0. */
const NO_TRANSFORM = Uint8Array.of(0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0);

/**
 * A JPEG of three components that decoders leave in its own colours: which ones they are the DICOM header says, and a decoder would guess.
 * Its application segments are left out.
 */
export function withoutTransform(bytes: Uint8Array): Uint8Array {
  const parts = [bytes.subarray(0, 2), NO_TRANSFORM];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    const end = at + 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    if (marker === 0xda || end > bytes.length) break;
    if (marker < 0xe0 || marker > 0xef) parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    out.set(part, to);
    to += part.length;
  }
  return out;
}

/** Of JPEG 2000 and HTJ2K (ISO 15444-1, A.5.1), in a file of boxes too. @throws Error in words */
export function jpeg2000Codestream(bytes: Uint8Array): Codestream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = startOfCodestream(bytes, view);
  if (at === undefined || at + 44 > bytes.length || view.getUint32(at) !== 0xff4fff51) throw cutOff();
  const components = view.getUint16(at + 40);
  const depth = bytes[at + 42] ?? 0;
  return {
    width: view.getUint32(at + 8) - view.getUint32(at + 16),
    height: view.getUint32(at + 12) - view.getUint32(at + 20),
    components,
    precision: (depth & 0x7f) + 1,
    isSigned: depth > 0x7f,
  };
}

/** The content of the box jp2c, or the first byte where there are no boxes. */
function startOfCodestream(bytes: Uint8Array, view: DataView): number | undefined {
  if (bytes.length < 12 || view.getUint32(4) !== 0x6a502020) return 0;
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x6a703263) return at + 8;
    if (length < 8) return undefined;
    at += length;
  }
  return undefined;
}
