/**
 * Images that lie in the patient, as the volumes that they are of: one series may have several stacks or orientations, and several images
 * at each place, as of echoes or times.
 */
import { countOf, firstOf, UserError } from '../../platform.ts';
import type { FrameFacts } from './facts.ts';
import { KINDS, kindText } from './kinds.ts';
import type { Placement } from './placement.ts';
import { dot } from './placement.ts';

interface PlacedVolume {
  frames: PlacedFrame[];
  /** What it differs in from the others, as far as a user may see it. */
  words: string[];
}

export type PlacedFrame = FrameFacts & { placement: Placement };
export const isPlaced = (frame: FrameFacts): frame is PlacedFrame => frame.placement !== undefined;

/** Directions are alike where their cosine differs by less. */
const SAME_DIRECTION = 1e-4;
/** Slices at one place: what positions are rounded to. */
export const SAME_PLACE_MM = 1e-3;
/** So many attributes together tell volumes apart, at most. */
const MOST_TOGETHER = 3;
const MOST_SHOWN = 8;
/** Each image is compared with each. */
const MOST_PARTS = 256;

/** Frames that all have a place. */
export interface PlacedFrames {
  /** In the order of their numbers, or of their names. */
  ordered: readonly PlacedFrame[];
  isNumbered: boolean;
}

/**
 * @param name of the file or folder, in messages
 * @param isSplit a sequence in time at one place is taken apart too, where nothing else is there
 * @returns volumes: each of one orientation, at places of their own or all at one; and why they are several
 * @throws UserError where images at one place cannot be told apart
 */
export function volumesOf(
  { ordered, isNumbered }: PlacedFrames,
  name: string,
  isSplit: boolean,
): { volumes: PlacedVolume[]; why: string[] } {
  const parts = partsOf(ordered, name);
  const volumes: PlacedVolume[] = [];
  const why: string[] = [];
  if (parts.length > 1) why.push(partsText(parts));
  for (const part of parts) {
    const places = placesOf(part.frames);
    const count = 1 + most(places);
    const twice = part.frames.length - count;
    if (twice === 0 || (count === 1 && (!isSplit || parts.length > 1))) {
      volumes.push(part);
      continue;
    }
    const found = byKinds(part.frames, places) ?? (isNumbered ? byOrder(part.frames, places) : undefined);
    const crowd =
      `${countOf(twice, 'image lies', 'images lie')} at the place of another one ` +
      `(${countOf(part.frames.length, 'image')} at ${countOf(count, 'place')})`;
    if (found === undefined)
      throw new UserError(`${name}: ${crowd}, ${differences(part.frames)}; which are of one volume is not told. Give those of one alone.`);
    why.push(crowd);
    volumes.push(...found.map(({ frames, words }) => ({ frames, words: [...part.words, ...words] })));
  }
  return { volumes, why };
}

/**
 * @param name of the file or folder, in messages
 * @param chosen the volume to take, from 1; null: there has to be one
 * @returns its frames
 * @throws UserError where there are several and none is chosen, or it is not there
 */
export function oneVolume(frames: PlacedFrames, name: string, chosen: number | null, notes: string[]): PlacedFrame[] {
  // A sequence in time at one place is left whole, unless one of its images is asked for.
  const { volumes, why } = volumesOf(frames, name, chosen !== null);
  const listed = firstOf(volumes.map(volumeText), MOST_SHOWN);
  if (chosen === null) {
    const [only, second] = volumes;
    if (only !== undefined && second === undefined) return only.frames;
    throw new UserError(
      `${name}: ${why.join('; ')}. These are ${volumes.length} volumes: ${listed}. Choose one with vernier volume, ask and dataset make: ` +
        `--volume N. ${fileForPlan(name, '--volume N')}`,
    );
  }
  const taken = volumes[chosen - 1];
  if (taken === undefined)
    throw new UserError(
      `${name}: --volume ${chosen}: there ${volumes.length === 1 ? 'is one volume' : `are ${volumes.length} volumes: ${listed}`}.`,
    );
  const others = frames.ordered.length - taken.frames.length;
  if (others > 0) {
    const words = taken.words.length === 0 ? '' : ` (${taken.words.join(', ')})`;
    notes.push(`this is volume ${chosen} of ${volumes.length}${words}; ${countOf(others, 'image')} of others left out`);
  }
  return taken.frames;
}

