/**
 * Data sets made of scans and masks: the embedded sample, turned away from RAS+ and named as nnU-Net names files, comes out with the boxes
 * and measures of the plans that MedVision's planner wrote of it; pictures, markups and boxes of other tools come out as they were drawn.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readDescription } from '../../../src/data/making/description.ts';
import { measureKey } from '../../../src/data/making/landmarkMetrics.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import { dataType } from '../../../src/data/niftiHeader.ts';
import type { VoxelArray } from '../../../src/data/niftiHeader.ts';
import { gzipped, niftiBytes } from '../../../src/data/niftiWrite.ts';
import { casesOf, json, made, newFolder, samplesOf, unpacked } from './making.ts';
import type { Plan, PlanCase } from './making.ts';

const sample = fileURLToPath(new URL('../../../node/sample/Datasets/Colin27Mini/', import.meta.url));

/** The volume with its axes in another order and direction; its affine says so, so that nothing has moved. */
async function turned(from: string, to: string, axes: [number, number, number], flips: [boolean, boolean, boolean]): Promise<void> {
  const volume = await openVolume(nodePlatform, from);
  const { header, shape, zooms } = volume;
  const stored = await volume.stored();
  const newShape = axes.map((axis) => shape[axis as 0]) as [number, number, number];
  const voxels = new (dataType(header).view)(new ArrayBuffer(stored.byteLength));
  const strides = [1, shape[0], shape[0] * shape[1]];
  let at = 0;
  for (let k = 0; k < newShape[2]; k++)
    for (let j = 0; j < newShape[1]; j++)
      for (let i = 0; i < newShape[0]; i++) {
        const source = [i, j, k].reduce((sum, index, axis) => sum + strides[axes[axis]!]! * (flips[axis] ? newShape[axis]! - 1 - index : index), 0);
        (voxels as Float64Array)[at++] = stored[source] as number;
      }
  const affine = [0, 1, 2].map((row) => {
    const own = header.affine[row] ?? [];
    const columns = axes.map((axis, out) => (own[axis] ?? 0) * (flips[out] ? -1 : 1));
    return [...columns, axes.reduce((sum, axis, out) => sum + (flips[out] ? (own[axis] ?? 0) * (shape[axis as 0] - 1) : 0), own[3] ?? 0)];
  });
  const newZooms = axes.map((axis) => zooms[axis as 0]) as [number, number, number];
  const { datatype, slope, inter } = header;
  writeFileSync(to, gzipped(niftiBytes({ shape: newShape, zooms: newZooms, affine: [...affine, [0, 0, 0, 1]], datatype, voxels: voxels as VoxelArray, slope, inter })));
}

const CASES = ['k01-bet-1mm-deep', 'k02-bet-25mm', 'k03-bet-1x1x15mm-deep'];
const TURNS: [[number, number, number], [boolean, boolean, boolean]][] = [
  [[0, 1, 2], [false, false, false]],
  [[1, 0, 2], [true, false, true]],
  [[2, 0, 1], [false, true, true]],
]; // prettier-ignore

