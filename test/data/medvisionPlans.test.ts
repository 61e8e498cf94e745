/** Plans by themselves, on a synthetic data set: streaming, versions, filters, and every way in which a plan can be wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openPlan, planVersions } from '../../src/data/medvision/plan.ts';
import { pixelSizeSentence } from '../../src/data/medvision/prompt.ts';
import type { DropReason, MedvisionSample } from '../../src/data/medvision/sample.ts';
import type { MedvisionOptions } from '../../src/data/medvision/samples.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { VolumeCache, renderSlice } from '../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { UserError } from '../../src/platform.ts';
import { niftiFile } from './niftiFile.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-plans-'));
afterAll(() => rmSync(folder, { recursive: true }));

const box = (min: number[], max: number[]): object => ({
  min_coords: min,
  max_coords: max,
  dimensions: min.map((low, i) => (max[i] ?? 0) - low + 1),
});
const length = (key: string, value: number): object => ({
  metric_type: 'distance',
  metric_map_name: 'lines_map',
  metric_key: key,
  metric_value: value,
  metric_unit: 'mm',
  slice_dim: 2,
});
const info = { voxel_size: [1, 1, 2], array_size: [30, 40, 20] };
const detection = {
  labels_map: { 1: 'liver', 2: 'spleen' },
  image_description: 'a scan',
  image_modality: 'CT',
  train_cases: [
    {
      case_ID: 'v1',
      image_file: 'Images/v1.nii',
      mask_file: 'Masks/v1.nii',
      image_file_info: info,
      slice_profiles_x: [],
      slice_profiles_z: [
        {
          slice_idx: 0,
          slice_profile: [
            { label: 1.0, bboxes: [box([2, 3], [14, 25])] },
            { label: 2, bboxes: [box([0, 0], [8, 20])] },
          ],
        },
        {
          slice_idx: 19,
          slice_profile: [
            { label: 1, bboxes: [box([0, 0], [29, 39]), box([0, 0], [1, 1])] },
            { label: 2, bboxes: [box([0, 0], [29, 39])] },
          ],
        },
      ],
    },
  ],
  test_cases: [],
};
const sizes = {
  labels_map: { 1: 'tumour' },
  target_label: 1,
  image_description: '',
  train_cases: [
    {
      case_ID: 'v1',
      image_file: 'Images/v1.nii',
      image_file_info: info,
      slice_profiles_z: [
        { slice_idx: 3, n_total_clusters: 1, slice_profile: [[length('L-1-2', 20.004), length('L-3-4', 10.5)]] },
        { slice_idx: 4, n_total_clusters: 2, slice_profile: [[length('L-1-2', 20), length('L-3-4', 10)]] },
        {
          slice_idx: 5,
          slice_profile: [
            [length('L-1-2', 20), length('L-3-4', 10)],
            [length('L-1-2', 5), length('L-3-4', 4)],
          ],
        },
      ],
    },
  ],
};
const angles = {
  landmarks_map: { P1: 'nasion', P2: 'sella', P3: 'point A ', P4: 'point B' },
  lines_map: {
    'L-1-2': { name: '', element_keys: ['P1', 'P2'], element_map_name: 'landmarks_map' },
    'L-3-4': { name: 'span', element_keys: ['P3', 'P4'], element_map_name: 'landmarks_map' },
  },
  angles_map: { A: { name: '', element_keys: ['L-1-2', 'L-3-4'], element_map_name: 'lines_map' } },
  image_description: 'an X-ray',
  train_cases: [
    {
      case_ID: 'v1',
      image_file: 'Images/v1.nii',
      landmark_file: 'Landmarks/v1.json.gz',
      image_file_info: info,
      slice_profiles_z: [
        {
          slice_idx: 1,
          slice_profile: [
            length('L-3-4', 12.3456),
            { metric_type: 'angle', metric_map_name: 'angles_map', metric_key: 'A', metric_value: 45.05, metric_unit: 'degree', slice_dim: 2 },
          ],
        },
      ],
    },
  ],
};

let count = 0;
/** A data dir with one dataset D of one volume. */
function dataDir(plans: Record<string, unknown>): string {
  const dir = join(folder, String(count++));
  const save = (name: string, bytes: Uint8Array): void => {
    const path = join(dir, 'Datasets/D', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  };
  save('Images/v1.nii', niftiFile([30, 40, 20], [1, 1, 2]));
  for (const [name, plan] of Object.entries(plans)) save(name, plan instanceof Uint8Array ? plan : gzipSync(JSON.stringify(plan)));
  return dir;
}
const detectionPlan = 'benchmark_plan_detection_v1.0.0.json.gz';
const biometryPlan = 'benchmark_plan_biometry_v1.0.0.json.gz';
const same = (height: number, width: number): { height: number; width: number } => ({ height, width });

async function samples(dir: string, name: string, options: Partial<MedvisionOptions> = {}): Promise<MedvisionSample[]> {
  const found: MedvisionSample[] = [];
  for await (const sample of medvisionSamples(nodePlatform, dir, [parseTaskName(name, 'test')], { resizedSize: same, ...options }))
    found.push(sample);
  return found;
}
async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(UserError);
  return error instanceof UserError ? error.message : '';
}

