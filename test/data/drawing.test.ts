/** Drawing on a raster, to the pixel. */
import { describe, expect, it } from 'vitest';
import { drawLine, drawPoint, drawRectangle, enlarged } from '../../src/data/drawing.ts';
import type { DecodedImage } from '../../src/platform.ts';

const BLANK: [number, number, number] = [9, 9, 9];
const COLOR: [number, number, number] = [1, 2, 3];
const blank = (width: number, height: number): DecodedImage => ({ width, height, data: Uint8Array.from({ length: 3 * width * height }, () => 9) });

/** A row of text for each row of pixels: # painted, . not. */
function pixels({ width, height, data }: DecodedImage): string[] {
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => {
      const pixel = [...data.subarray(3 * (row * width + column), 3 * (row * width + column) + 3)];
      expect([BLANK, COLOR]).toContainEqual(pixel);
      return pixel[0] === COLOR[0] ? '#' : '.';
    }).join(''),
  );
}

function drawn(width: number, height: number, draw: (raster: DecodedImage) => void): string[] {
  const raster = blank(width, height);
  draw(raster);
  return pixels(raster);
}

describe('lines', () => {
  it('go through the middles of pixels', () => {
    const across = drawn(6, 3, (raster) => drawLine(raster, { x: 1.5, y: 1.5 }, { x: 4.5, y: 1.5 }, { color: COLOR, width: 1 }));
    expect(across).toEqual(['......', '.####.', '......']);
    const slanted = drawn(5, 5, (raster) => drawLine(raster, { x: 4.5, y: 0.5 }, { x: 0.5, y: 4.5 }, { color: COLOR, width: 1 }));
    expect(slanted).toEqual(['....#', '...#.', '..#..', '.#...', '#....']);
  });

  it('of width 2 lie on both sides of an edge between pixels', () => {
    const across = drawn(6, 4, (raster) => drawLine(raster, { x: 1, y: 2 }, { x: 5, y: 2 }, { color: COLOR, width: 2 }));
    expect(across).toEqual(['......', '######', '######', '......']);
  });

  it('are cut off at the border, and not drawn where an end is no number', () => {
    const cut = drawn(4, 3, (raster) => drawLine(raster, { x: -90, y: 1.5 }, { x: 2.5, y: 1.5 }, { color: COLOR, width: 1 }));
    expect(cut).toEqual(['....', '###.', '....']);
    const nowhere = drawn(4, 3, (raster) => {
      drawLine(raster, { x: NaN, y: 1 }, { x: 2, y: 1 }, { color: COLOR, width: 1 });
      drawLine(raster, { x: 1, y: 1 }, { x: Infinity, y: 1 }, { color: COLOR, width: 1 });
      drawLine(raster, { x: 1, y: -20 }, { x: 3, y: -10 }, { color: COLOR, width: 3 });
    });
    expect(nowhere).toEqual(['....', '....', '....']);
  });
});

it('rectangles are outlines, their corners in any order', () => {
  const shape = ['........', '.######.', '.#....#.', '.#....#.', '.######.', '........'];
  for (const [left, right, top, bottom] of [[1.5, 6.5, 1.5, 4.5], [6.5, 1.5, 4.5, 1.5]] as const)
    expect(drawn(8, 6, (raster) => drawRectangle(raster, { left, right, top, bottom }, { color: COLOR, width: 1 }))).toEqual(shape);
});

it('points are discs', () => {
  const point = drawn(6, 6, (raster) => drawPoint(raster, { x: 3, y: 3 }, { color: COLOR, width: 4 }));
  expect(point).toEqual(['......', '..##..', '.####.', '.####.', '..##..', '......']);
});

it('an enlarged image has squares for pixels, and a margin', () => {
  const image: DecodedImage = { width: 2, height: 2, data: Uint8Array.of(10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42) };
  const { width, height, data } = enlarged(image, 3, 1);
  expect([width, height]).toEqual([8, 8]);
  const red = Array.from({ length: 8 }, (_, row) => Array.from({ length: 8 }, (_, column) => data[3 * (8 * row + column)]));
  const [upper, lower, none] = [[0, 10, 10, 10, 20, 20, 20, 0], [0, 30, 30, 30, 40, 40, 40, 0], [0, 0, 0, 0, 0, 0, 0, 0]];
  expect(red).toEqual([none, upper, upper, upper, lower, lower, lower, none]);
  expect([...data.subarray(3 * 9, 3 * 10)]).toEqual([10, 11, 12]);
  expect(enlarged(image, 1, 0)).toEqual(image);
});
