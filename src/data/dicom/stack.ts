/** Frames in the order in which they lie in the patient, and whether they lie evenly. */
import { countOf, UserError } from '../../platform.ts';
import type { FrameFacts } from './facts.ts';
import { dot } from './placement.ts';
import type { Placement, Vector } from './placement.ts';
import { isPlaced, oneVolume, SAME_PLACE_MM, volumesOf } from './volumes.ts';

/** Why slices make no volume. */
export interface NoVolume {
  kind: 'one place' | 'gaps' | 'no line' | 'no places';
  /** For the middle of a sentence. */
  text: string;
}

export interface Stack {
  frames: FrameFacts[];
  /** mm along the normal from one slice to the next; undefined for one slice, uneven ones, and where nothing tells. */
  between: number | undefined;
  /** Of the first frame, and the way to the next one, which need not go along the normal (a tilted gantry). */
  first: Placement | undefined;
  step: Vector | undefined;
  noVolume: NoVolume | undefined;
  notes: string[];
}

/** Distances are even within this share of them. */
const EVEN = 0.01;
/** Where rounding of the positions explains it, within this share. */
const EVEN_ROUNDED = 0.1;
/** Slices lie on one line within this share of a pixel. */
const IN_LINE = 0.1;

/**
 * @param name of the file or folder, in messages
 * @param volume which of several to take, from 1; null: there has to be one
 * @throws UserError where the frames are no one stack
 */
export function stackOf(frames: readonly FrameFacts[], name: string, volume: number | null): Stack {
  const notes: string[] = [];
  const placed = frames.filter(isPlaced);
  if (placed.length > 0 && placed.length < frames.length)
    throw new UserError(
      `${name}: ${frames.length - placed.length} of ${frames.length} images have no position (ImagePositionPatient), as ` +
        `${frames.find(({ placement }) => placement === undefined)?.file.path ?? ''}. Give those with positions alone.`,
    );
  const numbered = inOrder(placed);
  const own = placed.length === 0 ? [] : oneVolume(numbered, name, volume, notes);
  const [first] = own;
  if (first === undefined) {
    if (volume !== null && volume > 1)
      throw new UserError(`${name}: --volume ${volume}: its images have no positions, which would tell volumes apart. Leave it out.`);
    return unplaced(frames, notes);
  }
  const { normal } = first.placement;
  const sorted = own.map((frame) => ({ frame, mm: dot(frame.placement.position, normal) })).sort((a, b) => a.mm - b.mm);
  const gaps = sorted.slice(1).map(({ mm }, i) => mm - (sorted[i]?.mm ?? 0));
  if (gaps.length > 0 && gaps.every((gap) => gap < SAME_PLACE_MM)) {
    const noVolume: NoVolume = { kind: 'one place', text: `all ${own.length} images lie at one place` };
    notes.push(`${noVolume.text}: a sequence in time, in the order of ${numbered.by}`);
    return { frames: [...own], between: undefined, first: first.placement, step: undefined, noVolume, notes };
  }
  const ordered = sorted.map(({ frame }) => frame);
  const lowest = ordered[0]?.placement;
  const highest = ordered.at(-1)?.placement;
  if (gaps.length === 0 || lowest === undefined || highest === undefined)
    return { frames: ordered, between: undefined, first: first.placement, step: undefined, noVolume: undefined, notes };
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
  const uneven = gaps.flatMap((gap, i) => (Math.abs(gap - usual) > Math.max(EVEN * usual, SAME_PLACE_MM) ? [{ gap, i }] : []));
  const positions = ordered.map(({ placement }) => placement.position);
  const step = lowest.position.map((mm, axis) => ((highest.position[axis] ?? 0) - mm) / gaps.length) as Vector;
  const between = dot(step, normal);
  const unit = writtenUnit(positions);
  const rounding = unit * normal.reduce((sum, part) => sum + Math.abs(part), 0.01);
  const offGrid = Math.max(...sorted.map(({ mm }, i) => Math.abs(mm - (sorted[0]?.mm ?? 0) - i * between)));
  if (uneven.length > 0 && !(offGrid <= rounding && rounding <= EVEN_ROUNDED * between)) {
    const noVolume: NoVolume = { kind: 'gaps', text: unevenText(uneven, usual, gaps.length) };
    notes.push(`${noVolume.text}. Distances between slices are not known therefore`);
    return { frames: ordered, between: undefined, first: lowest, step: undefined, noVolume, notes };
  }
  const beside = besideLine(positions, step, normal);
  const [rowMm = 1, columnMm = 1] = first.spacing.mm ?? [];
  if (beside.mm > Math.max(IN_LINE * Math.min(rowMm, columnMm), 1.5 * unit)) {
    const text =
      `its slices lie on no straight line: slice ${beside.slice} lies ${mmText(beside.mm)} mm beside ` +
      'the line from the first to the last';
    const noVolume: NoVolume = { kind: 'no line', text };
    notes.push(`${noVolume.text}. Each slice is as it was made, other planes cannot be cut`);
    return { frames: ordered, between, first: lowest, step: undefined, noVolume, notes };
  }
  const sideways = Math.sqrt(Math.max(0, dot(step, step) - between * between));
  if (sideways > 0.01 * between)
    notes.push(
      `its slices are sheared (a tilted gantry): each lies ${sideways.toFixed(3)} mm beside the one before, so other planes are slanted`,
    );
  return { frames: ordered, between, first: lowest, step, noVolume: undefined, notes };
}

