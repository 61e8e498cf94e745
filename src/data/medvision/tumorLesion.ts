/**
 * Tumour and lesion size (TumorLesionSize): major and minor axis of the ellipse around one cluster of the target label on one slice.
 *
 * Corrected style, with the example of a plan that says 13.0862… and 16.5303… mm for L-1-2 and L-3-4:
 * - The longer axis comes first, as the prompt promises. Reference "13.086, 16.531", corrected "16.53, 13.09". Until its version 1.1.0 the
 *   planner mixed up the two spacings of anisotropic pixels, so "major" can be the shorter one there; such annotations are marked
 *   `isSuspect`, for both lengths may be wrong.
 * - Values come from the plan at 0.01 mm. The reference's went through float16, whose steps reach 0.03 mm ("16.531" for 16.5303).
 * - The image size is stated.
 */
import { UserError } from '../../platform.ts';
import { asArray, asNumber, asObject, asString } from './json.ts';
import { fixed3, toFloat16 } from './numbers.ts';
import type { PlanSlice, PlanTask } from './plan.ts';
import { isSquare } from './planVersion.ts';
import { imageSentence, opening, pixelSizeSentence, unitWord } from './prompt.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation, Axes, DropReason, PromptStyle } from './sample.ts';

type Ellipse = Extract<Annotation, { kind: 'ellipse' }>;

/**
 * One result a slice. `major` and `minor` are the plan's L-1-2 and L-3-4, in that order.
 * @param isFiltered false lets slices with several ellipses through, of which the result has all, the longest first
 */
export function ellipse(
  task: PlanTask,
  slice: PlanSlice,
  { pixelHeight, pixelWidth }: Pick<ImageFrame, 'pixelHeight' | 'pixelWidth'>,
  isFiltered = true,
): Ellipse | DropReason {
  const label = task.targetLabel;
  const labelName = label === undefined ? undefined : task.labelsMap.get(String(label));
  if (label === undefined || labelName === undefined) {
    throw new UserError(
      `${task.where}: target_label ${label ?? 'missing'} is not in labels_map (${[...task.labelsMap.keys()].join(', ')}). Is it a ` +
        `tumour/lesion task?`,
    );
  }
  if (slice.profile.length === 0) return 'empty_annotation';
  if (isFiltered && (slice.profile.length > 1 || (slice.clusterCount ?? 1) > 1)) return 'more_than_one_ellipse';
  const found = slice.profile.map((value, i) => readAxes(value, `${slice.where}.slice_profile[${i}]`));
  const [first, ...others] = found.sort((a, b) => longest(b) - longest(a)); // equal ones as in the plan
  if (first === undefined) return 'empty_annotation';
  const { unit, major, minor } = first;
  const foreign = others.find((one) => one.unit !== unit);
  if (foreign !== undefined)
    throw new UserError(`${slice.where}: ellipses in ${unit} and in ${foreign.unit} on one slice. Repair the plan.`);
  const isSwapped = found.some((axes) => axes.major < axes.minor);
  const isSuspect = task.hasTransposedSpacing && (isSwapped || !isSquare(pixelHeight, pixelWidth));
  const rest = others.map((axes) => ({ major: axes.major, minor: axes.minor }));
  return { kind: 'ellipse', label, labelName, major, minor, unit, isSuspect, ...(rest.length > 0 && { others: rest }) };
}

const longest = ({ major, minor }: Axes): number => Math.max(major, minor);

function readAxes(profile: unknown, where: string): Axes & { unit: string } {
  const axes = new Map(
    asArray(profile, where).map((value, i) => {
      const metric = asObject(value, `${where}[${i}]`);
      return [asString(metric['metric_key'], `${where}[${i}].metric_key`), metric];
    }),
  );
  const length = (key: string): number => {
    const metric = axes.get(key);
    if (metric === undefined)
      throw new UserError(`${where}: the axis ${key} expected, ${[...axes.keys()].join(', ') || 'nothing'} found. Repair the plan.`);
    const value = asNumber(metric['metric_value'], `${where}: ${key}.metric_value`);
    if (value < 0) throw new UserError(`${where}: ${key} is ${value}, a length from 0 is expected. Repair the plan.`);
    return value;
  };
  const [major, minor] = [length('L-1-2'), length('L-3-4')];
  const unit = asString(axes.get('L-1-2')?.['metric_unit'], `${where}: L-1-2.metric_unit`);
  unitWord(unit, 'length', where);
  return { major, minor, unit };
}

/** Longer and shorter axis of each ellipse; in reference style L-1-2 and L-3-4 as float16. */
export function ellipseValues({ major, minor, others = [] }: Ellipse, style: PromptStyle): number[] {
  const all = [{ major, minor }, ...others];
  if (style === 'reference') return all.flatMap((axes) => [toFloat16(axes.major), toFloat16(axes.minor)]);
  return all.flatMap((axes) => [longest(axes), Math.min(axes.major, axes.minor)]);
}

export function ellipseTarget(values: number[], style: PromptStyle): string {
  return values.map((value) => (style === 'reference' ? fixed3(value) : value.toFixed(2))).join(', ');
}

const FORMAT =
  'The answer should be two decimal numbers separated by a comma without any units or additional text. ' +
  'The first is the major axis length, and the second is the minor axis length.';

export function ellipsePrompt(task: PlanTask, annotation: Ellipse, frame: ImageFrame, style: PromptStyle): string {
  const unit = style === 'reference' ? annotation.unit : unitWord(annotation.unit, 'length', task.where);
  const image = style === 'reference' ? '' : `${imageSentence(frame)}\n`;
  const count = 1 + (annotation.others?.length ?? 0);
  const what =
    count === 1
      ? `the ellipse enclosing the ${annotation.labelName}, in ${unit}`
      : `each of the ${count} ellipses enclosing the ${annotation.labelName}, in ${unit}, the ellipse with the longest major axis first`;
  return (
    `Task:\n${opening(task.imageDescription, style)}` +
    `estimate the major and minor axis lengths of ${what}.\n` +
    `Additional information:\n${image}${pixelSizeSentence(frame, style === 'reference' ? unit : 'mm', style)}\n` +
    `Format requirement:\n${count === 1 ? FORMAT : severalFormat(count)}`
  );
}

function severalFormat(count: number): string {
  return (
    `The answer should be ${count * 2} decimal numbers separated by commas without any units or additional text: ` +
    'the major axis length and the minor axis length of each ellipse.'
  );
}