describe('samples of a synthetic data set', () => {
  let dir = '';
  beforeAll(() => {
    dir = dataDir({ [detectionPlan]: { tasks: [detection] }, [biometryPlan]: { tasks: [sizes, angles] } });
  });

  test('detection: filters, counts, values', async () => {
    const dropped: DropReason[] = [];
    const found = await samples(dir, 'D_BoxCoordinate_Task01_Axial', { onDropped: (reason) => dropped.push(reason) });
    expect(dropped).toEqual(['box_under_10px', 'more_than_one_box']);
    expect(found.map((sample) => [sample.task, sample.loaderIndex, sample.target])).toEqual([
      ['D_BoxSize_Task01_Axial', 0, '0.075, 0.500, 0.650, 0.933'],
      ['D_BoxSize_Task01_Axial', 3, '0.000, 0.000, 1.000, 1.000'],
    ]);
    expect(await samples(dir, 'D_BoxSize_Task01_Axial_Test')).toEqual([]);
    expect(await samples(dir, 'D_BoxSize_Task01_Sagittal')).toEqual([]);
  });

  test('sizes: filters, and a prompt without a description', async () => {
    const dropped: DropReason[] = [];
    const [sample, ...others] = await samples(dir, 'D_TumorLesionSize_Task01_Axial', { onDropped: (reason) => dropped.push(reason) });
    expect([others.length, dropped]).toEqual([0, ['more_than_one_ellipse', 'more_than_one_ellipse']]);
    expect(sample?.target).toBe('20.00, 10.50');
    expect(sample?.prompt).toContain(
      'Given the input medical image, estimate the major and minor axis lengths of the ellipse enclosing the tumour, in mm.',
    );
    const [reference] = await samples(dir, 'D_TumorLesionSize_Task01_Axial', { promptStyle: 'reference' });
    expect(reference?.target).toBe('20.000, 10.500');
    expect(reference?.prompt).toContain('Given the input medical image: , estimate the major');
  });

  test('angles and distances, and the token that picks one of them', async () => {
    const both = await samples(dir, 'D_BiometricsFromLandmarks_Task02_Axial');
    expect(both.map((sample) => sample.target)).toEqual(['12.35', '45.05']);
    expect(both[0]?.prompt).toContain(
      'estimate the distance of span in mm, which is the distance between 2 landmark points: (landmark 1) point A, (landmark 2) point B.\n',
    );
    const [angle, ...others] = await samples(dir, 'D_BiometricsFromLandmarks_Angle_Task02_Axial', { promptStyle: 'reference' });
    expect(others).toEqual([]);
    expect(angle?.target).toBe('45.0625');
    expect(angle?.prompt).toContain(
      'estimate the angle between 2 lines in degree: (line 1) the line connecting nasion and sella, (line 2) the line connecting point A  and point B.\n',
    );
    expect((await samples(dir, 'D_BiometricsFromLandmarks_Distance_Task02_Axial')).map((sample) => sample.annotation.kind)).toEqual(['distance']);
  });

  test('pixel sizes follow the resizing', async () => {
    const options: Partial<MedvisionOptions> = { promptStyle: 'reference', resizedSize: () => ({ height: 15, width: 160 }) };
    const [sample] = await samples(dir, 'D_TumorLesionSize_Task01_Axial', options);
    expect(sample?.prompt).toContain('The pixel size for this image is 0.250 mm (width) x 2.000 mm (height).');
  });

  // numpy's figures for float32 zooms: divided by a Python float they stay float32, by a float64 they do not, and three decimals show it.
  test.each([
    [0.7, 48, '0.038', '0.037'],
    [1, 392, '0.437', '0.438'],
    [1.2, 308, '0.412', '0.413'],
    [0.8, 350, '0.312', '0.313'],
  ])('pixels of %s mm, %i of them, resized to 896', (zoom, size, inFloat32, inFloat64) => {
    const pixel = Math.fround(zoom);
    const frame = { height: size, width: size, resizedHeight: 896, resizedWidth: 896, pixelHeight: pixel, pixelWidth: pixel };
    const sentence = (mm: string): string => `The pixel size for this image is ${mm} mm (width) x ${mm} mm (height).`;
    expect(pixelSizeSentence({ ...frame, isFloat32: true }, 'mm', 'reference')).toBe(sentence(inFloat32));
    expect(pixelSizeSentence({ ...frame, isFloat32: false }, 'mm', 'reference')).toBe(sentence(inFloat64));
    expect(pixelSizeSentence({ ...frame, isFloat32: true }, 'mm', 'corrected')).toBe(sentence(inFloat64));
  });

  test('slices rendered through the cache, volumes opened once and let go', async () => {
    const [sample] = await samples(dir, 'D_BoxSize_Task01_Axial');
    if (sample === undefined) throw new Error('no sample');
    const volumes = new VolumeCache(nodePlatform, dir, 100);
    const [first, second] = await Promise.all([volumes.open(sample.imageFile), volumes.open(sample.imageFile)]);
    expect(first).toBe(second);
    const image = await renderSlice(first, sample);
    expect([image.height, image.width]).toEqual([30, 40]);
    expect(image.data[(2 * 40 + 1) * 3]).toBe(Math.trunc((102 / 3929) * 255)); // voxel (2, 1, 0) = 102; the slice runs from 0 to 3929
    // An uncompressed file of some size is read slice by slice; a compressed one is held, as long as there is room.
    expect(volumes.bytes).toBe(first.byteLength);
    for (const name of ['v2', 'v3']) writeFileSync(join(dir, `Datasets/D/Images/${name}.nii.gz`), gzipSync(niftiFile([2, 3, 4], [1, 1, 1])));
    const compressed = await volumes.open('Datasets/D/Images/v2.nii.gz');
    expect(volumes.bytes).toBe(2 * 3 * 4 * 4);
    expect(await volumes.open('Datasets/D/Images/v2.nii.gz')).toBe(compressed);
    await volumes.open('Datasets/D/Images/v3.nii.gz');
    expect(volumes.bytes).toBe(2 * 3 * 4 * 4);
    expect(await volumes.open('Datasets/D/Images/v2.nii.gz')).not.toBe(compressed);
    expect(await volumes.open(sample.imageFile)).not.toBe(first);
    await expect(renderSlice(first, { ...sample, height: 31 })).rejects.toThrow(/is not the one that was annotated/);
  });
});

