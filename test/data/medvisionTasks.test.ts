/** Task names and lists in every upstream form, and numbers as Python writes them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { fixed3, pythonFloat, toFloat16 } from '../../src/data/medvision/numbers.ts';
import { parseTaskName, readTaskList } from '../../src/data/medvision/tasks.ts';
import { UserError } from '../../src/platform.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-tasks-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('task names and lists', () => {
  test('the upstream forms', () => {
    expect(parseTaskName('Ceph-Biometrics-400_BiometricsFromLandmarks_Distance_Task01_Sagittal', 'x')).toMatchObject({
      dataset: 'Ceph-Biometrics-400',
      taskType: 'BiometricsFromLandmarks',
      metricType: 'distance',
      id: 1,
      sliceDim: 0,
      family: 'AD',
    });
    expect(parseTaskName('AbdomenAtlas1.0Mini_BoxCoordinate_Task01_Axial', 'x')).toMatchObject({
      name: 'AbdomenAtlas1.0Mini_BoxSize_Task01_Axial',
      sliceDim: 2,
      planKind: 'detection',
    });
    expect(parseTaskName('MSD_TumorLesionSize_Task10_Coronal_Test', 'x')).toMatchObject({
      id: 10,
      sliceDim: 1,
      split: 'test',
      name: 'MSD_TumorLesionSize_Task10_Coronal',
    });
    for (const variant of ['-336x336', '-896x896', '_local_ds', '_local_ds_OOD'])
      expect(parseTaskName(`KiTS23_BoxCoordinate_Task01_Axial${variant}`, 'x').name).toBe('KiTS23_BoxSize_Task01_Axial');
  });

  test.each([
    '',
    'KiTS23',
    'KiTS23_BoxSize_Task00_Axial',
    'KiTS23_BoxSize_Axial',
    '../x_BoxSize_Task01_Axial',
    'a_b_BoxSize_Task01_Axial',
    'X_BoxSize_Angle_Task01_Axial',
    'X_MaskSize_Task01_Axial',
    '.._BoxSize_Task01_Axial',
    'X_BoxSize_Task01_Axial-336',
    'X_BoxSize_Task01_Axial_ds',
  ])('refused: %s', (name) => {
    expect(() => parseTaskName(name, 'list.json')).toThrow(UserError);
    expect(() => parseTaskName(name, 'list.json')).toThrow(/list\.json/);
  });

  test.each<[string, string, RegExp]>([
    ['not JSON', '{', /not valid JSON/],
    ['a list', '[]', /an object expected/],
    ['empty', '{}', /the task list is empty/],
    ['a task twice', '{"D_BoxSize_Task01_Axial": 1, "D_BoxSize_Task01_Axial": 2}', /listed twice/],
    ['a task and its alias', '{"D_BoxSize_Task01_Axial": 1, "D_BoxCoordinate_Task01_Axial": 2}', /listed twice \(as/],
    ['a task at two sizes', '{"D_BoxSize_Task01_Axial-336x336": 1, "D_BoxSize_Task01_Axial-896x896": 2}', /listed twice \(as/],
    ['another family', '{"D_TumorLesionSize_Task01_Axial": 1}', /belongs in the list of --tasks_list_json_path_TL/],
  ])('%s', async (_, content, message) => {
    const path = join(folder, 'list.json');
    writeFileSync(path, content);
    await expect(readTaskList(nodePlatform, path, 'detect')).rejects.toThrow(UserError);
    await expect(readTaskList(nodePlatform, path, 'detect')).rejects.toThrow(message);
  });
});

describe('numbers as Python writes them', () => {
  test('three decimals: exact, ties to even', () => {
    const cases: [number, string][] = [
      [0.0625, '0.062'],
      [0.1875, '0.188'],
      [2.0005, '2.001'],
      [1.0005, '1.000'],
      [-0.0625, '-0.062'],
      [-0, '-0.000'],
      [1e20, '100000000000000000000.000'],
      [NaN, 'nan'],
      [-Infinity, '-inf'],
      [1234567.8125, '1234567.812'],
    ];
    for (const [value, text] of cases) expect(fixed3(value)).toBe(text);
  });
  test('floats in full', () => {
    const cases: [number, string][] = [
      [23, '23.0'],
      [4.94921875, '4.94921875'],
      [1e-5, '1e-05'],
      [1.5e-7, '1.5e-07'],
      [1e16, '1e+16'],
      [123456789012345680, '1.2345678901234568e+17'],
      [1e15, '1000000000000000.0'],
      [0.0001, '0.0001'],
      [-0, '-0.0'],
      [0, '0.0'],
      [Infinity, 'inf'],
    ];
    for (const [value, text] of cases) expect(pythonFloat(value)).toBe(text);
  });
  test('float16: rounding from the double, ties to even, subnormals, overflow', () => {
    const cases: [number, number][] = [
      [21.360009363293827, 21.359375],
      [2049, 2048],
      [2051, 2052],
      [65519.99, 65504],
      [65520, Infinity],
      [-65520, -Infinity],
      [2 ** -24, 2 ** -24],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 2 ** -24],
      [6.1e-5, 6.097555160522461e-5],
      [1 / 3, 0.333251953125],
    ];
    for (const [value, rounded] of cases) expect(toFloat16(value)).toBe(rounded);
    for (let bits = 0; bits < 0x7c00; bits++) {
      const exponent = bits >> 10;
      const value = exponent === 0 ? (bits & 1023) * 2 ** -24 : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
      if (toFloat16(value) !== value) expect(toFloat16(value)).toBe(value);
    }
  });
});
