/** Data sets of DICOM: a folder a series, projections with the mm of their files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { openDicomScan } from '../../../src/data/dicom/scan.ts';
import { scanVolume } from '../../../src/data/dicom/toVolume.ts';
import { storedScan } from '../../../src/data/making/caseVolume.ts';
import { volumeOf } from '../../../src/data/making/cases.ts';
import { dicomImage } from '../../../src/data/making/dicomScan.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import { niftiBytes } from '../../../src/data/niftiWrite.ts';
import { dicomFile } from '../../data/dicomFile.ts';
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

  /** A plate of 20 × 30 pixels on 40 × 60, whose rows are 0.5 mm apart, whose columns 0.2 mm. */
  const onPlate = (row: number, column: number): number => (row >= 10 && row < 30 && column >= 20 && column < 50 ? 1 : 0);
  const plate = Int16Array.from({ length: 40 * 60 }, (_, at) => 100 * onPlate(Math.floor(at / 60), at % 60));
  const ray = { rows: 40, columns: 60, values: plate, spacing: [0.5, 0.2] as const, modality: 'DX', instance: 1 };
  const plateMask = async (to: string, samples: 1 | 3 = 1): Promise<void> => {
    const values = Uint8Array.from({ length: 40 * 60 * samples }, (_, at) => onPlate(Math.floor(at / samples / 60), Math.floor(at / samples) % 60));
    writeFileSync(to, await nodePlatform.encodePng(values, 60, 40, samples));
  };
  const plateLabels = { dataset: 'Ray', labels_map: { 1: 'plate' }, target_labels: [1], test_cases: [] };

  it('the mask of a projection has the mm of the projection', async () => {
    const dir = newFolder();
    for (const name of ['images', 'masks']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'images', 'x'), dicomFile(ray));
    await plateMask(join(dir, 'masks', 'x_seg.png'));
    const out = join(dir, 'out');
    await made({ images: join(dir, 'images'), masks: join(dir, 'masks'), labels: json(dir, 'l.json', plateLabels), out });
    const [found] = await samplesOf(out, 'tasks_MedVision-TL__train_SFT.json', 'train');
    // The same picture as PNG, whose labels file says the mm.
    const twin = newFolder();
    for (const name of ['images', 'masks']) mkdirSync(join(twin, name));
    await plateMask(join(twin, 'images', 'x.png'), 3);
    await plateMask(join(twin, 'masks', 'x_seg.png'));
    const labels = json(twin, 'l.json', { ...plateLabels, pixel_size: [0.5, 0.2] });
    await made({ images: join(twin, 'images'), masks: join(twin, 'masks'), labels, out: join(twin, 'out') });
    const [same] = await samplesOf(join(twin, 'out'), 'tasks_MedVision-TL__train_SFT.json', 'train');
    expect(found?.prompt).toBe(same?.prompt);
    expect(found?.target).toBe(same?.target);
    expect(found?.prompt).toContain('0.200 mm (width) x 0.500 mm (height)');
    expect(found!.values[0]!).toBeLessThan(12);
  });

  it.each(['a volume on a picture', 'a picture on a volume'])('a mask is refused: %s', async (kind) => {
    const dir = newFolder();
    for (const name of ['images', 'masks']) mkdirSync(join(dir, name));
    const place = { position: [0, 0, 0], orientation: [1, 0, 0, 0, 1, 0] };
    const isVolume = kind === 'a picture on a volume';
    writeFileSync(join(dir, 'images', 'x'), dicomFile(isVolume ? { ...ray, ...place } : ray));
    if (isVolume) await plateMask(join(dir, 'masks', 'x_seg.png'));
    else {
      const affine = [[-0.2, 0, 0, 0], [0, -0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]; // prettier-ignore
      writeFileSync(join(dir, 'masks', 'x_seg.nii'), niftiBytes({ shape: [60, 40, 1], zooms: [0.2, 0.5, 1], affine, datatype: 2, voxels: new Uint8Array(2400) }));
    }
    const flags = { images: join(dir, 'images'), masks: join(dir, 'masks'), labels: json(dir, 'l.json', plateLabels), out: join(dir, 'out') };
    await expect(made(flags)).rejects.toThrow(isVolume ? /x_seg\.png is a picture, .*x a volume/ : /x_seg\.nii is a volume, .*x a picture; .*grey PNG of 60×40/);
  });

  it('scans are found in folders, of DICOM and others; those of one study are on one side', async () => {
    const dir = newFolder();
    const slices = (to: string, study: string): void => {
      mkdirSync(join(dir, 'images', to), { recursive: true });
      const place = { position: [0, 0, 0], orientation: [1, 0, 0, 0, 1, 0] };
      writeFileSync(join(dir, 'images', to, 'IM 1'), dicomFile({ ...ray, ...place, study }));
    };
    slices('a/Müller #1/series', '1.2.3.71');
    slices('b', '1.2.3.72');
    slices('c/d', '1.2.3.72');
    mkdirSync(join(dir, 'images', 'e/anat'), { recursive: true });
    writeFileSync(join(dir, 'images', 'e', 'read me.txt'), 'no scan');
    mkdirSync(join(dir, 'masks'));
    const whole = await scanVolume(await openDicomScan(nodePlatform, join(dir, 'images', 'b')), 'b');
    writeFileSync(join(dir, 'images', 'e/anat/f.nii'), niftiBytes(whole));
    const mask = niftiBytes({ ...whole, datatype: 2, voxels: Uint8Array.from(whole.voxels as Int16Array, (value) => value / 100) });
    for (const name of ['a', 'b', 'c', 'f']) writeFileSync(join(dir, 'masks', `${name}_seg.nii`), mask);
    const flags = { images: join(dir, 'images'), masks: join(dir, 'masks') };
    const labels = (more: object): string => json(dir, 'l.json', { ...plateLabels, ...more });
    await expect(made({ ...flags, labels: labels({ test_cases: ['b'] }), out: join(dir, 'no') })).rejects.toThrow('one scan of the patient b but not c');
    const said = await made({ ...flags, labels: labels({ test_cases: ['b', 'c'] }), out: join(dir, 'out') });
    expect(said).toContain('Ray: 2 training cases, 2 test cases');
    expect(said).toContain('1 scan is of a study or patient that has another one');
    expect(said).not.toContain('1.2.3');
  });

  it.each(['rgb.dcm', 'palette_8.dcm'])('a picture in colour is as grey as a PNG of it: %s', async (name) => {
    const dir = newFolder();
    const [dicom, png] = [join(dir, name), join(dir, 'x.png')];
    writeFileSync(dicom, objects[name]!);
    const scan = await openDicomScan(nodePlatform, dicom);
    writeFileSync(png, await nodePlatform.encodePng((await scan.readSlice(0)).rgb(), scan.size[2], scan.size[1], 3));
    const { isPicture, volume } = await dicomImage(nodePlatform, dicom, [0.5, 0.2], {});
    const twin = await volumeOf(await storedScan(nodePlatform, png, undefined, {}), png);
    expect([isPicture, ...volume.zooms]).toEqual([true, 0.5, 0.2, 1]);
    expect([...volume.voxels]).toEqual([...(await twin.stored())]);
  });

  it('a file of one slice with a place is a volume, whose landmarks are voxels or mm; empty files are told', async () => {
    const dir = newFolder();
    laid(join(dir, 'images'), (name) => (name === 'axial/000.dcm' ? 'x.dcm' : undefined));
    writeFileSync(join(dir, 'images', 'y.dcm'), '');
    const labels = json(dir, 'l.json', { dataset: 'Slice', landmarks_map: { P1: 'a', P2: 'b' }, distances: [{ name: 'ab', between: ['P1', 'P2'] }], test_cases: [] });
    const of = (name: string, coordinates: string, P1: number[], P2: number[]): Promise<string> =>
      made({ images: join(dir, 'images'), landmarks: json(dir, 'p.json', { coordinates, cases: { x: { P1, P2 } } }), labels, out: join(dir, name) });
    const { placement } = await openDicomScan(nodePlatform, join(dir, 'images', 'x.dcm'));
    const [x, y, z] = placement!.position;
    expect(await of('mm', 'LPS', [x + 1, y + 0.7, z], [x + 2.5, y + 0.7, z + 0.3])).toContain('1 empty file left out: y.dcm.');
    // Of 10 × 12 voxels, which count to the right and forwards.
    await of('voxels', 'voxel', [10 - 1 - 2, 12 - 1 - 1, 0], [10 - 1 - 5, 12 - 1 - 1, 0]);
    for (const name of ['mm', 'voxels']) {
      const [found, ...others] = await samplesOf(join(dir, name), 'tasks_MedVision-AD__train_SFT.json', 'train');
      expect([found?.height, found?.width, others]).toEqual([10, 12, []]);
      expect(found!.values[0]).toBeCloseTo(1.5, 4);
    }
    await expect(of('no', 'voxel', [1, 1], [4, 1])).rejects.toThrow('P1 has two coordinates, as row and column of a picture; the image is a volume of 10×12×1. Give three');
  });

  it('mm of the patient are no place on a projection', async () => {
    const dir = newFolder();
    laid(join(dir, 'images'), (name) => (name === 'dx_magnified.dcm' ? 'x.dcm' : undefined));
    const landmarks = json(dir, 'p.json', { coordinates: 'RAS', cases: { x: { P1: [0.1, 0.1, 0], P2: [0.4, 0.1, 0] } } });
    const labels = json(dir, 'l.json', { dataset: 'Ray', landmarks_map: { P1: 'a', P2: 'b' }, distances: [{ name: 'ab', between: ['P1', 'P2'] }], test_cases: [] });
    await expect(made({ images: join(dir, 'images'), landmarks, labels, out: join(dir, 'out') })).rejects.toThrow('P1 is in mm (RAS); the image is a picture, which has no place in the patient');
  });

  it('masks of DICOM are told what to become', async () => {
    const dir = newFolder();
    for (const name of ['images', 'masks']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'images', 'x'), dicomFile(ray));
    writeFileSync(join(dir, 'masks', 'x.dcm'), dicomFile({ ...ray, modality: 'SEG' }));
    const flags = { images: join(dir, 'images'), masks: join(dir, 'masks'), labels: json(dir, 'l.json', plateLabels), out: join(dir, 'out') };
    await expect(made(flags)).rejects.toThrow(/--masks .*: no label masks .*SEG, RTSTRUCT/);
  });
});
