/** Slices as codes and their meanings give the bytes that their values give, whatever way they are turned and shown. */
import { describe, expect, it } from 'vitest';
import { CODES, turned } from '../../src/data/codedValues.ts';
import type { CodedValues, Turn } from '../../src/data/codedValues.ts';
import { checkFinite, sliceToRgb } from '../../src/data/medvision/intensity.ts';
import type { Intensity } from '../../src/data/medvision/intensity.ts';
import { factsOf } from '../../src/data/dicom/facts.ts';
import { readDicomFile } from '../../src/data/dicom/file.ts';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { PatternTable } from '../../src/data/dicom/patternTable.ts';
import { fileInMemory } from '../../src/platform.ts';
import { dicomFile } from './dicomFile.ts';

const [ROWS, COLS] = [37, 41];
const INTENSITIES: Intensity[] = ['reference', 'minmax', 'percentile', 'ct_rgb', { low: -160, high: 240 }, { low: 5, high: 5 }];
/** Of a stored plane of 41 rows and 37 columns, or of 37 rows and 41 columns. */
const TURNS: Record<string, Turn | undefined> = {
  none: undefined,
  transposed: { rows: ROWS, cols: COLS, byRow: 1, byCol: ROWS },
  'transposed and turned': { rows: ROWS, cols: COLS, byRow: -1, byCol: -ROWS },
  'rows turned': { rows: ROWS, cols: COLS, byRow: -COLS, byCol: 1 },
};
const slope = 0.7;

function codesOf(spread: number): Uint16Array {
  return Uint16Array.from({ length: ROWS * COLS }, (_, i) => (i * 7919 + ((i * i) % 311)) % spread);
}

/** Signed patterns with an offset: codes do not rise with their values. */
function meanings(last = 1): Float64Array {
  const all = Float64Array.from({ length: CODES }, (_, code) => (code > 32_767 ? code - 65_536 : code) * slope - 300);
  all[CODES - 1] = last;
  return all;
}

function planeOf({ codes, meanings: means, turn }: CodedValues): Float64Array {
  const plane = Float64Array.from(codes, (code) => means[code] ?? NaN);
  return turn === undefined ? plane : turned(plane, new Float64Array(ROWS * COLS), turn);
}

const LAST_PLACE = 100;

function reference(plane: Float64Array, turn: Turn): Float64Array {
  const start = (turn.byRow < 0 ? -turn.byRow * (ROWS - 1) : 0) + (turn.byCol < 0 ? -turn.byCol * (COLS - 1) : 0);
  return Float64Array.from(
    { length: ROWS * COLS },
    (_, i) => plane[start + Math.floor(i / COLS) * turn.byRow + (i % COLS) * turn.byCol] ?? NaN,
  );
}

describe.each(Object.entries(TURNS))('codes, %s', (_, turn) => {
  it.each(INTENSITIES)('%o', (intensity) => {
    for (const spread of [3, 900, 65_535]) {
      const coded: CodedValues = { codes: codesOf(spread), meanings: meanings(), isFinite: true, ...(turn && { turn }) };
      const values = planeOf(coded);
      const plain = sliceToRgb({ values, rows: ROWS, cols: COLS }, intensity);
      const own = sliceToRgb({ values: new Float64Array(0), coded, rows: ROWS, cols: COLS }, intensity);
      expect(own.data).toEqual(plain.data);
      expect([own.width, own.height]).toEqual([COLS, ROWS]);
      if (intensity !== INTENSITIES.at(-1) && spread > 3) expect(new Set(own.data).size).toBeGreaterThan(1);
    }
  });

  it.runIf(turn)('turns a plane as the steps say', () => {
    const plane = Float64Array.from({ length: ROWS * COLS }, (__, i) => i);
    if (turn) expect(turned(plane, new Float64Array(ROWS * COLS), turn)).toEqual(reference(plane, turn));
  });

  it.each([NaN, Infinity])('says where %s is', (last) => {
    const codes = codesOf(900);
    codes[LAST_PLACE] = CODES - 1;
    const coded: CodedValues = { codes, meanings: meanings(last), isFinite: false, ...(turn && { turn }) };
    const values = planeOf(coded);
    const at = values.findIndex((value) => !Number.isFinite(value));
    expect(at).toBeGreaterThanOrEqual(0);
    const slice = { values, coded, rows: ROWS, cols: COLS };
    expect(() => checkFinite(slice, 'it')).toThrow(`row ${Math.floor(at / COLS)}, column ${at % COLS} is ${last}`);
    expect(sliceToRgb(slice, 'reference').data).toEqual(sliceToRgb({ values, rows: ROWS, cols: COLS }, 'reference').data);
  });
});

it('frames of one file with tables of their own are shown by their own', async () => {
  const bytes = dicomFile({
    rows: 1,
    columns: 4,
    values: Int16Array.of(0, 1, 2, 3),
    position: [0, 0, 0],
    orientation: [1, 0, 0, 0, 1, 0],
    spacing: [1, 1],
    instance: 1,
  });
  const facts = factsOf(await readDicomFile(fileInMemory('a.dcm', bytes)), DICOM_LIMITS);
  const [frame] = facts?.frames ?? [];
  if (frame === undefined) throw new Error('no frame');
  const shownBy = (entries: number[], last?: PatternTable): [PatternTable, number[]] => {
    const table = PatternTable.of(last, { ...frame, voi: { kind: 'table', table: { first: 0, bits: 8, entries } } });
    if (table === undefined) throw new Error('no table');
    return [table, [...(table.shown(table.coded(new Uint8Array(Uint16Array.of(0, 1, 2, 3).buffer))) ?? [])]];
  };
  const [first, levels] = shownBy([10, 20, 30, 40]);
  expect(levels).toEqual([10, 20, 30, 40]);
  expect(shownBy([40, 30, 20, 10], first)[1]).toEqual([40, 30, 20, 10]);
});
