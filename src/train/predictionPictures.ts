/**
 * Pictures of predictions for trackers that show any: what a row asks about, with the truth and the answer drawn in where they are boxes,
 * and both as numbers in the caption. The same few rows at every evaluation, each under a key of its own, so that one sees them change. A
 * picture that cannot be made is a warning.
 */
import { drawLine, drawPoint, drawRectangle, enlarged } from '../data/drawing.ts';
import type { Stroke } from '../data/drawing.ts';
import { boxEdges } from '../data/medvision/detection.ts';
import type { Point } from '../data/medvision/landmarks.ts';
import type { AnswerScore } from '../data/medvision/metrics.ts';
import type { TaskTag } from '../data/medvision/tasks.ts';
import { resizeImage } from '../data/resize.ts';
import { errorText } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';
import { redact } from '../track/secrets.ts';
import type { Picture, Tracker } from '../track/tracker.ts';

/** Of each task, at every evaluation. */
export const PICTURES = 4;

/** What a picture shows beside the answer. */
export interface Scene {
  image: DecodedImage;
  /** The image is a sheet of the row's several pictures: nothing is drawn in, since it is not known which one the answer is about. */
  isSheet?: boolean;
  /** What is asked for, and of what: the label or the measure, the file and slice. */
  name: string;
  /** The right answer as the row words it. */
  target: string;
  /** Between landmarks, in pixels of the image: what the true answer measures. Empty for boxes, and where it is not known. */
  lines: readonly (readonly [Point, Point])[];
}

export interface AnsweredRow {
  index: number;
  text: string;
  /** Absent for rows that are no MedVision task. */
  score?: AnswerScore;
  /** The right numbers. */
  values?: readonly number[];
}

/**
 * Sky blue and orange of Okabe and Ito, which the colour-blind tell apart; the truth is the wider line, so that both are seen where they
 * coincide.
 */
const TRUTH: Stroke = { color: [86, 180, 233], width: 4 };
const ANSWER: Stroke = { color: [230, 159, 0], width: 2 };
/** Around lines, for bright slices: pixels on either side. */
const CASING = 1;
const POINT = 8;
const MARGIN = 6;
/** Longer side of a picture, about: small slices are enlarged by whole factors, photographs made smaller. */
const SIDE = 512;
const LONGEST = 1024;
/** Characters of an answer that could not be read. */
const QUOTED = 200;

export class PredictionPictures {
  private readonly sceneOf: (index: number) => Promise<Scene | undefined>;
  private readonly platform: Platform;
  /** Read once: the slice of a compressed volume costs seconds. Undefined: the row has no image, or it could not be read. */
  private readonly scenes = new Map<number, Scene | undefined>();
  private drawn: { key: string; picture: Picture }[] = [];

  constructor(sceneOf: (index: number) => Promise<Scene | undefined>, platform: Platform) {
    this.sceneOf = sceneOf;
    this.platform = platform;
  }

  /** Draws some of the rows, spread over all of them. @param tag undefined for rows that are no MedVision task */
  async draw(tag: TaskTag | undefined, rows: readonly AnsweredRow[], tracker: Tracker): Promise<void> {
    const count = Math.min(PICTURES, rows.length);
    for (let i = 0; i < count; i++) {
      const row = rows[Math.floor((i * rows.length) / count)]!;
      const key = `eval_predictions/${tag ?? 'rows'}/${i + 1}`;
      try {
        if (!this.scenes.has(row.index)) {
          this.scenes.set(row.index, undefined); // one that fails is told once
          this.scenes.set(row.index, shrunk(await this.sceneOf(row.index)));
        }
        const scene = this.scenes.get(row.index);
        if (!scene) continue;
        const { data, width, height } = predictionRaster(scene, row);
        const png = await this.platform.encodePng(data, width, height, 3);
        this.drawn.push({ key, picture: { png, width, height, caption: predictionCaption(tag, scene, row) } });
      } catch (error) {
        await tracker.event('warning', `No picture of a prediction (${key}): ${errorText(error)}`);
      }
    }
  }

  /** Forgets what an evaluation that did not come to its end has drawn. */
  begin(): void {
    this.drawn = [];
  }

  /** What was drawn, to go with the row of figures that is logged next. */
  tell(tracker: Tracker, step: number): void {
    for (const { key, picture } of this.drawn) tracker.picture?.(key, picture, step);
    this.drawn = [];
  }
}

