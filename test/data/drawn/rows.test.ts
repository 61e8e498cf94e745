/** Drawn annotations become rows that are read as MedVision's are: asked, answered, scored and drawn. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readConversations } from '../../../src/data/conversations/read.ts';
import { readRow } from '../../../src/data/conversations/row.ts';
import { checkAnnotation } from '../../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation } from '../../../src/data/drawn/annotation.ts';
import { acuteAngle, distance } from '../../../src/data/drawn/measured.ts';
import { drawnRows } from '../../../src/data/drawn/rows.ts';
import type { DrawnSlice } from '../../../src/data/drawn/rows.ts';
import type { Conversation } from '../../../src/data/example.ts';
import { unansweredRow } from '../../../src/data/medvision/answerRows.ts';
import { measureLines } from '../../../src/data/medvision/askedMeasure.ts';
import { kindOf, unitOf } from '../../../src/run/report/measures.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-drawn-'));
afterAll(() => rmSync(folder, { recursive: true }));

const slice: DrawnSlice = {
  picture: 'pictures/knee-12.png',
  scan: 'knee-03.nii.gz',
  modality: 'MRI',
  description: 'an MRI scan of the knee',
  pixelSize: [0.5, 0.25],
  height: 80,
  width: 160,
};
const base = { scan: 's1', plane: 'sagittal', slice: 12, landmarks: [] as string[] } as const;
const box: DrawnAnnotation = {
  ...base,
  id: 'a',
  shape: 'box',
  label: ' patella ',
  landmarks: [],
  points: [
    [20, 40],
    [39, 79],
  ],
};
const length: DrawnAnnotation = {
  ...base,
  id: 'b',
  shape: 'distance',
  label: 'joint space',
  landmarks: ['upper edge', 'lower edge'],
  points: [
    [10, 10],
    [16, 26],
  ],
};
const angle: DrawnAnnotation = {
  ...base,
  id: 'c',
  shape: 'angle',
  label: 'Q angle',
  landmarks: ['hip', 'patella', 'patella', 'tibia'],
  points: [
    [0, 0],
    [0, 40],
    [10, 40],
    [0, 80],
  ],
};
const ellipse: DrawnAnnotation = {
  ...base,
  id: 'd',
  shape: 'ellipse',
  label: 'cyst',
  landmarks: [],
  points: [
    [40, 20],
    [40, 60],
    [30, 40],
    [50, 40],
  ],
};
/** A model that sees 160 × 80 as 56 × 28 would: twice as coarse is enough to tell. */
const half = (height: number, width: number): { height: number; width: number } => ({ height: height / 2, width: width / 2 });

async function readBack(rows: readonly object[]): Promise<Conversation[]> {
  const path = join(folder, 'rows.jsonl');
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const found: Conversation[] = [];
  for (const row of rows) found.push(readRow(JSON.parse(JSON.stringify(row)), { where: path, folder }).conversation);
  return found;
}

it('asks and answers in the words of the data set', () => {
  const rows = drawnRows([box, length, angle, ellipse], slice, half);
  const said = rows.map((row) => {
    const [question, answer] = row['messages'] as { content: { type: string; text?: string }[] }[];
    return [question!.content[1]!.text, answer!.content[0]!.text];
  });
  expect(said).toEqual([
    [
      'Task:\nGiven the input medical image: an MRI scan of the knee, return the coordinates of the lower-left and upper-right corner of ' +
        'the bounding box for the patella.\nAdditional information:\nThe image size is 80 pixels (width) x 40 pixels (height).\nFormat ' +
        'requirement:\nThe answer should be four decimal numbers separated by commas without any units, brackets or additional text: x1, ' +
        'y1, x2, y2, where (x1, y1) is the lower-left corner and (x2, y2) is the upper-right corner, relative to the image width and ' +
        'height, with the origin at the lower-left corner of the image.',
      '0.250, 0.500, 0.500, 0.750',
    ],
    [
      'Task:\nGiven the input medical image: an MRI scan of the knee, estimate the distance of joint space in mm, which is the distance ' +
        'between 2 landmark points: (landmark 1) upper edge, (landmark 2) lower edge.\nAdditional information:\nThe image size is 80 ' +
        'pixels (width) x 40 pixels (height).\nThe pixel size for this image is 0.500 mm (width) x 1.000 mm (height).\nFormat ' +
        'requirement:\nThe answer should be a single decimal number without any units or additional text.',
      '5.00', // 6 rows of 0.5 mm, 16 columns of 0.25 mm
    ],
    [expect.stringContaining('estimate the angle of Q angle in degrees'), '26.57'], // atan(5 / 10)
    [expect.stringContaining('major and minor axis lengths of the ellipse enclosing the cyst, in mm.'), '10.00, 10.00'],
  ]);
});

