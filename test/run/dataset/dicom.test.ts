/** Data sets of DICOM: a folder a series, projections with the mm of their files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { openDicomScan } from '../../../src/data/dicom/scan.ts';
import { scanVolume } from '../../../src/data/dicom/toVolume.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import { niftiBytes } from '../../../src/data/niftiWrite.ts';
import { casesOf, json, made, newFolder, samplesOf, unpacked } from './making.ts';
import type { Plan } from './making.ts';

describe('DICOM', () => {
  const objects = unzipSync(readFileSync(new URL('../../golden/dicom_objects.zip', import.meta.url)));
  const laid = (dir: string, names: (name: string) => string | undefined): void => {
    for (const [name, bytes] of Object.entries(objects)) {
      const to = names(name);
      if (to === undefined || name.endsWith('/')) continue;
      mkdirSync(join(dir, to, '..'), { recursive: true });
      writeFileSync(join(dir, to), bytes);
    }
  };

  it('folders of series are volumes, on whose voxels masks lie', async () => {
    const dir = newFolder();
    laid(join(dir, 'images'), (name) => (/^(?:axial|coronal)\//.test(name) ? name : undefined));
    mkdirSync(join(dir, 'masks'));
    for (const name of ['axial', 'coronal']) {
      const whole = await scanVolume(await openDicomScan(nodePlatform, join(dir, 'images', name)), name);
      writeFileSync(join(dir, 'masks', `${name}_seg.nii`), niftiBytes({ ...whole, datatype: 2, voxels: new Uint8Array(whole.voxels.length).fill(1) }));
    }
    const out = join(dir, 'out');
    await made({ images: join(dir, 'images'), masks: join(dir, 'masks'), labels: json(dir, 'l.json', { dataset: 'Series', labels_map: { 1: 'all of it' }, target_labels: [] }), out, planes: 'axial,coronal,sagittal' }).catch((error: unknown) => {
      if (!(error as Error).message.startsWith('Nothing that was made can be asked')) throw error; // the made-up slices are below ten pixels
    });
    const plan = unpacked<Plan>(join(out, 'Datasets', 'Series', 'benchmark_plan_detection_v1.4.0.json.gz'));
    for (const name of ['axial', 'coronal']) {
      const whole = await scanVolume(await openDicomScan(nodePlatform, join(dir, 'images', name)), name);
      const found = casesOf(plan, 0).get(name)!;
      expect(found.image_file_info.array_size).toEqual([...whole.shape]);
      expect(found.profile_3D).toMatchObject([{ label: 1, bboxes: [{ min_coords: [0, 0, 0], dimensions: [...whole.shape] }] }]);
      const volume = await openVolume(nodePlatform, join(out, 'Datasets', 'Series', 'Images', `${name}.nii.gz`));
      expect([...(await volume.stored())]).toEqual([...whole.voxels]);
    }
  });

  it('a projection is a picture with the mm of its file', async () => {
    const dir = newFolder();
    laid(join(dir, 'images'), (name) => (name === 'dx_magnified.dcm' ? 'x.dcm' : undefined));
    const { spacing, size } = await openDicomScan(nodePlatform, join(dir, 'images', 'x.dcm'));
    const landmarks = json(dir, 'p.json', { coordinates: 'voxel', cases: { x: { P1: [1, 1], P2: [4, 1] } } });
    const labels = json(dir, 'l.json', { dataset: 'Ray', landmarks_map: { P1: 'a', P2: 'b' }, distances: [{ name: 'ab', between: ['P1', 'P2'] }], test_cases: [] });
    await made({ images: join(dir, 'images'), landmarks, labels, out: join(dir, 'out') });
    const [found] = await samplesOf(join(dir, 'out'), 'tasks_MedVision-AD__train_SFT.json', 'train');
    expect([found?.height, found?.width]).toEqual(size.slice(1));
    expect(Math.abs(found!.values[0]! - 3 * spacing[1]!)).toBeLessThan(1e-5);
  });
});
