/** Lines, rectangles and points on an RGB raster, for pictures that go to a tracker. No antialiasing: a pixel is painted or it is not. */
import type { DecodedImage } from '../platform.ts';

/** Column (x) and row (y) from the upper left corner of the raster, a pixel's middle at half a pixel. */
interface Place {
  x: number;
  y: number;
}

export interface Stroke {
  color: readonly [number, number, number];
  /** Pixels. */
  width: number;
}

/**
 * A copy in which every pixel is a square of `factor`² pixels, with a black margin around.
 * @param factor whole @param margin pixels of the copy; place (x, y) of the image is (margin + factor·x, margin + factor·y) in it
 */
export function enlarged(image: DecodedImage, factor: number, margin: number): DecodedImage {
  const width = image.width * factor + 2 * margin;
  const height = image.height * factor + 2 * margin;
  const data = new Uint8Array(3 * width * height);
  for (let row = 0; row < image.height; row++) {
    const first = 3 * ((margin + row * factor) * width + margin);
    for (let column = 0; column < image.width; column++) {
      const from = 3 * (row * image.width + column);
      for (let i = 0; i < factor; i++) data.set(image.data.subarray(from, from + 3), first + 3 * (column * factor + i));
    }
    const line = data.subarray(first, first + 3 * image.width * factor);
    for (let i = 1; i < factor; i++) data.set(line, first + 3 * width * i);
  }
  return { data, width, height };
}

/**
 * Paints the pixels whose middle is within half the stroke's width of the line, so that ends are round. Nothing for an end that is no
 * number.
 */
export function drawLine(raster: DecodedImage, from: Place, to: Place, { color, width }: Stroke): void {
  const reach = width / 2;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length2 = dx * dx + dy * dy;
  if (!Number.isFinite(length2)) return;
  const firstRow = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach));
  const lastRow = Math.min(raster.height - 1, Math.ceil(Math.max(from.y, to.y) + reach));
  const firstColumn = Math.max(0, Math.floor(Math.min(from.x, to.x) - reach));
  const lastColumn = Math.min(raster.width - 1, Math.ceil(Math.max(from.x, to.x) + reach));
  for (let row = firstRow; row <= lastRow; row++) {
    for (let column = firstColumn; column <= lastColumn; column++) {
      const [px, py] = [column + 0.5 - from.x, row + 0.5 - from.y];
      const along = length2 === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
      if (Math.hypot(px - along * dx, py - along * dy) <= reach) raster.data.set(color, 3 * (row * raster.width + column));
    }
  }
}

/** The outline, half of the stroke on either side of the edges. */
export function drawRectangle(
  raster: DecodedImage,
  edges: { left: number; top: number; right: number; bottom: number },
  stroke: Stroke,
): void {
  const { left, top, right, bottom } = edges;
  const corners = [
    { x: left, y: top },
    { x: right, y: top },
    { x: right, y: bottom },
    { x: left, y: bottom },
    { x: left, y: top },
  ];
  for (const [i, to] of corners.entries()) {
    const from = corners[i - 1];
    if (from) drawLine(raster, from, to, stroke);
  }
}

/** A disc, the stroke's width across. */
export function drawPoint(raster: DecodedImage, at: Place, stroke: Stroke): void {
  drawLine(raster, at, at, stroke);
}