/** What a plan names in place of a folder of which one has to choose. */
export const fileForPlan = (path: string, flag: string): string =>
  `A plan has no such choice: let its image_file name what vernier volume ${path} ${flag} --out scan.nii.gz writes.`;

const volumeText = ({ frames, words }: PlacedVolume, at: number): string =>
  `volume ${at + 1} (${[...words, countOf(frames.length, 'image')].join(', ')})`;

interface Part {
  frames: PlacedFrame[];
  stack: string | undefined;
  words: string[];
}

/** Stacks (PS3.3, C.7.6.16.2.2: several volumes in one object), and orientations of each. */
function partsOf(frames: readonly PlacedFrame[], name: string): Part[] {
  const parts: Part[] = [];
  for (const frame of frames) {
    const { placement, stack } = frame;
    const own = parts.find(
      ({ stack: other, frames: [first] }) => other === stack && first !== undefined && isParallel(first.placement, placement),
    );
    if (own === undefined) parts.push({ frames: [frame], stack, words: [] });
    else own.frames.push(frame);
    if (parts.length > MOST_PARTS)
      throw new UserError(`${name}: its images lie in more than ${MOST_PARTS} orientations, so they are no one volume. Give one alone.`);
  }
  const stacks = new Set(parts.map(({ stack }) => stack)).size;
  const ways = new Set(parts.map(planeOf)).size;
  for (const part of parts) {
    if (stacks > 1 && /^\d{1,6}$/.test(part.stack ?? '')) part.words.push(`StackID ${part.stack}`);
    if (ways > 1) part.words.push(planeOf(part));
  }
  return parts;
}

const isParallel = (a: Placement, b: Placement): boolean =>
  dot(a.normal, b.normal) >= 1 - SAME_DIRECTION && dot(a.alongRow, b.alongRow) >= 1 - SAME_DIRECTION;

/** The nearest of the planes. */
function planeOf({ frames: [first] }: Part): string {
  const [x, y, z] = (first?.placement.normal ?? [0, 0, 1]).map(Math.abs) as [number, number, number];
  return x > y && x > z ? 'sagittal' : y > z ? 'coronal' : 'axial';
}

function partsText(parts: readonly Part[]): string {
  const stacks = new Set(parts.map(({ stack }) => stack)).size;
  return stacks > 1 ? `it holds ${stacks} stacks of images (StackID)` : `its images lie in ${parts.length} orientations`;
}

/** Which place along the normal each frame lies at, from 0. */
function placesOf(frames: readonly PlacedFrame[]): number[] {
  const { normal } = frames[0]?.placement ?? { normal: [0, 0, 1] };
  const sorted = frames.map(({ placement }, at) => ({ at, mm: dot(placement.position, normal) })).sort((a, b) => a.mm - b.mm);
  const places: number[] = [];
  let place = 0;
  for (const [i, { at, mm }] of sorted.entries()) {
    if (i > 0 && mm - (sorted[i - 1]?.mm ?? 0) >= SAME_PLACE_MM) place++;
    places[at] = place;
  }
  return places;
}

const most = (values: readonly number[]): number => values.reduce((found, value) => Math.max(found, value), -Infinity);

/** How many images lie at each place. */
function crowds(places: readonly number[]): number[] {
  const counts: number[] = [];
  for (const place of places) counts[place] = (counts[place] ?? 0) + 1;
  return counts;
}

/**
 * By as few attributes as tell apart all images of each place, into no more volumes than images lie at one.
 * @returns undefined where none do
 */
