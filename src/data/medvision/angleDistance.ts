/**
 * Angles and distances (BiometricsFromLandmarks): one metric between two landmarks, or between two lines of two landmarks each, on one
 * slice. The plan names lines, angles and landmarks in maps that the metric and its elements refer to by name.
 *
 * Corrected style, with the example of a distance that the plan gives as 21.36000936…:
 * - The value comes from the plan at 0.01. Reference "21.359375" (a float16, printed in full), corrected "21.36".
 * - One unit word: "mm" in the question as in the pixel size, where the reference mixes "millimeters" and "mm"; "degrees" for "degree".
 * - The image size is stated, and the spaces that some landmark names end in are gone.
 */
import { UserError } from '../../platform.ts';
import { asArray, asNumber, asObject, asString } from './json.ts';
import { pythonFloat, toFloat16 } from './numbers.ts';
import type { PlanElement, PlanSlice, PlanTask } from './plan.ts';
import { imageSentence, opening, pixelSizeSentence, unitWord } from './prompt.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation, PromptStyle } from './sample.ts';

type Metric = Extract<Annotation, { kind: 'distance' | 'angle' }>;

/**
 * The metrics of a slice in the plan's order; nothing is ever dropped. `landmarks` are the names of 2 points, or of 2 × 2 points for an
 * angle.
 */
export function* metrics(task: PlanTask, slice: PlanSlice): Generator<Metric, void, undefined> {
  for (let i = 0; i < slice.profile.length; i++) {
    const where = `${slice.where}.slice_profile[${i}]`;
    const entry = asObject(slice.profile[i], where);
    const kind = asString(entry['metric_type'], `${where}.metric_type`);
    if (kind !== 'distance' && kind !== 'angle')
      throw new UserError(`${where}.metric_type: distance or angle expected, ${JSON.stringify(kind)} found.`);
    const key = asString(entry['metric_key'], `${where}.metric_key`);
    const unit = asString(entry['metric_unit'], `${where}.metric_unit`);
    const value = asNumber(entry['metric_value'], `${where}.metric_value`);
    unitWord(unit, kind === 'angle' ? 'angle' : 'length', where);
    const element = mapped(task, asString(entry['metric_map_name'], `${where}.metric_map_name`), key, where);
    const lines = kind === 'distance' ? [element] : element.elementKeys.map((line) => mapped(task, element.elementMapName, line, where));
    const landmarks = lines.flatMap((line) => line.elementKeys.map((point) => landmark(task, line.elementMapName, point, where)));
    yield { kind, key, name: element.name, value, unit, landmarks };
  }
}

function mapped(task: PlanTask, mapName: string, key: string, where: string): PlanElement {
  const map = asObject(task.raw[mapName], `${task.where}.${mapName} (which ${where} refers to)`);
  const place = `${task.where}.${mapName}["${key}"]`;
  const element = asObject(Object.hasOwn(map, key) ? map[key] : undefined, `${place} (which ${where} refers to)`);
  const keys = asArray(element['element_keys'], `${place}.element_keys`);
  if (keys.length !== 2) throw new UserError(`${place}.element_keys: 2 names expected, ${keys.length} found. Repair the plan.`);
  return {
    name: asString(element['name'] ?? '', `${place}.name`),
    elementKeys: [asString(keys[0], `${place}.element_keys[0]`), asString(keys[1], `${place}.element_keys[1]`)],
    elementMapName: asString(element['element_map_name'], `${place}.element_map_name`),
  };
}

function landmark(task: PlanTask, mapName: string, key: string, where: string): string {
  const map = asObject(task.raw[mapName], `${task.where}.${mapName} (which ${where} refers to)`);
  return asString(Object.hasOwn(map, key) ? map[key] : undefined, `${task.where}.${mapName}["${key}"] (which ${where} refers to)`);
}

export function metricValues(metric: Metric, style: PromptStyle): number[] {
  return [style === 'reference' ? toFloat16(metric.value) : metric.value];
}

export function metricTarget(values: number[], style: PromptStyle): string {
  return values.map((value) => (style === 'reference' ? pythonFloat(value) : value.toFixed(2))).join(', ');
}

const FORMAT = 'The answer should be a single decimal number without any units or additional text.';

export function metricPrompt(task: PlanTask, metric: Metric, frame: ImageFrame, style: PromptStyle): string {
  const image = style === 'reference' ? '' : `${imageSentence(frame)}\n`;
  return (
    `Task:\n${opening(task.imageDescription, style)}${question(metric, style, task.where)}` +
    `Additional information:\n${image}${pixelSizeSentence(frame, 'mm', style)}\n` +
    `Format requirement:\n${FORMAT}`
  );
}

function question(metric: Metric, style: PromptStyle, where: string): string {
  const isReference = style === 'reference';
  const [p1 = '', p2 = '', p3 = '', p4 = ''] = isReference ? metric.landmarks : metric.landmarks.map((text) => text.trim());
  const name = isReference ? metric.name : metric.name.trim();
  if (metric.kind === 'distance') {
    const unit = isReference ? metric.unit.trim().replaceAll('mm', 'millimeters') : unitWord(metric.unit, 'length', where);
    const points = `(landmark 1) ${p1}, (landmark 2) ${p2}.\n`;
    return name === ''
      ? `estimate the distance between 2 landmark points in ${unit}: ${points}`
      : `estimate the distance of ${name} in ${unit}, which is the distance between 2 landmark points: ${points}`;
  }
  const unit = isReference ? metric.unit : unitWord(metric.unit, 'angle', where);
  const lines = `(line 1) the line connecting ${p1} and ${p2}, (line 2) the line connecting ${p3} and ${p4}.\n`;
  return name === ''
    ? `estimate the angle between 2 lines in ${unit}: ${lines}`
    : `estimate the angle of ${name} in ${unit}, which is the angle between 2 lines: ${lines}`;
}
