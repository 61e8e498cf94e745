/** How the pixels of an object are stored (PS3.3, C.7.6.3, Image Pixel). */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import type { PixelElement } from './elements.ts';
import type { DicomLimits } from './limits.ts';

export interface PixelFormat {
  rows: number;
  columns: number;
  frames: number;
  samples: 1 | 3;
  /** PhotometricInterpretation, as the file has it. */
  photometric: string;
  /** Samples lie plane by plane. */
  isPlanar: boolean;
  bitsAllocated: number;
  bitsStored: number;
  /** The bit that the highest stored bit lies in. */
  highBit: number;
  isSigned: boolean;
  kind: PixelElement['kind'];
}

const PHOTOMETRICS = /^(?:MONOCHROME[12]|RGB|PALETTE COLOR|YBR_FULL|YBR_FULL_422|YBR_ICT|YBR_RCT)$/;

/** @throws UserError where it is missing, contradicts itself, or is more than the limits allow */
export function pixelFormatOf(attributes: Attributes, kind: PixelElement['kind'], path: string, limits: DicomLimits): PixelFormat {
  const fault = (words: string): UserError => new UserError(`${path}: ${words}. Export the DICOM file again.`);
  const whole = (name: 'Rows' | 'Columns' | 'BitsAllocated'): number => {
    const value = attributes.number(name);
    if (value === undefined || value === 0) throw fault(`${name} is missing or 0`);
    return value;
  };
  const rows = whole('Rows');
  const columns = whole('Columns');
  const frames = attributes.number('NumberOfFrames') || 1;
  if (!Number.isSafeInteger(frames) || frames < 1) throw fault(`NumberOfFrames is ${frames}`);
  if (frames > limits.frames) throw fault(`NumberOfFrames is ${frames}, ${limits.frames} are the most that are read`);
  const samples = attributes.number('SamplesPerPixel') ?? 1;
  if (samples !== 1 && samples !== 3) throw fault(`SamplesPerPixel is ${samples}; 1 and 3 are read`);
  const photometric = attributes.text('PhotometricInterpretation') ?? (samples === 1 ? 'MONOCHROME2' : 'RGB');
  if (!PHOTOMETRICS.test(photometric)) throw fault(`PhotometricInterpretation ${JSON.stringify(photometric.slice(0, 20))} is not read`);
  if ((samples === 1) !== /^(?:MONO|PALETTE)/.test(photometric))
    throw fault(`PhotometricInterpretation ${photometric} does not fit ${samples} samples a pixel`);
  const bitsAllocated = kind === 'floats' ? 32 : kind === 'doubles' ? 64 : whole('BitsAllocated');
  if (
    ![1, 8, 16, 32, 64].includes(bitsAllocated) ||
    (bitsAllocated === 64 && kind === 'integers') ||
    (bitsAllocated === 1 && samples !== 1)
  )
    throw fault(`BitsAllocated is ${bitsAllocated}; 1, 8, 16 and 32 are read`);
  const bitsStored = attributes.number('BitsStored') || bitsAllocated;
  if (bitsStored > bitsAllocated) throw fault(`BitsStored is ${bitsStored} of ${bitsAllocated} allocated`);
  const highBit = attributes.number('HighBit') ?? bitsStored - 1;
  const isSigned = attributes.number('PixelRepresentation') === 1;
  const bytes = (rows * columns * samples * Math.max(bitsAllocated, 8)) / 8;
  if (bytes > limits.frameBytes)
    throw fault(`a frame of ${columns}×${rows} pixels has ${bytes} bytes, ${limits.frameBytes} are the most that are read`);
  return {
    rows,
    columns,
    frames,
    samples,
    photometric,
    isPlanar: samples === 3 && attributes.number('PlanarConfiguration') === 1,
    bitsAllocated,
    bitsStored,
    // Files with a high bit out of range exist; pydicom ignores it everywhere.
    highBit: highBit >= bitsStored - 1 && highBit < bitsAllocated ? highBit : bitsStored - 1,
    isSigned,
    kind,
  };
}

/** Bits of a frame as it lies in an uncompressed file. YBR_FULL_422 has two chrominances for two pixels (PS3.3, C.7.6.3.1.2). */
export function frameBits({ rows, columns, samples, bitsAllocated, photometric }: PixelFormat): number {
  return rows * columns * (photometric === 'YBR_FULL_422' ? 2 : samples) * bitsAllocated;
}
