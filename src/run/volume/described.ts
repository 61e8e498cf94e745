/** What `vernier volume` says of a scan, whatever file it lies in. */
import { openDicomScan } from '../../data/dicom/scan.ts';
import type { DicomScan, ScanChoice } from '../../data/dicom/scan.ts';
import type { Placement } from '../../data/dicom/placement.ts';
import { scanAffine } from '../../data/dicom/toVolume.ts';
import type { Voi } from '../../data/dicom/voi.ts';
import { isDicomBytes } from '../../data/dicom/elements.ts';
import type { SliceDim, Volume } from '../../data/nifti.ts';
import { axisCodes, orientationOf } from '../../data/niftiSpace.ts';
import type { Affine } from '../../data/niftiSpace.ts';
import { sha256 } from '../../hub/sha256.ts';
import { UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import { headOf, openStoredVolume, tiffPages } from '../../data/openVolume.ts';
import { isRawVolume } from '../../data/rawVolumes/isRawVolume.ts';
import { isVolumeBytes } from '../ask/volumeBytes.ts';

/** Keys and their order are what `--json` prints. */
export interface Described {
  /** Slices, rows, columns. */
  size: [number, number, number];
  /** mm between slices, rows, columns; null where it is not known, and between the slices of one slice. */
  spacing_mm: [number | null, number | null, number | null];
  /** Values of a pixel: 1, or 3 for red, green and blue. */
  samples: 1 | 3;
  /** Of the values, after the modality's table or rescaling. */
  min: number;
  max: number;
  /** Of the values as little-endian float32: slices, rows, columns, samples. */
  sha256: string;
  /**
   * Where slices, rows and columns go to (R L A P S I; null where it is not known), and mm to the right, forwards and up of [column, row,
   * slice, 1] as three rows of four; null where the file does not tell.
   */
  orientation: { axes: (string | null)[]; affine: number[][] | null } | null;
  /** HU, OD, …; null where nothing tells. */
  units: string | null;
  photometric: string | null;
  window: { center: number; width: number; function: string } | { table: { first: number; entries: number; bits: number } } | null;
  modality: string | null;
  notes: string[];
}

export type Scan =
  { kind: 'dicom'; scan: DicomScan } | { kind: 'volume'; volume: Volume; notes: string[] } | { kind: 'picture'; picture: DecodedImage };

/** @param choice of DICOM with several series or volumes @throws UserError where it is none of what is read */
export async function openScan(platform: Platform, path: string, choice: Pick<ScanChoice, 'series' | 'volume'> = {}): Promise<Scan> {
  if (!(await platform.exists(path))) throw new UserError(`${path}: there is no such file or folder.`);
  const head = await headOf(platform, path);
  if (head === 'folder' || isDicomBytes(head)) return { kind: 'dicom', scan: await openDicomScan(platform, path, choice) };
  for (const flag of ['series', 'volume'] as const)
    if ((choice[flag] ?? null) !== null) throw new UserError(`${path} is no DICOM, so --${flag} chooses nothing there. Leave it out.`);
  if (isRawVolume(head) || isVolumeBytes(head) || (await tiffPages(platform, path)) !== 'one')
    return { kind: 'volume', ...(await openStoredVolume(platform, path)) };
  return { kind: 'picture', picture: await platform.decodeImage(await platform.readFile(path), path) };
}

/** @param stop looked at between slices */
export async function describe(platform: Platform, scan: Scan, stop: AbortSignal): Promise<Described> {
  switch (scan.kind) {
    case 'dicom':
      return describeDicom(platform, scan.scan, stop);
    case 'volume':
      return describeVolume(platform, scan, stop);
    case 'picture': {
      const { width, height, data, notes = [] } = scan.picture;
      const seen = new Seen(platform);
      seen.add(Float64Array.from(data));
      return {
        size: [1, height, width],
        spacing_mm: [null, null, null],
        samples: 3,
        ...seen.end(),
        orientation: null,
        units: null,
        photometric: 'RGB',
        window: null,
        modality: null,
        notes: notes.map(({ text }) => text),
      };
    }
  }
}

async function describeDicom(platform: Platform, scan: DicomScan, stop: AbortSignal): Promise<Described> {
  const seen = new Seen(platform);
  for (let slice = 0; slice < scan.size[0]; slice++) {
    stop.throwIfAborted();
    seen.add((await scan.readSlice(slice)).values);
  }
  return {
    size: scan.size,
    spacing_mm: scan.spacing,
    samples: scan.samples,
    ...seen.end(),
    orientation: dicomOrientation(scan),
    units: scan.units ?? null,
    photometric: scan.photometric,
    window: windowJson(scan.voi),
    modality: scan.modality ?? null,
    notes: scan.notes,
  };
}

function windowJson(voi: Voi | undefined): Described['window'] {
  if (voi === undefined) return null;
  if (voi.kind === 'window') return { center: voi.center, width: voi.width, function: voi.function };
  return { table: { first: voi.table.first, entries: voi.table.entries.length, bits: voi.table.bits } };
}

/** Letters of the patient's directions that projections have, as those of volumes (PS3.3, C.7.6.1.1.1: H head, F feet). */
const LETTERS: Readonly<Record<string, string>> = { L: 'L', R: 'R', A: 'A', P: 'P', H: 'S', F: 'I' };

function dicomOrientation(scan: DicomScan): Described['orientation'] {
  const affine = scanAffine(scan);
  if (affine !== undefined) return orientation(affine);
  if (scan.placement !== undefined) return { axes: axisCodes(orientationOf(directionsOf(scan.placement))).reverse(), affine: null };
  // The first value says where a row goes, the second where a column does.
  const [row, column] = scan.patientOrientation.map((text) => LETTERS[text[0] ?? ''] ?? null);
  if (row === undefined || column === undefined) return null;
  return { axes: [null, column, row], affine: null };
}

/** Where columns, rows and slices go, of slices whose distances are not known. */
function directionsOf({ alongRow, alongColumn, normal }: Placement): Affine {
  return ([0, 1, 2] as const).map((axis) => [alongRow, alongColumn, normal].map((way) => way[axis] * (axis === 2 ? 1 : -1)));
}

function orientation(affine: Affine): Described['orientation'] {
  return { axes: axisCodes(orientationOf(affine)).reverse(), affine: affine.slice(0, 3).map((row) => [...row]) };
}

async function describeVolume(
  platform: Platform,
  { volume, notes: own }: Extract<Scan, { kind: 'volume' }>,
  stop: AbortSignal,
): Promise<Described> {
  const [ni, nj, nk] = volume.shape;
  const seen = new Seen(platform);
  for (let k = 0; k < nk; k++) {
    stop.throwIfAborted();
    const { values } = await volume.slice(2, k);
    // The first axis is the column, as it is of DICOM.
    const plane = new Float64Array(ni * nj);
    for (let i = 0; i < ni; i++) for (let j = 0; j < nj; j++) plane[j * ni + i] = values[i * nj + j] ?? NaN;
    seen.add(plane);
  }
  const { header, zooms } = volume;
  const notes = [...own];
  const isUnsized = (axis: SliceDim): boolean => header.sizeless?.includes(axis) ?? !header.hasZooms;
  const sized = (axis: SliceDim): number | null => (isUnsized(axis) ? null : zooms[axis]);
  if (header.spacingUnit !== 'mm') notes.push(`the header has sizes in ${header.spacingUnit}; they are taken for mm`);
  return {
    size: [nk, nj, ni],
    spacing_mm: [sized(2), sized(1), sized(0)],
    samples: 1,
    ...seen.end(),
    orientation: header.sizeless === undefined ? orientation(header.affine) : null, // TIFF never tells
    units: null,
    photometric: null,
    window: null,
    modality: null,
    notes,
  };
}

/** Least, greatest, and the hash of all values, slice by slice. */
class Seen {
  private readonly hasher;
  private min = Infinity;
  private max = -Infinity;

  constructor(platform: Platform) {
    this.hasher = sha256(platform);
  }

  add(values: Float64Array): void {
    for (const value of values) {
      if (value < this.min) this.min = value;
      if (value > this.max) this.max = value;
    }
    this.hasher.update(littleFloats(values));
  }

  end(): Pick<Described, 'min' | 'max' | 'sha256'> {
    return { min: this.min, max: this.max, sha256: this.hasher.hex() };
  }
}

/** Every runtime that has a GPU is little endian. */
function littleFloats(values: Float64Array): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}
