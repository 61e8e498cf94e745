/** Pictures of one shape: mm per pixel from the content, the image size from the canvas, grey levels after resampling. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { parseAnswer } from '../../src/data/medvision/answers.ts';
import { canvasOf, onCanvas, readShape, resampled } from '../../src/data/medvision/canvas.ts';
import type { NewShape } from '../../src/data/medvision/canvas.ts';
import { CT_RGB, intensityOf, sliceToRgb } from '../../src/data/medvision/intensity.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import type { MedvisionOptions } from '../../src/data/medvision/samples.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { parseOptions } from '../../src/options.ts';
import { niftiFile } from './niftiFile.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-canvas-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** A volume of one slice with a bright rectangle, its box, and a lesion of that size. @param values of the voxels, first axis fastest */
function phantom(height: number, width: number, spacing: [number, number], box: [number, number, number, number], values?: number[]): string {
  const dir = join(folder, String(count++));
  const [top, left, bottom, right] = box;
  const info = { voxel_size: [...spacing, 1], array_size: [height, width, 1] };
  const axis = (key: string, value: number): object => ({ metric_type: 'distance', metric_map_name: 'm', metric_key: key, metric_value: value, metric_unit: 'mm' });
  const mm = [(bottom - top + 1) * spacing[0], (right - left + 1) * spacing[1]].sort((a, b) => b - a);
  const item = { case_ID: 'v', image_file: 'v.nii', image_file_info: info };
  const common = { labels_map: { 1: 'cyst' }, image_modality: 'CT', image_description: 'a scan' };
  const detection = { ...common, train_cases: [{ ...item, slice_profiles_z: [{ slice_idx: 0, slice_profile: [{ label: 1, bboxes: [{ min_coords: [top, left], max_coords: [bottom, right] }] }] }] }] };
  const sizes = { ...common, target_label: 1, train_cases: [{ ...item, slice_profiles_z: [{ slice_idx: 0, slice_profile: [[axis('L-1-2', mm[0]!), axis('L-3-4', mm[1]!)]] }] }] };
  mkdirSync(join(dir, 'Datasets/D'), { recursive: true });
  for (const [kind, plan] of Object.entries({ detection, biometry: sizes }))
    writeFileSync(join(dir, `Datasets/D/benchmark_plan_${kind}_v1.4.0.json.gz`), gzipSync(JSON.stringify({ tasks: [plan] })));
  const inBox = (row: number, col: number): boolean => row >= top && row <= bottom && col >= left && col <= right;
  const voxels = values ?? Array.from({ length: height * width }, (_, i) => (inBox(i % height, Math.floor(i / height)) ? 1000 : 0));
  const file = niftiFile([height, width, 1], [...spacing, 1]);
  voxels.forEach((value, i) => new DataView(file.buffer).setFloat32(352 + 4 * i, value, true));
  writeFileSync(join(dir, 'Datasets/D/v.nii'), file);
  return dir;
}

async function sampleOf(dir: string, type: string, options: Partial<MedvisionOptions>): Promise<MedvisionSample> {
  const all = { resizedSize: (height: number, width: number) => ({ height, width }), ...options };
  for await (const sample of medvisionSamples(nodePlatform, dir, [parseTaskName(`D_${type}_Task01_Axial`, 'test')], all)) return sample;
  throw new Error('no sample');
}
const mmOf = (prompt: string): [number, number] => {
  const [, width, height] = /pixel size for this image is ([\d.]+) mm \(width\) x ([\d.]+) mm/.exec(prompt) ?? [];
  return [Number(height), Number(width)];
};

describe('resampling', () => {
  // A 5 × 7 slice and what Pillow makes of it: Image.fromarray(a, mode='F').resize((w, h), Image.BILINEAR).
  const values = Float64Array.from({ length: 35 }, (_, i) => {
    const [r, c] = [Math.floor(i / 7), i % 7];
    return ((r * 7 + c * 13) % 29) * 50 - 400 + ((r * c) % 5) * 3.5;
  });
  test.each([
    [3, 4, [61.6701, 375.9771, 239.2371, 450.051, 436.8148, 346.06, 271.3067, 372.9497, 505.7143, 355.2, 337.6857, 401.6837]],
    [5, 3, [157.1429, 441.1765, 353.5714, 199.4286, 118.2941, 397.1071, 552.4286, 466.4412, 229.75, 280.25, 135.3235, 580.25, 633.25, 398.1765, 309.3214]],
  ])('to %i × %i is Pillow’s, in the volume’s units', (height, width, expected) => {
    const found = resampled({ values, rows: 5, cols: 7 }, canvasOf({ height, width, isPadded: false }, 5, 7));
    expect([found.rows, found.cols]).toEqual([height, width]);
    expected.forEach((value, i) => expect(Math.abs((found.values[i] ?? NaN) - value)).toBeLessThan(0.002));
  });

  test('comes before the window: a mean of air and bone is no mean of black and white', async () => {
    // Columns of −1000 and 1000 HU by turns; halved, every pixel is 0 HU, which the soft tissue window (−160 … 240) shows as grey.
    const dir = phantom(40, 40, [1, 1], [5, 5, 30, 30], Array.from({ length: 1600 }, (_, i) => (Math.floor(i / 40) % 2 === 0 ? -1000 : 1000)));
    const sample = await sampleOf(dir, 'BoxSize', { intensity: 'window', newShape: { height: 40, width: 20, isPadded: false } });
    const { data, width, height } = await renderSlice(await new VolumeCache(nodePlatform, dir).open(sample.imageFile), sample);
    expect([height, width]).toEqual([40, 20]);
    // Between the borders the triangle is symmetric.
    for (let col = 1; col < 19; col++) expect(Math.abs((data[(20 * 20 + col) * 3] ?? 0) - 102)).toBeLessThanOrEqual(1);
  });
});

