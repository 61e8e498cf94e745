/** From pixels of a slice to those of the screen and back: in the proportions of the body, zoomed and moved. */
import type { DrawnPoint, SliceSize } from '../../src/data/drawn/annotation.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';

export interface Camera {
  /** 1: the slice fills the view. */
  zoom: number;
  /** What is in the middle of the view, as a share of the slice's height and width. */
  middle: readonly [number, number];
}

export const FITTED: Camera = { zoom: 1, middle: [0.5, 0.5] };
const MOST = 32;

export class SliceView {
  readonly size: SliceSize;
  /** Pixels of the screen that one of the slice takes, down and right. */
  readonly scale: readonly [number, number];
  readonly #camera: Camera;
  readonly #view: { width: number; height: number };

  /** @param pixelSize null: square pixels */
  constructor(size: SliceSize, pixelSize: PixelSize | null, view: { width: number; height: number }, camera: Camera) {
    const [height, width] = pixelSize ?? [1, 1];
    const fit = Math.min(view.height / (size.height * height), view.width / (size.width * width));
    this.size = size;
    this.scale = [fit * camera.zoom * height, fit * camera.zoom * width];
    this.#camera = camera;
    this.#view = view;
  }

  /** [x, y] of a place; whole numbers are the middles of pixels. */
  toScreen([row, column]: DrawnPoint): [number, number] {
    const [middleRow, middleColumn] = this.#camera.middle;
    return [
      this.#view.width / 2 + (column + 0.5 - middleColumn * this.size.width) * this.scale[1],
      this.#view.height / 2 + (row + 0.5 - middleRow * this.size.height) * this.scale[0],
    ];
  }

  toSlice(x: number, y: number): DrawnPoint {
    const [middleRow, middleColumn] = this.#camera.middle;
    return [
      (y - this.#view.height / 2) / this.scale[0] + middleRow * this.size.height - 0.5,
      (x - this.#view.width / 2) / this.scale[1] + middleColumn * this.size.width - 0.5,
    ];
  }

  /** What of the slice is seen. */
  seen(): { top: number; left: number; bottom: number; right: number } {
    const [top, left] = this.toSlice(0, 0);
    const [bottom, right] = this.toSlice(this.#view.width, this.#view.height);
    return {
      top: Math.max(0, top),
      left: Math.max(0, left),
      bottom: Math.min(this.size.height - 1, bottom),
      right: Math.min(this.size.width - 1, right),
    };
  }

  /** Moved by so many pixels of the screen. */
  movedBy(dx: number, dy: number): Camera {
    const [row, column] = this.#camera.middle;
    const clamp = (value: number): number => Math.min(1, Math.max(0, value));
    const middle: Camera['middle'] = [
      clamp(row - dy / this.scale[0] / this.size.height),
      clamp(column - dx / this.scale[1] / this.size.width),
    ];
    return { ...this.#camera, middle };
  }

  /** What lies at a place of the screen stays there. */
  zoomedAt(factor: number, x: number, y: number): Camera {
    const zoom = Math.min(MOST, Math.max(1, this.#camera.zoom * factor));
    if (zoom === 1) return FITTED;
    const actual = zoom / this.#camera.zoom;
    const [row, column] = this.toSlice(x, y);
    const [middleRow, middleColumn] = this.#camera.middle;
    const toward = (at: number, middle: number, size: number): number => {
      const place = (at + 0.5) / size;
      return Math.min(1, Math.max(0, place + (middle - place) / actual));
    };
    return { zoom, middle: [toward(row, middleRow, this.size.height), toward(column, middleColumn, this.size.width)] };
  }
}
