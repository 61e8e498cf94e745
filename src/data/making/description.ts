/**
 * What a data set holds, in the words of whoever makes it: the JSON file that `vernier dataset make --labels` names. Labels may be written
 * as in MedVision's plans ("1": "liver"), as nnU-Net has them in dataset.json ("liver": 1), or as the Medical Segmentation Decathlon.
 */
import { UserError } from '../../platform.ts';
import { asArray, asIndex, asObject, asString, asTexts } from '../medvision/json.ts';
import type { JsonObject } from '../medvision/json.ts';
import { sameName } from './names.ts';

export interface Measure {
  kind: 'distance' | 'angle';
  /** May be empty: the prompt then names the landmarks alone. */
  name: string;
  /** Keys of landmarks: two of a distance, two lines of two of an angle. */
  points: string[];
}

export interface Description {
  dataset: string;
  modality: string;
  /** For prompts: "a CT scan of the knee". */
  imageDescription: string;
  /** In the file's order. */
  labels: Map<number, string>;
  /** Labels that are measured by an ellipse's axes. */
  targets: number[];
  /** Keys P1, P2, … to what is there. */
  landmarks: Map<string, string>;
  measures: Measure[];
  /** Of pictures, mm of a pixel along rows (down) and columns (right). */
  pixelSize: [number, number] | undefined;
  /** Cases held out for testing; undefined: they are drawn. */
  testCases: string[] | undefined;
  /** Which cases are of one patient; a case that is not named is one of its own. */
  patients: Map<string, string>;
}

const KEYS = [
  ...['dataset', 'name', 'image_modality', 'modality', 'channel_names', 'image_description', 'description'],
  ...['labels_map', 'labels', 'target_labels', 'landmarks_map', 'distances', 'angles', 'pixel_size', 'test_cases', 'patients'],
];
/** Of nnU-Net's and the Decathlon's dataset.json, what says nothing about measuring. */
const IGNORED = [
  ...['numTraining', 'numTest', 'file_ending', 'training', 'test', 'reference', 'licence', 'license', 'release', 'tensorImageSize'],
  ...['overwrite_image_reader_writer', 'converted_by', 'regions_class_order', 'dataset_name', 'relase'],
];

/** @param where names the file @throws UserError for what nothing can be made of */
export function readDescription(value: unknown, where: string): Description {
  const found = asObject(value, where);
  const odd = Object.keys(found).find((key) => !KEYS.includes(key) && !IGNORED.includes(key));
  if (odd !== undefined) throw new UserError(`${where}: "${odd.slice(0, 60)}" is not known here; ${KEYS.join(', ')} are.`);
  const landmarks = readLandmarks(found['landmarks_map'], `${where}: landmarks_map`);
  const labels = readLabels(found['labels_map'] ?? found['labels'], `${where}: ${'labels_map' in found ? 'labels_map' : 'labels'}`);
  const targets = asArray(found['target_labels'] ?? [], `${where}: target_labels`).map((one, at) => {
    const label = asIndex(one, `${where}: target_labels[${at}]`);
    if (!labels.has(label))
      throw new UserError(`${where}: target_labels[${at}] is ${label}, which labels_map does not name (${[...labels.keys()].join(', ')}).`);
    return label;
  });
  return {
    dataset: datasetName(found['dataset'] ?? found['name'], where),
    modality: firstChannel(found['image_modality'] ?? found['modality'] ?? found['channel_names'], `${where}: image_modality`),
    imageDescription: asString(found['image_description'] ?? '', `${where}: image_description`).trim(),
    labels,
    targets,
    landmarks,
    measures: [...readMeasures(found, 'distance', landmarks, where), ...readMeasures(found, 'angle', landmarks, where)],
    pixelSize: readPixelSize(found['pixel_size'], `${where}: pixel_size`),
    testCases: found['test_cases'] === undefined ? undefined : texts(found['test_cases'], `${where}: test_cases`),
    patients: asTexts(found['patients'], `${where}: patients`),
  };
}

function datasetName(value: unknown, where: string): string {
  if (value === undefined) throw new UserError(`${where}: "dataset" is missing. Give the data set a name, as "dataset": "Knee-MRI".`);
  const name = asString(value, `${where}: dataset`);
  if (!/^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$/.test(name)) {
    throw new UserError(
      `${where}: dataset is ${JSON.stringify(name.slice(0, 80))}; letters, digits, ".", "+" and "-" are expected, at most 64, since it ` +
        'becomes part of task names (no "_" and no spaces).',
    );
  }
  return name;
}