/** Photographs of many megapixels are neither kept nor sent. */
function shrunk(scene: Scene | undefined): Scene | undefined {
  return scene && { ...scene, ...shrunkImage(scene) };
}

/** The image at most `longest` pixels on its longer side, and the lines on it. */
export function shrunkImage(scene: Pick<Scene, 'image' | 'lines'>, longest = LONGEST): Pick<Scene, 'image' | 'lines'> {
  const { image } = scene;
  const scale = longest / Math.max(image.width, image.height);
  if (scale >= 1) return scene;
  const side = (pixels: number): number => Math.max(1, Math.round(pixels * scale));
  const small = resizeImage(image, side(image.width), side(image.height), 'bilinear');
  const moved = ({ x, y }: Point): Point => ({ x: (x * small.width) / image.width, y: (y * small.height) / image.height });
  return { image: small, lines: scene.lines.map(([from, to]) => [moved(from), moved(to)] as const) };
}

/**
 * The image, enlarged, with the true box or lines in blue and the predicted box in orange.
 * @param answered lines in orange, for answers that are no box
 */
export function predictionRaster(
  { image, lines, isSheet = false }: Pick<Scene, 'image' | 'lines' | 'isSheet'>,
  { score, values }: Pick<AnsweredRow, 'score' | 'values'>,
  answered: Scene['lines'] = [],
): DecodedImage {
  const factor = Math.max(1, Math.round(SIDE / Math.max(image.width, image.height)));
  const raster = enlarged(image, factor, MARGIN);
  const onRaster = (at: number): number => MARGIN + factor * at;
  const place = ({ x, y }: Point): Point => ({ x: onRaster(x), y: onRaster(y) });
  const strokes: [Stroke, (stroke: Stroke) => void][] = [];
  for (const [from, to] of lines) {
    strokes.push([TRUTH, (stroke) => drawLine(raster, place(from), place(to), stroke)]);
    for (const end of [from, to]) strokes.push([{ ...TRUTH, width: POINT }, (stroke) => drawPoint(raster, place(end), stroke)]);
  }
  const box = (corners: readonly number[], own: Stroke): void => {
    // What lies far outside is drawn just outside, that is, not seen.
    const { left, top, right, bottom } = boxEdges(
      corners.map((at) => Math.min(1.5, Math.max(-0.5, at))),
      image.height,
      image.width,
    );
    const edges = { left: onRaster(left), top: onRaster(top), right: onRaster(right), bottom: onRaster(bottom) };
    strokes.push([own, (stroke) => drawRectangle(raster, edges, stroke)]);
  };
  if (score?.taskType === 'BoxSize' && !isSheet) {
    if (values) box(values, TRUTH);
    if (score.isAnswer) box(score.values, ANSWER);
  }
  for (const [from, to] of answered) strokes.push([ANSWER, (stroke) => drawLine(raster, place(from), place(to), stroke)]);
  // All casings below all lines: a box that is nearly right must not hide the true one.
  for (const [stroke, draw] of strokes) draw({ color: [0, 0, 0], width: stroke.width + 2 * CASING });
  for (const [stroke, draw] of strokes) draw(stroke);
  return raster;
}

/** Task and what is asked, the answer as it was read, the truth, and how good it is. */
export function predictionCaption(
  tag: TaskTag | undefined,
  { name, target, isSheet = false }: Pick<Scene, 'name' | 'target' | 'isSheet'>,
  { text, score, values = [] }: Omit<AnsweredRow, 'index'>,
): string {
  const quoted = JSON.stringify(text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text);
  if (!score) return redact(`${name} | answer: ${quoted} | truth: ${JSON.stringify(target)}`);
  const numbers = (list: readonly number[]): string => list.map((value) => String(Number(value.toPrecision(4)))).join(', ');
  const answer = score.isAnswer ? numbers(score.values) : `not read, ${quoted}`;
  const isBox = score.taskType === 'BoxSize';
  const figure = isBox ? `IoU ${(score.box?.iou ?? 0).toFixed(3)}` : score.isAnswer ? `MRE ${score.mre.toFixed(3)}` : 'no MRE';
  const orange = isBox && !isSheet && score.isAnswer ? ' (orange)' : '';
  const blue = isBox && !isSheet ? ' (blue)' : '';
  return redact(`${tag ?? score.taskType}: ${name} | answer${orange}: ${answer} | truth${blue}: ${numbers(values)} | ${figure}`);
}
