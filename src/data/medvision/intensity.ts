/** From a slice's values to the 8 bits a model sees. */
import type { DecodedImage } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import { CODES, distinctValues, greyToRgb, levelsOf } from '../codedValues.ts';
import type { CodedValues } from '../codedValues.ts';
import type { VolumeSlice } from '../nifti.ts';

/** `--intensity`. window: a window in Hounsfield units for CT, percentile for the rest; ct_rgb: three windows of CT as red, green, blue. */
export const INTENSITY_MODES = ['minmax', 'window', 'percentile', 'ct_rgb'] as const;
export type IntensityMode = (typeof INTENSITY_MODES)[number];

/** Where nobody chooses, of a scan that is drawn on. */
export const BY_MODALITY = 'window' satisfies IntensityMode;

/**
 * How the picture of a sample is made. `reference`: minimum to maximum, and what is not finite makes the slice black, as in medvision_bm;
 * `minmax`: the same, but such a slice is an error; `percentile`: from the 0.5th to the 99.5th; `ct_rgb`: `CT_RGB`; or
 * a window, in the volume's units.
 */
export type Intensity = 'reference' | 'minmax' | 'percentile' | 'ct_rgb' | Window;

/** What is black and what is white, in the volume's units. */
export interface Window {
  low: number;
  high: number;
}

/** What is chosen for a scan: a way to find it, or a window of one's own. */
export type IntensityChoice = IntensityMode | Window;

/** Window width and level in Hounsfield units, the usual ones of radiology. */
export const CT_WINDOWS = {
  'soft tissue': { width: 400, level: 40 },
  lung: { width: 1500, level: -600 },
  bone: { width: 1800, level: 400 },
  brain: { width: 80, level: 40 },
  liver: { width: 150, level: 30 },
  mediastinum: { width: 350, level: 50 },
} as const satisfies Record<string, { width: number; level: number }>;

/** MedGemma's CT input: all, soft tissue, brain and blood in Hounsfield units, as red, green and blue. */
export const CT_RGB: readonly [Window, Window, Window] = [
  { low: -1024, high: 1024 },
  { low: -135, high: 215 },
  { low: 0, high: 80 },
];

export type CtWindow = keyof typeof CT_WINDOWS;

const ORGANS = 'thyroid|adrenal|liver|hepatic|renal|kidney|breast|peritoneal|lymph';
/** By what is looked for, the first that fits; the rest is soft tissue. */
const LOOKED_FOR: readonly { words: RegExp; window: CtWindow }[] = [
  // As upstream: stones are seen where soft tissue is one grey.
  { words: /\b(\w*stones?|calcul(us|i)|calcifications?)\b/i, window: 'bone' },
  { words: new RegExp(`\\b(lungs?|bronch\\w*|trachea|airways?)\\b|^(?!.*\\b(${ORGANS})\\b).*\\bnodules?\\b`, 'i'), window: 'lung' },
  // The ventricle of a heart is no ventricle of the brain.
  {
    words: /\b(brain|cerebr\w*|cerebell\w*|intracranial|stroke|infarct\w*|ventricles|lateral ventricle|thalamus|hippocampus)\b/i,
    window: 'brain',
  },
  { words: /\b(\w*bones?|ribs?|vertebra\w*|spine|skull|sacrum|sternum|hips?|pelvi[cs]|costal)\b/i, window: 'bone' },
  { words: /\b(femur\w*|tibia\w*|fibula\w*|humer\w*|scapula\w*|clavic\w*)\b/i, window: 'bone' },
  { words: /\b(teeth|tooth|mandible|maxilla|molar|incisor|canine|premolar)\b/i, window: 'bone' },
];
/** Of no place in the body, so of no window, as upstream has it. */
const UNPLACED = /^(edema|tumou?r|cystic component|na|others?|miscellaneous\b.*)$/i;
/** CT whose values are not Hounsfield units, as upstream has it. */
const NOT_HOUNSFIELD: readonly string[] = ['KiPA22'];

export function windowOf({ width, level }: { width: number; level: number }): Window {
  return { low: level - width / 2, high: level + width / 2 };
}

/**
 * @param structure name of what is measured, words parted by blanks, `_` or `-`; empty for angles and distances
 * @param dataset MedVision's name, where it is of one
 */
export function intensityOf(chosen: IntensityChoice, modality: string, structure: string, dataset = ''): Intensity {
  if (chosen !== 'window' && chosen !== 'ct_rgb') return chosen;
  if (!/^(ct|computed tomography)\b/i.test(modality.trim()) || NOT_HOUNSFIELD.includes(dataset)) return 'percentile';
  if (chosen === 'ct_rgb') return chosen;
  const said = structure.replace(/[_-]+/g, ' ').trim();
  if (UNPLACED.test(said)) return 'percentile';
  return windowOf(CT_WINDOWS[LOOKED_FOR.find(({ words }) => words.test(said))?.window ?? 'soft tissue']);
}

/** @throws UserError that names the first voxel that is no number or infinite; `where` names the slice */
export function checkFinite(slice: VolumeSlice, where: string): void {
  if (slice.coded?.isFinite === true) return;
  const { values, cols } = slice;
  for (let at = 0; at < values.length; at++) {
    if (Number.isFinite(values[at])) continue;
    throw new UserError(
      `${where}: the voxel in row ${Math.floor(at / cols)}, column ${at % cols} is ${values[at]}. Replace what is not finite in the ` +
        `volume; ` +
        '--prompt_style reference with --intensity minmax makes such slices black, as medvision_bm does.',
    );
  }
}

