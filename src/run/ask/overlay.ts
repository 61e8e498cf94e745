/**
 * The picture with what was answered drawn in orange, and the truth in blue where it is known, by the code that draws the predictions of an
 * evaluation.
 */
import { answerLines } from '../../data/medvision/answerLines.ts';
import type { Line } from '../../data/medvision/answerLines.ts';
import type { Annotation } from '../../data/medvision/sample.ts';
import type { DecodedImage } from '../../platform.ts';
import { predictionRaster, shrunkImage } from '../../train/predictionPictures.ts';
import type { Reading } from './reading.ts';

export interface OverlayScene {
  image: DecodedImage;
  /** What the true answer measures, in pixels of the image; empty where it is not known. */
  lines: readonly Line[];
  /** mm a pixel; NaN where it is not known. */
  pixelWidth: number;
  pixelHeight: number;
  /** What was asked, where it is a MedVision question. */
  annotation?: Annotation;
  /** The right numbers, where they are known. */
  truth?: readonly number[];
}

export interface Overlay {
  raster: DecodedImage;
  /** What is drawn, in words. */
  legend: string;
}

export function overlayOf(scene: OverlayScene, { corners, numbers }: Reading): Overlay {
  const { image, lines } = shrunkImage(scene);
  const size = {
    width: (scene.pixelWidth * scene.image.width) / image.width,
    height: (scene.pixelHeight * scene.image.height) / image.height,
  };
  const values = numbers?.map(({ value }) => value) ?? [];
  const { annotation, truth } = scene;
  const isBox = corners !== undefined || annotation?.kind === 'box';
  const { drawn, words } =
    annotation === undefined || isBox ? { drawn: [], words: '' } : answerLines(annotation, values, truth, lines, size, image);
  const score = {
    taskType: 'BoxSize',
    isAnswer: corners !== undefined,
    values: corners ?? [],
    mae: NaN,
    mre: NaN,
    scale: NaN,
    box: undefined,
  } as const;
  const raster = predictionRaster({ image, lines }, isBox ? { score, ...(truth && { values: truth }) } : {}, drawn);
  const parts = [
    ...(corners !== undefined ? ['orange: the box of the answer'] : words === '' ? [] : [`orange: ${words}`]),
    ...(truth !== undefined && (isBox || lines.length > 0) ? ['blue: the truth'] : []),
  ];
  return { raster, legend: parts.length > 0 ? parts.join('; ') : 'the picture alone: the answer names nothing that could be drawn' };
}
