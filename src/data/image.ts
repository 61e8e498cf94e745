/**
 * From a decoded image to what the vision tower reads: the reference processor's size rule, its rescaling and normalisation in its own
 * order of float32 roundings, and the cut into patches. The settings come from the model folder's `preprocessor_config.json` or, since
 * transformers 5, from the `image_processor` section of `processor_config.json`.
 */
import { joinPath, UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';
import { asObject, readJsonFile } from './jsonFile.ts';
import type { ResizeFilter } from './resize.ts';

/** Python's `round`: halves go to the even neighbour (350 / 28 = 12.5 → 12, where Math.round gives 13). */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

export interface PixelBounds {
  /** Sides become multiples of this: patch size × merge size. */
  factor: number;
  minPixels: number;
  maxPixels: number;
}

/**
 * The Qwen processors' `smart_resize`: both sides multiples of `factor`, the area within the bounds, the shape kept as well as that allows.
 * @throws UserError when one side is more than 200 times the other, as the reference does
 */
export function smartResize(height: number, width: number, bounds: PixelBounds): { height: number; width: number } {
  const { factor, minPixels, maxPixels } = bounds;
  const ratio = Math.max(height, width) / Math.min(height, width);
  if (!(ratio <= 200)) {
    throw new UserError(
      `Image of ${width}×${height} pixels: the longer side may be at most 200 times the shorter one, it is ${ratio.toFixed(1)} times. ` +
        `Crop it.`,
    );
  }
  const rounded = { height: roundHalfEven(height / factor) * factor, width: roundHalfEven(width / factor) * factor };
  if (rounded.height * rounded.width > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const shrunk = (side: number): number => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { height: shrunk(height), width: shrunk(width) };
  }
  if (rounded.height * rounded.width < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    const grown = (side: number): number => Math.ceil((side * beta) / factor) * factor;
    return { height: grown(height), width: grown(width) };
  }
  return rounded;
}

export interface ImageSettings {
  resize: boolean;
  filter: ResizeFilter;
  /** Undefined where the file asks for no rescaling. */
  rescaleFactor: number | undefined;
  /** Undefined where the file asks for no normalisation; else one value a channel. */
  normalise: { mean: number[]; std: number[] } | undefined;
  /** The file's remaining keys, for the model's own sizes (`patch_size`, `size`, `min_pixels`, …). */
  raw: Readonly<Record<string, unknown>>;
  /** Where they come from, for messages. */
  source: string;
}

/** What an image processor's class has for the keys that its folder leaves out. */
export interface ImageDefaults {
  resample: number;
  mean: number[];
  std: number[];
}

/** CLIP's and Qwen's. */
const CLIP_DEFAULTS: ImageDefaults = { resample: 3, mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
/** PIL's numbers for its filters. */
const FILTERS: Readonly<Record<number, ResizeFilter>> = { 1: 'lanczos', 2: 'bilinear', 3: 'bicubic' };

/** @throws UserError where the folder has no image settings, or some that this code does not reproduce */
export async function loadImageSettings(platform: Platform, dir: string, defaults = CLIP_DEFAULTS): Promise<ImageSettings> {
  const combined = joinPath(dir, 'processor_config.json');
  const alone = joinPath(dir, 'preprocessor_config.json');
  const section = asObject((await readJsonFile(platform, combined))?.['image_processor']);
  if (section !== undefined) return parseImageSettings(section, `${combined} (image_processor)`, defaults);
  const raw = await readJsonFile(platform, alone);
  if (raw === undefined) {
    throw new UserError(
      `${alone}: not found, nor processor_config.json with an image_processor. The model folder must hold one of them; fetch it whole.`,
    );
  }
  return parseImageSettings(raw, alone, defaults);
}

export function parseImageSettings(raw: Readonly<Record<string, unknown>>, source: string, defaults = CLIP_DEFAULTS): ImageSettings {
  const flag = (key: string): boolean => {
    const value = raw[key] ?? true;
    if (typeof value !== 'boolean') throw new UserError(`${source}: ${key} is ${JSON.stringify(value)}; true or false was expected.`);
    return value;
  };
  const channels = (key: string, fallback: number[]): number[] => {
    const value = raw[key] ?? fallback;
    const list: unknown[] = Array.isArray(value) ? value : [value, value, value];
    const numbers = list.filter((item): item is number => typeof item === 'number');
    if (numbers.length !== 3 || list.length !== 3)
      throw new UserError(`${source}: ${key} is ${JSON.stringify(value)}; 3 numbers were expected.`);
    return numbers;
  };
  const resample = raw['resample'] ?? defaults.resample;
  const filter = typeof resample === 'number' ? FILTERS[resample] : undefined;
  if (filter === undefined) {
    throw new UserError(`${source}: resample is ${JSON.stringify(resample)}; 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are supported.`);
  }
  const rescaleFactor = raw['rescale_factor'] ?? 1 / 255;
  if (typeof rescaleFactor !== 'number')
    throw new UserError(`${source}: rescale_factor is ${JSON.stringify(rescaleFactor)}; a number was expected.`);
  return {
    resize: flag('do_resize'),
    filter,
    rescaleFactor: flag('do_rescale') ? rescaleFactor : undefined,
    normalise: flag('do_normalize') ? { mean: channels('image_mean', defaults.mean), std: channels('image_std', defaults.std) } : undefined,
    raw,
    source,
  };
}

/**
 * What each byte of each channel becomes, (3, 256): the PIL processors scale in float64, round to float32, then subtract and divide in
 * float32.
 */
export function pixelTable(settings: Pick<ImageSettings, 'rescaleFactor' | 'normalise'>): Float32Array {
  const table = new Float32Array(3 * 256);
  for (let channel = 0; channel < 3; channel++) {
    const mean = Math.fround(settings.normalise?.mean[channel] ?? 0);
    const std = Math.fround(settings.normalise?.std[channel] ?? 1);
    for (let byte = 0; byte < 256; byte++) {
      const scaled = Math.fround(byte * (settings.rescaleFactor ?? 1));
      table[channel * 256 + byte] = settings.normalise === undefined ? scaled : Math.fround(scaled - mean) / std;
    }
  }
  return table;
}

export interface PatchLayout {
  patchSize: number;
  /** The tower's patches are this many frames deep; a still image is repeated. */
  temporalPatchSize: number;
  /** Patches of a merge × merge block lie side by side, so that the merger reads them as one row. */
  mergeSize: number;
}

/**
 * Cuts an image into patches: `out` receives (h·w, 3 · temporal · patch · patch) row-major, block by merge block.
 * @param image sides are multiples of patchSize × mergeSize
 * @param table `pixelTable`
 * @returns the grid [1, h, w] in patches
 */
export function patchify(image: DecodedImage, table: Float32Array, layout: PatchLayout, out: Float32Array): [number, number, number] {
  const { patchSize: side, temporalPatchSize: frames, mergeSize: merge } = layout;
  const rows = image.height / side;
  const columns = image.width / side;
  if (!Number.isInteger(rows / merge) || !Number.isInteger(columns / merge) || out.length !== rows * columns * 3 * frames * side * side) {
    throw new Error(`patchify: ${image.width}×${image.height} does not fit patches of ${side}, merge ${merge}, into ${out.length} values`);
  }
  let at = 0;
  for (let top = 0; top < rows; top += merge) {
    for (let left = 0; left < columns; left += merge) {
      for (let block = 0; block < merge * merge; block++) {
        const y0 = (top + Math.floor(block / merge)) * side;
        const x0 = (left + (block % merge)) * side;
        for (let channel = 0; channel < 3; channel++) {
          const frameStart = at;
          for (let y = y0; y < y0 + side; y++) {
            let pixel = (y * image.width + x0) * 3 + channel;
            for (let x = 0; x < side; x++, pixel += 3) out[at++] = table[channel * 256 + (image.data[pixel] ?? 0)] ?? 0;
          }
          for (let frame = 1; frame < frames; frame++, at += side * side) out.copyWithin(at, frameStart, frameStart + side * side);
        }
      }
    }
  }
  return [1, rows, columns];
}