/** Grey as RGB, (rows, cols); values are cut off (not rounded) to a byte. A slice of one value is black. */
export function sliceToRgb(slice: VolumeSlice, intensity: Intensity = 'reference'): DecodedImage {
  const { rows, cols, coded } = slice;
  const size = { width: cols, height: rows };
  const channels =
    coded === undefined
      ? // The reference casts nibabel's doubles to float32 first.
        greysOf(new Float32Array(slice.values), undefined, intensity)
      : (levelTables(coded, intensity).map((levels) => levelsOf(coded, levels, takenSpare())) as Channels);
  if (channels.length === 3) return { ...size, data: interleaved(channels) };
  const [grey] = channels;
  let data: Uint8Array | undefined;
  return {
    ...size,
    grey,
    get data() {
      return (data ??= greyToRgb(grey));
    },
    release: () => void (spare = grey),
  };
}

/** Greys of a picture that was given back: else a garbage collection is due every few dozen pictures. */
let spare: Uint8Array<ArrayBuffer> | undefined;

function takenSpare(): Uint8Array<ArrayBuffer> | undefined {
  const taken = spare;
  spare = undefined;
  return taken;
}

/** Of the window before: a series has one. */
let lastWindow: (Window & { meanings: Float64Array; levels: Bytes }) | undefined;

/** The level that each code has in each channel. */
function levelTables(coded: CodedValues, intensity: Intensity): Channels {
  const { meanings } = coded;
  if (typeof intensity === 'object') {
    const { low, high } = intensity;
    if (lastWindow?.meanings !== meanings || lastWindow.low !== low || lastWindow.high !== high)
      lastWindow = { low, high, meanings, levels: greysOf(new Float32Array(meanings), undefined, intensity)[0] };
    return [lastWindow.levels];
  }
  const distinct = distinctValues(coded);
  return greysOf(distinct.values, distinct.counts, intensity).map((greys) => {
    const all = new Uint8Array(CODES);
    for (let i = 0; i < greys.length; i++) all[distinct.codes[i] ?? 0] = greys[i] ?? 0;
    return all;
  }) as Channels;
}

type Bytes = Uint8Array<ArrayBuffer>;
type ThreeChannels = [Bytes, Bytes, Bytes];
/** Grey, or red, green and blue. */
type Channels = [Bytes] | ThreeChannels;

function interleaved(channels: ThreeChannels): Uint8Array {
  const data = new Uint8Array(channels[0].length * 3);
  channels.forEach((levels, channel) => {
    for (let i = 0, to = channel; i < levels.length; i++, to += 3) data[to] = levels[i] ?? 0;
  });
  return data;
}

/** @param counts how often each value is there; undefined: once */
function greysOf(values: Float32Array, counts: Uint32Array | undefined, intensity: Intensity): Channels {
  if (intensity === 'ct_rgb') return CT_RGB.map(({ low, high }) => rounded(values, low, high)) as ThreeChannels;
  const [low, high] =
    intensity === 'percentile'
      ? percentiles(values, counts)
      : typeof intensity === 'object'
        ? [intensity.low, intensity.high]
        : extremes(values);
  if (!(high > low)) return [new Uint8Array(values.length)];
  return [typeof intensity === 'object' || intensity === 'percentile' ? clipped(values, low, high) : stretched(values, low, high)];
}

/** NaN where a value is NaN. */
function extremes(values: Float32Array): [number, number] {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (Number.isNaN(value)) return [NaN, NaN];
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}

/** The reference's min-max: each step rounds to float32, as numpy does. NaN (from infinities) becomes 0. */
function stretched(values: Float32Array, min: number, max: number): Bytes {
  const range = Math.fround(max - min);
  const greys = new Uint8Array(values.length); // `from` with a function is ten times slower than this loop
  for (let i = 0; i < greys.length; i++) greys[i] = Math.trunc(Math.fround(Math.fround(Math.fround((values[i] ?? 0) - min) / range) * 255));
  return greys;
}

/** Of a window of MedGemma's, whose example rounds (numpy.round, halves to even) where others cut off. */
function rounded(values: Float32Array, low: number, high: number): Bytes {
  return Uint8Array.from(values, (value) => {
    const grey = ((Math.min(Math.max(value, low), high) - low) / (high - low)) * 255;
    const floor = Math.floor(grey);
    const rest = grey - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  });
}

/** In double precision. */
function clipped(values: Float32Array, low: number, high: number): Bytes {
  const greys = new Uint8Array(values.length);
  for (let i = 0; i < greys.length; i++)
    greys[i] = Math.trunc(((Math.min(Math.max(values[i] ?? 0, low), high) - low) / (high - low)) * 255);
  return greys;
}

/**
 * numpy.percentile(values, [0.5, 99.5]) with linear interpolation; NaN where a value is NaN.
 * @param counts how often each value is there; undefined: once
 */
export function percentiles(values: Float32Array, counts?: Uint32Array): [number, number] {
  if (values.some(Number.isNaN)) return [NaN, NaN];
  const { length, at } = counts === undefined ? sortedValues(values) : sortedCounts(values, counts);
  const percentile = (share: number): number => {
    const place = share * (length - 1);
    const below = at(Math.floor(place));
    return below + (at(Math.ceil(place)) - below) * (place - Math.floor(place));
  };
  return [percentile(0.005), percentile(0.995)];
}

interface Sorted {
  length: number;
  at: (place: number) => number;
}

function sortedValues(values: Float32Array): Sorted {
  const sorted = values.slice().sort();
  return { length: sorted.length, at: (place) => sorted[place] ?? NaN };
}

function sortedCounts(values: Float32Array, counts: Uint32Array): Sorted {
  const order = Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  let length = 0;
  const ends = order.map((i) => (length += counts[i] ?? 0));
  return { length, at: (place) => values[order[ends.findIndex((end) => place < end)] ?? -1] ?? NaN };
}
