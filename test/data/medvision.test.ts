/**
 * Prompts, targets and pictures against the reference system's own outputs: for the embedded sample always, for every data set under
 * VERNIER_DATA_DIR where that is set.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { toFloat16 } from '../../src/data/medvision/numbers.ts';
import type { DropReason, MedvisionSample } from '../../src/data/medvision/sample.ts';
import { ANSWER_LENGTH, sampleMessages } from '../../src/data/medvision/sample.ts';
import type { MedvisionOptions } from '../../src/data/medvision/samples.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { VolumeCache, renderSlice } from '../../src/data/medvision/slices.ts';
import type { MedvisionTask, TaskType } from '../../src/data/medvision/tasks.ts';
import { parseTaskName, readTaskList } from '../../src/data/medvision/tasks.ts';
import { parseAnswer } from '../../src/data/medvision/answers.ts';

const root = resolve(import.meta.dirname, '../..');
const sampleDir = join(root, 'node/sample');
const families: TaskType[] = ['BoxSize', 'TumorLesionSize', 'BiometricsFromLandmarks'];

interface DataSet {
  name: string;
  dataDir: string;
  /** Where expected_*.jsonl lie. */
  expectedDir: string;
}

const dataSets: DataSet[] = [{ name: 'embedded sample', dataDir: sampleDir, expectedDir: join(root, 'test/golden/medvision') }];
const outside = process.env['VERNIER_DATA_DIR'];
for (const name of outside === undefined ? [] : readdirSync(outside)) {
  const dataDir = join(outside ?? '', name);
  if (existsSync(join(dataDir, 'Datasets'))) dataSets.push({ name, dataDir, expectedDir: dataDir });
}

function rows<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** Qwen2-VL's smart_resize, restated here from its definition so that the data tests stand alone. */
function smartResize(maxPixels: number): (height: number, width: number) => { height: number; width: number } {
  const halfEven = (x: number): number => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  return (h, w) => {
    let height = Math.max(28, halfEven(h / 28) * 28);
    let width = Math.max(28, halfEven(w / 28) * 28);
    if (height * width > maxPixels) {
      const beta = Math.sqrt((h * w) / maxPixels);
      height = Math.max(28, Math.floor(h / beta / 28) * 28);
      width = Math.max(28, Math.floor(w / beta / 28) * 28);
    } else if (height * width < 3136) {
      const beta = Math.sqrt(3136 / (h * w));
      height = Math.ceil((h * beta) / 28) * 28;
      width = Math.ceil((w * beta) / 28) * 28;
    }
    return { height, width };
  };
}

const processors: Record<string, Pick<MedvisionOptions, 'resizedSize'>> = {
  medgemma: { resizedSize: () => ({ height: 896, width: 896 }) },
  qwen: { resizedSize: smartResize(12845056) },
  qwen_small: { resizedSize: smartResize(50176) },
};

interface ExpectedRow {
  index: number;
  prompt: string;
  target: string;
  png_sha256: string;
  H: number;
  W: number;
  resized_hw: [number, number];
  eval_target?: string;
}
interface IndexRow {
  index: number;
  config: string;
  split: 'train' | 'test';
  loader_idx: number;
  case_ID: string;
}

async function collect(dataDir: string, tasks: MedvisionTask[], options: MedvisionOptions): Promise<Map<string, MedvisionSample>> {
  const found = new Map<string, MedvisionSample>();
  for await (const sample of medvisionSamples(nodePlatform, dataDir, tasks, options)) {
    found.set(`${sample.task}_${sample.split === 'train' ? 'Train' : 'Test'} ${sample.loaderIndex}`, sample);
  }
  return found;
}

