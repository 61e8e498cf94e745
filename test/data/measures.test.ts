/** Numbers with their units, of answers that no task tells the form of. */
import { expect, it } from 'vitest';
import { measuresOf } from '../../src/data/medvision/answers.ts';

it.each([
  ['The lesion is 12.5 mm long.', [[12.5, 'mm']]],
  [
    '12 × 9 mm',
    [
      [12, undefined],
      [9, 'mm'],
    ],
  ],
  ['about 1,234.5 millimeters', [[1234.5, 'mm']]],
  [
    'an angle of 35° or 36 degrees',
    [
      [35, 'degrees'],
      [36, 'degrees'],
    ],
  ],
  [
    '3.5 cm^2 and 4 cm³',
    [
      [3.5, 'cm²'],
      [4, 'cm³'],
    ],
  ],
  ['<answer>7 cm</answer> of 9', [[7, 'cm']]],
  [
    '20% of 5 mmol',
    [
      [20, '%'],
      [5, undefined],
    ],
  ],
  ['-5 HU', [[-5, 'HU']]],
  ['nothing to see in T1', []],
] as [string, [number, string | undefined][]][])('%s', (text, expected) => {
  expect(measuresOf(text).map(({ value, unit }) => [value, unit])).toEqual(expected);
});
