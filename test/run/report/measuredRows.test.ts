/** Rows of a file that say what they measure are shown in a report as MedVision's are: by structure, in mm, with boxes and lines. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readRow } from '../../../src/data/conversations/row.ts';
import type { DrawnAnnotation } from '../../../src/data/drawn/annotation.ts';
import { drawnRows } from '../../../src/data/drawn/rows.ts';
import type { Processor } from '../../../src/data/example.ts';
import type { RowRequest } from '../../../src/data/exampleMaker.ts';
import { scoreRow } from '../../../src/data/medvision/answerRows.ts';
import { openRowView } from '../../../src/run/inputs/scenes.ts';
import { gatherPictures } from '../../../src/run/report/gatherPictures.ts';
import { structuresOf } from '../../../src/run/report/structures.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-measured-'));
afterAll(() => rmSync(folder, { recursive: true }));

const on = { scan: 's1', plane: 'axial', slice: 4 } as const;
const drawn: DrawnAnnotation[] = [
  {
    ...on,
    id: 'a',
    shape: 'box',
    label: 'femur <b>',
    landmarks: [],
    points: [
      [10, 10],
      [19, 29],
    ],
  },
  {
    ...on,
    id: 'b',
    shape: 'distance',
    label: 'joint space',
    landmarks: ['upper', 'lower'],
    points: [
      [10, 10],
      [20, 10],
    ],
  },
];
const answers = ['0.250, 0.500, 0.500, 0.750', '25.00'];

it('of several pictures all are shown, without a box: which one it is in is not known', async () => {
  const names = await Promise.all(
    [40, 120, 200].map(async (level) => {
      await nodePlatform.writeFile(
        join(folder, `${level}.png`),
        await nodePlatform.encodePng(new Uint8Array(40 * 40 * 3).fill(level), 40, 40, 3),
      );
      return `${level}.png`;
    }),
  );
  const content = [...names.map(() => ({ type: 'image' })), { type: 'text', text: 'Where is the femur?' }];
  const messages = [
    { role: 'user', content },
    { role: 'assistant', content: '0.250, 0.500, 0.500, 0.750' },
  ];
  const { conversation } = readRow({ id: 'knee', task: 'Detection', images: names, messages }, { where: 'rows.jsonl:1', folder });
  const request: RowRequest = { kind: 'conversation', conversation, where: 'rows.jsonl:1' };
  const view = openRowView({ platform: nodePlatform, options: { sixteen_bit: 'clip', planner_version: null } }, {}, {} as Processor);
  const row = scoreRow({ ...(await view.row(request, 0)), response: answers[0]!, facts: {} }, 'robust');
  expect(row.score?.box?.iou).toBe(1);
  const { image, isSheet } = (await view.scene(request))!;
  expect([isSheet, image.width, image.height]).toEqual([true, 82, 82]); // two by two
  expect([82 * 20 + 20, 82 * 20 + 62, 82 * 62 + 20].map((pixel) => image.data[3 * pixel])).toEqual([40, 120, 200]);
  const { cards } = await gatherPictures(nodePlatform, view, [{ request, row }], [folder], 'finished');
  expect(cards.map(({ drawing, place }) => [drawing.marks, place])).toEqual([[[], 'rows.jsonl:1: 3 pictures']]);
});

it('in pictures and in the table of structures', async () => {
  writeFileSync(join(folder, 'p.png'), await nodePlatform.encodePng(new Uint8Array(40 * 40 * 3).fill(90), 40, 40, 3));
  const slice = {
    picture: 'p.png',
    scan: 'knee.nii.gz',
    modality: 'MRI',
    description: '',
    pixelSize: [2, 0.5] as const,
    height: 40,
    width: 40,
  };
  const rows = drawnRows(drawn, slice, (height, width) => ({ height, width }));
  const requests = rows.map((row, i): RowRequest => {
    const { conversation, where } = readRow(row, { where: `rows.jsonl:${i + 1}`, folder });
    return { kind: 'conversation', conversation, where };
  });
  const context = { platform: nodePlatform, options: { sixteen_bit: 'clip' as const, planner_version: null } };
  const view = openRowView(context, {}, {} as Processor); // nothing is tokenized
  const scored = await Promise.all(
    requests.map(async (request, id) => scoreRow({ ...(await view.row(request, id)), response: answers[id] ?? '', facts: {} }, 'robust')),
  );
  expect(scored[0]!.score?.box?.iou).toBeCloseTo(0.5, 6); // the left half of columns 10 to 29
  expect(scored[1]!.score?.mae).toBeCloseTo(5, 9); // 10 rows of 2 mm
  expect(structuresOf(scored, 'distance')).toMatchObject([{ group: 'joint space @ MRI (A)', unit: 'mm', figures: { avgMAE: 5 } }]);
  expect(structuresOf(scored, 'box')).toMatchObject([{ group: 'femur <b> @ MRI (A)' }]);

  const asked = requests.map((request, id) => ({ request, row: scored[id]! }));
  const { cards, note } = await gatherPictures(nodePlatform, view, asked, [folder], 'finished');
  expect(note).toBeUndefined();
  expect(cards.map(({ heading, place }) => [heading, place])).toEqual([
    ['Box: femur <b>', 'knee.nii.gz, axial slice 4'],
    ['Distance in mm: joint space', 'knee.nii.gz, axial slice 4'],
  ]);
  const [box, length] = cards;
  expect([box!.drawing.width, box!.drawing.height]).toEqual([20, 80]); // mm
  expect(box!.drawing.marks).toContainEqual({ of: 'truth', kind: 'box', x: 5, y: 20, width: 10, height: 20 });
  expect(length!.drawing.marks).toContainEqual({
    of: 'truth',
    kind: 'path',
    hasEnds: true,
    points: [
      [5.25, 21],
      [5.25, 41],
    ],
  });
  // The answer, from the first landmark on: 25 mm.
  expect(length!.drawing.marks).toContainEqual({
    of: 'after',
    kind: 'path',
    hasEnds: false,
    points: [
      [5.25, 21],
      [5.25, 46],
    ],
  });
  expect(cards.map(({ answers: said }) => said[0]?.score)).toEqual(['IoU 0.50', 'off by 5.00 mm']);
});
