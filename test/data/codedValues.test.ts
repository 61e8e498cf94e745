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

/** Odd ones, and some whose pixels go by fours where a picture is transposed. */
const SIZES = [
  [37, 41],
  [36, 40],
  [70, 68],
] as const;
const INTENSITIES: Intensity[] = ['reference', 'minmax', 'percentile', 'ct_rgb', { low: -160, high: 240 }, { low: 5, high: 5 }];
/** Of a plane that is stored as the picture, or with its rows as columns. */
const turnsOf = (rows: number, cols: number): Record<string, Turn | undefined> => ({
  none: undefined,
  transposed: { rows, cols, byRow: 1, byCol: rows },
  'transposed and turned': { rows, cols, byRow: -1, byCol: -rows },
  'transposed, rows turned': { rows, cols, byRow: -1, byCol: rows },
  'rows turned': { rows, cols, byRow: -cols, byCol: 1 },
});
const slope = 0.7;

function codesOf(spread: number, pixels: number): Uint16Array {
  return Uint16Array.from({ length: pixels }, (_, i) => (i * 7919 + ((i * i) % 311)) % spread);
}

/** Signed patterns with an offset: codes do not rise with their values. */
function meanings(last = 1): Float64Array {
  const all = Float64Array.from({ length: CODES }, (_, code) => (code > 32_767 ? code - 65_536 : code) * slope - 300);
  all[CODES - 1] = last;
  return all;
}

function planeOf({ codes, meanings: means, turn }: CodedValues): Float64Array {
  const plane = Float64Array.from(codes, (code) => means[code] ?? NaN);
  return turn === undefined ? plane : turned(plane, new Float64Array(codes.length), turn);
}

const LAST_PLACE = 100;

function reference(plane: Float64Array, { rows, cols, byRow, byCol }: Turn): Float64Array {
  const start = (byRow < 0 ? -byRow * (rows - 1) : 0) + (byCol < 0 ? -byCol * (cols - 1) : 0);
  return plane.map((_, i) => plane[start + Math.floor(i / cols) * byRow + (i % cols) * byCol] ?? NaN);
}

const CASES = SIZES.flatMap(([rows, cols]) => Object.entries(turnsOf(rows, cols)).map(([name, turn]) => ({ rows, cols, name, turn })));

describe.each(CASES)('codes, $rows×$cols, $name', ({ rows, cols, turn }) => {
  it.each(INTENSITIES)('%o', (intensity) => {
    for (const spread of [3, 900, 65_535]) {
      const coded: CodedValues = { codes: codesOf(spread, rows * cols), meanings: meanings(), isFinite: true, ...(turn && { turn }) };
      const values = planeOf(coded);
      const plain = sliceToRgb({ values, rows, cols }, intensity);
      const own = sliceToRgb({ values: new Float64Array(0), coded, rows, cols }, intensity);
      expect(own.data).toEqual(plain.data);
      own.release?.(); // the next one is drawn into its memory
      expect([own.width, own.height]).toEqual([cols, rows]);
      if (intensity !== INTENSITIES.at(-1) && spread > 3) expect(new Set(own.data).size).toBeGreaterThan(1);
    }
  });

  it.runIf(turn)('turns a plane as the steps say', () => {
    const plane = Float64Array.from({ length: rows * cols }, (__, i) => i);
    if (turn) expect(turned(plane, new Float64Array(rows * cols), turn)).toEqual(reference(plane, turn));
  });

  it.each([NaN, Infinity])('says where %s is', (last) => {
    const codes = codesOf(900, rows * cols);
    codes[LAST_PLACE] = CODES - 1;
    const coded: CodedValues = { codes, meanings: meanings(last), isFinite: false, ...(turn && { turn }) };
    const values = planeOf(coded);
    const at = values.findIndex((value) => !Number.isFinite(value));
    expect(at).toBeGreaterThanOrEqual(0);
    const slice = { values, coded, rows, cols };
    expect(() => checkFinite(slice, 'it')).toThrow(`row ${Math.floor(at / cols)}, column ${at % cols} is ${last}`);
    expect(sliceToRgb(slice, 'reference').data).toEqual(sliceToRgb({ values, rows, cols }, 'reference').data);
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
