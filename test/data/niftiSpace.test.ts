/** Affines, axis codes and RAS+ volumes are nibabel's (test/golden/nifti_space.py); what is written is read again as it was. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openVolume } from '../../src/data/nifti.ts';
import { rasVolume } from '../../src/data/niftiRas.ts';
import { axisCodes, isRas, orientationOf, rasSpace, toRas, voxelAt } from '../../src/data/niftiSpace.ts';
import { gzipped, niftiBytes } from '../../src/data/niftiWrite.ts';
import { fileInMemory } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

interface Case {
  file: string;
  affine: number[][];
  codes: string[];
  canonical_affine: number[][];
  canonical_shape: [number, number, number];
  canonical_voxels: number[];
}
const cases = JSON.parse(readFileSync(new URL('../golden/niftiSpace.json', import.meta.url), 'utf8')) as Case[];

const holding = (bytes: Uint8Array): Platform =>
  ({ openFile: (path: string) => Promise.resolve(fileInMemory(path, bytes)) }) as unknown as Platform;

function near(found: readonly (readonly number[])[], wanted: readonly (readonly number[])[], within = 1e-5): void {
  for (const [row, values] of wanted.entries())
    for (const [column, value] of values.entries())
      expect(Math.abs((found[row]?.[column] ?? NaN) - value)).toBeLessThan(within * Math.max(1, Math.abs(value)));
}

it.each(cases.map((one, at) => [at, one] as const))('header %i of nibabel', async (_, one) => {
  const volume = await openVolume(holding(Buffer.from(one.file, 'base64')), 'case.nii');
  near(volume.header.affine, one.affine);
  expect(axisCodes(orientationOf(volume.header.affine))).toEqual(one.codes);

  const turned = await rasVolume(volume);
  expect(turned.shape).toEqual(one.canonical_shape);
  near(turned.affine, one.canonical_affine);
  expect(isRas(orientationOf(turned.affine))).toBe(true);

  const again = await openVolume(holding(gzipped(niftiBytes(turned))), 'again.nii.gz');
  expect(again.shape).toEqual(turned.shape);
  near(again.header.affine, one.canonical_affine);
  const [ni, nj, nk] = again.shape;
  const voxels: number[] = [];
  for (let i = 0; i < ni; i++) voxels.push(...(await again.slice(0, i)).values);
  expect(voxels).toHaveLength(ni * nj * nk);
  expect(voxels).toEqual(one.canonical_voxels);

  // One place, three ways: stored indices, mm, indices in RAS+.
  const place = [0.25, 0, volume.shape[2] - 1];
  const mm = [0, 1, 2].map((row) => (one.affine[row] ?? []).reduce((sum, value, at) => sum + value * (place[at] ?? 1), 0));
  near([voxelAt(volume.header.affine, mm) ?? []], [place], 1e-3);
  near([voxelAt(turned.affine, mm) ?? []], [toRas(place, volume.shape, rasSpace(volume.shape, volume.zooms, volume.header.affine))], 1e-3);
});

it('a flat affine has no way back', () => {
  expect(voxelAt([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]], [1, 2, 3])).toBeUndefined(); // prettier-ignore
});