describe.each(dataSets)('$name', ({ dataDir, expectedDir }) => {
  describe.each(families)('%s', (family) => {
    const index = rows<IndexRow>(join(expectedDir, `samples_${family}.index.jsonl`));
    const tasks = [...new Set(index.map((row) => row.config))].map((config) => parseTaskName(config, 'index'));

    test.each(Object.keys(processors))('prompt, target and pixels equal the reference (%s)', async (processor) => {
      const options = processors[processor];
      expect(options).toBeDefined();
      if (options === undefined) return;
      const volumes = new VolumeCache(nodePlatform, dataDir);
      const samples = await collect(dataDir, tasks, { ...options, promptStyle: 'reference', volumes });
      const place = new Map(index.map((row) => [row.index, row]));
      const expected = rows<ExpectedRow>(join(expectedDir, `expected_${family}_${processor}.jsonl`));
      expect(expected.length).toBeGreaterThan(10);
      for (const row of expected) {
        const at = place.get(row.index);
        const sample = samples.get(`${at?.config} ${at?.loader_idx}`);
        expect(sample, `${at?.config} ${at?.loader_idx}`).toBeDefined();
        if (sample === undefined) continue;
        expect(sample.caseId).toBe(at?.case_ID);
        expect(sample.prompt).toBe(row.prompt);
        expect(sample.target).toBe(row.target);
        if (row.eval_target !== undefined) expect(sample.values).toEqual([JSON.parse(row.eval_target)].flat());
        expect([sample.height, sample.width]).toEqual([row.H, row.W]);
        const size = options.resizedSize(row.H, row.W);
        expect([size.height, size.width]).toEqual(row.resized_hw);
        const image = await renderSlice(await volumes.open(sample.imageFile), sample);
        expect([image.height, image.width]).toEqual([row.H, row.W]);
        expect(createHash('sha256').update(image.data).digest('hex')).toBe(row.png_sha256);
      }
    });
  });

  // The loader's own records are only in the whole data sets.
  const recordsFile = (family: TaskType): string => join(expectedDir, `samples_${family}.jsonl`);
  describe.runIf(existsSync(recordsFile('BoxSize')))('records', () => {
    test.each(families)('every record of the hub loader, in its order (%s)', async (family) => {
      const index = rows<IndexRow>(join(expectedDir, `samples_${family}.index.jsonl`));
      const records = rows<Record<string, unknown>>(recordsFile(family));
      const tasks = [...new Set(index.map((row) => row.config))].map((config) => parseTaskName(config, 'index'));
      const dropped: Partial<Record<DropReason, number>> = {};
      const samples = [
        ...(
          await collect(dataDir, tasks, {
            resizedSize: (height, width) => ({ height, width }),
            onDropped: (reason) => (dropped[reason] = (dropped[reason] ?? 0) + 1),
          })
        ).entries(),
      ];
      expect(samples.map(([key]) => key)).toEqual(index.map((row) => `${row.config} ${row.loader_idx}`));
      samples.forEach(([, sample], i) => {
        const record = records[i] ?? {};
        expect(sample).toMatchObject({
          dataset: record['dataset_name'],
          imageFile: record['image_file'],
          sliceDim: record['slice_dim'],
          sliceIdx: record['slice_idx'],
        });
        expect([sample.height, sample.width]).toEqual(record['image_size_2d']);
        expect(sample.maskFile).toBe(record['mask_file']);
        expect(sample.landmarkFile).toBe(record['landmark_file']);
        const { annotation } = sample;
        if (annotation.kind === 'box') {
          const boxes = record['bounding_boxes'] as Record<string, number[][]>;
          expect([annotation.label, [annotation.min], [annotation.max]]).toEqual([record['label'], boxes['min_coords'], boxes['max_coords']]);
        } else if (annotation.kind === 'ellipse') {
          const profile = record['biometric_profile'] as Record<string, unknown[]>;
          expect([annotation.label, toFloat16(annotation.major), toFloat16(annotation.minor), annotation.unit]).toEqual([
            record['label'],
            profile['metric_value_major_axis']?.[0],
            profile['metric_value_minor_axis']?.[0],
            profile['metric_unit']?.[0],
          ]);
        } else {
          const profile = record['biometric_profile'] as Record<string, unknown>;
          expect([annotation.kind, annotation.key, toFloat16(annotation.value), annotation.unit]).toEqual(
            ['metric_type', 'metric_key', 'metric_value', 'metric_unit'].map((key) => profile[key]),
          );
        }
      });
      const info = JSON.parse(readFileSync(join(dataDir, 'build_info.json'), 'utf8')) as { dropped_by_loader_filters: Record<string, object> };
      expect(dropped).toEqual(info.dropped_by_loader_filters[family]);
    });
  });

  test('task lists count the samples', async () => {
    const lists = readdirSync(join(dataDir, 'tasks_list'));
    expect(lists.length).toBe(6);
    for (const list of lists) {
      const path = join(dataDir, 'tasks_list', list);
      const counts = Object.values(JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>);
      const family = list.includes('-AD') ? 'AD' : list.includes('-TL') ? 'TL' : 'detect';
      const tasks = await readTaskList(nodePlatform, path, family);
      const found = await Promise.all(
        tasks.map(async (task) => {
          const options: MedvisionOptions = {
            resizedSize: (height, width) => ({ height, width }),
            split: list.includes('train') ? 'train' : 'test',
          };
          return (await collect(dataDir, [task], options)).size;
        }),
      );
      expect(found).toEqual(counts);
    }
  });
});

