/** JPEG: the segments up to the first scan, among them one frame (size, precision, components) and perhaps EXIF, XMP and Adobe's. */
import { latin1 } from '../imageFormats.ts';
import { exifOrientation, isExif, xmpOrientation } from '../imageOrientation.ts';
import type { Orientation } from '../imageOrientation.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';

const XMP = 'http://ns.adobe.com/xap/1.0/\0';
type Frame = Pick<ImageHeader, 'width' | 'height' | 'bitDepth' | 'channels' | 'colour'>;
const COLOURS: Readonly<Record<number, ImageHeader['colour']>> = { 1: 'grey', 3: 'rgb', 4: 'cmyk' };

export function* jpegHeader(source: HeaderSource): Reading<ImageHeader> {
  let frame: Frame | undefined;
  const exif: number[] = []; // several segments are one block in pieces
  let xmp: Orientation | undefined;
  for (let at = 2; ; ) {
    const [byte = 0] = yield* source.read(at, 1);
    const [marker = 0] = byte === 0xff ? yield* source.read(at + 1, 1) : [];
    // Bytes that belong to nothing, and fill bytes before a marker, are passed over, as libjpeg and Pillow do.
    if (byte !== 0xff || marker === 0xff || marker === 0) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker === 0xda || marker === 0xd9) break;
    else {
      const length = (yield* source.view(at + 2, 2)).getUint16(0);
      if (length < 2) throw source.damaged(`a segment of its header has the length ${length}`);
      if (marker === 0xe1) {
        const data = yield* source.read(at + 4, length - 2);
        if (isExif(data)) exif.push(...(exif.length === 0 ? data : data.subarray(6)));
        else if (latin1(data.subarray(0, XMP.length)) === XMP) xmp = xmpOrientation(data);
      } else if (isFrame(marker) && !frame) frame = yield* frameOf(source, at + 4);
      at += 2 + length;
    }
  }
  if (!frame) throw source.damaged('its header has no frame');
  if (frame.height === 0) throw source.damaged('its height is stated behind the pixels only (DNL)');
  return { format: 'jpeg', ...frame, isFloat: false, hasAlpha: false, orientation: exifOrientation(Uint8Array.from(exif)) ?? xmp ?? 1 };
}

/** SOF0 to SOF15 without DHT, JPG and DAC, which share the range; SOF55 is JPEG-LS. */
function isFrame(marker: number): boolean {
  return (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) || marker === 0xf7;
}

function* frameOf(source: HeaderSource, at: number): Reading<Frame> {
  const view = yield* source.view(at, 6);
  const channels = view.getUint8(5);
  const colour = COLOURS[channels] ?? 'other';
  return { bitDepth: view.getUint8(0), height: view.getUint16(1), width: view.getUint16(3), channels, colour };
}