describe('the embedded sample, from scans that are not in RAS+', async () => {
  const dir = newFolder();
  for (const folder of ['images', 'labels', 'marks']) mkdirSync(join(dir, folder));
  for (const [at, id] of CASES.entries()) {
    const [axes, flips] = TURNS[at]!;
    await turned(join(sample, 'Images', `${id}_T1w.nii.gz`), join(dir, 'images', `${id}_0000.nii.gz`), axes, flips);
    await turned(join(sample, 'Masks-deep', `${id}_seg.nii.gz`), join(dir, 'labels', `${id}.nii.gz`), axes, flips);
  }
  const known = unpacked<Plan>(join(sample, 'benchmark_plan_biometry_v1.0.0.json.gz')).tasks[1]!;
  const lines = known['lines_map'] as Record<string, { name: string; element_keys: [string, string] }>;
  const angles = known['angles_map'] as Record<string, { name: string; element_keys: [string, string] }>;
  // nnU-Net's form of labels; the measures of the sample's plan, but for those whose landmarks move from slice to slice.
  const labels = json(dir, 'dataset.json', {
    name: 'Turned',
    channel_names: { 0: 'MRI' },
    image_description: 'a brain scan',
    labels: { background: 0, 'left thalamus': 1, 'left putamen': 2, 'right putamen': 3 },
    file_ending: '.nii.gz',
    numTraining: 3,
    target_labels: [2],
    landmarks_map: known['landmarks_map'],
    distances: Object.values(lines).map(({ name, element_keys: between }) => ({ name, between })),
    angles: Object.values(angles).map(({ name, element_keys }) => ({ name, between: element_keys.map((line) => lines[line]!.element_keys) })),
    test_cases: ['k01-bet-1mm-deep'],
  });
  // Landmarks of one plane (the sample sets others on each), in mm.
  const space = await openVolume(nodePlatform, join(sample, 'Images', 'k02-bet-25mm_T1w.nii.gz'));
  const own = unpacked<Record<string, { slice_idx: number; landmarks: Record<string, number[]> }[]>>(join(sample, 'Landmarks', 'k02-bet-25mm.json.gz'));
  const axial = Object.assign({}, ...own['slice_landmarks_z']!.map(({ landmarks }) => landmarks)) as Record<string, number[]>;
  axial['P6'] = axial['P6']!.map((at, axis) => at + [1, 2, 1][axis]!); // no longer on a slice with P5
  const mm = Object.entries(axial).map(([key, voxel]) => [key, space.header.affine.slice(0, 3).map((row) => row.reduce((sum, value, i) => sum + value * (voxel[i] ?? 1), 0))] as const);
  json(join(dir, 'marks'), 'k02-bet-25mm.mrk.json', {
    markups: [
      {
        type: 'Fiducial',
        coordinateSystem: 'LPS',
        coordinateUnits: 'mm',
        controlPoints: [
          ...mm.map(([label, [x = 0, y = 0, z = 0]]) => ({ id: label, label, position: [-x, -y, z], positionStatus: 'defined' })),
          { id: '99', label: 'never placed', position: [0, 0, 0], positionStatus: 'undefined' },
        ],
      },
    ],
  });
  const out = join(dir, 'out');
  const text = await made({ images: join(dir, 'images'), masks: join(dir, 'labels'), landmarks: join(dir, 'marks'), labels, out });
  const folder = join(out, 'Datasets', 'Turned');

  it('has every box of the plan of MedVision’s planner', () => {
    const ours = casesOf(unpacked<Plan>(join(folder, 'benchmark_plan_detection_v1.4.0.json.gz')), 0);
    const theirs = casesOf(unpacked<Plan>(join(sample, 'benchmark_plan_detection_v1.0.0.json.gz')), 0);
    let count = 0;
    for (const id of CASES) {
      const [own, wanted] = [ours.get(id)!, theirs.get(id)!];
      for (const key of ['slice_profiles_x', 'slice_profiles_y', 'slice_profiles_z', 'profile_3D'] as const) {
        expect(own[key], `${id} ${key}`).toEqual(wanted[key]);
        count += wanted[key].length;
      }
      expect(own.image_file_info).toEqual(wanted.image_file_info);
    }
    expect(count).toBeGreaterThan(200);
  });

  it('and of its measures those whose landmarks were given, with their values', () => {
    const ours = casesOf(unpacked<Plan>(join(folder, 'benchmark_plan_biometry_v1.4.0.json.gz')), 1).get('k02-bet-25mm')!;
    const theirs = casesOf(unpacked<Plan>(join(sample, 'benchmark_plan_biometry_v1.0.0.json.gz')), 1).get('k02-bet-25mm')!;
    type Metric = { metric_key: string; metric_value: number };
    const values = (one: PlanCase): Map<string, number> =>
      new Map(one.slice_profiles_z.map(({ slice_idx, slice_profile }) => [`${slice_idx} ${(slice_profile[0] as Metric).metric_key}`, (slice_profile[0] as Metric).metric_value]));
    const [found, wanted] = [values(ours), values(theirs)];
    // The sample's file sets some of them anew on other slices; here a landmark has one place.
    const isSet = (key: string): boolean => {
      const [slice = '', metric = ''] = key.split(' ');
      const points = (angles[metric]?.element_keys ?? [metric]).flatMap((line) => lines[line]!.element_keys);
      return points.every((point) => axial[point]?.[2] === Number(slice));
    };
    const given = [...wanted].filter(([key]) => isSet(key));
    expect(given.length).toBeGreaterThan(3);
    for (const [key, value] of given) expect(Math.abs((found.get(key) ?? NaN) - value), key).toBeLessThan(1e-9);
    expect(text).toContain('The distance "interthalamic distance" is left out of 1 case (k02-bet-25mm): its landmarks lie on no common slice');
  });

  it('measures lesions by the rules of 1.4.0', () => {
    const plan = unpacked<Plan>(join(folder, 'benchmark_plan_biometry_v1.4.0.json.gz'));
    expect(plan.tasks[0]).toMatchObject({ target_label: 2, task_ID: '01', train_cases_number: 2, test_cases_number: 1 });
    type Metric = { metric_key: string; metric_value: number };
    const all = [...casesOf(plan, 0).values()].flatMap((one) => {
      const coarsest = Math.max(...one.image_file_info.voxel_size);
      return (['slice_profiles_x', 'slice_profiles_y', 'slice_profiles_z'] as const).flatMap((key) =>
        one[key].flatMap(({ slice_profile, n_total_clusters = 0 }) => {
          expect(n_total_clusters).toBeGreaterThanOrEqual(slice_profile.length);
          return (slice_profile as Metric[][]).map(([major, minor]) => ({ major: major!.metric_value, minor: minor!.metric_value, coarsest }));
        }),
      );
    });
    expect(all.length).toBeGreaterThan(50);
    // Lengths are between whole pixels, so rounding may take one off each end.
    for (const { major, minor, coarsest } of all) expect(major, `${minor}`).toBeGreaterThanOrEqual(Math.max(2, 2 * coarsest) - 2 * coarsest);
  });

  it('is read by training: patients apart, volumes as they were', async () => {
    const train = await samplesOf(out, 'tasks_MedVision-detect__train_SFT.json', 'train');
    const test = await samplesOf(out, 'tasks_MedVision-detect.json', 'test');
    expect(new Set(test.map(({ caseId }) => caseId))).toEqual(new Set(['k01-bet-1mm-deep']));
    expect(new Set(train.map(({ caseId }) => caseId))).toEqual(new Set(['k02-bet-25mm', 'k03-bet-1x1x15mm-deep']));
    for (const id of CASES) {
      const [own, wanted] = await Promise.all([openVolume(nodePlatform, join(folder, 'Images', `${id}.nii.gz`)), openVolume(nodePlatform, join(sample, 'Images', `${id}_T1w.nii.gz`))]);
      expect(own.shape).toEqual(wanted.shape);
      expect((await own.slice(1, 20)).values).toEqual((await wanted.slice(1, 20)).values);
    }
  });

  it('is made anew only when asked to, and to the same bytes', async () => {
    const flags = { images: join(dir, 'images'), masks: join(dir, 'labels'), landmarks: join(dir, 'marks'), labels, out };
    await expect(made(flags)).rejects.toThrow(/is made already\. --overwrite true/);
    const before = readdirSync(folder, { recursive: true }).map(String).filter((name) => name.endsWith('.gz')).map((name) => [name, readFileSync(join(folder, name)).toString('hex')]);
    await made({ ...flags, overwrite: 'true' });
    expect(before.length).toBeGreaterThan(10);
    for (const [name, bytes] of before) expect(readFileSync(join(folder, name!)).toString('hex') === bytes, name).toBe(true);
  });
});

