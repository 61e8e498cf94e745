/** Frames in the order in which they lie in the patient, and whether they lie evenly. */
import { countOf, UserError } from '../../platform.ts';
import type { FrameFacts } from './facts.ts';
import { dot } from './placement.ts';
import type { Placement, Vector } from './placement.ts';

export interface Stack {
  frames: FrameFacts[];
  /** mm along the normal from one slice to the next; undefined for one slice, uneven ones, and where nothing tells. */
  between: number | undefined;
  /** Of the first frame, and the way to the next one, which need not go along the normal (a tilted gantry). */
  first: Placement | undefined;
  step: Vector | undefined;
  notes: string[];
}

/** Directions are alike where their cosine differs by less. */
const SAME_DIRECTION = 1e-4;
/** Slices at one place: what positions are rounded to. */
const SAME_PLACE_MM = 1e-3;
/** Distances are even within this share of them. */
const EVEN = 0.01;

/** @param name of the file or folder, in messages @throws UserError where the frames are no one stack */
export function stackOf(frames: readonly FrameFacts[], name: string): Stack {
  const notes: string[] = [];
  const placed = frames.filter((frame) => frame.placement !== undefined);
  if (placed.length > 0 && placed.length < frames.length)
    throw new UserError(
      `${name}: ${frames.length - placed.length} of ${frames.length} images have no position. Give those with positions alone.`,
    );
  const [first] = placed;
  if (first?.placement === undefined) return unplaced(frames, notes);
  oneStack(placed, name);
  const { normal, alongRow } = first.placement;
  for (const { placement } of placed) {
    if (
      placement !== undefined &&
      (dot(placement.normal, normal) < 1 - SAME_DIRECTION || dot(placement.alongRow, alongRow) < 1 - SAME_DIRECTION)
    )
      throw new UserError(`${name}: its images lie in different orientations, so they are no one volume. Give one orientation alone.`);
  }
  const at = (frame: FrameFacts): number => (frame.placement === undefined ? 0 : dot(frame.placement.position, normal));
  const sorted = placed.map((frame) => ({ frame, mm: at(frame) })).sort((a, b) => a.mm - b.mm);
  const gaps = sorted.slice(1).map(({ mm }, i) => mm - (sorted[i]?.mm ?? 0));
  if (gaps.length > 0 && gaps.every((gap) => gap < SAME_PLACE_MM)) {
    notes.push(`all ${frames.length} images lie at one place: a sequence in time, in the order of the file`);
    return { frames: inOrder(frames), between: undefined, first: first.placement, step: undefined, notes };
  }
  const twice = gaps.filter((gap) => gap < SAME_PLACE_MM).length;
  const places = `${frames.length} images at ${frames.length - twice} places`;
  if (twice > 0)
    throw new UserError(
      `${name}: ${countOf(twice, 'image lies', 'images lie')} at the place of another one (${places}), ` +
        'as of several times, echoes or reconstructions. Give one of them alone.',
    );
  const ordered = sorted.map(({ frame }) => frame);
  const lowest = ordered[0]?.placement;
  const highest = ordered.at(-1)?.placement;
  if (gaps.length === 0 || lowest === undefined || highest === undefined)
    return { frames: ordered, between: undefined, first: first.placement, step: undefined, notes };
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
  const uneven = gaps.flatMap((gap, i) => (Math.abs(gap - usual) > Math.max(EVEN * usual, SAME_PLACE_MM) ? [{ gap, i }] : []));
  if (uneven.length > 0) {
    notes.push(unevenText(uneven, usual, gaps.length));
    return { frames: ordered, between: undefined, first: lowest, step: undefined, notes };
  }
  const step = lowest.position.map((mm, axis) => ((highest.position[axis] ?? 0) - mm) / gaps.length) as Vector;
  const between = dot(step, normal);
  const sideways = Math.sqrt(Math.max(0, dot(step, step) - between * between));
  if (sideways > 0.01 * between)
    notes.push(
      `its slices are sheared (a tilted gantry): each lies ${sideways.toFixed(3)} mm beside the one before, so other planes are slanted`,
    );
  return { frames: ordered, between, first: lowest, step, notes };
}

function unevenText(uneven: readonly { gap: number; i: number }[], usual: number, count: number): string {
  const shown = uneven.slice(0, 5).map(({ gap, i }) => {
    const missing = Math.round(gap / usual) - 1;
    const isWhole = missing > 0 && Math.abs(gap / usual - missing - 1) < EVEN * (missing + 1);
    return `${mmText(gap)} mm from slice ${i + 1} to ${i + 2}${isWhole ? ` (${countOf(missing, 'slice is', 'slices are')} missing)` : ''}`;
  });
  const more = uneven.length > shown.length ? `, and ${uneven.length - shown.length} more` : '';
  return (
    `gaps: its slices do not lie evenly, ${mmText(usual)} mm apart in most of ${count} steps, but ${shown.join(', ')}${more}. ` +
    'Distances between slices are not known therefore'
  );
}

const mmText = (mm: number): string => String(Number(mm.toFixed(4)));

/** PS3.3, C.7.6.16.2.2: frames of several stacks are several volumes in one object. */
function oneStack(frames: readonly FrameFacts[], name: string): void {
  const stacks = new Set(frames.map(({ stack }) => stack));
  if (stacks.size > 1)
    throw new UserError(
      `${name}: it holds ${stacks.size} stacks of images (StackID), which are no one volume. Export each of them by itself.`,
    );
}

function unplaced(frames: readonly FrameFacts[], notes: string[]): Stack {
  const ordered = inOrder(frames);
  const spacing = frames.length > 1 ? Math.abs(frames[0]?.file.spacingBetweenFrames ?? 0) : 0;
  const files = new Set(frames.map(({ file }) => file)).size;
  if (files > 1)
    notes.push('its images have no positions: they are in the order of their numbers, and distances between them are not known');
  return { frames: ordered, between: spacing > 0 ? spacing : undefined, first: undefined, step: undefined, notes };
}

/** By the number of the file, then of the frame. */
function inOrder(frames: readonly FrameFacts[]): FrameFacts[] {
  const number = ({ file }: FrameFacts): number => (Number.isFinite(file.instanceNumber) ? (file.instanceNumber ?? 0) : 0);
  return [...frames].sort((a, b) => number(a) - number(b) || (a.file === b.file ? a.index - b.index : 0));
}
