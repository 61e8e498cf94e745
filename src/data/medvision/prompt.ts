/** The parts that the prompts of the three tasks share: the opening, and the sentence on image and pixel size. */
import { UserError } from '../../platform.ts';
import type { Canvas } from './canvas.ts';
import { fixed3 } from './numbers.ts';
import type { PromptStyle } from './sample.ts';

/** A slice as it is on disk and as the model will see it. */
export interface ImageFrame {
  /** Pixels on disk. */
  height: number;
  width: number;
  /** Pixels after the model's own resizing. */
  resizedHeight: number;
  resizedWidth: number;
  /** mm on disk, from the volume's header; undefined where the task does not need it. */
  pixelHeight: number;
  pixelWidth: number;
  /** The picture as the model is given it, where that is not the slice; `resized…` is then the canvas after the model's resizing. */
  canvas?: Canvas;
  /** The reference computes the pixel size in float32 (see `resizedPixelSize`). */
  isFloat32: boolean;
}

/** The task's opening line up to the comma. */
export function opening(imageDescription: string, style: PromptStyle): string {
  // Corrected: some plans (FeTA24) describe no image, where the reference writes "Given the input medical image: , estimate …".
  const description = style === 'reference' ? imageDescription : imageDescription.trim();
  if (style === 'corrected' && description === '') return 'Given the input medical image, ';
  return `Given the input medical image: ${description}, `;
}

/**
 * mm a pixel of the resized image covers, of which there are `ratio` to one of the disk's. The reference divides numpy float32 zooms by a
 * ratio: by a Python float for a fixed input size (MedGemma), where numpy stays in float32, and by a float64 for Qwen's dynamic size, where
 * it does not.
 */
function resizedPixelSize(pixel: number, ratio: number, isFloat32: boolean): number {
  return isFloat32 ? Math.fround(pixel / Math.fround(ratio)) : pixel / ratio;
}

/** The picture that places are relative to: the canvas, or the slice. */
export function pictureSize({ canvas, height, width }: Pick<ImageFrame, 'canvas' | 'height' | 'width'>): { height: number; width: number } {
  return canvas ?? { height, width };
}

/** mm a pixel of the resized picture covers. */
export function pixelSize(frame: ImageFrame, isFloat32 = false): { width: number; height: number } {
  // On a canvas the mm follow from the content alone: padding has none.
  const ratio = (side: 'height' | 'width', resized: number): number =>
    frame.canvas ? (frame.canvas.content[side] / frame[side]) * (resized / frame.canvas[side]) : resized / frame[side];
  return {
    width: resizedPixelSize(frame.pixelWidth, ratio('width', frame.resizedWidth), isFloat32),
    height: resizedPixelSize(frame.pixelHeight, ratio('height', frame.resizedHeight), isFloat32),
  };
}

export function pixelSizeSentence(frame: ImageFrame, unit: string, style: PromptStyle): string {
  const isFloat32 = style === 'reference' && frame.isFloat32;
  const { width, height } = pixelSize(frame, isFloat32);
  return `The pixel size for this image is ${fixed3(width)} ${unit} (width) x ${fixed3(height)} ${unit} (height).`;
}

/**
 * Corrected style only. The pixel size means little without the size it belongs to, since the model resizes: "The image size is 168 pixels
 * (width) x 224 pixels (height)." for a 181×217 slice that Qwen sees as 168×224.
 */
export function imageSentence(frame: ImageFrame): string {
  return `The image size is ${frame.resizedWidth} pixels (width) x ${frame.resizedHeight} pixels (height).`;
}

const LENGTH_UNITS = new Map([
  ['mm', 'mm'],
  ['millimeter', 'mm'],
  ['millimeters', 'mm'],
  ['cm', 'cm'],
  ['centimeter', 'cm'],
  ['centimeters', 'cm'],
]);

/** One word a unit: "mm" (the reference says "mm" for sizes and "millimeters" for distances), "cm", or "degrees". */
export function unitWord(unit: string, kind: 'length' | 'angle', where: string): string {
  const text = unit.trim().toLowerCase();
  const word = kind === 'length' ? LENGTH_UNITS.get(text) : ['degree', 'degrees', 'deg', '°'].includes(text) ? 'degrees' : undefined;
  if (word === undefined) {
    throw new UserError(
      `${where}: the unit ${JSON.stringify(unit)} is unknown; ${kind === 'length' ? 'mm or cm' : 'degree'} is expected. Repair the plan.`,
    );
  }
  return word;
}
