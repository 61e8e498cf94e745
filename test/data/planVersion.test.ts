/** Versions of the annotations: what a pin means, who must acknowledge it, which ellipses are doubtful, which figures cannot be compared. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { AnswerTemplate } from '../../src/data/medvision/answerTemplate.ts';
import { scoreAnswer } from '../../src/data/medvision/metrics.ts';
import { compareVersions, versionAtPin, versionCaution } from '../../src/data/medvision/planVersion.ts';
import type { Annotation, MedvisionSample } from '../../src/data/medvision/sample.ts';
import type { SampleRecord } from '../../src/data/medvision/record.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { SampleTable } from '../../src/data/medvision/table.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { parseFor } from '../../src/options/program.ts';
import { evaluateProgram } from '../../src/options/evaluate.ts';
import { parseOptions } from '../../src/options.ts';
import { caution } from '../../src/run/report/compare.ts';
import type { Run } from '../../src/run/report/run.ts';
import { planPairs, plansOfPairs } from '../../src/run/report/dataPairs.ts';
import { niftiFile } from './niftiFile.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-versions-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a pin', () => {
  test('means the newest version at or before it, whatever there is', () => {
    const version = fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
    fc.assert(
      fc.property(fc.uniqueArray(version, { minLength: 1, maxLength: 8, comparator: (a, b) => compareVersions(a, b) === 0 }), version, (all, pin) => {
        const found = versionAtPin(all, pin);
        const older = all.filter((one) => compareVersions(one, pin) <= 0);
        if (older.length === 0) expect(found).toBeUndefined();
        else {
          expect(older).toContain(found);
          for (const one of older) expect(compareVersions(one, found ?? '')).toBeLessThanOrEqual(0);
        }
        expect(all.filter((one) => compareVersions(one, versionAtPin(all, undefined) ?? '') > 0)).toEqual([]);
      }),
    );
    // Upstream's releases, of which not every data set has each.
    expect(versionAtPin(['1.0.0', '1.2.1', '1.4.0'], '1.3.0')).toBe('1.2.1');
  });

  const lists = { base_model_hf: 'base', data_dir: 'data', tasks_list_json_path_TL: 'list.json' };
  test('below the newest release is acknowledged, by flag or variable', () => {
    expect(() => parseOptions({ ...lists, planner_version: '1.0.0' })).toThrow(/--planner_version 1\.0\.0 is older than 1\.4\.0.*--ack_release 1\.4\.0/);
    expect(() => parseOptions({ ...lists, planner_version: '1.3.0', ack_release: '1.3.0' })).toThrow(/found "1\.3\.0"/);
    expect(parseOptions({ ...lists, planner_version: '1.0.0', ack_release: '1.4.0' }).options.planner_version).toBe('1.0.0');
    const env = { MedVision_PLANNER_VERSION: 'v1.1.0', MedVision_ACK_RELEASE: 'v1.4.0' };
    expect(parseOptions(lists, {}, env).options.planner_version).toBe('v1.1.0');
    expect(parseOptions({ ...lists, planner_version: '1.4.0' }).options.ack_release).toBeNull();
    expect(parseOptions(lists).options.planner_version).toBeNull();
    expect(() => parseFor(evaluateProgram, { ...lists, planner_version: '1.2.0' })).toThrow(/older than 1\.4\.0/);
    expect(parseOptions(lists, {}, { MedVision_DISABLE_SAMPLE_FILTERING: 'true' }).options.disable_sample_filtering).toBe(true);
  });
});

const axis = (key: string, value: number): object => ({
  metric_type: 'distance', metric_map_name: 'lines_map', metric_key: key, metric_value: value, metric_unit: 'mm', slice_dim: 2,
});
const ellipse = (major: number, minor: number): object[] => [axis('L-1-2', major), axis('L-3-4', minor)];
const box = (top: number, left: number, bottom: number, right: number): object => ({ min_coords: [top, left], max_coords: [bottom, right] });

/** A data set D of one volume of 30 × 40 × 20 voxels. */
function dataDir(name: string, spacing: [number, number, number], versions: readonly string[]): string {
  const dir = join(folder, name);
  const info = { voxel_size: spacing, array_size: [30, 40, 20] };
  const item = { case_ID: 'v1', image_file: 'Images/v1.nii', image_file_info: info };
  const sizes = {
    labels_map: { 1: 'tumour' },
    target_label: 1,
    train_cases: [
      {
        ...item,
        slice_profiles_z: [
          { slice_idx: 3, n_total_clusters: 1, slice_profile: [ellipse(20, 10)] },
          { slice_idx: 4, n_total_clusters: 1, slice_profile: [ellipse(10, 12)] },
          { slice_idx: 5, n_total_clusters: 2, slice_profile: [ellipse(6, 4), ellipse(9, 30)] },
        ],
      },
    ],
  };
  const detection = {
    labels_map: { 1: 'cyst', 2: 'stone' },
    train_cases: [
      {
        ...item,
        slice_profiles_z: [
          {
            slice_idx: 7,
            slice_profile: [
              { label: 1, bboxes: [box(0, 0, 9, 9), box(10, 20, 29, 39), box(12, 2, 14, 5)] },
              { label: 2, bboxes: [box(3, 4, 5, 6)] },
            ],
          },
        ],
      },
    ],
  };
  mkdirSync(join(dir, 'Datasets/D/Images'), { recursive: true });
  writeFileSync(join(dir, 'Datasets/D/Images/v1.nii'), niftiFile([30, 40, 20], spacing));
  for (const version of versions)
    for (const [kind, plan] of Object.entries({ biometry: sizes, detection }))
      writeFileSync(join(dir, `Datasets/D/benchmark_plan_${kind}_v${version}.json.gz`), gzipSync(JSON.stringify({ tasks: [plan] })));
  return dir;
}

