/** A volume with its axes to the right, forwards and up (RAS+), the order in which MedVision's volumes are kept. */
import { UserError } from '../platform.ts';
import type { Volume } from './nifti.ts';
import { dataType } from './niftiHeader.ts';
import type { VoxelArray } from './niftiHeader.ts';
import { rasSpace } from './niftiSpace.ts';
import type { NewVolume } from './niftiWrite.ts';

/** Voxels keep their type and values; nothing is resampled. @throws UserError for complex voxels */
export async function rasVolume(volume: Volume): Promise<NewVolume> {
  const { header, shape, zooms } = volume;
  const type = dataType(header);
  if (type.parts !== 1) throw new UserError(`${header.path}: complex voxels cannot be turned to RAS+. Save their real part.`);
  const space = rasSpace(shape, zooms, header.affine);
  const stored = await volume.stored();
  const strides = [1, shape[0], shape[0] * shape[1]];
  const steps = space.from.map(({ axis, isTurned }) => (strides[axis] ?? 0) * (isTurned ? -1 : 1));
  const start = space.from.reduce((sum, { axis, isTurned }) => sum + (isTurned ? (strides[axis] ?? 0) * (shape[axis] - 1) : 0), 0);
  const voxels = new type.view(new ArrayBuffer(stored.byteLength));
  copyTurned(stored, voxels, space.shape, start, steps);
  const { slope, inter, datatype } = header;
  return { shape: space.shape, zooms: space.zooms, affine: space.affine, datatype, voxels, slope, inter };
}

function copyTurned(from: VoxelArray, to: VoxelArray, shape: readonly number[], start: number, steps: readonly number[]): void {
  const [ni = 0, nj = 0, nk = 0] = shape;
  const [si = 0, sj = 0, sk = 0] = steps;
  // Elements of both have one type; the compiler cannot know.
  const target = to as Float64Array;
  let at = 0;
  for (let k = 0; k < nk; k++)
    for (let j = 0; j < nj; j++) {
      let source = start + k * sk + j * sj;
      for (let i = 0; i < ni; i++, source += si) target[at++] = from[source] as number;
    }
}