describe('a canvas', () => {
  test('has the aspect of the slice in its content, black around it', async () => {
    const dir = phantom(20, 40, [2, 1], [2, 5, 15, 30]);
    const padded = await sampleOf(dir, 'TumorLesionSize', { newShape: { height: 80, width: 80, isPadded: true } });
    expect(padded.canvas?.content).toEqual({ top: 20, left: 0, height: 40, width: 80 });
    expect(padded.prompt).toContain('The image size is 80 pixels (width) x 80 pixels (height).');
    expect(mmOf(padded.prompt)).toEqual([1, 0.5]); // of the content: 20 rows of 2 mm are 40 rows
    const stretched = await sampleOf(dir, 'TumorLesionSize', { newShape: { height: 80, width: 80, isPadded: false } });
    expect(mmOf(stretched.prompt)).toEqual([0.5, 0.5]);
    const { data } = await renderSlice(await new VolumeCache(nodePlatform, dir).open(padded.imageFile), padded);
    const row = (y: number): number => Math.max(...data.subarray(y * 240, (y + 1) * 240));
    expect([row(0), row(19), row(60), row(79)]).toEqual([0, 0, 0, 0]);
    expect(row(40)).toBe(255);
  });

  test('mm and boxes survive slice → canvas → the model’s resize → question → target → answer, within half a pixel', async () => {
    const cases = fc.record({
      height: fc.integer({ min: 24, max: 90 }),
      width: fc.integer({ min: 24, max: 90 }),
      spacing: fc.tuple(fc.double({ min: 0.3, max: 3, noNaN: true }), fc.double({ min: 0.3, max: 3, noNaN: true })),
      shape: fc.tuple(fc.integer({ min: 60, max: 200 }), fc.integer({ min: 60, max: 200 })),
      isPadded: fc.boolean(),
      factor: fc.constantFrom(1, 28, 32),
      corners: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99)),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ height, width, spacing, shape, isPadded, factor, corners }) => {
        const side = (size: number, from: number, more: number): [number, number] => {
          const first = Math.floor(((size - 11) * from) / 100);
          return [first, Math.min(size - 1, first + 9 + Math.floor(((size - first - 10) * more) / 100))];
        };
        const [[top, bottom], [left, right]] = [side(height, corners[0], corners[1]), side(width, corners[2], corners[3])];
        const voxel: [number, number] = [Math.fround(spacing[0]), Math.fround(spacing[1])];
        const dir = phantom(height, width, voxel, [top, left, bottom, right]);
        const newShape: NewShape = { height: shape[0], width: shape[1], isPadded };
        const resizedSize = (h: number, w: number) => ({ height: Math.max(factor, Math.round(h / factor) * factor), width: Math.max(factor, Math.round(w / factor) * factor) });
        const box = await sampleOf(dir, 'BoxSize', { newShape, resizedSize });
        const lesion = await sampleOf(dir, 'TumorLesionSize', { newShape, resizedSize });
        const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = parseAnswer(box.target, 4) ?? [];
        const picture = resizedSize(...shape);
        // What a model sees and reads: the box in its own pixels, times the stated mm of a pixel, are the lesion's axes.
        const pixels = [(y2 - y1) * picture.height, (x2 - x1) * picture.width];
        const [mmHeight, mmWidth] = mmOf(lesion.prompt);
        const seen = [pixels[0]! * mmHeight, pixels[1]! * mmWidth].sort((a, b) => b - a);
        const answer = parseAnswer(lesion.target, 2) ?? [];
        const half = 0.5 * Math.max(mmHeight, mmWidth);
        // Three decimals of the stated size, two of the answer, three of the box.
        answer.forEach((mm, i) => expect(Math.abs(mm - (seen[i] ?? NaN))).toBeLessThanOrEqual(half + 0.0005 * Math.max(...pixels) + 0.005));
        // And the box lies where the bright rectangle is drawn.
        const { data, width: columns, height: rows } = await renderSlice(await new VolumeCache(nodePlatform, dir).open(box.imageFile), box);
        expect([rows, columns]).toEqual(shape);
        const bright = (row: number, column: number): boolean => (data[(row * columns + column) * 3] ?? 0) >= 127;
        const lit = Array.from({ length: rows * columns }, (_, i) => i).filter((i) => bright(Math.floor(i / columns), i % columns));
        const [litRows, litColumns] = [lit.map((i) => Math.floor(i / columns)), lit.map((i) => i % columns)];
        const edges = [(1 - y2) * rows, (1 - y1) * rows, x1 * columns, x2 * columns];
        const found = [Math.min(...litRows), Math.max(...litRows) + 1, Math.min(...litColumns), Math.max(...litColumns) + 1];
        found.forEach((edge, i) => expect(Math.abs(edge - (edges[i] ?? NaN))).toBeLessThanOrEqual(1.2));
      }),
      { numRuns: 60 },
    );
  });

  test('edges go there as its corners do', () => {
    const canvas = canvasOf({ height: 100, width: 60, isPadded: true }, 30, 40);
    expect(canvas.content).toEqual({ top: 27, left: 0, height: 45, width: 60 });
    expect([onCanvas(canvas, { x: 0, y: 0 }), onCanvas(canvas, { x: 40, y: 30 })]).toEqual([{ x: 0, y: 27 }, { x: 60, y: 72 }]);
  });

  test('is said as two sides', () => {
    const shape = (sides: string[]) => readShape({ new_shape_hw: sides, pad_to_shape: true });
    expect(shape([])).toBeUndefined();
    expect(shape(['512', '384'])).toEqual({ height: 512, width: 384, isPadded: true });
    expect(parseOptions({ base_model_hf: 'b', train_file: 't', pad_to_shape: 'true' }).notes.join()).toContain('no effect without --new_shape_hw');
    for (const wrong of [['512'], ['0', '5'], ['a', 'b'], ['1', '2', '3'], ['99999', '5']]) expect(() => shape(wrong)).toThrow(/--new_shape_hw takes height and width/);
  });
});