it('is read, scored by structure, and drawn', async () => {
  const conversations = await readBack(drawnRows([box, length, angle, ellipse], slice, half));
  expect(conversations.map(({ task }) => task)).toEqual(['Detection', 'AD', 'AD', 'TL']);
  expect(conversations[0]!.images).toEqual([join(folder, 'pictures/knee-12.png')]);
  const asked = conversations.map((conversation, id) => unansweredRow({ conversation, where: 'rows.jsonl:1' }, id));
  expect(asked.map((row) => [kindOf(row), unitOf(row), row.asked?.group, row.asked?.values])).toEqual([
    ['box', '', 'patella @ MRI (S)', [0.25, 0.5, 0.5, 0.75]],
    ['distance', 'mm', 'joint space @ MRI (S)', [5]],
    ['angle', '°', 'Q angle @ MRI (S)', [26.57]],
    ['ellipse', 'mm', 'cyst @ MRI (S)', [10, 10]],
  ]);
  expect(asked[1]!.doc).toMatchObject({ case_ID: 'knee-03.nii.gz', slice_dim: 0, slice_idx: 12 });
  expect(measureLines(conversations[1]!.measure!)).toEqual([
    [
      { x: 10.5, y: 10.5 },
      { x: 26.5, y: 16.5 },
    ],
  ]);
  expect(conversations.map(({ measure }) => measure?.lines.length)).toEqual([0, 1, 2, 2]);
});

it('measures pixels by their height and width', () => {
  expect(distance([0, 0], [3, 0], [2, 1])).toBe(6);
  expect(distance([0, 0], [3, 4], [1, 1])).toBe(5);
  const lines = (a: [number, number], b: [number, number]): [number, number][] => [[0, 0], a, [5, 5], [5 + b[0], 5 + b[1]]];
  expect(acuteAngle(lines([0, 1], [1, 0]), [1, 1])).toBeCloseTo(90, 12);
  expect(acuteAngle(lines([0, 1], [1, -1]), [1, 1])).toBeCloseTo(45, 12); // of 135: the acute one
  expect(acuteAngle(lines([0, 1], [1, 1]), [2, 1])).toBeCloseTo(63.43494882, 7);
  expect(acuteAngle(lines([1, 1e-9], [1, 0]), [1, 1])).toBeCloseTo(5.729577951e-8, 14); // where an arc cosine says 0
});

describe('without the size of a pixel', () => {
  const unknown = { ...slice, pixelSize: null };
  it('a box is asked for', () => {
    expect(drawnRows([box], unknown, half)[0]!['measure']).not.toHaveProperty('pixel_size');
  });
  it.each([length, angle, ellipse])('no $shape is', (annotation) => {
    expect(() => drawnRows([annotation], unknown, half)).toThrow(
      /^knee-03\.nii\.gz: .* on sagittal slice 12: the size of a pixel of knee-03\.nii\.gz is not known, .* Say how many mm/,
    );
  });
  it('nor with one that is none', () => {
    expect(() => drawnRows([length], { ...slice, pixelSize: [0, 1] }, half)).toThrow(/is 0 × 1 mm/);
  });
});

it.each<[string, Partial<DrawnAnnotation>, RegExp]>([
  [
    'outside',
    {
      points: [
        [20, 40],
        [39, 160],
      ],
    },
    /point 2, row 39, column 160, is outside the slice of 80 rows and 160 columns/,
  ],
  [
    'above',
    {
      points: [
        [-1, 40],
        [39, 79],
      ],
    },
    /point 1, row -1/,
  ],
  [
    'no number',
    {
      points: [
        [NaN, 40],
        [39, 79],
      ],
    },
    /point 1 is \[NaN, 40\]/,
  ],
  ['one point', { points: [[1, 1]] }, /1 points; a box has 2/],
  [
    'turned round',
    {
      points: [
        [39, 79],
        [20, 40],
      ],
    },
    /neither above nor left of its first/,
  ],
  [
    'between pixels',
    {
      points: [
        [20.5, 40],
        [39, 79],
      ],
    },
    /whole numbers/,
  ],
  ['no name', { label: '  ' }, /the name is empty/],
  ['long', { label: 'x'.repeat(201) }, /201 characters; 200 at most/],
  ['two lines', { label: 'a\nb' }, /line break/],
  ['names of points', { landmarks: ['a'] }, /1 names of points; a box has none/],
  ['no slice', { slice: -1 }, /slice -1/],
])('a box that is none: %s', (_, change, message) => {
  expect(() => checkAnnotation({ ...box, ...change }, slice, 'k')).toThrow(message);
});

