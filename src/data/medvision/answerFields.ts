/**
 * What an answer template can say of a sample: sizes of the image and of a pixel as the model sees them, coordinates, and what steps are
 * computed from. Places are relative to the image, x along columns and y along rows, the origin at the lower left; lengths in pixels are
 * those of the resized image, so that times the size of its pixel they are mm.
 */
import { PLANES } from '../planes.ts';
import { boxEdges } from './detection.ts';
import { pictureSize, pixelSize } from './prompt.ts';
import type { ImageFrame } from './prompt.ts';
import type { SampleRecord } from './record.ts';
import type { Annotation } from './sample.ts';

export interface PlaceField {
  name: string;
  x: number;
  y: number;
}

export interface LineField {
  from: PlaceField;
  to: PlaceField;
  /** From one end to the other along columns and rows, as positive numbers. */
  across_px: number;
  down_px: number;
  across_mm: number;
  down_mm: number;
  length_px: number;
  length_mm: number;
  /** To the right and up, with their signs. */
  right_mm: number;
  up_mm: number;
}

export interface BoxField {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  /** Edges in pixels of the resized image, from its upper left corner. */
  left_px: number;
  top_px: number;
  right_px: number;
  bottom_px: number;
}

/** What the sample says without a template. */
export interface PlainWords {
  prompt: string;
  target: string;
  values: readonly number[];
}

const ELLIPSE_POINTS = [
  'first end of the major axis',
  'second end of the major axis',
  'first end of the minor axis',
  'second end of the minor axis',
];
const FORMAT = '\nFormat requirement:\n';

/** @throws nothing; fields that a sample has not are absent */
export function answerFields(record: SampleRecord, plain: PlainWords): Record<string, unknown> {
  const { info, task, item, frame, sliceIdx, annotation, points } = record;
  const at = plain.prompt.indexOf(FORMAT);
  return {
    kind: annotation.kind,
    task: task.name,
    dataset: task.dataset,
    case: item.id,
    plane: PLANES[task.sliceDim],
    slice: sliceIdx,
    modality: info.imageModality,
    description: info.imageDescription.trim(),
    ...names(annotation),
    image: { width: frame.resizedWidth, height: frame.resizedHeight },
    ...(Number.isFinite(frame.pixelWidth) && { pixel: pixelSize(frame) }),
    prompt: plain.prompt,
    question: at < 0 ? plain.prompt : plain.prompt.slice(0, at),
    format: at < 0 ? '' : plain.prompt.slice(at + FORMAT.length),
    target: plain.target,
    values: [...plain.values],
    ...(annotation.kind === 'box' && { boxes: boxes(plain.values, frame) }),
    ...linesOf(annotation, points, frame),
  };
}

function names(annotation: Annotation): Record<string, unknown> {
  if (annotation.kind === 'box') return { name: annotation.labelName };
  if (annotation.kind === 'ellipse') return { name: annotation.labelName, unit: annotation.unit };
  const { key, name, unit, landmarks } = annotation;
  return { key, name: name.trim(), unit, landmarks: landmarks.map((one) => one.trim()) };
}

function boxes(values: readonly number[], { resizedHeight, resizedWidth }: ImageFrame): BoxField[] {
  return Array.from({ length: values.length / 4 }, (_, i) => {
    const own = values.slice(4 * i, 4 * i + 4);
    const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = own;
    const { left, top, right, bottom } = boxEdges(own, resizedHeight, resizedWidth);
    return { x1, y1, x2, y2, left_px: left, top_px: top, right_px: right, bottom_px: bottom };
  });
}

/** Of distances and angles their lines, of an ellipse its axes; nothing where no landmarks are known. */
function linesOf(annotation: Annotation, points: Float64Array | undefined, frame: ImageFrame): { lines?: LineField[]; cosine?: number } {
  if (annotation.kind === 'box' || points === undefined || points.some(Number.isNaN)) return {};
  const said = annotation.kind === 'ellipse' ? ELLIPSE_POINTS : annotation.landmarks.map((one) => one.trim());
  const pixel = pixelSize(frame);
  const picture = pictureSize(frame);
  const place = (i: number): PlaceField => ({
    name: said[i] ?? '',
    x: (points[2 * i] ?? NaN) / picture.width,
    y: 1 - (points[2 * i + 1] ?? NaN) / picture.height,
  });
  const lines = Array.from({ length: points.length / 4 }, (_, i): LineField => {
    const [from, to] = [place(2 * i), place(2 * i + 1)];
    const [right, up] = [(to.x - from.x) * frame.resizedWidth, (to.y - from.y) * frame.resizedHeight];
    const [right_mm, up_mm] = [right * pixel.width, up * pixel.height];
    return {
      from,
      to,
      across_px: Math.abs(right),
      down_px: Math.abs(up),
      across_mm: Math.abs(right_mm),
      down_mm: Math.abs(up_mm),
      length_px: Math.hypot(right, up),
      length_mm: Math.hypot(right_mm, up_mm),
      right_mm,
      up_mm,
    };
  });
  const [a, b] = lines;
  if (annotation.kind !== 'angle' || a === undefined || b === undefined) return { lines };
  const along = a.right_mm * b.right_mm + a.up_mm * b.up_mm;
  return { lines, cosine: Math.abs(along) / (a.length_mm * b.length_mm) };
}