/** A grey picture of rows × columns. */
async function picture(dir: string, name: string, rows: number, columns: number, value: (row: number, column: number) => number): Promise<void> {
  const data = Buffer.from(Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns)));
  writeFileSync(join(dir, name), await sharp(data, { raw: { width: columns, height: rows, channels: 1 } }).png().toBuffer());
}

async function pictures(): Promise<{ dir: string; images: string }> {
  const dir = newFolder();
  const images = join(dir, 'images');
  mkdirSync(images);
  await picture(images, 'a.png', 40, 60, (row, column) => row + column);
  await picture(images, 'b.png', 40, 60, (row, column) => 2 * row + column);
  return { dir, images };
}

describe('pictures', () => {
  it('with COCO boxes: pixels that the box reaches into, labels from the file', async () => {
    const { dir, images } = await pictures();
    const boxes = json(dir, 'coco.json', {
      images: [
        { id: 7, file_name: 'sub/a.png', width: 60, height: 40 },
        { id: 9, file_name: 'b.png', width: 60, height: 40 },
      ],
      categories: [
        { id: 3, name: 'nodule' },
        { id: 1, name: 'heart' },
      ],
      annotations: [
        { id: 1, image_id: 7, category_id: 3, bbox: [10.5, 5, 20, 12.25] },
        { id: 2, image_id: 9, category_id: 1, bbox: [0, 0, 60, 40] },
      ],
    });
    const out = join(dir, 'out');
    await made({ images, boxes, labels: json(dir, 'labels.json', { dataset: 'Xray', image_modality: 'X-ray', test_cases: ['b'] }), out });
    const [nodule] = await samplesOf(out, 'tasks_MedVision-detect__train_SFT.json', 'train');
    expect(nodule).toMatchObject({ height: 40, width: 60, annotation: { labelName: 'nodule', min: [5, 10], max: [17, 30] } });
    const [heart] = await samplesOf(out, 'tasks_MedVision-detect.json', 'test');
    expect(heart).toMatchObject({ annotation: { labelName: 'heart', min: [0, 0], max: [39, 59] } });
    const volume = await openVolume(nodePlatform, join(out, 'Datasets', 'Xray', 'Images', 'a.nii.gz'));
    const slice = await volume.slice(2, 0);
    expect([slice.rows, slice.cols, slice.values[3 * 60 + 50]]).toEqual([40, 60, 53]);
  });

  it('with LabelMe rectangles', async () => {
    const { dir, images } = await pictures();
    const folder = join(dir, 'labelme');
    mkdirSync(folder);
    const shape = { label: 'nodule', shape_type: 'rectangle', points: [[30, 20], [9, 4]] }; // prettier-ignore
    json(folder, 'a.json', { imagePath: '..\\images\\a.png', imageHeight: 40, imageWidth: 60, shapes: [shape], imageData: null });
    const out = join(dir, 'out');
    await made({ images, boxes: folder, labels: json(dir, 'labels.json', { dataset: 'Xray', labels_map: { 5: 'nodule' } }), out });
    const [nodule] = await samplesOf(out, 'tasks_MedVision-detect__train_SFT.json', 'train');
    expect(nodule).toMatchObject({ annotation: { label: 5, min: [4, 9], max: [19, 29] } });
  });

  it('with masks and landmarks: mm of the pixel size that is said', async () => {
    const { dir, images } = await pictures();
    const masks = join(dir, 'masks');
    mkdirSync(masks);
    await picture(masks, 'a_mask.png', 40, 60, (row, column) => (row >= 10 && row < 30 && column >= 20 && column < 50 ? 1 : 0));
    const labels = {
      dataset: 'Xray',
      labels_map: { 1: 'plate' },
      landmarks_map: { P1: 'left end', P2: 'right end', P3: 'upper end' },
      distances: [{ name: 'length', between: ['P1', 'P2'] }],
      angles: [{ name: 'corner', between: [['P1', 'P2'], ['P1', 'P3']] }], // prettier-ignore
    };
    const landmarks = json(dir, 'points.json', { coordinates: 'voxel', cases: { a: { 'Left End': [30, 10], P2: [30, 50.5], P3: [10, 10] } } });
    const flags = { images, masks, landmarks, out: join(dir, 'out') };
    await expect(made({ ...flags, labels: json(dir, 'labels.json', labels) })).rejects.toThrow(/a\.png is a picture, which says no mm\. Write "pixel_size"/);
    const out = join(dir, 'out2');
    await made({ ...flags, out, labels: json(dir, 'labels.json', { ...labels, pixel_size: [0.5, 0.2] }) });
    const found = await samplesOf(out, 'tasks_MedVision-AD__train_SFT.json', 'train');
    expect(found.map(({ annotation, target }) => [annotation.kind, target])).toEqual([['distance', '8.10'], ['angle', '90.00']]); // prettier-ignore
    expect(found[0]?.prompt).toContain('The pixel size for this image is 0.200 mm (width) x 0.500 mm (height).');
    const [plate] = await samplesOf(out, 'tasks_MedVision-detect__train_SFT.json', 'train');
    expect(plate).toMatchObject({ annotation: { min: [10, 20], max: [29, 49] } });
  });
});

