/** Pictures side by side on one sheet. */
import { expect, it } from 'vitest';
import { contactSheet } from '../../src/data/contactSheet.ts';
import type { DecodedImage } from '../../src/platform.ts';

const plain = (level: number, width = 512, height = 512): DecodedImage => ({ data: new Uint8Array(3 * width * height).fill(level), width, height });

/** The levels in the middle of the cells, row by row. */
function levels({ data, width, height }: DecodedImage, columns: number, rows: number): number[] {
  return Array.from({ length: columns * rows }, (_, i) => {
    const x = Math.floor(((i % columns) + 0.5) * (width / columns));
    const y = Math.floor((Math.floor(i / columns) + 0.5) * (height / rows));
    return data[3 * (y * width + x)]!;
  });
}

it('40 slices are rows from the upper left, within the longest side', () => {
  const { sheet, shown } = contactSheet(Array.from({ length: 40 }, (_, i) => plain(100 + i)), 800);
  expect(shown).toBe(40);
  expect(Math.max(sheet.width, sheet.height)).toBeLessThanOrEqual(800);
  expect(Math.max(sheet.width, sheet.height)).toBeGreaterThan(780);
  expect(levels(sheet, 7, 6)).toEqual([...Array.from({ length: 40 }, (_, i) => 100 + i), 96, 96]);
});

it('of more than 64, some from the first to the last', () => {
  const { sheet, shown } = contactSheet(Array.from({ length: 127 }, (_, i) => plain(i, 8, 8)));
  expect(shown).toBe(64);
  expect([sheet.width, sheet.height]).toEqual([78, 78]); // nothing is enlarged
  expect(levels(sheet, 8, 8)).toEqual(Array.from({ length: 64 }, (_, i) => 2 * i));
});

it('pictures of unlike sizes keep their proportions', () => {
  const { sheet } = contactSheet([plain(200, 100, 50), plain(150, 50, 100)], 100);
  // Cells of 49 pixels; the second picture is half as wide as its cell.
  expect([sheet.width, sheet.height]).toEqual([100, 49]);
  expect([...sheet.data].filter((level) => level === 200)).toHaveLength(3 * 49 * 24);
  expect([...sheet.data].filter((level) => level === 150)).toHaveLength(3 * 24 * 49);
});