describe('plan files', () => {
  test('the newest version, by number and not by text; one can be chosen', async () => {
    const plan = { tasks: [detection] };
    const dir = dataDir(Object.fromEntries(['1.9.0', '1.10.0', '1.2'].map((v) => [`benchmark_plan_detection_v${v}.json.gz`, plan])));
    expect(await planVersions(nodePlatform, dir, 'D', 'detection')).toEqual(['1.10.0', '1.9.0', '1.2']);
    expect((await openPlan(nodePlatform, dir, 'D', 'detection')).version).toBe('1.10.0');
    for (const wanted of ['1.2', 'v1.2']) expect((await openPlan(nodePlatform, dir, 'D', 'detection', wanted)).version).toBe('1.2');
    // A pin means the newest at or before it.
    for (const [pin, version] of [['2.0', '1.10.0'], ['1.10', '1.10.0'], ['1.9.9', '1.9.0'], ['1.3.0', '1.2']] as const)
      expect((await openPlan(nodePlatform, dir, 'D', 'detection', pin)).version).toBe(version);
    expect(await failure(openPlan(nodePlatform, dir, 'D', 'detection', '1.1.9'))).toMatch(
      /v\*\.json\.gz of version 1\.1\.9 or older expected \(--planner_version\), there are v1\.10\.0, v1\.9\.0, v1\.2/,
    );
    expect(await failure(openPlan(nodePlatform, dir, 'D', 'detection', 'latest'))).toMatch(/takes a version of the annotations, as 1\.4\.0; found "latest"/);
    expect(await failure(openPlan(nodePlatform, dir, 'D', 'biometry'))).toMatch(/there is none/);
    expect(await failure(openPlan(nodePlatform, dir, 'E', 'detection'))).toMatch(/dataset E is not there/);
  });

  type Plan = { tasks: { [key: string]: unknown; train_cases: Record<string, unknown>[] }[] };
  const edited = (edit: (plan: Plan, item: Record<string, unknown>) => void): Plan => {
    const plan = structuredClone({ tasks: [detection] }) as unknown as Plan;
    edit(plan, plan.tasks[0]?.train_cases[0] ?? {});
    return plan;
  };
  const withBox = (min: unknown, max: unknown): Plan =>
    edited(
      (_, item) => (item['slice_profiles_z'] = [{ slice_idx: 0, slice_profile: [{ label: 1, bboxes: [{ min_coords: min, max_coords: max }] }] }]),
    );
  const text = JSON.stringify({ tasks: [detection] });

  test.each<[string, unknown, RegExp]>([
    ['not gzip, not JSON', new TextEncoder().encode('hello'), /truncated or empty/],
    ['empty', new Uint8Array(0), /truncated or empty/],
    ['truncated gzip', gzipSync(text).subarray(0, 120), /truncated or corrupt/],
    ['truncated JSON', gzipSync(text.slice(0, -30)), /ends in the middle/],
    ['bad JSON in the frame', gzipSync(text.replace('"image_description":', '"image_description"')), /not valid JSON/],
    ['bad JSON in a case', gzipSync(text.replace('"case_ID":', '"case_ID"')), /train_cases\[0\]: not valid JSON/],
    ['not UTF-8', gzipSync(Buffer.from(text.replace('a scan', 'Röntgen'), 'latin1')), /not UTF-8/],
    ['a list', gzipSync('[]'), /an object expected/],
    ['two plans', gzipSync(text + text), /after the end/],
    ['nested without end', gzipSync('['.repeat(100_000)), /nested deeper/],
    ['no tasks', { tasks: undefined }, /tasks: a list expected, nothing found/],
    ['no such task', { tasks: [] }, /task 1 of D is asked for, the detection plan has 0/],
    ['tasks of the wrong type', { tasks: [5] }, /tasks\[0\]: an object expected, 5 found/],
    [
      'labels of the wrong type',
      edited((plan) => Object.assign(plan.tasks[0] ?? {}, { labels_map: { 1: 7 } })),
      /labels_map\.1: a text expected, 7 found/,
    ],
    [
      'an unknown label',
      edited((plan) => Object.assign(plan.tasks[0] ?? {}, { labels_map: { 9: 'x' } })),
      /label 1 is not in the task's labels_map \(9\)/,
    ],
    ['a case without a volume', edited((_, item) => delete item['image_file']), /\(v1\)\.image_file: a text expected, nothing found/],
    ['a path that climbs out', edited((_, item) => (item['image_file'] = '../../../etc/passwd')), /a path inside the dataset's folder expected/],
    ['an absolute path', edited((_, item) => (item['mask_file'] = '/etc/passwd')), /mask_file: a path inside/],
    [
      'a shape that is none',
      edited((_, item) => (item['image_file_info'] = { ...info, array_size: [30, 0, 20] })),
      /array_size\[1\]: a size from 1/,
    ],
    [
      'a slice out of range',
      edited((_, item) => (item['slice_profiles_z'] = [{ slice_idx: 20, slice_profile: [] }])),
      /slice_idx: 20 is outside the volume/,
    ],
    ['a negative slice', edited((_, item) => (item['slice_profiles_z'] = [{ slice_idx: -1, slice_profile: [] }])), /a whole number from 0/],
    ['a box outside', withBox([0, 0], [30, 20]), /is not inside the 30×40 slice/],
    ['a box before the image', withBox([-1, 0], [20, 20]), /is not inside/],
    ['a box turned around', withBox([20, 20], [5, 5]), /is not inside/],
    ['a box of fractions', withBox([0.5, 0], [20, 20]), /is not inside/],
    ['a box with a missing number', withBox([0], [20, 20]), /min_coords: 2 numbers expected/],
  ])('%s', async (_, plan, message) => {
    expect(await failure(samples(dataDir({ [detectionPlan]: plan }), 'D_BoxSize_Task01_Axial'))).toMatch(message);
  });

  test.each<[string, object, RegExp]>([
    ['no target label', { ...sizes, target_label: 3 }, /target_label 3 is not in labels_map/],
    ['an unknown unit', JSON.parse(JSON.stringify(sizes).replaceAll('"mm"', '"furlong"')) as object, /the unit "furlong" is unknown; mm or cm/],
    ['a missing axis', JSON.parse(JSON.stringify(sizes).replaceAll('L-3-4', 'L-5-6')) as object, /the axis L-3-4 expected, L-1-2, L-5-6 found/],
    ['a length below 0', JSON.parse(JSON.stringify(sizes).replaceAll('10.5', '-10.5')) as object, /a length from 0 is expected/],
    ['a volume of another shape', JSON.parse(JSON.stringify(sizes).replaceAll('[30,40,20]', '[30,41,20]')) as object, /30×40×20.* says 30×41×20/],
    ['a missing volume', JSON.parse(JSON.stringify(sizes).replaceAll('v1.nii', 'v9.nii')) as object, /v9\.nii: there is no such file/],
    ['angles where sizes are expected', angles, /target_label missing/],
  ])('sizes: %s', async (_, task, message) => {
    expect(await failure(samples(dataDir({ [biometryPlan]: { tasks: [task] } }), 'D_TumorLesionSize_Task01_Axial'))).toMatch(message);
  });

  test.each<[string, object, RegExp]>([
    [
      'an unknown line',
      JSON.parse(JSON.stringify(angles).replace('"metric_key":"L-3-4"', '"metric_key":"L-9-9"')) as object,
      /lines_map\["L-9-9"\].*nothing found/,
    ],
    ['an unknown landmark', JSON.parse(JSON.stringify(angles).replace('"P4":', '"P5":')) as object, /landmarks_map\["P4"\]/],
    ['a map that is named but missing', { ...angles, angles_map: undefined }, /angles_map .*an object expected/],
    ['a landmark called __proto__', JSON.parse(JSON.stringify(angles).replace('"P3","P4"', '"P3","__proto__"')) as object, /__proto__"\]/],
    ['an angle in mm', JSON.parse(JSON.stringify(angles).replace('"degree"', '"mm"')) as object, /the unit "mm" is unknown; degree/],
    ['sizes where angles are expected', sizes, /an object expected, \[/],
  ])('angles and distances: %s', async (_, task, message) => {
    expect(await failure(samples(dataDir({ [biometryPlan]: { tasks: [task] } }), 'D_BiometricsFromLandmarks_Task01_Axial'))).toMatch(message);
  });

  test('any change to any value: samples or a UserError', async () => {
    const values = [null, -1, 1e99, 'x', '', [], {}, true, NaN, [[]]];
    const dir = dataDir({});
    const edit = fc.record({ at: fc.nat(200), value: fc.constantFrom(...values) });
    const property = fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 1, 2), async (edits, which) => {
      const plan = structuredClone({ tasks: [[detection, sizes, angles][which]] });
      for (const { at, value } of edits) {
        const places: (() => void)[] = [];
        const walk = (node: unknown): void => {
          if (typeof node !== 'object' || node === null) return;
          for (const key of Object.keys(node)) {
            places.push(() => Object.assign(node, { [key]: value }));
            walk((node as Record<string, unknown>)[key]);
          }
        };
        walk(plan);
        places[at % places.length]?.();
      }
      const name = which === 0 ? detectionPlan : biometryPlan;
      writeFileSync(join(dir, 'Datasets/D', name), gzipSync(JSON.stringify(plan)));
      const task = ['D_BoxSize_Task01_Axial', 'D_TumorLesionSize_Task01_Axial', 'D_BiometricsFromLandmarks_Task01_Axial'][which] ?? '';
      try {
        for (const sample of await samples(dir, task)) expect(sample.target).toMatch(/^[\d., -]+$/);
      } catch (cause) {
        if (!(cause instanceof UserError)) throw cause;
      }
    });
    await fc.assert(property, { numRuns: 400, seed: 11 });
  });
});