it('the labels file of the README is one', () => {
  const page = readFileSync(new URL('../../../src/data/making/README.md', import.meta.url), 'utf8');
  const found = readDescription(JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? ''), 'README.md');
  expect(found.measures.map(measureKey)).toEqual(['L-1-2', 'A-L_1_2-L_3_4']);
  expect([found.labels.get(3), found.targets, found.pixelSize, found.testCases]).toEqual(['bone lesion', [3], [0.3, 0.3], ['knee-07']]);
});

it.each<[string, string, string]>([
  ['line', 'k.mrk.json', JSON.stringify({ markups: [{ type: 'Line', coordinateSystem: 'RAS', name: 'L', controlPoints: [{ position: [0, 1, 2] }, { position: [6, 9, 2] }] }] })],
  ['fcsv', 'k.fcsv', '# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n1,0,-1,2,0,0,0,1,1,1,0,P1,,\n2,-6,-9,2,0,0,0,1,1,1,0,foot,,\n'],
])('Slicer: a %s', async (_, name, text) => {
  const dir = newFolder();
  for (const folder of ['images', 'marks']) mkdirSync(join(dir, folder));
  writeFileSync(join(dir, 'images', 'k.nii'), niftiBytes({ shape: [20, 20, 20], zooms: [1, 1, 1], affine: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], datatype: 2, voxels: new Uint8Array(8000) })); // prettier-ignore
  writeFileSync(join(dir, 'marks', name), text);
  const labels = json(dir, 'labels.json', { dataset: 'Lines', landmarks_map: { P1: 'head', P2: 'foot' }, distances: [{ name: 'L', between: ['P1', 'P2'] }] });
  await made({ images: join(dir, 'images'), landmarks: join(dir, 'marks'), labels, out: join(dir, 'out') });
  const found = await samplesOf(join(dir, 'out'), 'tasks_MedVision-AD__train_SFT.json', 'train');
  expect(found.map(({ values, sliceDim, sliceIdx }) => [values, sliceDim, sliceIdx])).toEqual([[[10], 2, 2]]);
});

