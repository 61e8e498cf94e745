/**
 * Rows of conversations from what is drawn: questions and answers as those of MedVision's plans are worded (`corrected`), and the key
 * `measure`, by which a report draws and counts them as it does MedVision's. What is written here is what `--train_file` takes.
 */
import { UserError } from '../../platform.ts';
import { kindPrompt } from '../medvision/askedTask.ts';
import { boxTarget } from '../medvision/detection.ts';
import { metricTarget } from '../medvision/angleDistance.ts';
import type { ImageFrame } from '../medvision/prompt.ts';
import type { ResizedSize } from '../medvision/samples.ts';
import type { TaskTag } from '../medvision/tasks.ts';
import { ellipseTarget } from '../medvision/tumorLesion.ts';
import { checkAnnotation } from './annotation.ts';
import type { DrawnAnnotation, Shape, SliceSize } from './annotation.ts';
import { measuredValues, planAnnotation } from './measured.ts';
import type { PixelSize } from './measured.ts';

/** The slice or the picture that annotations are drawn on, and its picture file beside the rows. */
export interface DrawnSlice extends SliceSize {
  /** Relative to the file of rows. */
  picture: string;
  /** Of the scan, as shown. */
  scan: string;
  modality: string;
  /** For prompts: "a CT scan of the knee"; may be empty. */
  description: string;
  /** null where it is not known: only boxes can be asked for then. */
  pixelSize: PixelSize | null;
}

/** A line of the file of rows, before it is JSON. */
export type DrawnRow = Readonly<Record<string, unknown>>;

const TASKS: Readonly<Record<Shape, TaskTag>> = { box: 'Detection', distance: 'AD', angle: 'AD', ellipse: 'TL' };
const UNITS: Readonly<Record<Shape, string | undefined>> = { box: undefined, distance: 'mm', angle: 'degrees', ellipse: 'mm' };
const LINES: Readonly<Record<Shape, number>> = { box: 0, distance: 1, angle: 2, ellipse: 2 };

/**
 * One row an annotation, all of the same slice.
 * @param resizedSize of the model: image and pixel sizes in the question are those that it sees
 * @throws UserError that names scan and annotation, for a missing pixel size too
 */
export function drawnRows(annotations: readonly DrawnAnnotation[], slice: DrawnSlice, resizedSize: ResizedSize): DrawnRow[] {
  return annotations.map((annotation) => {
    const { id, shape, label, landmarks, points, plane } = annotation;
    const where = `${slice.scan}: ${shape} "${label}"${plane === null ? '' : ` on ${plane} slice ${annotation.slice}`}`;
    checkAnnotation(annotation, slice, where);
    const pixelSize = sizeFor(shape, slice, where);
    const values = measuredValues(annotation, slice, pixelSize);
    const frame = frameOf(slice, pixelSize, resizedSize);
    const lines = Array.from({ length: LINES[shape] }, (_, i) => [points[2 * i], points[2 * i + 1]]);
    const unit = UNITS[shape];
    return {
      id,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image' },
            { type: 'text', text: kindPrompt(planAnnotation(annotation, values), slice.description, frame, 'corrected') },
          ],
        },
        { role: 'assistant', content: [{ type: 'text', text: target(shape, values, frame) }] },
      ],
      images: [slice.picture],
      task: TASKS[shape],
      measure: {
        kind: shape,
        name: label.trim(),
        ...(unit !== undefined && { unit }),
        ...(landmarks.length > 0 && { landmarks }),
        ...(slice.pixelSize !== null && { pixel_size: [...slice.pixelSize] }),
        ...(lines.length > 0 && { lines }),
        ...(slice.modality.trim() !== '' && { modality: slice.modality.trim() }),
        image_size: [slice.height, slice.width],
        scan: slice.scan,
        ...(plane !== null && { plane, slice: annotation.slice }),
      },
    };
  });
}

function sizeFor(shape: Shape, { pixelSize, scan }: DrawnSlice, where: string): PixelSize {
  const isKnown = pixelSize?.every((mm) => Number.isFinite(mm) && mm > 0) ?? false;
  if (pixelSize !== null && isKnown) return pixelSize;
  if (shape === 'box' && pixelSize === null) return [NaN, NaN];
  throw new UserError(
    `${where}: the size of a pixel of ${scan} ${pixelSize === null ? 'is not known' : `is ${pixelSize.join(' × ')} mm`}, and ` +
      'lengths and angles need it. Say how many mm a pixel is high and wide.',
  );
}

function frameOf({ height, width }: SliceSize, [row, column]: PixelSize, resizedSize: ResizedSize): ImageFrame {
  const resized = resizedSize(height, width);
  return {
    height,
    width,
    resizedHeight: resized.height,
    resizedWidth: resized.width,
    pixelHeight: row,
    pixelWidth: column,
    isFloat32: false,
  };
}

function target(shape: Shape, values: number[], frame: ImageFrame): string {
  switch (shape) {
    case 'box':
      return boxTarget(values, frame, 'corrected');
    case 'ellipse':
      return ellipseTarget(values, 'corrected');
    case 'distance':
    case 'angle':
      return metricTarget(values, 'corrected');
  }
}
