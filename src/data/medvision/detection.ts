/**
 * Detection (BoxSize): the box around one structure on one slice. Coordinates are relative to the image, origin at its lower left corner, x
 * along the columns and y along the rows.
 *
 * Corrected style, with the example of rows 46–57 and columns 25–34 of an 86×72 slice (max coordinates belong to the box):
 * - Edges include the last row and column. Reference "0.347, 0.337, 0.472, 0.465" (34/72, (86−57)/86), corrected "0.347, 0.326, 0.486,
 *   0.465"
 *   (35/72, (86−58)/86).
 * - The prompt asks for what the target is: four numbers separated by commas. The reference asks for "[x1, y1, x2, y2]" and answers without
 *   brackets.
 * - The image size is stated.
 * - More decimals where an image is wider or higher than 1000 pixels (four up to 10 000), so that the text is never off by more than half a
 *   pixel.
 */
import { UserError } from '../../platform.ts';
import { asArray, asIndex, asNumbers, asObject } from './json.ts';
import { onCanvas } from './canvas.ts';
import { fixed3 } from './numbers.ts';
import type { PlanSlice, PlanTask } from './plan.ts';
import { imageSentence, opening } from './prompt.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation, BoxCorners, DropReason, PromptStyle } from './sample.ts';

type Box = Extract<Annotation, { kind: 'box' }>;

/** The hub loader drops boxes with a side below this. */
const MIN_SIDE = 10;

/**
 * One result a label, in the plan's order: a box, or why there is none.
 * @param isFiltered false lets small boxes through, and labels with several, of which the result has all, the largest first
 */
export function* boxes(
  task: PlanTask,
  slice: PlanSlice,
  { height, width }: Pick<ImageFrame, 'height' | 'width'>,
  isFiltered = true,
): Generator<Box | DropReason, void, undefined> {
  for (let i = 0; i < slice.profile.length; i++) {
    const where = `${slice.where}.slice_profile[${i}]`;
    const entry = asObject(slice.profile[i], where);
    const label = asIndex(entry['label'], `${where}.label`);
    const labelName = task.labelsMap.get(String(label));
    if (labelName === undefined)
      throw new UserError(
        `${where}: label ${label} is not in the task's labels_map (${[...task.labelsMap.keys()].join(', ')}). Repair the plan.`,
      );
    const found = asArray(entry['bboxes'], `${where}.bboxes`);
    if (found.length === 0) yield 'empty_annotation';
    else if (found.length > 1 && isFiltered) yield 'more_than_one_box';
    else {
      const corners = found.map((value, n) => readBox(value, `${where}.bboxes[${n}]`, height, width));
      const [first, ...others] = corners.sort((a, b) => area(b) - area(a)); // equal ones as in the plan
      if (first === undefined) continue;
      if (isFiltered && sidesOf(first).some((side) => side < MIN_SIDE)) yield 'box_under_10px';
      else yield { kind: 'box', label, labelName, ...first, ...(others.length > 0 && { others }) };
    }
  }
}

const sidesOf = ({ min, max }: BoxCorners): [number, number] => [max[0] - min[0] + 1, max[1] - min[1] + 1];

function area(box: BoxCorners): number {
  const [height, width] = sidesOf(box);
  return height * width;
}

/** @throws UserError for a box that is not inside the slice */
function readBox(value: unknown, where: string, height: number, width: number): BoxCorners {
  const box = asObject(value, where);
  const [top = 0, left = 0] = asNumbers(box['min_coords'], 2, `${where}.min_coords`);
  const [bottom = 0, right = 0] = asNumbers(box['max_coords'], 2, `${where}.max_coords`);
  const sides = box['dimensions'] === undefined ? [] : asNumbers(box['dimensions'], 2, `${where}.dimensions`);
  if (sides.some((side) => side < 1))
    throw new UserError(`${where}.dimensions: sides of at least 1 pixel expected, ${JSON.stringify(sides)} found. Repair the plan.`);
  const isInside = [top, left, bottom, right].every((c) => Number.isSafeInteger(c) && c >= 0) && bottom < height && right < width;
  if (!isInside || bottom < top || right < left) {
    throw new UserError(
      `${where}: the box [${top}, ${left}] to [${bottom}, ${right}] is not inside the ${height}×${width} slice. Repair the plan.`,
    );
  }
  return { min: [top, left], max: [bottom, right] };
}

