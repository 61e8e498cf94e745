/** DICOM of every kind: headers, tables, sequences, and frames in each compression, read to the values as `vernier volume` does. */
import { unzipSync } from 'fflate';
import fc from 'fast-check';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { UserError } from '../../src/platform.ts';
import { holdingFiles } from '../data/filesInMemory.ts';
import { hostileBytes } from './cases.ts';
import { file, parser } from './parser.ts';

/** Low, so that what is refused as too large is small. */
const LIMITS = { ...DICOM_LIMITS, frameBytes: 2 ** 22, inflatedBytes: 2 ** 22, encodedBytes: 2 ** 22, headerBytes: 2 ** 22, frames: 1000 };
const MOST_SLICES = 8;
/** They are eight readers that are one. */
const SHARE = 0.25;
const objects = unzipSync(file('test/golden/dicom_objects.zip'));
const volumes = unzipSync(file('test/golden/dicom_volumes.zip'));
const severalVolumes = ['enhanced_times', 'enhanced_echoes'].map((name) => volumes[`${name}/x.dcm`] ?? new Uint8Array());
const good = (...names: string[]): Uint8Array[] => names.map((name) => objects[`${name}.dcm`] ?? new Uint8Array());

async function read(bytes: Uint8Array, volume: number | null = null): Promise<void> {
  const scan = await openDicomScan(holdingFiles({ 'a.dcm': bytes }), 'a.dcm', { volume, limits: LIMITS });
  for (let slice = 0; slice < Math.min(scan.size[0], MOST_SLICES); slice++) (await scan.readSlice(slice)).shown();
  if (scan.placement !== undefined && scan.size[0] * scan.size[1] * scan.size[2] < 2 ** 20) await scanVolume(scan, 'a.dcm');
}

/** Of what may be several volumes the second too. */
async function readSecond(bytes: Uint8Array): Promise<void> {
  try {
    await read(bytes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await read(bytes, 2);
  }
}

const kinds: Readonly<Record<string, Uint8Array[]>> = {
  headers: good('ct_signed', 'ct_slope', 'ct_big_endian', 'ct_deflated', 'single_bits', 'float_pixels', 'us_region', 'nm_frames'),
  tables: good('modality_table', 'voi_table', 'palette_16', 'palette_segmented', 'ybr_full_422'),
  'enhanced objects': [...good('enhanced_unordered', 'enhanced_slopes', 'enhanced_ct_sagittal'), ...severalVolumes],
  'RLE and fragments': good('rle_16', 'rle_rgb', 'frames_table', 'frames_extended_table'),
  JPEG: good('jpeg_8', 'jpeg_422', 'jpeg_12', 'jpeg_lossless_1', 'jpeg_lossless_6', 'jpeg_lossless_rgb'),
  'JPEG-LS': good('jls', 'jls_rgb', 'jls_near'),
  'JPEG 2000': good('j2k', 'j2k_rct', 'j2k_lossy'),
  HTJ2K: good('htj2k', 'htj2k_rgb'),
};

/** The compressed frame lies at the end of such small files; the changes are to meet it too. */
const atTheEnd = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> => {
  const start = Math.max(0, bytes.length - 600);
  return hostileBytes(bytes.subarray(start)).map((end) => new Uint8Array(Buffer.concat([bytes.subarray(0, start), end])));
};

const isSeveral = (files: readonly Uint8Array[]): boolean => severalVolumes.every((one) => files.includes(one));

export const DICOM_PARSERS = Object.entries(kinds).map(([name, files]) =>
  parser(
    `DICOM: ${name}`,
    fc.oneof(...files.flatMap((bytes) => [hostileBytes(bytes), atTheEnd(bytes)])),
    isSeveral(files) ? readSecond : read,
    SHARE,
  ),
);
