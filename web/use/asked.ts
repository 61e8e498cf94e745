/** What the form says, as the question that a model is asked. */
import type { AskRequest } from '../../src/api/answer.ts';
import { planeOfOneSlice, sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import type { IntensityChoice } from '../../src/data/medvision/intensity.ts';
import type { Scan } from '../studio/project.ts';
import type { texts } from '../texts.ts';
import type { PictureChoice } from './askedInWorker.ts';
import type { SliceChoice } from './askedSlice.ts';

/** A picture, or a slice that a worker makes one of. */
export type About = { picture: PictureChoice } | { slice: SliceChoice };

export interface AskedQuestion {
  about: About;
  /** null: the words are made of `task` and `of`. */
  question: string | null;
  request: AskRequest;
}

export type Kind = keyof typeof texts.use.kinds;

export interface Said {
  /** Of the project, or a file that was picked. */
  from: { scan: Scan } | { file: File; isVolume: boolean; modality: string; intensity: IntensityChoice };
  plane: Plane;
  slice: number;
  kind: Kind;
  words: string;
  /** mm a pixel of a picture that does not say it. */
  size: string;
}

/** A right answer to a question for measures has about 30. */
const MOST_TOKENS = 256;

export function askedOf({ from, plane, slice, kind, words, size }: Said): AskedQuestion {
  const scan = 'scan' in from ? from.scan : undefined;
  const said = words.trim();
  const written = size.split(/[\s,;]+/).filter(Boolean);
  const pixels = scan?.kind === 'picture' && scan.spacing !== null ? scan.spacing.map(String) : written;
  const about = aboutOf(from, plane, slice, kind === 'Detection' || kind === 'TL' ? said : '');
  const request: AskRequest = {
    overlay: true,
    max_new_tokens: MOST_TOKENS,
    sixteen_bit: 'window',
    ...(kind !== '' && { task: kind, of: said }),
    ...(kind !== '' && scan !== undefined && scan.description.trim() !== '' && { image_description: scan.description.trim() }),
    ...('picture' in about && pixels.length > 0 && { pixel_size: pixels }),
  };
  return { about, question: kind === '' ? said : null, request };
}

function aboutOf(from: Said['from'], plane: Plane, index: number, structure: string): About {
  if ('file' in from) {
    const { file, isVolume, modality, intensity } = from;
    if (!isVolume) return { picture: { file, name: file.name } };
    return { slice: { file, name: file.name, modality, intensity, spacing: null, plane, index, structure } };
  }
  const { kind, file, name, modality, intensity, spacing } = from.scan;
  if (kind === 'picture') return { picture: { file, name } };
  return { slice: { file, name, modality, intensity, spacing, plane, index, structure } };
}

/** Where one begins to look: at the first drawing on the scan, in the plane where one is chosen; else in the middle. */
export function beginAt(shape: readonly number[], drawn: readonly Pick<DrawnAnnotation, 'plane' | 'slice'>[], plane?: Plane): SlicePlace {
  const first = drawn.find((one) => (plane === undefined ? one.plane !== null : one.plane === plane));
  const chosen = plane ?? first?.plane ?? planeOfOneSlice(shape) ?? 'axial';
  const count = shape[sliceDimOf(chosen)] ?? 1;
  return { plane: chosen, slice: first !== undefined && first.slice < count ? first.slice : Math.floor(count / 2) };
}

export interface SlicePlace {
  plane: Plane;
  /** From 0. */
  slice: number;
}
