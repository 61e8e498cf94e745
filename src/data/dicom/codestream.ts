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
