/** What a series of DICOM is, in the words of the page. */
import type { FileFacts } from '../../src/data/dicom/facts.ts';

/** PS3.3, C.7.3.1.1.1: codes of modalities. */
const KINDS: Readonly<Record<string, string>> = {
  CT: 'CT',
  MR: 'MRI',
  PT: 'PET',
  NM: 'nuclear medicine',
  US: 'ultrasound',
  IVUS: 'ultrasound',
  CR: 'X-ray',
  DX: 'X-ray',
  RG: 'X-ray',
  IO: 'X-ray',
  PX: 'X-ray',
  RF: 'fluoroscopy',
  XA: 'angiography',
  MG: 'mammography',
};

/** '' for what is none of them. */
export function dicomKind(modality: string | undefined): string {
  return KINDS[modality ?? ''] ?? '';
}

/** Greys whose places and sizes are known; all else is pictures. */
export function isVolumeOf({ format, frames }: FileFacts): boolean {
  return (
    format.samples === 1 &&
    format.photometric !== 'PALETTE COLOR' &&
    frames.every(({ placement, spacing }) => placement !== undefined && spacing.mm !== undefined)
  );
}