it('tells the values of masks that have no name', async () => {
  const { dir, images } = await pictures();
  const masks = join(dir, 'masks');
  mkdirSync(masks);
  await picture(masks, 'a.png', 40, 60, (row) => (row > 20 ? 3 : 1));
  await picture(masks, 'b.png', 40, 60, (row) => (row > 20 ? 3 : 12));
  const text = await made({ images, masks, labels: json(dir, 'labels.json', { dataset: 'Half', labels_map: { 3: 'lung' } }), out: join(dir, 'out') });
  expect(text).toContain('Left out, since labels_map has no name for them: 1, 12 in the masks.');
});

it('tells of a volume that does not say which way its axes run, and takes it as nibabel does', async () => {
  const dir = newFolder();
  for (const folder of ['images', 'masks']) mkdirSync(join(dir, folder));
  for (const folder of ['images', 'masks']) {
    const values = new Uint8Array(8000).map((_, at) => (at % 20 < 12 && Math.floor(at / 20) % 20 < 15 ? 1 : 0));
    const bytes = niftiBytes({ shape: [20, 20, 20], zooms: [1, 1, 1], affine: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], datatype: 2, voxels: values }); // prettier-ignore
    new DataView(bytes.buffer).setInt16(254, 0, true); // sform_code
    writeFileSync(join(dir, folder, 'k.nii'), bytes);
  }
  const text = await made({ images: join(dir, 'images'), masks: join(dir, 'masks'), labels: json(dir, 'labels.json', { dataset: 'Sides', labels_map: { 1: 'half' } }), out: join(dir, 'out') });
  expect(text).toMatch(/k\.nii does not say which way its axes run; as by nibabel, the first is taken to run to the left\./);
  const [half] = await samplesOf(join(dir, 'out'), 'tasks_MedVision-detect__train_SFT.json', 'train');
  expect(half).toMatchObject({ annotation: { min: [8, 0], max: [19, 14] } });
});