describe('corrected style', () => {
  const tasks = [
    'BoxSize_Task01_Axial',
    'BoxSize_Task01_Sagittal',
    'TumorLesionSize_Task01_Sagittal',
    'BiometricsFromLandmarks_Task02_Coronal',
  ].map((name) => parseTaskName(`Colin27Mini_${name}`, 'test'));
  const resizedSize = smartResize(12845056);

  test('targets read back, boxes to within half a pixel', async () => {
    const samples = await collect(sampleDir, tasks, { resizedSize, split: 'train' });
    expect(samples.size).toBeGreaterThan(100);
    for (const sample of samples.values()) {
      const answer = parseAnswer(sample.target, ANSWER_LENGTH[sample.taskType]);
      expect(answer).toHaveLength(sample.values.length);
      const { annotation } = sample;
      if (annotation.kind === 'box' && answer !== undefined) {
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = answer;
        const edges = [x1 * sample.width, (1 - y2) * sample.height, x2 * sample.width, (1 - y1) * sample.height];
        const truth = [annotation.min[1], annotation.min[0], annotation.max[1] + 1, annotation.max[0] + 1];
        edges.forEach((edge, i) => expect(Math.abs(edge - (truth[i] ?? NaN))).toBeLessThan(0.5));
      } else answer?.forEach((value, i) => expect(Math.abs(value - (sample.values[i] ?? NaN))).toBeLessThanOrEqual(0.005 + 1e-12));
    }
  });

  test('the examples that the code documents', async () => {
    const samples = await collect(sampleDir, tasks, { resizedSize, split: 'train' });
    const reference = await collect(sampleDir, tasks, { resizedSize, split: 'train', promptStyle: 'reference' });
    const box = samples.get('Colin27Mini_BoxSize_Task01_Sagittal_Train 4');
    expect(reference.get('Colin27Mini_BoxSize_Task01_Sagittal_Train 4')?.target).toBe('0.347, 0.337, 0.472, 0.465');
    expect(box?.target).toBe('0.347, 0.326, 0.486, 0.465');
    expect(box?.prompt).toContain('The image size is 84 pixels (width) x 84 pixels (height).');
    expect(box?.prompt).not.toContain('[');
    const size = samples.get('Colin27Mini_TumorLesionSize_Task01_Sagittal_Train 0');
    expect(reference.get('Colin27Mini_TumorLesionSize_Task01_Sagittal_Train 0')?.target).toBe('13.086, 16.531');
    expect(size?.target).toBe('16.53, 13.09');
    expect(size?.annotation).toMatchObject({ kind: 'ellipse', isSuspect: true });
    const distance = [...samples.values()].find((sample) => sample.annotation.kind === 'distance');
    expect(distance?.prompt).toContain('in mm');
    expect(distance?.prompt).not.toContain('millimeters');
    const angle = [...samples.values()].find((sample) => sample.annotation.kind === 'angle');
    expect(angle?.prompt).toContain('in degrees');
    expect(sampleMessages(angle ?? ({} as MedvisionSample))[0]?.content).toEqual([{ type: 'image' }, { type: 'text', text: angle?.prompt }]);
  });
});
