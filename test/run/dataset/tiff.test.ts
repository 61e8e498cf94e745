/** Data sets of TIFF stacks: images and masks without a place of their own, with the mm that ImageJ wrote, or without. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { storedMask, storedScan } from '../../../src/data/making/caseVolume.ts';
import { VolumeCache } from '../../../src/data/medvision/slices.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import { niftiBytes } from '../../../src/data/niftiWrite.ts';
import { openAnyVolume } from '../../../src/data/openVolume.ts';
import { parseFor } from '../../../src/options/program.ts';
import { volumeProgram } from '../../../src/options/volume.ts';
import { FLAGS, namedPictures } from '../../../src/run/ask/pictures.ts';
import { runVolume } from '../../../src/run/volume/volume.ts';
import { casesOf, json, made, newFolder, unpacked } from './making.ts';
import type { Plan } from './making.ts';

const golden = JSON.parse(gunzipSync(readFileSync(new URL('../../golden/tiff_stacks.json.gz', import.meta.url))).toString()) as {
  cases: { name: string; bytes: string }[];
};

/** Files of the golden names. */
function laid(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [to, name] of Object.entries(files)) {
    mkdirSync(join(dir, to, '..'), { recursive: true });
    writeFileSync(join(dir, to), Buffer.from(golden.cases.find((one) => one.name === name)?.bytes ?? '', 'base64'));
  }
}

describe('TIFF stacks', () => {
  it('are images and masks; a mask without sizes has those of its image', async () => {
    const dir = newFolder();
    laid(dir, { 'images/a.tif': 'ImageJ mm', 'masks/a_seg.tif': 'u1 little endian' });
    const labels = json(dir, 'l.json', { dataset: 'Stacks', labels_map: { 7: 'seven' }, target_labels: [] });
    await made({ images: join(dir, 'images'), masks: join(dir, 'masks'), labels, out: join(dir, 'out') }).catch((error: unknown) => {
      if (!(error as Error).message.startsWith('Nothing that was made can be asked')) throw error; // boxes of some pixels
    });
    const out = join(dir, 'out', 'Datasets', 'Stacks');
    const found = casesOf(unpacked<Plan>(join(out, 'benchmark_plan_detection_v1.4.0.json.gz')), 0).get('a')!;
    expect(found.image_file_info.array_size).toEqual([19, 18, 2]);
    for (const [axis, mm] of [0.5, 0.75, 2].entries()) expect(found.image_file_info.voxel_size[axis]).toBeCloseTo(mm, 6);
    for (const [written, given] of [
      ['Images/a.nii.gz', 'images/a.tif'],
      ['Masks/a_seg.nii.gz', 'masks/a_seg.tif'],
    ] as const) {
      // prettier-ignore
      const volume = await openVolume(nodePlatform, join(out, written));
      const wanted = await openAnyVolume(nodePlatform, join(dir, given));
      expect([...(await volume.stored())]).toEqual([...(await wanted.stored())]);
      for (const [axis, mm] of [0.5, 0.75, 2].entries()) expect(volume.zooms[axis]).toBeCloseTo(mm, 6);
    }
  });

  it('without mm have boxes alone, and no place on what has one', async () => {
    const dir = newFolder();
    laid(dir, { 'images/a.tif': 'u2 little endian', 'masks/a_seg.tif': 'u1 little endian', 'cm.tif': 'per cm' });
    const flags = { images: join(dir, 'images'), masks: join(dir, 'masks'), out: join(dir, 'out') };
    const measured = json(dir, 'm.json', { dataset: 'Stacks', labels_map: { 7: 'seven' }, target_labels: [7] });
    await expect(made({ ...flags, labels: measured })).rejects.toThrow(/a\.tif does not say how many mm .*NIfTI/);
    const image = await storedScan(nodePlatform, join(dir, 'images/a.tif'), undefined, {});
    expect(image).toMatchObject({ isUnitless: true, isPlaceless: true });
    const nifti = join(dir, 'elsewhere.nii');
    const affine = [[1, 0, 0, 5], [0, 1, 0, 5], [0, 0, 1, 5], [0, 0, 0, 1]]; // prettier-ignore
    const [shape, zooms] = [[19, 18, 2], [1, 1, 1]] as [[number, number, number], [number, number, number]]; // prettier-ignore
    writeFileSync(nifti, niftiBytes({ shape, zooms, affine, datatype: 2, voxels: new Uint8Array(19 * 18 * 2) }));
    await expect(storedMask(nodePlatform, nifti, image, 'a.tif')).rejects.toThrow(/a\.tif is TIFF, which does not say where/);
    // Tasks measure in mm; a question about a slice across the pages does too.
    await expect(new VolumeCache(nodePlatform, dir).header('cm.tif')).rejects.toThrow(/cm\.tif does not say how many mm/);
    const choice = { intensity: 'minmax', modality: '', structure: '', words: FLAGS } as const;
    const [[axial], [sagittal]] = (await Promise.all(
      ['axial:1', 'sagittal:4'].map((slice) => namedPictures(nodePlatform, [join(dir, 'cm.tif')], { ...choice, slices: [slice] })),
    )) as [Awaited<ReturnType<typeof namedPictures>>, Awaited<ReturnType<typeof namedPictures>>];
    expect([axial?.slice?.pixelHeight, axial?.slice?.pixelWidth]).toEqual([0.5, 1]);
    expect([sagittal?.slice?.pixelHeight, sagittal?.slice?.pixelWidth]).toEqual([1, NaN]);
  });

  it('are written as NIfTI in the directions that are taken', async () => {
    const dir = newFolder();
    laid(dir, { 'v.tif': 'ImageJ signed' });
    let text = '';
    const terminal = { write: (part: string) => void (text += part) };
    const { options } = parseFor(volumeProgram, { input: join(dir, 'v.tif'), out: join(dir, 'v.nii.gz') });
    await runVolume({ platform: nodePlatform, options, terminal, stop: new AbortController().signal });
    expect(text).toContain('TIFF says no directions');
    const volume = await openVolume(nodePlatform, join(dir, 'v.nii.gz'));
    expect(volume.header).toMatchObject({ shape: [19, 18, 2], zooms: [0.5, 0.5, 5], inter: -32768, slope: 1 });
    // The first row and column of the file lie to the right and in front, at the far ends of the axes.
    expect(volume.header.affine.slice(0, 3).map((row) => row.map((value) => value + 0))).toEqual([[0.5, 0, 0, -9], [0, 0.5, 0, -8.5], [0, 0, 5, 0]]); // prettier-ignore
  });
});
