/** From a slice's values to the 8 bits a model sees. */
import type { DecodedImage } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { VolumeSlice } from '../nifti.ts';

/** `--intensity`. window: a window in Hounsfield units for CT, percentile for the rest. */
export type IntensityMode = 'minmax' | 'window' | 'percentile';

/**
 * How the picture of a sample is made. `reference`: minimum to maximum, and what is not finite makes the slice black, as in medvision_bm;
 * `minmax`: the same, but such a slice is an error; `percentile`: from the 0.5th to the 99.5th; or a window, in the volume's units.
 */
export type Intensity = 'reference' | 'minmax' | 'percentile' | { low: number; high: number };

const BONE = { width: 1800, level: 400 };
/** Window width and level in Hounsfield units, the usual ones of radiology, by what is looked for; the rest is soft tissue. */
const WINDOWS: readonly { words: RegExp; width: number; level: number }[] = [
  { words: /\b(lungs?|bronch\w*|trachea|airways?|nodules?)\b/i, width: 1500, level: -600 },
  { words: /\b(brain|cerebr\w*|cerebell\w*|intracranial|stroke|infarct\w*|ventricles?|thalamus|hippocampus)\b/i, width: 80, level: 40 },
  { words: /\b(bones?|ribs?|vertebra\w*|spine|skull|sacrum|sternum|hips?|pelvi[cs]|costal)\b/i, ...BONE },
  { words: /\b(femur\w*|humer\w*|scapula\w*|clavic\w*)\b/i, ...BONE },
  { words: /\b(teeth|tooth|mandible|maxilla|molar|incisor|canine|premolar)\b/i, ...BONE },
];
const SOFT_TISSUE = { width: 400, level: 40 };

/** @param structure name of what is measured; empty for angles and distances */
export function intensityOf(mode: IntensityMode, modality: string, structure: string): Intensity {
  if (mode !== 'window') return mode;
  if (!/^(ct|computed tomography)\b/i.test(modality.trim())) return 'percentile';
  const { width, level } = WINDOWS.find(({ words }) => words.test(structure)) ?? SOFT_TISSUE;
  return { low: level - width / 2, high: level + width / 2 };
}

/** @throws UserError that names the first voxel that is no number or infinite; `where` names the slice */
export function checkFinite({ values, cols }: VolumeSlice, where: string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new UserError(
    `${where}: the voxel in row ${Math.floor(at / cols)}, column ${at % cols} is ${values[at]}. Replace what is not finite in the ` +
      `volume; ` +
      '--prompt_style reference with --intensity minmax makes such slices black, as medvision_bm does.',
  );
}

/** Grey as RGB, (rows, cols); values are cut off (not rounded) to a byte. A slice of one value is black. */
export function sliceToRgb(slice: VolumeSlice, intensity: Intensity = 'reference'): DecodedImage {
  const { rows, cols } = slice;
  const values = new Float32Array(slice.values); // the reference casts nibabel's doubles to float32 first
  const data = new Uint8Array(rows * cols * 3);
  const [low, high] =
    intensity === 'percentile' ? percentiles(values) : typeof intensity === 'object' ? [intensity.low, intensity.high] : extremes(values);
  if (!(high > low)) return { width: cols, height: rows, data };
  const greys = typeof intensity === 'object' || intensity === 'percentile' ? clipped(values, low, high) : stretched(values, low, high);
  for (let i = 0, at = 0; i < greys.length; i++, at += 3) data[at] = data[at + 1] = data[at + 2] = greys[i] ?? 0;
  return { width: cols, height: rows, data };
}

/** NaN where a value is NaN. */
function extremes(values: Float32Array): [number, number] {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    if (Number.isNaN(value)) return [NaN, NaN];
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}

/** The reference's min-max: each step rounds to float32, as numpy does. NaN (from infinities) becomes 0. */
function stretched(values: Float32Array, min: number, max: number): Uint8Array {
  const range = Math.fround(max - min);
  const greys = new Uint8Array(values.length); // `from` with a function is ten times slower than this loop
  for (let i = 0; i < greys.length; i++) greys[i] = Math.trunc(Math.fround(Math.fround(Math.fround((values[i] ?? 0) - min) / range) * 255));
  return greys;
}

/** In double precision. */
function clipped(values: Float32Array, low: number, high: number): Uint8Array {
  const greys = new Uint8Array(values.length);
  for (let i = 0; i < greys.length; i++)
    greys[i] = Math.trunc(((Math.min(Math.max(values[i] ?? 0, low), high) - low) / (high - low)) * 255);
  return greys;
}

/** numpy.percentile(values, [0.5, 99.5]) with linear interpolation; NaN where a value is NaN. */
function percentiles(values: Float32Array): [number, number] {
  if (values.some(Number.isNaN)) return [NaN, NaN];
  const sorted = values.slice().sort();
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? NaN;
    const above = sorted[Math.ceil(place)] ?? NaN;
    return below + (above - below) * (place - Math.floor(place));
  };
  return [at(0.005), at(0.995)];
}