describe('what cannot be', () => {
  const refused = async (change: (one: { dir: string; images: string; masks: string }) => Promise<Record<string, string>> | Record<string, string>): Promise<string> => {
    const { dir, images } = await pictures();
    const masks = join(dir, 'masks');
    mkdirSync(masks);
    await picture(masks, 'a.png', 40, 60, (row) => (row > 20 ? 1 : 0));
    const labels = json(dir, 'labels.json', { dataset: 'Xray', labels_map: { 1: 'lung' } });
    const flags = { images, masks, labels, out: join(dir, 'out'), ...(await change({ dir, images, masks })) };
    return made(flags).then(
      (text) => `made: ${text}`,
      (error: unknown) => (error as Error).message,
    );
  };

  it.each<[string, RegExp, Parameters<typeof refused>[0]]>([
    ['a mask of another size', /masks\/a\.png is 30×60×1 of 1 × 1 × 1 mm, the image 40×60×1/, async ({ masks }) => (await picture(masks, 'a.png', 30, 60, () => 1), {})],
    ['no counterpart', /No image has a counterpart: 2 images \(as a\.png\), 1 masks \(as zz\.png\)/, async ({ masks }) => (rmSync(join(masks, 'a.png')), await picture(masks, 'zz.png', 40, 60, () => 1), {})],
    ['two images of a case', /a_0000\.png and .*a\.png are both of the case a/, async ({ images }) => (await picture(images, 'a_0000.png', 40, 60, () => 1), {})],
    ['a name with an underscore', /dataset is "My_Set"; letters, digits/, ({ dir }) => ({ labels: json(dir, 'l.json', { dataset: 'My_Set', labels_map: { 1: 'lung' } }) })],
    ['a key nobody knows', /"label_map" is not known here/, ({ dir }) => ({ labels: json(dir, 'l.json', { dataset: 'X', label_map: {} }) })],
    ['two labels of one name', /labels 1 and 2 have one name, Lung;/, ({ dir }) => ({ labels: json(dir, 'l.json', { dataset: 'X', labels_map: { 1: 'lung', 2: 'Lung ' } }) })],
    ['a target without a name', /target_labels\[0\] is 4, which labels_map does not name/, ({ dir }) => ({ labels: json(dir, 'l.json', { dataset: 'X', labels_map: { 1: 'lung' }, target_labels: [4] }) })],
    ['a mask a third of a voxel aside, far from the middle', /masks\/a\.nii lies elsewhere \(their affines differ\)/, ({ images, masks }) => {
      for (const folder of [images, masks]) {
        for (const name of ['a.png', 'b.png']) rmSync(join(folder, name), { force: true });
        const affine = [[0.3, 0, 0, folder === masks ? -299.9 : -300], [0, 0.3, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 1]]; // prettier-ignore
        writeFileSync(join(folder, 'a.nii'), niftiBytes({ shape: [20, 20, 2], zooms: [0.3, 0.3, 0.3], affine, datatype: 2, voxels: new Uint8Array(800).fill(1) }));
      }
      return {};
    }],
    ['nothing to ask', /Nothing that was made can be asked/, ({ dir }) => ({ labels: json(dir, 'l.json', { dataset: 'X', labels_map: { 9: 'spleen' } }) })],
    ['a landmark outside', /P1 at voxel 50, 3, voxel 50, 3, 0 is outside the image of 40×60×1|P1 at voxel 50, 3 is outside the image of 40×60×1/, ({ dir }) => ({
      labels: json(dir, 'l.json', { dataset: 'X', labels_map: { 1: 'lung' }, landmarks_map: { P1: 'tip', P2: 'foot' }, distances: [{ name: '', between: ['P1', 'P2'] }], pixel_size: [1, 1] }),
      landmarks: json(dir, 'points.json', { coordinates: 'voxel', cases: { a: { P1: [50, 3], P2: [1, 1] } } }),
    })],
    ['one scan of a patient held out', /test_cases has one scan of the patient p but not b/, async ({ dir, masks }) => {
      await picture(masks, 'b.png', 40, 60, () => 1);
      return { labels: json(dir, 'l.json', { dataset: 'X', labels_map: { 1: 'lung' }, test_cases: ['a'], patients: { a: 'p', b: 'p' } }) };
    }],
    ['a folder of somebody', /was not made by this command/, ({ dir }) => {
      mkdirSync(join(dir, 'out', 'Datasets', 'Xray'), { recursive: true });
      writeFileSync(join(dir, 'out', 'Datasets', 'Xray', 'thesis.txt'), 'mine');
      return {};
    }],
  ])('%s', async (_, words, change) => expect(await refused(change)).toMatch(words)); // prettier-ignore
});
