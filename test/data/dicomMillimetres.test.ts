/**
 * Millimetres survive the whole way: a cuboid of known size in the patient, as DICOM slices in any orientation, spacing and order, becomes a
 * volume, a slice of any plane, a question about it as the model sees it after resizing and padding, an answer, and the answer read again.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clusters } from '../../src/data/drawn/masks.ts';
import { PLANES } from '../../src/data/planes.ts';
import type { DrawnAnnotation, DrawnPoint } from '../../src/data/drawn/annotation.ts';
import { drawnRows } from '../../src/data/drawn/rows.ts';
import { parseAnswer } from '../../src/data/medvision/answers.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { dicomFile } from './dicomFile.ts';
import { holdingFiles } from './filesInMemory.ts';

/** Unit vectors of DICOM's axes: to the left, to the back, to the head, and back. */
const WAYS = [0, 1, 2].flatMap((axis) => [1, -1].map((sign) => [0, 1, 2].map((at) => (at === axis ? sign : 0))));
const orientation = fc
  .tuple(fc.nat(5), fc.nat(5))
  .filter(([row, column]) => row >> 1 !== column >> 1)
  .map(([row, column]) => [WAYS[row] ?? [], WAYS[column] ?? []] as const);
const mm = fc.integer({ min: 30, max: 500 }).map((hundredths) => hundredths / 100);
const size = fc.integer({ min: 10, max: 24 });

const cross = (a: readonly number[], b: readonly number[]): number[] =>
  [0, 1, 2].map((at) => (a[(at + 1) % 3] ?? 0) * (b[(at + 2) % 3] ?? 0) - (a[(at + 2) % 3] ?? 0) * (b[(at + 1) % 3] ?? 0));

const phantom = fc.record({
  orientation,
  spacing: fc.tuple(mm, mm, mm),
  size: fc.tuple(size, size, size),
  /** Voxels of the cuboid and where it begins, as shares of what is free. */
  extent: fc.tuple(fc.integer({ min: 3, max: 8 }), fc.integer({ min: 3, max: 8 }), fc.integer({ min: 3, max: 8 })),
  begin: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
  resized: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })),
});

/** Slices, rows, columns as DICOM stores them; the files' names are in no order. */
function filesOf({
  orientation: [row, column],
  spacing,
  size: [slices, rows, columns],
  extent,
  begin,
}: typeof phantom extends fc.Arbitrary<infer T> ? T : never): Record<string, Uint8Array> {
  const normal = cross(row, column);
  const isIn = (axis: 0 | 1 | 2, at: number): boolean => at >= begin[axis] && at < begin[axis] + extent[axis];
  const files: Record<string, Uint8Array> = {};
  for (let slice = 0; slice < slices; slice++) {
    const values = new Int16Array(rows * columns);
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) values[y * columns + x] = isIn(0, slice) && isIn(1, y) && isIn(2, x) ? 1 : 0;
    const position = normal.map((way) => way * slice * spacing[0]);
    const instance = (slice * 7) % slices;
    files[`s/${String((slice * 5) % 97).padStart(3, '0')}`] = dicomFile({
      rows,
      columns,
      values,
      position,
      orientation: [...row, ...column],
      spacing: [spacing[1], spacing[2]],
      instance: instance + slice * 100,
    });
  }
  return files;
}

it('a cuboid measures what it measures', async () => {
  await fc.assert(
    fc.asyncProperty(phantom, async (drawn) => {
      const [row, column] = drawn.orientation;
      const normal = cross(row, column);
      const volume = await openAnyVolume(holdingFiles(filesOf(drawn)), 's');
      // Its size along the patient's axes: left–right, back–front, feet–head.
      const known = [0, 1, 2].map((axis) => {
        const stored = [normal, column, row].findIndex((way) => way[axis] !== 0) as 0 | 1 | 2;
        return { mm: drawn.extent[stored] * drawn.spacing[stored], pixel: drawn.spacing[stored] };
      });
      for (const [dim, plane] of PLANES.entries()) {
        const sliceDim = dim as 0 | 1 | 2;
        const axes = [0, 1, 2].filter((axis) => axis !== dim) as (0 | 1 | 2)[];
        const through = await findSlice(volume, sliceDim);
        const slice = await volume.slice(sliceDim, through);
        const [cluster] = clusters(slice, 1);
        if (cluster === undefined) throw new Error('the slice goes through the cuboid');
        for (const [side, axis] of axes.entries()) {
          // From the near edge of the first pixel to the far edge of the last.
          const begin: DrawnPoint = [...cluster.min];
          const end: DrawnPoint = [...cluster.min];
          begin[side] = (cluster.min[side] ?? 0) - 0.5;
          end[side] = (cluster.max[side] ?? 0) + 0.5;
          const annotation: DrawnAnnotation = {
            id: 'a', scan: 's', plane, slice: through, shape: 'distance', label: 'length', landmarks: ['first end', 'second end'], points: [begin, end],
          }; // prettier-ignore
          const pixelSize = axes.map((other) => volume.zooms[other]) as [number, number];
          const shown = { height: slice.rows, width: slice.cols, picture: 'p.png', scan: 's', modality: 'CT', description: '', pixelSize };
          const [high, wide] = drawn.resized;
          const [made] = drawnRows([annotation], shown, (height, width) => ({ height: height * high, width: width * wide }));
          const messages = made?.['messages'] as { content: { text?: string }[] }[];
          const [answer] = parseAnswer(messages[1]?.content[0]?.text ?? '', 1) ?? [];
          const { mm: wanted, pixel } = known[axis] ?? { mm: NaN, pixel: NaN };
          expect(Math.abs((answer ?? NaN) - wanted)).toBeLessThan(pixel / 2);
          // What the model is told of its own pixels gives the same length.
          const question = messages[0]?.content[1]?.text ?? '';
          const told = [...question.matchAll(/(\d+(?:\.\d+)?) mm/g)].map(([, number]) => Number(number));
          const factor = side === 0 ? high : wide;
          const pixels = ((end[side] ?? 0) - (begin[side] ?? 0)) * factor;
          expect(told.some((number) => Math.abs(number * pixels - wanted) < pixel / 2 + 0.001 * pixels)).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
});

async function findSlice(volume: Awaited<ReturnType<typeof openAnyVolume>>, dim: 0 | 1 | 2): Promise<number> {
  for (let index = 0; index < volume.shape[dim]; index++) if ((await volume.slice(dim, index)).values.includes(1)) return index;
  throw new Error('the cuboid is somewhere');
}
