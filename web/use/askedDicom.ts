/** In the thread of the Data step: what a DICOM file is that is asked about. */
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { scanOf } from '../../src/data/dicom/scan.ts';
import { readSeries } from '../../src/data/dicom/series.ts';
import type { Platform } from '../../src/platform.ts';
import { dicomKind, isVolumeOf } from '../data/dicomKinds.ts';
import { pictureSpacing } from '../data/scanPixels.ts';

export interface AskedDicom {
  /** Else it is a picture. */
  isVolume: boolean;
  /** CT, MRI, …; '' where it is none of them. */
  modality: string;
  /** mm, of a picture that says it. */
  pixelSize: [width: number, height: number] | null;
}

/** @throws UserError for a file that cannot be read */
export async function askedDicom(platform: Platform, path: string): Promise<AskedDicom> {
  const series = await readSeries(platform, path, DICOM_LIMITS);
  const scan = scanOf(platform, series, path);
  return { isVolume: series.files.every(isVolumeOf), modality: dicomKind(scan.modality), pixelSize: pictureSpacing(scan) };
}
