/** Where an answer is drawn: at its own size where the truth is, as bars where nothing says the place. And what is read of free words. */
import { describe, expect, it } from 'vitest';
import type { Annotation } from '../../src/data/medvision/sample.ts';
import type { Point } from '../../src/data/medvision/landmarks.ts';
import type { DecodedImage } from '../../src/platform.ts';
import { overlayOf } from '../../src/run/ask/overlay.ts';
import { readFree, readMeasure } from '../../src/run/ask/reading.ts';

const image: DecodedImage = { width: 100, height: 100, data: new Uint8Array(3 * 100 * 100).fill(128) };
const pixel = { pixelWidth: 2, pixelHeight: 1 };
const [BLUE, ORANGE] = ['86,180,233', '230,159,0'];
const metric = (kind: 'distance' | 'angle'): Annotation => ({
  kind,
  key: '',
  name: '',
  value: 0,
  unit: kind === 'angle' ? 'degree' : 'mm',
  landmarks: [],
});
const ellipse: Annotation = { kind: 'ellipse', label: 1, labelName: 'cyst', major: 0, minor: 0, unit: 'mm', isSuspect: false };
const line = (x1: number, y1: number, x2: number, y2: number): readonly [Point, Point] => [
  { x: x1, y: y1 },
  { x: x2, y: y2 },
];

/** The colour at a place of the picture. */
function colorAt(raster: DecodedImage, x: number, y: number): string {
  const [column, row] = [6 + Math.round(5 * x), 6 + Math.round(5 * y)];
  return raster.data
    .subarray(3 * (row * raster.width + column))
    .slice(0, 3)
    .join();
}

const drawn = (
  annotation: Annotation,
  values: number[],
  lines: (readonly [Point, Point])[],
  truth?: number[],
): ((x: number, y: number) => string) => {
  const { raster } = overlayOf(
    { image, lines, ...pixel, annotation, ...(truth && { truth }) },
    { numbers: values.map((value) => ({ value })) },
  );
  return (x, y) => colorAt(raster, x, y);
};

describe('drawn', () => {
  it('is a length on the true line, from its first landmark on', () => {
    const at = drawn(metric('distance'), [60], [line(20, 50, 80, 50)], [120]);
    expect([at(30, 50), at(45, 50), at(60, 50)]).toEqual([ORANGE, ORANGE, BLUE]);
  });

  it('is an ellipse of the answered axes around the true middle, in mm', () => {
    // Major axis 80 mm along the columns (40 pixels of 2 mm), minor axis 40 mm along the rows.
    const at = drawn(ellipse, [120, 20], [line(50, 30, 50, 70), line(30, 50, 70, 50)], [80, 40]);
    expect([at(80, 50), at(20, 50), at(50, 60), at(50, 40)]).toEqual([ORANGE, ORANGE, ORANGE, ORANGE]);
    expect(at(65, 50)).toBe(BLUE);
  });

  it('is the second line at the answered angle to the first', () => {
    // 45° in mm: 20 columns of 2 mm, 40 rows of 1 mm.
    const second = line(30, 70, 70, -10);
    for (const [plan, answer] of [
      [45, 90],
      [135, 90],
    ] as const) {
      const at = drawn(metric('angle'), [answer], [line(10, 30, 90, 30), second], [plan]);
      expect([at(50, 60), at(50, 10)]).toEqual([ORANGE, ORANGE]);
    }
  });

  it('are bars where no place is known, and nothing where no size is', () => {
    const at = drawn(ellipse, [80, 40], []);
    expect([at(10, 92), at(42, 92), at(46, 92), at(20, 96), at(30, 96)]).toEqual([ORANGE, ORANGE, '128,128,128', ORANGE, '128,128,128']);
    const { legend } = overlayOf(
      { image, lines: [], pixelWidth: NaN, pixelHeight: NaN, annotation: ellipse },
      { numbers: [{ value: 80 }, { value: 40 }] },
    );
    expect(legend).toContain('the picture alone');
  });
});

describe('read', () => {
  it('are the numbers of a task, under their names', () => {
    const asked = { taskType: 'BoxSize', annotation: { kind: 'box', label: 1, labelName: 'kidney', min: [0, 0], max: [0, 0] } } as const;
    const size = { width: 200, height: 100 };
    const asBox = readMeasure(
      '0.5, 0.4, 0.1, 0.2',
      { ...asked, annotation: { ...asked.annotation, min: [0, 0], max: [0, 0] } },
      size,
      'robust',
    );
    expect(asBox.box).toEqual({ left: 20, top: 60, right: 100, bottom: 80 });
    expect(asBox.isInside).toBe(true);
    expect(readMeasure('12.5', { taskType: 'TumorLesionSize', annotation: ellipse }, size, 'robust')).toEqual({});
    expect(readMeasure('3', { taskType: 'BiometricsFromLandmarks', annotation: metric('angle') }, size, 'robust').numbers).toEqual([
      { name: 'angle', value: 3, unit: 'degrees' },
    ]);
  });

  it('is a box in free words, relative or in pixels, and no box where it is none', () => {
    const size = { width: 200, height: 100 };
    expect(readFree('[20, 60, 100, 80]', size).box).toEqual({ left: 20, top: 60, right: 100, bottom: 80 });
    expect(readFree('[20, 60, 100, 80]', size).corners).toEqual([0.1, 1 - 0.8, 0.5, 1 - 0.6]);
    expect(readFree('0.1, 0.2, 0.5, 0.4', size).box).toMatchObject({ left: 20, right: 100 });
    expect(readFree('[20, 60, 1000, 80]', size).box).toBeUndefined();
    expect(readFree('none', size)).toEqual({});
  });
});