/** How many volumes frames are, of which one has to be chosen where they are several. @throws UserError where nothing tells them apart */
export function volumeCount(frames: readonly FrameFacts[], name: string): number {
  const placed = frames.filter(isPlaced);
  return placed.length === 0 || placed.length < frames.length ? 1 : volumesOf(inOrder(placed), name, false).volumes.length;
}

/** Digits behind the point that positions are looked at for. */
const MOST_DIGITS = 6;

/**
 * The unit, in mm, of the last digit that positions are written with: two of them are so far from where they were against each other, at
 * most. 0.625 mm between slices become 0.62 and 0.63 where positions have two digits. Whole mm are taken to be exact: 0.
 */
function writtenUnit(positions: readonly Vector[]): number {
  const isWritten = (digits: number): boolean =>
    positions.every((position) => position.every((mm) => Math.abs(mm * 10 ** digits - Math.round(mm * 10 ** digits)) < 1e-4));
  let digits = 0;
  while (digits < MOST_DIGITS && !isWritten(digits)) digits++;
  return digits === 0 ? 0 : 10 ** -digits;
}

/** The slice that lies farthest beside the line through the first along `step`, in its plane. Slices count from 1. */
function besideLine(positions: readonly Vector[], step: Vector, normal: Vector): { slice: number; mm: number } {
  const [first = [0, 0, 0]] = positions;
  let farthest = { slice: 1, mm: 0 };
  for (const [i, position] of positions.entries()) {
    const off = position.map((mm, axis) => mm - (first[axis] ?? 0) - i * (step[axis] ?? 0)) as Vector;
    const along = dot(off, normal);
    const mm = Math.sqrt(Math.max(0, dot(off, off) - along * along));
    if (mm > farthest.mm) farthest = { slice: i + 1, mm };
  }
  return farthest;
}

function unevenText(uneven: readonly { gap: number; i: number }[], usual: number, count: number): string {
  const shown = uneven.slice(0, 5).map(({ gap, i }) => {
    const missing = Math.round(gap / usual) - 1;
    const isWhole = missing > 0 && Math.abs(gap / usual - missing - 1) < EVEN * (missing + 1);
    return `${mmText(gap)} mm from slice ${i + 1} to ${i + 2}${isWhole ? ` (${countOf(missing, 'slice is', 'slices are')} missing)` : ''}`;
  });
  const more = uneven.length > shown.length ? `, and ${uneven.length - shown.length} more` : '';
  return `gaps: its slices do not lie evenly, ${mmText(usual)} mm apart in most of ${count} steps, but ${shown.join(', ')}${more}`;
}

const mmText = (mm: number): string => String(Number(mm.toFixed(4)));

function unplaced(frames: readonly FrameFacts[], notes: string[]): Stack {
  const { ordered, by } = inOrder(frames);
  const spacing = frames.length > 1 ? (frames[0]?.file.spacingBetweenFrames ?? 0) : 0;
  const files = new Set(frames.map(({ file }) => file)).size;
  if (files > 1) notes.push(`its images have no positions: they are in the order of ${by}, and distances between them are not known`);
  const noVolume: NoVolume = { kind: 'no places', text: 'the file does not tell where its slices lie' };
  return { frames: ordered, between: spacing > 0 ? spacing : undefined, first: undefined, step: undefined, noVolume, notes };
}

interface Ordered<Frame> {
  ordered: Frame[];
  /** In the middle of a sentence. */
  by: string;
  /** By numbers, not by names. */
  isNumbered: boolean;
}

/** By the number of the file (where each has one of its own; else as the files came, by name), then of the frame. */
function inOrder<Frame extends FrameFacts>(frames: readonly Frame[]): Ordered<Frame> {
  const files = [...new Set(frames.map(({ file }) => file))];
  if (files.length === 1) return { ordered: [...frames].sort((a, b) => a.index - b.index), by: 'the file', isNumbered: true };
  const numbers = new Set(files.flatMap(({ instanceNumber: n }) => (n !== undefined && Number.isFinite(n) ? [n] : [])));
  const isNumbered = numbers.size === files.length;
  const place = new Map(files.map((file, at) => [file, isNumbered ? (file.instanceNumber ?? 0) : at]));
  const at = ({ file }: FrameFacts): number => place.get(file) ?? 0;
  const by = isNumbered ? 'their numbers' : 'their file names, since not each has a number (InstanceNumber) of its own';
  return { ordered: [...frames].sort((a, b) => at(a) - at(b) || a.index - b.index), by, isNumbered };
}
