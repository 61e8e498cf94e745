/** Drawing on the Studio's slices as a hand does. */
import type { Page } from 'playwright-core';

type Pair = readonly [number, number];

/** Two pixels of the slice, [row, column]; its rows and columns; and mm of a row and a column. */
export type Drawn = [from: Pair, to: Pair, size: Pair, mm: Pair];

/** Presses, draws and lets go. */
export async function drawOnPage(page: Page, ...[from, to, [height, width], mm]: Drawn): Promise<void> {
  await page.locator('canvas').scrollIntoViewIfNeeded();
  const box = (await page.locator('canvas').boundingBox())!;
  const scale = Math.min(box.height / (height * mm[0]), box.width / (width * mm[1]));
  const at = ([row, column]: Pair): [number, number] => [
    box.x + box.width / 2 + (column + 0.5 - width / 2) * mm[1] * scale,
    box.y + box.height / 2 + (row + 0.5 - height / 2) * mm[0] * scale,
  ];
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at([(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]));
  await page.mouse.move(...at(to));
  await page.mouse.up();
}