describe('CT as MedGemma is given it', () => {
  test('three windows as red, green and blue', () => {
    const values = Float64Array.of(-2000, -1024, -135, 0, 40, 80, 215, 1024, 3000);
    const { data } = sliceToRgb({ values, rows: 1, cols: 9 }, 'ct_rgb');
    const toEven = (x: number): number => (Math.abs(x - Math.floor(x) - 0.5) < 1e-9 ? 2 * Math.round(x / 2) : Math.round(x)); // numpy.round
    const expected = [...values].flatMap((value) =>
      CT_RGB.map(({ low, high }) => toEven(((Math.min(Math.max(value, low), high) - low) / (high - low)) * 255)),
    );
    expect([...data]).toEqual(expected);
    expect([...data.subarray(3 * 4, 3 * 4 + 3)]).toEqual([132, 128, 128]); // 40 HU: 132.48, 127.5 to even, 127.5 to even
    expect(intensityOf('ct_rgb', 'CT', 'liver')).toBe('ct_rgb');
    expect(intensityOf('ct_rgb', 'MRI', 'liver')).toBe('percentile');
  });
});

describe('upstream’s temperature sampler', () => {
  const lists = { base_model_hf: 'b', data_dir: 'd', tasks_list_json_path_TL: 't' };
  test('is our mixing', () => {
    const { options } = parseOptions({ ...lists, enable_temperature_sampler: 'true', temperature_sampler_num_samples: '700' });
    expect(options).toMatchObject({ mixing: 'temperature', mixing_temperature: 3, temperature_sampler_num_samples: 700 });
    expect(parseOptions({ ...lists, enable_temperature_sampler: 'true', temperature_sampler_T: '5' }).options.mixing_temperature).toBe(5);
    const { options: off, notes } = parseOptions({ ...lists, temperature_sampler_T: '2', temperature_sampler_num_samples: '9' });
    expect(off).toMatchObject({ mixing: 'concatenate', mixing_temperature: 5, temperature_sampler_num_samples: -1 });
    expect(notes.join()).toContain('--temperature_sampler_T, --temperature_sampler_num_samples: no effect');
    expect(() => parseOptions({ ...lists, enable_temperature_sampler: 'true', mixing: 'balanced' })).toThrow(/contradict/);
    expect(() => parseOptions({ ...lists, enable_temperature_sampler: 'true', mixing_temperature: '4' })).toThrow(/differ/);
  });
});