function byKinds(frames: readonly PlacedFrame[], places: readonly number[]): PlacedVolume[] | undefined {
  const limit = most(crowds(places));
  const columns = KINDS.map((_, kind) => codesOf(frames, kind));
  const telling = KINDS.flatMap((_, kind) => ((columns[kind]?.values.length ?? 0) > 1 ? [kind] : []));
  for (const kinds of subsets(telling, MOST_TOGETHER)) {
    const groups = new Map<string, PlacedFrame[]>();
    const seen = new Set<string>();
    const isApart = frames.every((frame, at) => {
      const key = kinds.map((kind) => columns[kind]?.codes[at]).join();
      const group = groups.get(key) ?? [];
      group.push(frame);
      groups.set(key, group);
      const [before, after] = [seen.size, seen.add(`${key} ${places[at]}`).size];
      return after > before && groups.size <= limit;
    });
    if (!isApart) continue;
    return [...groups.values()]
      .map((group) => ({ frames: group, values: kinds.map((kind) => group[0]?.kinds[kind]) }))
      .sort((a, b) => inOrder(a.values, b.values))
      .map(({ frames: group, values }) => ({
        frames: group,
        words: kinds
          .flatMap((kind, i) => (KINDS[kind] === undefined ? [] : [kindText(KINDS[kind], values[i])]))
          .filter((text) => text !== ''),
      }));
  }
  return undefined;
}

/** Numbers by size; codes stay in the order of the images. */
function inOrder(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [at, one] of a.entries()) {
    const other = b[at];
    if (typeof one === 'number' && typeof other === 'number' && one !== other) return one - other;
  }
  return 0;
}

/** A number for each value of a kind, by frame. */
function codesOf(frames: readonly FrameFacts[], kind: number): { codes: number[]; values: unknown[] } {
  const values = new Map<unknown, number>();
  const codes = frames.map(({ kinds }) => {
    const value = kinds[kind];
    const code = values.get(value) ?? values.size;
    values.set(value, code);
    return code;
  });
  return { codes, values: [...values.keys()] };
}

/** Of one, then of two, …; those of the first ones first. */
function* subsets(of: readonly number[], largest: number): Generator<number[]> {
  const ofSize = function* (size: number, from: number): Generator<number[]> {
    if (size === 0) yield [];
    else for (let at = from; at < of.length; at++) for (const rest of ofSize(size - 1, at + 1)) yield [of[at] ?? 0, ...rest];
  };
  for (let size = 1; size <= Math.min(largest, of.length); size++) yield* ofSize(size, 0);
}

/**
 * The first image of each place, the second of each, …
 * @returns undefined where places have more or fewer images, or an attribute says that a volume so made is none
 */
function byOrder(frames: readonly PlacedFrame[], places: readonly number[]): PlacedVolume[] | undefined {
  const counts = crowds(places);
  const count = counts[0] ?? 0;
  if (counts.some((other) => other !== count)) return undefined;
  const groups = Array.from({ length: count }, (): PlacedFrame[] => []);
  const next: number[] = [];
  for (const [at, frame] of frames.entries()) {
    const place = places[at] ?? 0;
    const rank = next[place] ?? 0;
    groups[rank]?.push(frame);
    next[place] = rank + 1;
  }
  const isMixed = KINDS.some(
    ({ variesBySlice = false }, kind) =>
      !variesBySlice &&
      groups.some(([first, ...others]) => others.some(({ kinds }) => kinds[kind] !== first?.kinds[kind])) &&
      variesAtAPlace(frames, places, kind),
  );
  if (isMixed) return undefined;
  const isOneFile = frames.every(({ file }) => file === frames[0]?.file);
  const by = isOneFile ? 'in the order of frames' : 'in the order of InstanceNumber';
  return groups.map((group, at) => ({ frames: group, words: [`image ${at + 1} of each place ${by}`] }));
}

function variesAtAPlace(frames: readonly FrameFacts[], places: readonly number[], kind: number): boolean {
  const firsts = new Map<number, unknown>();
  return frames.some(({ kinds }, at) => {
    const place = places[at] ?? 0;
    if (!firsts.has(place)) firsts.set(place, kinds[kind]);
    return firsts.get(place) !== kinds[kind];
  });
}

function differences(frames: readonly FrameFacts[]): string {
  const found = KINDS.flatMap(({ name }, kind) => {
    const { values } = codesOf(frames, kind);
    return values.length > 1 && values.length < frames.length ? [`${name} (${values.length} values)`] : [];
  });
  return found.length === 0 ? 'as of several times, echoes or reconstructions' : `which differ in ${found.join(', ')}`;
}