/** "CT"; or nnU-Net's {"0": "CT", …}, whose first channel is the one taken. */
function firstChannel(value: unknown, where: string): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value.trim();
  return asString(asObject(value, where)['0'] ?? '', `${where}["0"]`).trim();
}

function readLabels(value: unknown, where: string): Map<number, string> {
  const labels = new Map<number, string>();
  if (value === undefined) return labels;
  for (const [key, said] of Object.entries(asObject(value, where))) {
    const isNumbered = /^\d+$/.test(key);
    const number = isNumbered ? Number(key) : asIndex(said, `${where}["${key}"]`);
    const name = isNumbered ? asString(said, `${where}["${key}"]`).trim() : key.trim();
    if (number === 0) continue; // the background
    if (number > 65_535) throw new UserError(`${where}: label ${number}; at most 65535 is expected.`);
    if (name === '') throw new UserError(`${where}: label ${number} has no name. Say what it is, as "liver".`);
    if (labels.has(number)) throw new UserError(`${where}: label ${number} is named twice, ${labels.get(number)} and ${name}.`);
    const same = [...labels].find(([, other]) => sameName(other, name));
    if (same) throw new UserError(`${where}: labels ${same[0]} and ${number} have one name, ${name}; questions could not tell them apart.`);
    labels.set(number, name);
  }
  return labels;
}

function readLandmarks(value: unknown, where: string): Map<string, string> {
  const landmarks = asTexts(value, where);
  for (const [key, name] of landmarks) {
    if (!/^P[1-9]\d{0,3}$/.test(key)) throw new UserError(`${where}: the key ${JSON.stringify(key.slice(0, 40))}; P1, P2, … are expected.`);
    if (name.trim() === '') throw new UserError(`${where}.${key} is empty. Say what is there, as "tip of the nose".`);
    const same = [...landmarks].find(([other, its]) => other !== key && sameName(its, name));
    if (same) throw new UserError(`${where}: ${key} and ${same[0]} have one name, ${name}.`);
  }
  return landmarks;
}

function readMeasures(found: JsonObject, kind: Measure['kind'], landmarks: ReadonlyMap<string, string>, file: string): Measure[] {
  const key = `${kind}s`;
  return asArray(found[key] ?? [], `${file}: ${key}`).map((value, at) => {
    const where = `${file}: ${key}[${at}]`;
    const one = asObject(value, where);
    const between = asArray(one['between'], `${where}.between`);
    if (between.length !== 2) throw new UserError(`${where}.between: two ${kind === 'angle' ? 'lines' : 'landmarks'} are expected.`);
    const points =
      kind === 'distance' ? texts(between, `${where}.between`) : between.flatMap((line, i) => texts(line, `${where}.between[${i}]`));
    if (points.length !== (kind === 'angle' ? 4 : 2))
      throw new UserError(`${where}.between: ${kind === 'angle' ? 'two lines of two landmarks' : 'two landmarks'} are expected.`);
    for (const point of points)
      if (!landmarks.has(point)) throw new UserError(`${where}: landmarks_map has no ${JSON.stringify(point.slice(0, 40))}.`);
    for (let i = 0; i < points.length; i += 2)
      if (points[i] === points[i + 1]) throw new UserError(`${where}: a line from ${points[i] ?? ''} to itself.`);
    return { kind, name: asString(one['name'] ?? '', `${where}.name`).trim(), points };
  });
}

function readPixelSize(value: unknown, where: string): [number, number] | undefined {
  if (value === undefined || value === null) return undefined;
  const sizes = asArray(value, where);
  const [row, column] = sizes;
  const isSize = (size: unknown): size is number => typeof size === 'number' && Number.isFinite(size) && size > 0;
  if (sizes.length !== 2 || !isSize(row) || !isSize(column))
    throw new UserError(`${where}: mm of a pixel along rows (down) and columns (right), two numbers above 0, are expected.`);
  return [row, column];
}

function texts(value: unknown, where: string): string[] {
  return asArray(value, where).map((one, at) => asString(one, `${where}[${at}]`));
}
