/**
 * A DICOM scan in the place of a NIfTI volume: axes to the right, forwards and up. Slices in its own plane are read from its files when
 * they are asked for; the first one across them makes the whole volume, in memory.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import { Volume } from '../nifti.ts';
import type { SliceDim, VolumeSlice } from '../nifti.ts';
import type { NiftiHeader, VoxelArray } from '../niftiHeader.ts';
import type { RasSpace } from '../niftiSpace.ts';
import { newHeader, volumeInMemory } from '../newVolume.ts';
import { openDicomScan } from './scan.ts';
import type { DicomScan } from './scan.ts';
import { scanSpace, scanVolume } from './toVolume.ts';

const FLOAT32 = 16;

/** @param path of a file or of a folder with one series @throws UserError where it is no volume */
export async function openScanVolume(
  platform: Pick<Platform, 'isDirectory' | 'listDir' | 'openFile' | 'dicomCodec'>,
  path: string,
): Promise<ScanVolume> {
  const scan = await openDicomScan(platform, path);
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
    return this.wholeBytes;
  }

  override async slice(dim: SliceDim, index: number): Promise<VolumeSlice> {
    const { from, shape } = this.space;
    const count = shape[dim];
    const { axis, isTurned } = from[dim];
    if (axis !== 2) return (await this.inMemory()).slice(dim, index);
    if (!Number.isInteger(index) || index < 0 || index >= count)
      throw new UserError(`${this.header.path}: slice ${index} along axis ${dim} does not exist; the volume is ${shape.join('×')}.`);
    const { values: plane } = await this.scan.readSlice(isTurned ? count - 1 - index : index);
    const [rowDim, columnDim] = dim === 0 ? ([1, 2] as const) : dim === 1 ? ([0, 2] as const) : ([0, 1] as const);
    const [rows, cols] = [shape[rowDim], shape[columnDim]];
    const columns = this.scan.size[2];
    // The step in the stored plane for the next of each axis, and where the first of both lies.
    const step = (out: 0 | 1 | 2): number => (from[out].axis === 0 ? 1 : columns) * (from[out].isTurned ? -1 : 1);
    const [byRow, byCol] = [step(rowDim), step(columnDim)];
    const start = (byRow < 0 ? -byRow * (rows - 1) : 0) + (byCol < 0 ? -byCol * (cols - 1) : 0);
    const values = new Float64Array(rows * cols);
    for (let row = 0, to = 0; row < rows; row++)
      for (let col = 0, at = start + row * byRow; col < cols; col++, at += byCol) values[to++] = Math.fround(plane[at] ?? 0);
    return { values, rows, cols };
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
