/** A box in pixels → the target's text → the parsed answer → a box in pixels: within half a pixel, whatever the slice. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAnswer } from '../../src/data/medvision/answers.ts';
import { boxEdges, boxes, boxTarget, boxValues } from '../../src/data/medvision/detection.ts';
import type { PlanSlice, PlanTask } from '../../src/data/medvision/plan.ts';
import { sampleOf } from '../../src/data/medvision/samples.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';

const task: PlanTask = {
  where: 'plan: tasks[0]',
  id: 1,
  imageModality: 'CT',
  imageDescription: 'a scan',
  labelsMap: new Map([['1', 'liver']]),
  targetLabel: undefined,
  hasTransposedSpacing: false,
  raw: {},
};

/** A slice of each plane of a volume of any shape and spacing, and a box on it that the filters keep. */
const cases = fc
  .record({
    shape: fc.tuple(...[0, 1, 2].map(() => fc.oneof(fc.integer({ min: 10, max: 600 }), fc.integer({ min: 10, max: 9999 })))),
    spacing: fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0.05, max: 8, noNaN: true }))),
    plane: fc.constantFrom('Sagittal', 'Coronal', 'Axial'),
    corners: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }),
    resized: fc.tuple(fc.integer({ min: 28, max: 2000 }), fc.integer({ min: 28, max: 2000 })),
  })
  .map(({ shape, spacing, plane, corners, resized }) => {
    const dim = ['Sagittal', 'Coronal', 'Axial'].indexOf(plane);
    const [height = 0, width = 0] = shape.filter((_, axis) => axis !== dim);
    const [pixelHeight = 0, pixelWidth = 0] = spacing.filter((_, axis) => axis !== dim);
    const range = (size: number, a = 0, b = 0): [number, number] => {
      const low = Math.floor(a * (size - 10));
      return [low, Math.min(size - 1, low + 9 + Math.floor(b * (size - low - 10)))];
    };
    const [top, bottom] = range(height, corners[0], corners[1]);
    const [left, right] = range(width, corners[2], corners[3]);
    return { shape, plane, dim, height, width, pixelHeight, pixelWidth, top, bottom, left, right, resized };
  });

describe('box coordinates', () => {
  test('come back to within half a pixel', () => {
    fc.assert(
      fc.property(cases, ({ shape, plane, height, width, pixelHeight, pixelWidth, top, bottom, left, right, resized }) => {
        const slice: PlanSlice = {
          where: 'slice',
          index: 0,
          profile: [{ label: 1, bboxes: [{ min_coords: [top, left], max_coords: [bottom, right] }] }],
          clusterCount: undefined,
        };
        const [annotation] = [...boxes(task, slice, { height, width })];
        if (typeof annotation !== 'object') throw new Error(annotation ?? 'no box');
        const [i = 0, j = 0, k = 0] = shape;
        const sample = sampleOf(
          {
            info: task,
            task: parseTaskName(`D_BoxSize_Task01_${plane}`, 'test'),
            split: 'train',
            item: { where: '', id: '', imageFile: 'x', maskFile: undefined, landmarkFile: undefined, shape: [i, j, k], voxelSize: [1, 1, 1] },
            frame: { height, width, resizedHeight: resized[0], resizedWidth: resized[1], pixelHeight, pixelWidth, isFloat32: false },
            sliceIdx: 0,
            loaderIndex: 0,
            annotation,
          },
          'corrected',
        );
        const answer = parseAnswer(sample.target, 4);
        expect(answer).toHaveLength(4);
        const box = boxEdges(answer ?? [], height, width);
        const found = [box.top, box.left, box.bottom, box.right];
        [top, left, bottom + 1, right + 1].forEach((edge, at) => expect(Math.abs((found[at] ?? NaN) - edge)).toBeLessThanOrEqual(0.5 + 1e-9));
      }),
      { numRuns: 2000 },
    );
  });

  test('in reference style too, to the three decimals it has and the edge it leaves out', () => {
    fc.assert(
      fc.property(cases, ({ height, width, top, bottom, left, right, resized }) => {
        const annotation = { kind: 'box' as const, label: 1, labelName: 'liver', min: [top, left] as [number, number], max: [bottom, right] as [number, number] };
        const frame = { height, width, resizedHeight: resized[0], resizedWidth: resized[1], pixelHeight: 1, pixelWidth: 1, isFloat32: false };
        const answer = parseAnswer(boxTarget(boxValues(annotation, frame, 'reference'), frame, 'reference'), 4, 'reference') ?? [];
        const box = boxEdges(answer, height, width);
        const found = [box.top, box.left, box.bottom, box.right];
        [top, left, bottom, right].forEach((edge, at) =>
          expect(Math.abs((found[at] ?? NaN) - edge)).toBeLessThanOrEqual(0.0005 * (at % 2 === 0 ? height : width) + 1e-9),
        );
      }),
    );
  });
});