async function samples(dir: string, type: string, pin: string, isFiltered = true, template?: AnswerTemplate): Promise<MedvisionSample[]> {
  const found: MedvisionSample[] = [];
  const settings = { resizedSize: (height: number, width: number) => ({ height, width }), plannerVersion: pin, isFiltered, ...(template && { template }) };
  for await (const sample of medvisionSamples(nodePlatform, dir, [parseTaskName(`D_${type}_Task01_Axial`, 'test')], settings)) found.push(sample);
  return found;
}

describe('ellipses', () => {
  const suspects = async (dir: string, pin: string): Promise<boolean[]> =>
    (await samples(dir, 'TumorLesionSize', pin)).map(({ annotation }) => annotation.kind === 'ellipse' && annotation.isSuspect);

  test('are doubtful on pixels that are not square, until the planner had its spacings in place in 1.1.1', async () => {
    const versions = ['1.0.0', '1.1.0', '1.1.1', '1.4.0'];
    const oblong = dataDir('oblong', [1, 2, 3], versions);
    for (const pin of ['1.0.0', '1.1.0']) expect(await suspects(oblong, pin)).toEqual([true, true]);
    for (const pin of ['1.1.1', '1.3.0', '1.4.0']) expect(await suspects(oblong, pin)).toEqual([false, false]);
    // On square pixels the transposition changes nothing, and a shorter "major" axis tells that they were not.
    expect(await suspects(dataDir('square', [1, 1, 3], versions), '1.1.0')).toEqual([false, true]);
  });
});

