/**
 * How Idefics3's image processor (and SmolVLM's, which is the same) cuts a picture into tiles: the sizes alone, and the pixels. A picture
 * is enlarged or shrunk until its longer side is so and so long, stretched to whole tiles, cut, and once more stretched to one tile, the
 * global view. Every step is Pillow's resampling of bytes, one after the other: doing two at once gives other pixels.
 */
import { resizeImage } from '../../data/resize.ts';
import type { ResizeFilter } from '../../data/resize.ts';
import { UserError } from '../../platform.ts';
import type { DecodedImage } from '../../platform.ts';

export interface Size {
  height: number;
  width: number;
}

export interface TileRules {
  /** What every picture is brought to first: a longer side, or a size; undefined: it stays as it is. */
  first: { longestEdge: number } | Size | undefined;
  /** Else the picture becomes one tile. */
  isSplit: boolean;
  /** Side of a tile, in pixels. */
  side: number;
}

export interface Tiling {
  first: Size;
  /** Whole tiles. */
  stretched: Size;
  /** Of tiles; both 0 where the picture is one tile, which is then the global view alone. */
  rows: number;
  columns: number;
}

/** MAX_IMAGE_SIZE of the image processor. */
const LONGEST = 4096;

/** @throws UserError where a side would become 0, which transformers does not compute either */
export function tiling({ height, width }: Size, { first: rule, isSplit, side }: TileRules): Tiling {
  const size = { height, width };
  const first = rule === undefined ? size : 'longestEdge' in rule ? belowUpperBound(rescaled(size, rule.longestEdge)) : rule;
  if (!isSplit) return { first, stretched: { height: side, width: side }, rows: 0, columns: 0 };
  const stretched = wholeTiles(first, side);
  if (stretched.height < 1 || stretched.width < 1)
    throw new UserError(`Image of ${width}×${height} pixels: it is too elongated, one side would be left with nothing. Crop it.`);
  if (stretched.height <= side && stretched.width <= side) return { first, stretched, rows: 0, columns: 0 };
  return { first, stretched, rows: stretched.height / side, columns: stretched.width / side };
}

/** _resize_output_size_rescale_to_max_len: the longer side becomes `edge`, the shorter one an even number. */
function rescaled({ height, width }: Size, edge: number): Size {
  const ratio = width / height;
  const even = (value: number): number => Math.max(1, Math.trunc(value) + (Math.trunc(value) % 2));
  return width >= height ? { width: edge, height: even(edge / ratio) } : { height: edge, width: even(edge * ratio) };
}

/** _resize_output_size_scale_below_upper_bound */
function belowUpperBound(size: Size): Size {
  const { height, width } = size;
  if (Math.max(height, width) <= LONGEST) return size;
  const ratio = width / height;
  const whole = (value: number): number => Math.max(1, Math.trunc(value));
  return width >= height ? { width: LONGEST, height: whole(LONGEST / ratio) } : { height: LONGEST, width: whole(LONGEST * ratio) };
}

/** resize_for_vision_encoder: the longer side to whole tiles, the shorter one after it, then to whole tiles too. */
function wholeTiles({ height, width }: Size, side: number): Size {
  const ratio = width / height;
  const whole = (value: number): number => Math.ceil(value / side) * side;
  if (width >= height) {
    const wide = whole(width);
    return { width: wide, height: whole(Math.trunc(wide / ratio)) };
  }
  const high = whole(height);
  return { height: high, width: whole(Math.trunc(high * ratio)) };
}

/** The tiles of a picture row by row, then the global view: squares of `side` pixels. */
export function tilesOf(image: DecodedImage, rules: TileRules, filter: ResizeFilter): DecodedImage[] {
  const { first, stretched, rows, columns } = tiling(image, rules);
  const { side } = rules;
  const whole = resizeImage(resizeImage(image, first.width, first.height, filter), stretched.width, stretched.height, filter);
  if (rows === 0) return [whole];
  const tiles = Array.from({ length: rows * columns }, (_, i) => {
    return cropped(whole, (i % columns) * side, Math.floor(i / columns) * side, side);
  });
  return [...tiles, resizeImage(whole, side, side, filter)];
}

/** The square of `side` pixels with this corner. */
export function cropped(image: DecodedImage, left: number, top: number, side: number): DecodedImage {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + side * 3), y * side * 3);
  }
  return { width: side, height: side, data };
}
