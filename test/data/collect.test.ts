/** The rows of a run, from the options, on the embedded sample: which there are, in which set, in which order. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { collectSamples } from '../../src/data/medvision/collect.ts';
import type { CollectedSamples, CollectSettings } from '../../src/data/medvision/collect.ts';
import { exportJsonl } from '../../src/data/medvision/exportJsonl.ts';
import type { ExportRow } from '../../src/data/medvision/exportJsonl.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { renderSlice } from '../../src/data/medvision/slices.ts';
import { readTaskList } from '../../src/data/medvision/tasks.ts';
import { splitRows } from '../../src/data/split.ts';
import { definitions } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';

const dataDir = resolve(import.meta.dirname, '../../node/sample');
const list = (kind: string): string => join(dataDir, 'tasks_list', `tasks_MedVision-${kind}__train_SFT.json`);
const folder = mkdtempSync(join(tmpdir(), 'vernier-collect-'));
afterAll(() => rmSync(folder, { recursive: true }));

const defaults = Object.fromEntries(Object.entries(definitions).map(([name, { default: value }]) => [name, value])) as unknown as CollectSettings;
const all: CollectSettings = {
  ...defaults,
  data_dir: dataDir,
  tasks_list_json_path_AD: list('AD'),
  tasks_list_json_path_detect: list('detect'),
  tasks_list_json_path_TL: list('TL'),
};
const processor = { resizedSize: (height: number, width: number) => ({ height: 28 * Math.round(height / 28), width: 28 * Math.round(width / 28) }) };
const collect = (settings: Partial<CollectSettings> = {}): Promise<CollectedSamples> => collectSamples(nodePlatform, { ...all, ...settings }, processor);

const key = (sample: MedvisionSample): string => `${sample.task} ${sample.loaderIndex}`;
const keys = (samples: Iterable<MedvisionSample>): string[] => [...samples].map(key);
const families = (samples: Iterable<MedvisionSample>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { taskType } of samples) counts[taskType] = (counts[taskType] ?? 0) + 1;
  return counts;
};

describe('the rows of the task lists', () => {
  test('all of them, word for word as they come one by one, volume after volume', async () => {
    const { train, validation, report } = await collect({ val_sample_limit: 0 });
    expect([validation.length, report.unused, report.notes.length]).toEqual([0, 0, 1]);
    expect(report.notes[0]).toMatch(/^5 tumour and lesion samples lie on pixels that are not square, in annotations older than 1\.1\.1/);
    const single = new Map<string, MedvisionSample>();
    for (const kind of ['AD', 'detect', 'TL'])
      for await (const sample of medvisionSamples(nodePlatform, dataDir, await readTaskList(nodePlatform, list(kind)), { ...processor, intensity: 'minmax' }))
        single.set(key(sample), sample);
    expect(train.length).toBe(single.size);
    for (const sample of train) expect(sample).toEqual(single.get(key(sample)));
    expect(train.at(5)).toEqual([...train][5]);
    expect(() => train.at(train.length)).toThrow(RangeError);
    const volumes = [...train].map((sample) => sample.imageFile);
    expect(volumes.filter((file, i) => file !== volumes[i - 1])).toHaveLength(new Set(volumes).size);
  });

  test('the report: plans with version and checksum, counts of every task', async () => {
    const { report, train, validation } = await collect();
    for (const plan of report.plans) {
      const path = join(dataDir, 'Datasets', plan.dataset, `benchmark_plan_${plan.kind}_v${plan.version}.json.gz`);
      expect(plan.sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
    }
    expect(report.plans.map(({ kind }) => kind).sort()).toEqual(['biometry', 'detection']);
    const counts = JSON.parse(readFileSync(list('detect'), 'utf8')) as Record<string, number>;
    for (const [name, count] of Object.entries(counts)) expect(report.tasks.find((task) => task.name === name)?.found).toBe(count);
    expect(report.tasks.reduce((sum, task) => sum + task.train, 0)).toBe(train.length);
    expect(report.tasks.reduce((sum, task) => sum + task.validation, 0)).toBe(validation.length);
    expect(report.tasks.some((task) => (task.dropped.box_under_10px ?? 0) > 0)).toBe(true);
  });
});

describe('split and limits', () => {
  test('by volume: nothing shared, the default sizes, the same again', async () => {
    const { train, validation } = await collect();
    const trained = new Set([...train].map((sample) => sample.imageFile));
    expect(validation.length).toBe(100);
    expect([...validation].some((sample) => trained.has(sample.imageFile))).toBe(false);
    const again = await collect();
    expect(keys(again.train)).toEqual(keys(train));
    expect(keys(again.validation)).toEqual(keys(validation));
    // The lists in another order change nothing but the order of equals.
    const per = await collect({ val_sample_limit_task_AD: 5, val_sample_limit_task_Detection: 7, val_sample_limit_task_TL: 2, val_sample_limit: -1 });
    expect(families(per.validation)).toMatchObject({ BiometricsFromLandmarks: 5, BoxSize: 7 });
  });

  test('by slice: the rows that medvision_bm holds out and keeps with its seed', async () => {
    const settings = { split: 'slice' as const, tasks_list_json_path_detect: null, tasks_list_json_path_TL: null, val_sample_limit_per_task: 6, train_sample_limit: 5 };
    const everything = await collect({ ...settings, val_sample_limit: 0, train_sample_limit: -1 });
    const { train, validation } = await collect(settings);
    expect([train.length, validation.length]).toEqual([5, 6]);
    expect(new Set([...keys(train), ...keys(validation)]).size).toBe(11);
    expect(keys(everything.train)).toEqual(expect.arrayContaining([...keys(train), ...keys(validation)]));
    // What datasets 4.x gives for 20 rows: train_test_split(train_size=14, test_size=6, shuffle=True, seed=1024), then shuffle(1024).select(range(5)).
    const rows = Uint32Array.from({ length: 20 }, (_, i) => i);
    const split = splitRows([{ rows, validation: 6 }], { seed: 1024, by: 'slice', group: () => 0, groupName: String, stratum: () => 0 });
    expect([...(split.validation[0] ?? [])]).toEqual([13, 1, 15, 3, 10, 4]);
    expect([...(split.train[0] ?? [])]).toEqual([0, 19, 18, 9, 14, 12, 17, 16, 2, 8, 11, 7, 5, 6]);
  });

  test('−1 is all, more than there are is all, 0 is none for validation and refused for training', async () => {
    const full = await collect({ val_sample_limit: 0 });
    expect((await collect({ val_sample_limit: 0, train_sample_limit: 10_000, train_sample_limit_per_task: 10_000 })).train.length).toBe(full.train.length);
    expect((await collect({ val_sample_limit: 0, train_sample_limit: 17 })).train.length).toBe(17);
    const limited = await collect({ val_sample_limit: 0, train_sample_limit_task_Detection: 9, train_sample_limit_per_task: 4 });
    expect(families(limited.train)).toEqual({ BiometricsFromLandmarks: 4, BoxSize: 9, TumorLesionSize: 4 });
    await expect(collect({ train_sample_limit: 0 })).rejects.toThrow(/--train_sample_limit 0: .* or -1 for all/);
    await expect(collect({ train_sample_limit_per_task: 0 })).rejects.toThrow(UserError);
  });

  test('where no volume can be spared there is no validation set, and it is said', async () => {
    const path = join(folder, 'one.json');
    writeFileSync(path, JSON.stringify({ Colin27Mini_BoxSize_Task02_Axial: 1 }));
    const { train, validation, report } = await collect({ tasks_list_json_path_AD: null, tasks_list_json_path_TL: null, tasks_list_json_path_detect: path });
    expect(validation.length).toBe(0);
    expect(train.length).toBeGreaterThan(0);
    expect(report.notes.join()).toMatch(/No validation rows for detect/);
  });
});

describe('mixing', () => {
  test('balanced: every task as often, in as many rows as before', async () => {
    const plain = await collect({ val_sample_limit: 0 });
    const { train } = await collect({ val_sample_limit: 0, mixing: 'balanced' });
    expect(train.length).toBe(plain.train.length);
    const counts = [...train.counts().values()];
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(train.counts().size).toBe(plain.train.counts().size);
  });
  test('temperature: in between', async () => {
    const at = async (mixing_temperature: number): Promise<number> => {
      const counts = [...(await collect({ val_sample_limit: 0, mixing: 'temperature', mixing_temperature })).train.counts().values()];
      return Math.max(...counts) / Math.min(...counts);
    };
    const [byOne, byFive] = [await at(1), await at(5)];
    expect(byOne).toBeGreaterThan(byFive);
    expect(byFive).toBeGreaterThan(1.2);
  });
});

describe('settings', () => {
  test('--image_size stands in for a fixed size, and only for one', async () => {
    await expect(collect({ image_size: 896 })).rejects.toThrow(/--image_size 896: the base model has no fixed image size/);
    const fixed = { resizedSize: () => ({ height: 56, width: 56 }) };
    const settings = { ...all, image_size: 896, prompt_style: 'reference' as const, val_sample_limit: 0 };
    const { train, resizedSize } = await collectSamples(nodePlatform, settings, fixed);
    expect(resizedSize(3, 4)).toEqual({ height: 896, width: 896 });
    const expected = await collectSamples(nodePlatform, { ...settings, image_size: null }, { resizedSize: () => ({ height: 896, width: 896 }) });
    expect([...train]).toEqual([...expected.train]);
  });

  test('--intensity reaches the pictures; only the reference style hides voxels that are no number', async () => {
    const { train, volumes } = await collect({ val_sample_limit: 0, intensity: 'percentile' });
    const sample = train.at(0);
    expect(sample.intensity).toBe('percentile');
    const volume = await volumes.open(sample.imageFile);
    const grey = await renderSlice(volume, { ...sample, intensity: 'minmax' });
    expect(await renderSlice(volume, sample)).not.toEqual(grey);
    expect((await collect({ intensity: 'minmax', prompt_style: 'reference' })).train.at(0).intensity).toBeUndefined();
    expect((await collect({ intensity: 'minmax' })).train.at(0).intensity).toBe('minmax');
  });

  test('a planner version older than all there are', async () => {
    await expect(collect({ planner_version: '0.9.9' })).rejects.toThrow(
      /benchmark_plan_biometry_v\*\.json\.gz of version 0\.9\.9 or older expected \(--planner_version\), there are v1\.0\.0/,
    );
    expect((await collect({ planner_version: '1.4.0' })).report.plans.map(({ version }) => version)).toEqual(['1.0.0', '1.0.0']);
  });
});

describe('export', () => {
  test('one line a row, with the checksum of its picture', async () => {
    const path = join(folder, 'rows.jsonl');
    const collected = await collect({ train_sample_limit: 12, val_sample_limit: 3 });
    expect(await exportJsonl(nodePlatform, path, collected)).toBe(15);
    const rows = readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as ExportRow);
    expect(rows.map((row) => row.split)).toEqual([...Array<string>(12).fill('train'), ...Array<string>(3).fill('validation')]);
    for (const [i, sample] of [...collected.train, ...collected.validation].entries()) {
      const image = await renderSlice(await collected.volumes.open(sample.imageFile), sample);
      expect(rows[i]).toEqual({
        task_type: sample.taskType,
        task: sample.task,
        split: i < 12 ? 'train' : 'validation',
        image_file: sample.imageFile,
        slice_dim: sample.sliceDim,
        slice_idx: sample.sliceIdx,
        prompt: sample.prompt,
        target: sample.target,
        rgb_sha256: createHash('sha256').update(image.data).digest('hex'),
        height: image.height,
        width: image.width,
      });
    }
  });

  test('stopped, there is no file', async () => {
    const path = join(folder, 'stopped.jsonl');
    expect(await exportJsonl(nodePlatform, path, await collect(), { stop: AbortSignal.abort() })).toBeUndefined();
    expect(await nodePlatform.exists(path)).toBe(false);
  });
});
