/** Boxes and landmarks as COCO, LabelMe and 3D Slicer write them: every kind of shape, and the words and points that are easily misread. */
import { describe, expect, it } from 'vitest';
import { readBoxFile } from '../../src/data/making/boxFiles.ts';
import { detectionOfBoxes } from '../../src/data/making/cases.ts';
import type { Stored } from '../../src/data/making/caseVolume.ts';
import { readDescription } from '../../src/data/making/description.ts';
import { readFcsv, readMarkups } from '../../src/data/making/landmarkFiles.ts';

const labelMe = (shape_type: string, points: number[][]): unknown => ({
  imagePath: 'a.png',
  imageHeight: 40,
  imageWidth: 60,
  shapes: [{ label: 'nodule', shape_type, points }],
});

describe('LabelMe', () => {
  it.each<[string, number[][], { min: number[]; max: number[] }]>([
    ['rectangle', [[30, 20], [9, 4]], { min: [4, 9], max: [19, 29] }],
    ['polygon', [[9.5, 8], [30, 20.25], [12, 4]], { min: [4, 9], max: [20, 29] }],
    ['circle', [[20, 15], [23, 19]], { min: [10, 15], max: [19, 24] }],
    ['mask', [[9, 4], [29, 19]], { min: [4, 9], max: [19, 29] }],
  ])('a %s', (type, points, box) => expect(readBoxFile(labelMe(type, points), 'a.json')[0]?.boxes).toMatchObject([box])); // prettier-ignore

  it.each<[string, number[][], RegExp]>([
    ['linestrip', [[1, 1], [5, 5]], /a\.json: shapes\[0\]: a linestrip, which has no area\./],
    ['polygon', [[1, 1], [5, 5]], /shapes\[0\]\.points: 2; a polygon has 3 at least\./],
    ['circle', [[2, 20], [9, 20]], /the box \(rows 13 to 27, columns -5 to 9\) is empty or not inside the picture of 40×60/],
  ])('refuses a %s of that kind', (type, points, words) => expect(() => readBoxFile(labelMe(type, points), 'a.json')).toThrow(words)); // prettier-ignore
});

it('COCO: of a crowd’s label a picture has no boxes; masks of runs and polygons are beside them', () => {
  const found = readBoxFile(
    {
      images: [{ id: 1, file_name: 'a.png', width: 60, height: 40 }],
      categories: [{ id: 0, name: 'nodule' }, { id: 4, name: 'rib' }],
      annotations: [
        { image_id: 1, category_id: 0, bbox: [2, 3, 10, 12], iscrowd: 0, segmentation: [[2, 3, 12, 3, 12, 15]] },
        { image_id: 1, category_id: 4, bbox: [1, 1, 10, 10], iscrowd: 0 },
        { image_id: 1, category_id: 4, bbox: [0, 0, 60, 40], iscrowd: 1, segmentation: { size: [40, 60], counts: [0, 2400] } },
      ],
    },
    'coco.json',
  ); // prettier-ignore
  expect(found).toEqual([{ file: 'a.png', boxes: [{ name: 'nodule', min: [3, 2], max: [14, 11], on: [40, 60] }], crowds: ['rib'] }]);
});

describe('boxes of another picture', () => {
  const [one] = readBoxFile(labelMe('rectangle', [[9, 4], [30, 20]]), 'a.json'); // prettier-ignore
  const stored = (shape: [number, number, number], isPicture: boolean): Stored => ({
    ...{ shape, isPicture, isUnitless: true, isPlaceless: false, notes: [], bytes: new Uint8Array() },
    space: { shape, zooms: [1, 1, 1], affine: [], axes: [0, 1, 2], flips: [false, false, false] } as unknown as Stored['space'],
  });
  const boxesOn = (image: Stored): unknown => detectionOfBoxes(one?.boxes ?? [], { labels: new Map([[1, 'nodule']]) }, image, 'a.png');

  it('are refused: another size, another side up, a volume', () => {
    expect(boxesOn(stored([40, 60, 1], true))).toMatchObject({ profile_3D: [{ label: 1 }] });
    expect(() => boxesOn(stored([80, 120, 1], true))).toThrow(
      /its boxes were drawn on 40×60 pixels \(height × width\); the picture has 80×120\./,
    );
    expect(() => boxesOn(stored([60, 40, 1], true))).toThrow(/the picture has 60×40\./);
    expect(() => boxesOn(stored([40, 60, 9], false))).toThrow(/boxes are drawn on pictures, and this is a volume\./);
  });
});

const known = readDescription(
  {
    dataset: 'Marks',
    landmarks_map: { P1: 'tip, upper', P2: 'the "base"', P3: 'end' },
    angles: [{ name: 'corner', between: [['P2', 'P1'], ['P2', 'P3']] }],
  },
  'labels.json',
); // prettier-ignore

it('Slicer’s fcsv: labels in quotes, and points that were never placed', () => {
  const text = [
    '# Markups fiducial file version = 5.2',
    '# CoordinateSystem = LPS',
    '# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID',
    '1,1.5,2,3,0,0,0,1,1,1,0,"tip, upper","said ""so"", twice",,2,0',
    '2,4,5,6,0,0,0,1,1,1,0,"the ""base""",,vtkMRMLScalarVolumeNode1,2,0',
    '3,0,0,0,0,0,0,1,1,1,0,end,,,0,0',
  ].join('\n');
  expect(readFcsv(text, known, 'k.fcsv').map(({ key, place }) => [key, place])).toEqual([
    ['P1', [1.5, 2, 3]],
    ['P2', [4, 5, 6]],
  ]);
});

it.each<[string, string[][], string[]]>([
  ['second', [['P1', 'P2'], ['P2', 'P3']], ['P1', 'P2', 'P3']],
  ['first', [['P2', 'P1'], ['P2', 'P3']], ['P1', 'P2', 'P3']],
  ['first of one and last of the other', [['P2', 'P1'], ['P3', 'P2']], ['P1', 'P2', 'P3']],
  ['last', [['P1', 'P3'], ['P2', 'P3']], ['P1', 'P3', 'P2']],
])('Slicer’s angle has its vertex in the middle, wherever the labels file names it: %s', (_, between, keys) => {
  const described = readDescription({ dataset: 'A', landmarks_map: { P1: 'a', P2: 'b', P3: 'c' }, angles: [{ name: 'corner', between }] }, 'l');
  const controlPoints = [[0, 0, 0], [1, 0, 0], [1, 1, 0]].map((position) => ({ label: 'A', position })); // prettier-ignore
  const found = readMarkups({ markups: [{ type: 'Angle', controlPoints }] }, described, 'corner', 'k.mrk.json');
  expect(found.map(({ key }) => key)).toEqual(keys);
  expect(found[1]?.place).toEqual([1, 0, 0]);
}); // prettier-ignore