it('a line of no length is none', () => {
  expect(() =>
    checkAnnotation(
      {
        ...length,
        points: [
          [5, 5],
          [5, 5],
        ],
      },
      slice,
      'k',
    ),
  ).toThrow(/k: both ends of a line/);
  expect(() =>
    checkAnnotation(
      {
        ...ellipse,
        points: [
          [1, 1],
          [2, 2],
          [5, 5],
          [5, 5],
        ],
      },
      slice,
      'k',
    ),
  ).toThrow(/both ends/);
});

describe('the key measure', () => {
  const row = (measure: unknown, task?: string): object => ({
    messages: [
      { role: 'user', content: 'How long?' },
      { role: 'assistant', content: '5' },
    ],
    ...(task !== undefined && { task }),
    measure,
  });
  const read = (measure: unknown, task?: string): Conversation => readRow(row(measure, task), { where: 'f:1', folder: '/' }).conversation;

  it('may be little, and says the task', () => {
    const { measure, task } = read({ kind: 'distance', name: 'femur' });
    expect(task).toBe('AD');
    expect(measure).toEqual({ kind: 'distance', name: 'femur', unit: 'mm', landmarks: [], lines: [] });
  });

  it('is nothing where it is null, as Python fills it', () => {
    for (const nothing of [null, { kind: null, name: null, lines: [] }]) expect(read(nothing)).not.toHaveProperty('measure');
  });

  it('has numbers of Parquet too', () => {
    const { measure } = read({
      kind: 'distance',
      name: 'f',
      lines: [
        [
          [1n, 2n],
          [3n, 4n],
        ],
      ],
      slice: 7n,
      pixel_size: [1, 2],
      image_size: [80, 160],
      unit: 'cm',
    });
    expect(measure).toMatchObject({
      lines: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      slice: 7,
      pixelSize: [1, 2],
      unit: 'cm',
    });
  });

  it.each<[unknown, RegExp]>([
    ['femur', /f:1: measure: an object with "kind" and "name" expected, "femur" found.*rename the key/],
    [{ kind: 'area', name: 'f' }, /f:1: measure\.kind: box, distance, angle, ellipse expected, "area" found/],
    [{ kind: 'box' }, /measure\.name: the name of what is measured expected, nothing found/],
    [{ kind: 'box', name: 3 }, /measure\.name: a text expected, 3 found/],
    [{ kind: 'angle', name: 'f', unit: 'mm' }, /measure\.unit: degrees expected, "mm" found/],
    [{ kind: 'box', name: 'f', unit: 'mm' }, /measure\.unit: no unit expected/],
    [
      {
        kind: 'angle',
        name: 'f',
        lines: [
          [
            [1, 2],
            [3, 4],
          ],
        ],
      },
      /measure\.lines: 2 × \[\[row, column\], \[row, column\]\] expected/,
    ],
    [{ kind: 'distance', name: 'f', lines: [[1, 2, 3, 4]] }, /measure\.lines: 1 ×/],
    [
      {
        kind: 'distance',
        name: 'f',
        lines: [
          [
            [1, 'x'],
            [3, 4],
          ],
        ],
      },
      /measure\.lines/,
    ],
    [{ kind: 'box', name: 'f', image_size: [0, 1] }, /measure\.image_size: pixels of the picture, \[height, width\], expected, \[0,1\] found/],
    [{ kind: 'box', name: 'f', pixel_size: [0, 1] }, /measure\.pixel_size: mm of a pixel, \[height, width\], expected, \[0,1\] found/],
    [{ kind: 'box', name: 'f', plane: 'oblique' }, /measure\.plane: sagittal, coronal, axial expected/],
    [{ kind: 'box', name: 'f', plane: 'constructor' }, /measure\.plane/],
    [{ kind: 'box', name: 'f', slice: 1.5 }, /measure\.slice: a whole number from 0 expected, 1\.5 found/],
    [{ kind: 'box', name: 'f', landmarks: 'a' }, /measure\.landmarks: a list of names expected/],
  ])('%j is refused', (measure, message) => {
    expect(() => read(measure)).toThrow(message);
  });

  it('agrees with the task', () => {
    const conversation = read({ kind: 'box', name: 'femur' }, 'AD');
    expect(() => unansweredRow({ conversation, where: 'f:1' }, 0)).toThrow(/f:1: the task "AD" does not ask for the box .* Detection does/);
  });
});

it('is found by the reader of files', async () => {
  const path = join(folder, 'one.jsonl');
  const [row] = drawnRows([box], slice, half);
  writeFileSync(path, JSON.stringify({ ...row, images: [] }).replace('{"type":"image"},', ''));
  const found = [];
  for await (const { measure } of readConversations(nodePlatform, path)) found.push(measure?.name);
  expect(found).toEqual(['patella']);
});
