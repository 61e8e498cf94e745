/**
 * Where the frames of an object without functional groups lie: dose grids, nuclear medicine, secondary captures. Such an object says of the
 * place of its first frame at most, and of the others how far they are from it.
 */
import type { Attributes } from './attributes.ts';
import type { Placement } from './placement.ts';
import type { TagName } from './tags.ts';

export interface PlainFrames {
  /** mm along the normal from the first frame to each. */
  offsets?: readonly number[];
  /** mm from one to the next where they lie evenly, which way ever. */
  between?: number;
  /** What a user must know of frames without a place, in the middle of a sentence. */
  note?: string;
  /** What slices at one place are numbered by: a number for each frame. */
  vectors?: readonly { name: TagName; values: readonly number[] }[];
}

/** Of nuclear medicine, what frames differ in but their slices (PS3.3, C.8.4.8). */
const OTHER_VECTORS = [
  'EnergyWindowVector',
  'DetectorVector',
  'PhaseVector',
  'RotationVector',
  'RRIntervalVector',
  'TimeSlotVector',
  'AngularViewVector',
  'TimeSliceVector',
] as const;

/** @param frames of the object, more than one */
export function plainFramesOf(object: Attributes, frames: number): PlainFrames {
  // PS3.3, C.8.8.3.2: from the first plane along the normal, or patient z of transverse planes.
  const planes = object.numbers('GridFrameOffsetVector');
  if (planes.length === frames) return along(planes);
  // C.8.6.4: mm along an axis of the device's own (C.7.6.2.1.2), so their distances are told, not where they lie.
  const locations = object.numbers('SliceLocationVector');
  if (locations.length === frames) return between(evenStep(locations));
  if (object.text('Modality') === 'NM') return nuclearFrames(object, frames);
  return {};
}

/** Of whole slides: what a user must know of the frames (C.8.12.4). */
export function tilesNote(object: Attributes, frames: number): string | undefined {
  const [columns, rows] = [object.number('TotalPixelMatrixColumns'), object.number('TotalPixelMatrixRows')];
  if (frames === 1 || columns === undefined || rows === undefined) return undefined;
  return `its ${frames} frames are tiles of one picture of ${columns}×${rows} pixels, which is not put together`;
}

const between = (mm: number | undefined): PlainFrames => (mm === undefined ? {} : { between: mm });

function along(places: readonly number[]): PlainFrames {
  return { offsets: places.map((mm) => mm - (places[0] ?? 0)), ...between(evenStep(places)) };
}

/**
 * PS3.3, C.8.4.15: SpacingBetweenSlices is along the normal of the first slice, and negative where slices lie before it. Frames are slices
 * that SliceVector numbers; where it does not, they are where they differ in nothing else that is numbered.
 */
function nuclearFrames(object: Attributes, frames: number): PlainFrames {
  const vectors = OTHER_VECTORS.map((name) => ({ name, values: object.numbers(name) })).filter(({ values }) => values.length === frames);
  const others = vectors.filter(({ values }) => new Set(values).size > 1).map(({ name }) => name);
  const slices = object.numbers('SliceVector');
  const isNumbered = slices.length === frames;
  const isStack = isNumbered ? new Set(slices).size === frames : others.length === 0;
  const numbers = isNumbered ? slices : Array.from({ length: frames }, (_, i) => i);
  const mm = object.number('SpacingBetweenSlices') ?? 0;
  const placed = mm === 0 ? {} : along(numbers.map((number) => number * mm));
  if (isStack) return placed;
  const note = `its frames are no stack of slices: they differ in ${others.join(', ') || 'more than SliceVector'}`;
  // Slices of several times lie at their places, several at each.
  return isNumbered && placed.offsets !== undefined ? { offsets: placed.offsets, vectors, note } : { note };
}

/** So many mm along the normal. */
export function moved(first: Placement, mm: number): Placement {
  const { position, normal } = first;
  return { ...first, position: [position[0] + mm * normal[0], position[1] + mm * normal[1], position[2] + mm * normal[2]] };
}

function evenStep(places: readonly number[]): number | undefined {
  const [first = 0] = places;
  const step = ((places.at(-1) ?? 0) - first) / (places.length - 1);
  const isEven = places.every((mm, i) => Math.abs(mm - first - i * step) <= 0.01 * Math.abs(step));
  return isEven && step !== 0 ? Math.abs(step) : undefined;
}
