/**
 * A DICOM scan in the place of a NIfTI volume: axes to the right, forwards and up. Slices in its own plane are read from its files when
 * they are asked for; the first one across them makes the whole volume, in memory.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import { turned } from '../codedValues.ts';
import type { Turn } from '../codedValues.ts';
import { Volume } from '../nifti.ts';
import type { SliceDim, VolumeSlice } from '../nifti.ts';
import type { NiftiHeader, VoxelArray } from '../niftiHeader.ts';
import type { RasSpace } from '../niftiSpace.ts';
import { newHeader, volumeInMemory } from '../newVolume.ts';
import { openDicomScan } from './scan.ts';
import type { DicomScan, ScanChoice } from './scan.ts';
import { scanSpace, scanVolume } from './toVolume.ts';

const FLOAT32 = 16;
/** What is kept of a slice's header takes about so much. */
const FACTS_BYTES = 4096;

/**
 * @param path of a file or of a folder with one series
 * @throws UserError where it is no volume
 */
export async function openScanVolume(
  platform: Pick<Platform, 'isDirectory' | 'listDir' | 'openFile' | 'dicomCodec'>,
  path: string,
  choice: ScanChoice = {},
): Promise<ScanVolume> {
  return volumeOfScan(await openDicomScan(platform, path, choice), path);
}

/** @param path in messages @throws UserError where it is no volume */
export async function volumeOfScan(scan: DicomScan, path: string): Promise<ScanVolume> {
  const space = scanSpace(scan, path);
  return new ScanVolume(await newHeader({ ...space, datatype: FLOAT32, voxels: new Float32Array(0) }, path), scan, space);
}

export class ScanVolume extends Volume {
  private readonly scan: DicomScan;
  private readonly space: RasSpace;
  private whole: Promise<Volume> | undefined;
  private wholeBytes = 0;

  constructor(header: NiftiHeader, scan: DicomScan, space: RasSpace) {
    super(header, new Float32Array(0));
    this.scan = scan;
    this.space = space;
  }

  override get byteLength(): number {
    return this.scan.size[0] * FACTS_BYTES + this.wholeBytes;
  }

  override async slice(dim: SliceDim, index: number): Promise<VolumeSlice> {
    const { from, shape } = this.space;
    const count = shape[dim];
    const { axis, isTurned } = from[dim];
    if (axis !== 2) return (await this.inMemory()).slice(dim, index);
    if (!Number.isInteger(index) || index < 0 || index >= count)
      throw new UserError(`${this.header.path}: slice ${index} along axis ${dim} does not exist; the volume is ${shape.join('×')}.`);
    const slice = await this.scan.readSlice(isTurned ? count - 1 - index : index);
    const [rowDim, columnDim] = dim === 0 ? ([1, 2] as const) : dim === 1 ? ([0, 2] as const) : ([0, 1] as const);
    const [rows, cols] = [shape[rowDim], shape[columnDim]];
    const columns = this.scan.size[2];
    // The step in the stored plane for the next of each axis, and where the first of both lies.
    const step = (out: 0 | 1 | 2): number => (from[out].axis === 0 ? 1 : columns) * (from[out].isTurned ? -1 : 1);
    const turn: Turn = { rows, cols, byRow: step(rowDim), byCol: step(columnDim) };
    const { coded, release } = slice;
    if (coded === undefined) return { values: rounded(turned(slice.values, new Float64Array(rows * cols), turn)), rows, cols };
    const { codes, meanings } = coded;
    let values: Float64Array | undefined;
    return {
      get values() {
        return (values ??= rounded(
          turned(
            Float64Array.from(codes, (code) => meanings[code] ?? NaN),
            new Float64Array(rows * cols),
            turn,
          ),
        ));
      },
      coded: { ...coded, turn },
      rows,
      cols,
      ...(release && { release }),
    };
  }

  override async stored(): Promise<VoxelArray> {
    return (await this.inMemory()).stored();
  }

  private inMemory(): Promise<Volume> {
    this.whole ??= scanVolume(this.scan, this.header.path).then(async (volume) => {
      this.wholeBytes = volume.voxels.byteLength;
      return volumeInMemory(volume, this.header.path);
    });
    return this.whole;
  }
}

/** As a volume of float32 holds them. */
function rounded(values: Float64Array): Float64Array {
  for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i] ?? 0);
  return values;
}
