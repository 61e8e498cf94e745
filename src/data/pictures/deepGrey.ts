/**
 * Greys of more than 8 bits (X-rays, masks, depth maps) in the 8 bits a model sees. Pillow's convert('RGB') cuts off at 255, so that most
 * of an X-ray is white; transformers trains on that, and so does the default, which says so. The other ways keep what the picture shows.
 */
import type { SixteenBit } from '../../platform.ts';

export interface DeepGrey {
  width: number;
  height: number;
  /** (height, width) as stored. */
  values: Uint16Array | Int16Array | Float64Array;
  kind: 'uint16' | 'int16' | 'other integer' | 'float';
}

/** RGB, and which share of the pixels `clip` changed (cut off at 0 or 255, or of a fraction cut to a whole number). */
export function deepGreyToRgb(grey: DeepGrey, way: SixteenBit): { width: number; height: number; data: Uint8Array; lostShare: number } {
  const { width, height, values, kind } = grey;
  const [low, high] = way === 'scale' ? fullRange(values, kind) : way === 'window' ? percentiles(values) : [0, 255];
  const data = new Uint8Array(values.length * 3);
  const factor = high > low ? 255 / (high - low) : 0;
  let lost = 0;
  for (let i = 0, to = 0; i < values.length; i++, to += 3) {
    const value = values[i]!;
    let level: number;
    if (way === 'clip') {
      level = value >= 255 ? 255 : value > 0 ? Math.trunc(value) : 0; // NaN is 0
      if (level !== value) lost++;
    } else if (Number.isNaN(value)) level = 0;
    else if (factor === 0) level = value > high ? 255 : 0;
    else level = Math.floor((Math.min(Math.max(value, low), high) - low) * factor + 0.5);
    data[to] = data[to + 1] = data[to + 2] = level;
  }
  return { width, height, data, lostShare: lost / values.length };
}

function fullRange(values: DeepGrey['values'], kind: DeepGrey['kind']): [number, number] {
  if (kind === 'uint16') return [0, 65535];
  if (kind === 'int16') return [-32768, 32767];
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** numpy.percentile(values, [0.5, 99.5]) of the finite ones, with linear interpolation. */
function percentiles(values: DeepGrey['values']): [number, number] {
  const sorted = values.filter(Number.isFinite).sort();
  if (sorted.length === 0) return [Infinity, -Infinity];
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)]!;
    return below + (sorted[Math.ceil(place)]! - below) * (place - Math.floor(place));
  };
  return [at(0.005), at(0.995)];
}