/** x1, y1, x2, y2 of each box. */
export function boxValues(
  { min, max, others = [] }: Box,
  frame: Pick<ImageFrame, 'height' | 'width' | 'canvas'>,
  style: PromptStyle,
): number[] {
  const edge = style === 'reference' ? 0 : 1;
  const { height, width, canvas } = frame;
  if (canvas !== undefined)
    return [{ min, max }, ...others].flatMap((box) => {
      const upper = onCanvas(canvas, { x: box.min[1], y: box.min[0] });
      const lower = onCanvas(canvas, { x: box.max[1] + edge, y: box.max[0] + edge });
      const [y1, y2] = [canvas.height - lower.y, canvas.height - upper.y];
      return [upper.x / canvas.width, y1 / canvas.height, lower.x / canvas.width, y2 / canvas.height];
    });
  return [{ min, max }, ...others].flatMap((box) => [
    box.min[1] / width,
    (height - box.max[0] - edge) / height,
    (box.max[1] + edge) / width,
    (height - box.min[0]) / height,
  ]);
}

/**
 * The way back: edges in pixels from the upper left corner, of an answer x1, y1, x2, y2. Right and bottom are the far edges of the last
 * column and row.
 */
export function boxEdges(
  answer: readonly number[],
  height: number,
  width: number,
): { left: number; top: number; right: number; bottom: number } {
  const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = answer;
  return { left: x1 * width, top: (1 - y2) * height, right: x2 * width, bottom: (1 - y1) * height };
}

export function boxTarget(values: number[], frame: ImageFrame, style: PromptStyle): string {
  const { height, width } = frame.canvas ?? frame;
  const side = Math.max(height, width);
  const decimals = style === 'corrected' && side > 1000 ? Math.ceil(Math.log10(side)) : 3;
  return values.map((value) => (decimals > 3 ? value.toFixed(decimals) : fixed3(value))).join(', ');
}

const REFERENCE_FORMAT =
  'Return the coordinates as [x1, y1, x2, y2] where (x1, y1) is the lower-left corner and (x2, y2) is the upper-right corner, ' +
  'with coordinates normalized to [0, 1].';
const CORNERS =
  'where (x1, y1) is the lower-left corner and (x2, y2) is the upper-right corner, relative to the image width and height, with the ' +
  'origin at the lower-left corner of the image.';
const CORRECTED_FORMAT =
  'The answer should be four decimal numbers separated by commas without any units, brackets or additional text: ' +
  `x1, y1, x2, y2, ${CORNERS}`;

export function boxPrompt(task: PlanTask, box: Box, frame: ImageFrame, style: PromptStyle): string {
  const count = 1 + (box.others?.length ?? 0);
  const what =
    count === 1
      ? `the bounding box for the ${box.labelName}`
      : `each of the ${count} bounding boxes for the ${box.labelName}, the largest box first`;
  const format = count > 1 ? severalFormat(count) : style === 'reference' ? REFERENCE_FORMAT : CORRECTED_FORMAT;
  return (
    `Task:\n${opening(task.imageDescription, style)}` +
    `return the coordinates of the lower-left and upper-right corner of ${what}.\n` +
    (style === 'corrected' ? `Additional information:\n${imageSentence(frame)}\n` : '') +
    `Format requirement:\n${format}`
  );
}

function severalFormat(count: number): string {
  return (
    `The answer should be ${count * 4} decimal numbers separated by commas without any units, brackets or additional text: ` +
    `x1, y1, x2, y2 of each box, ${CORNERS}`
  );
}
