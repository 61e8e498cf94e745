/**
 * Which TIFF files are read: those of which the decoder's samples are Pillow's. The others are refused by name, before they are decoded to
 * something else.
 */
import type { TiffDirectory } from '../tiffDirectory.ts';
import { tiffNumbers } from '../tiffDirectory.ts';

export interface TiffKind {
  /** One channel whose values do not fit 8 bits. */
  isDeepGrey: boolean;
  /** Why it cannot be read, as a phrase; undefined where it can. */
  refusal?: string;
}

const JPEG_COMPRESSION = 7;

export function tiffKind(directory: TiffDirectory): TiffKind {
  const number = (tag: number, fallback: number): number => tiffNumbers(directory, tag)?.[0] ?? fallback;
  const photometric = number(262, 1);
  const compression = number(259, 1);
  const samples = number(277, 1);
  const isPlanar = number(284, 1) === 2 && samples > 1;
  const bits = number(258, 1);
  const format = number(339, 1);
  const isGrey = photometric < 2;
  const isDeepGrey = isGrey && samples === 1 && bits > 8;
  const refusal = ((): string | undefined => {
    if (photometric === 6 && compression !== JPEG_COMPRESSION) return 'it holds YCbCr without JPEG compression';
    if (photometric >= 8 && photometric <= 10) return 'it holds CIE L*a*b*';
    if (photometric > 6) return `its photometric interpretation is ${photometric}`;
    if (number(338, 0) === 1) return 'its colours are multiplied by their alpha';
    if (photometric === 4) return 'it is a transparency mask';
    if (isGrey && samples > 1 && bits > 8) return `it holds grey with alpha in ${bits} bits`;
    if (isPlanar && bits > 8) return `it holds its channels apart in ${bits} bits`;
    if (photometric === 0 && bits > 8) return `it counts grey from white to black in ${bits} bits`;
    if (photometric === 5 && bits > 8) return `it holds CMYK in ${bits} bits`;
    if (format === 1 && [1, 2, 4, 8, 16].includes(bits)) return undefined;
    if (isGrey && samples === 1 && ((bits === 32 && format <= 3) || (bits === 16 && format === 2))) return undefined;
    return `it holds ${['', 'unsigned', 'signed', 'floating-point'][format] ?? 'unknown'} numbers of ${bits} bits`;
  })();
  return { isDeepGrey, ...(refusal !== undefined && { refusal }) };
}
