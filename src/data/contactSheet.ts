/** Several pictures as one, for people to look at: the slices of a row beside each other. */
import type { DecodedImage } from '../platform.ts';
import { resizeImage } from './resize.ts';

/** More would be too small to see anything. */
const MOST = 64;
/** Between two pictures, in pixels; grey, which neither air nor bone is. */
const GAP = 2;
const GREY = 96;

/**
 * @param images at least one; of many more than fit, some that are spread over all of them, the first and the last among them
 * @param longest pixels on the longer side of the sheet
 * @returns the sheet, in rows from the upper left, and how many pictures are on it
 */
export function contactSheet(images: readonly DecodedImage[], longest = 1024): { sheet: DecodedImage; shown: number } {
  const shown = Math.min(images.length, MOST);
  const chosen = Array.from({ length: shown }, (_, i) => images[shown === 1 ? 0 : Math.round((i * (images.length - 1)) / (shown - 1))]!);
  const width = Math.max(...chosen.map((image) => image.width));
  const height = Math.max(...chosen.map((image) => image.height));
  const rowsOf = (columns: number): number => Math.ceil(shown / columns);
  const sideOf = (columns: number): number => Math.max(columns * width, rowsOf(columns) * height);
  let columns = 1;
  for (let more = 2; more <= shown; more++) if (sideOf(more) <= sideOf(columns)) columns = more;
  const rows = rowsOf(columns);
  const room = longest - GAP * (Math.max(columns, rows) - 1);
  const scale = Math.min(1, room / sideOf(columns));
  const scaled = (pixels: number): number => Math.max(1, Math.floor(pixels * scale));
  const [cellWidth, cellHeight] = [scaled(width), scaled(height)];
  const sheet = { width: columns * (cellWidth + GAP) - GAP, height: rows * (cellHeight + GAP) - GAP };
  const data = new Uint8Array(3 * sheet.width * sheet.height).fill(GREY);
  for (const [i, image] of chosen.entries()) {
    const small = resizeImage(image, scaled(image.width), scaled(image.height), 'bilinear');
    const left = (i % columns) * (cellWidth + GAP);
    const top = Math.floor(i / columns) * (cellHeight + GAP);
    for (let y = 0; y < small.height; y++) {
      data.set(small.data.subarray(3 * y * small.width, 3 * (y + 1) * small.width), 3 * ((top + y) * sheet.width + left));
    }
  }
  return { sheet: { data, ...sheet }, shown };
}