describe('rows that the loader leaves out', () => {
  test('are there when filtering is off: all boxes of a label, all ellipses, the largest first', async () => {
    const dir = dataDir('several', [1, 1, 1], ['1.4.0']);
    expect((await samples(dir, 'BoxSize', '1.4.0')).length).toBe(0);
    const [cysts, stone] = await samples(dir, 'BoxSize', '1.4.0', false);
    expect(cysts?.values).toEqual([[20 / 40, 0, 1, 20 / 30], [0, 20 / 30, 10 / 40, 1], [2 / 40, 15 / 30, 6 / 40, 18 / 30]].flat());
    expect(cysts?.target).toBe('0.500, 0.000, 1.000, 0.667, 0.000, 0.667, 0.250, 1.000, 0.050, 0.500, 0.150, 0.600');
    expect(cysts?.prompt).toContain('each of the 3 bounding boxes for the cyst, the largest box first.');
    expect(cysts?.prompt).toContain('12 decimal numbers');
    expect(stone?.values).toEqual([4 / 40, 24 / 30, 7 / 40, 27 / 30]); // below ten pixels
    expect(stone?.prompt).toContain('the bounding box for the stone.');

    expect((await samples(dir, 'TumorLesionSize', '1.4.0')).map(({ sliceIdx }) => sliceIdx)).toEqual([3, 4]);
    const tumours = (await samples(dir, 'TumorLesionSize', '1.4.0', false))[2];
    expect(tumours?.target).toBe('30.00, 9.00, 6.00, 4.00');
    expect(tumours?.prompt).toContain('each of the 2 ellipses enclosing the tumour, in mm, the ellipse with the longest major axis first.');
  });

  test('and have no lines, which a template that speaks of them is told', async () => {
    const dir = dataDir('lines', [1, 1, 1], ['1.4.0']);
    const plan = join(dir, 'Datasets/D/benchmark_plan_biometry_v1.4.0.json.gz');
    writeFileSync(plan, gzipSync(gunzipSync(readFileSync(plan)).toString().replaceAll('"case_ID":"v1",', '"case_ID":"v1","landmark_file":"marks.json",')));
    const landmarks = [{ P1: [1, 1, 3], P2: [9, 1, 3], P3: [5, 1, 3], P4: [5, 4, 3] }];
    writeFileSync(join(dir, 'Datasets/D/marks.json'), JSON.stringify({ slice_landmarks_z: [3, 4].map((slice_idx) => ({ slice_idx, landmarks })) }));
    const answer = (text: string): AnswerTemplate => new AnswerTemplate(`ellipse:\n  answer: "${text}"`, 't.yaml');
    // The third slice has several.
    const several = async (text: string): Promise<string | undefined> =>
      (await samples(dir, 'TumorLesionSize', '1.4.0', false, answer(text)))[2]?.target;
    await expect(several('{{ lines[0].length_px }} {{ target }}')).rejects.toThrow(
      /slice 5: .* rows of several ellipses have none\. Leave --disable_sample_filtering out, or leave lines and cosine out of the template\./,
    );
    expect(await several('axes: {{ target }}')).toBe('axes: 30.00, 9.00, 6.00, 4.00');
  });

  test('stay whole in tables', async () => {
    const dir = dataDir('tables', [1, 1, 1], ['1.4.0']);
    for (const type of ['BoxSize', 'TumorLesionSize']) {
      const all = await samples(dir, type, '1.4.0', false);
      const table = new SampleTable('corrected');
      const frame = { height: 30, width: 40, resizedHeight: 30, resizedWidth: 40, pixelHeight: 1, pixelWidth: 1, isFloat32: false };
      const task = parseTaskName(`D_${type}_Task01_Axial`, 'test');
      const info = { where: '', id: 1, imageModality: '', imageDescription: '', labelsMap: new Map(), targetLabel: 1, hasTransposedSpacing: false, raw: {} };
      const item: SampleRecord['item'] = {
        where: '', id: 'v1', imageFile: 'v1', maskFile: undefined, landmarkFile: undefined, shape: [30, 40, 20], voxelSize: [1, 1, 1],
      };
      for (const { annotation, sliceIdx, loaderIndex } of all)
        table.add({ info, task, split: 'train', item, frame, sliceIdx, loaderIndex, annotation });
      expect(all.map((_, i): Annotation => table.sample(i).annotation)).toEqual(all.map(({ annotation }) => annotation));
      expect(all.map((_, i) => table.sample(i).target)).toEqual(all.map(({ target }) => target));
    }
  });

  test('are scored pair by pair, whatever the order of the answer', () => {
    const truth = [0, 0, 0.5, 0.5, 0.6, 0.6, 0.9, 0.9];
    expect(scoreAnswer('BoxSize', '0.6, 0.6, 0.9, 0.9, 0, 0, 0.5, 0.5', truth)).toMatchObject({ isAnswer: true, mae: 0, box: { iou: 1, f1: 1 } });
    // The first is right, the second half of the true one.
    const half = scoreAnswer('BoxSize', '0, 0, 0.5, 0.5, 0.6, 0.6, 0.9, 0.75', truth);
    expect(half.box?.iou).toBeCloseTo((1 + 0.5) / 2, 12);
    expect(half.mae).toBeCloseTo(0.15 / 8, 12);
    expect(scoreAnswer('BoxSize', '0, 0, 0.5, 0.5', truth)).toMatchObject({ isAnswer: false, box: { iou: 0 } });
    const sizes = scoreAnswer('TumorLesionSize', '6, 4, 33, 9', [30, 9, 6, 4]);
    expect([sizes.mae, sizes.mre]).toEqual([(3 + 0 + 0 + 0) / 4, expect.closeTo(0.1 / 4, 12)]);
  });
});

describe('runs on other annotations', () => {
  const plan = (dataset: string, version: string) => ({ dataset, kind: 'biometry' as const, version });
  test('are told apart; across 1.4.0 the split moved on six data sets', () => {
    expect(versionCaution([[plan('KiTS23', '1.4.0')], [plan('KiTS23', '1.4.0'), plan('FeTA24', '1.0.0')]])).toBe('');
    expect(versionCaution([[plan('FeTA24', '1.0.0')], [plan('FeTA24', '1.4.0')]])).toBe(
      'The runs have other versions of the annotations: FeTA24 biometry (v1.0.0, v1.4.0).',
    );
    expect(versionCaution([[plan('MSD', '1.1.1')], [plan('MSD', '1.3.0')]])).not.toContain('moved');
    for (const name of ['BraTS24', 'HNTSMRG24', 'KiPA22', 'KiTS23', 'MSD', 'autoPET-III'])
      expect(versionCaution([[plan(name, '1.3.0')], [plan(name, '1.4.0')]])).toContain(`Test cases of ${name} moved in 1.4.0`);
  });

  test('so it stands beside runs that are compared, from what their records say', () => {
    const run = (version: string): Run => ({ data: [['SHA-256 of the rows', 'x'], ...planPairs([{ ...plan('KiTS23', version), sha256: 'ab', pin: version }])] }) as unknown as Run;
    expect(plansOfPairs(run('1.0.0').data)).toEqual([plan('KiTS23', '1.0.0')]);
    expect(run('1.0.0').data[1]).toEqual(['Version pinned (--planner_version)', '1.0.0']);
    expect(caution([run('1.4.0'), run('1.4.0')])).toBe('');
    expect(caution([run('1.0.0'), run('1.4.0')])).toMatch(/KiTS23 biometry \(v1\.0\.0, v1\.4\.0\).*must not be compared/);
  });
});
