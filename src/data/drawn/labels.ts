/**
 * Annotations as a file, to be kept and to be read into another project: JSON with the scans' names and what was drawn on them. What is
 * read may have been written by anybody: every key is checked, and nothing else is taken.
 */
import { UserError } from '../../platform.ts';
import { BY_MODALITY, INTENSITY_MODES } from '../medvision/intensity.ts';
import type { IntensityChoice } from '../medvision/intensity.ts';
import { asArray, asIndex, asNumber, asNumbers, asObject, asString, parseJson } from '../medvision/json.ts';
import type { JsonObject } from '../medvision/json.ts';
import { checkAnnotation, MAX_NAME, SHAPES } from './annotation.ts';
import { PLANES } from '../planes.ts';
import type { DrawnAnnotation, DrawnPoint } from './annotation.ts';

/** What a file of labels says of a scan. */
export interface LabelledScan {
  /** What annotations name it by. */
  id: string;
  name: string;
  kind: 'volume' | 'picture';
  modality: string;
  description: string;
  /** mm; of a picture [width, height]; null where it is not known. */
  spacing: number[] | null;
  /** Of a volume; absent where the file says nothing of it. */
  intensity?: IntensityChoice;
}

export interface Labels {
  scans: LabelledScan[];
  annotations: DrawnAnnotation[];
}

const FORMAT = 'vernier-labels';
const VERSION = 1;
const MAX_LABEL_BYTES = 64 * 2 ** 20;
const MAX_TEXT = 2000;

/** JSON with a line an annotation, so that two versions of a file can be compared. */
export function labelsText({ scans, annotations }: Labels): string {
  const lines = (values: readonly unknown[]): string => values.map((value) => `\n    ${JSON.stringify(value)}`).join(',');
  const kept = scans.map(({ id, name, kind, modality, description, spacing, intensity }) => ({
    id,
    name,
    kind,
    modality,
    description,
    spacing,
    ...(kind === 'volume' && { intensity }),
  }));
  const drawn = annotations.map(({ id, scan, plane, slice, shape, label, landmarks, points }) => ({
    id,
    scan,
    plane,
    slice,
    shape,
    label,
    landmarks,
    points,
  }));
  return (
    `{\n  "format": "${FORMAT}",\n  "version": ${VERSION},\n  "scans": [${lines(kept)}\n  ],\n` +
    `  "annotations": [${lines(drawn)}\n  ]\n}\n`
  );
}

/** @param where the file's name @throws UserError that says where in the file what was expected */
export function readLabels(bytes: Uint8Array, where: string): Labels {
  if (bytes.length > MAX_LABEL_BYTES)
    throw new UserError(`${where}: ${bytes.length} bytes; a file of labels has ${MAX_LABEL_BYTES} at most. Is it another file?`);
  const file = asObject(parseJson(bytes, where), where);
  if (file['format'] !== FORMAT)
    throw new UserError(`${where}: "format" is not "${FORMAT}": this is no file of labels. Export labels, and read that file.`);
  if (file['version'] !== VERSION)
    throw new UserError(`${where}: version ${VERSION} expected, ${JSON.stringify(file['version'])} found. A newer Vernier reads it.`);
  onlyKeys(file, ['format', 'version', 'scans', 'annotations'], where);
  const scans = asArray(file['scans'], `${where}: scans`).map((value, i) => readScan(value, `${where}: scans[${i}]`));
  const byId = new Map(scans.map((scan) => [scan.id, scan]));
  if (byId.size < scans.length) throw new UserError(`${where}: two scans have one id. Repair the file.`);
  const annotations = asArray(file['annotations'], `${where}: annotations`).map((value, i) => {
    const place = `${where}: annotations[${i}]`;
    const annotation = readAnnotation(value, place);
    const scan = byId.get(annotation.scan);
    if (scan === undefined) throw new UserError(`${place}.scan: ${JSON.stringify(annotation.scan)} is none of the file's scans.`);
    if ((annotation.plane === null) !== (scan.kind === 'picture'))
      throw new UserError(`${place}.plane: ${scan.kind === 'picture' ? 'null, as of a picture,' : 'the plane of a volume'} expected.`);
    return annotation;
  });
  if (new Set(annotations.map(({ id }) => id)).size < annotations.length)
    throw new UserError(`${where}: two annotations have one id. Repair the file.`);
  return { scans, annotations };
}

/**
 * The annotations for scans that are there: those of one name and kind.
 * @returns them under the ids of those scans, what the file says of each, and the names of the file's scans that are not there
 */
export function matchLabels(
  { scans, annotations }: Labels,
  present: readonly Pick<LabelledScan, 'id' | 'name' | 'kind'>[],
): { annotations: DrawnAnnotation[]; said: Map<string, LabelledScan>; missing: string[] } {
  const used = new Set(annotations.map(({ scan }) => scan));
  const ids = new Map<string, string>();
  const said = new Map<string, LabelledScan>();
  const missing: string[] = [];
  for (const one of scans) {
    const { id, name, kind } = one;
    const found =
      present.find((scan) => scan.id === id && scan.name === name) ?? present.find((scan) => scan.name === name && scan.kind === kind);
    if (found?.kind === kind) {
      ids.set(id, found.id);
      said.set(found.id, one);
    } else if (used.has(id)) missing.push(name);
  }
  return {
    annotations: annotations.flatMap((annotation) => {
      const scan = ids.get(annotation.scan);
      return scan === undefined ? [] : [{ ...annotation, scan }];
    }),
    said,
    missing,
  };
}

/** What a file says of a scan where nobody here has said anything. */
export function newlySaid(
  scan: Required<Omit<LabelledScan, 'id' | 'name' | 'kind'>>,
  { modality, description, spacing, intensity }: LabelledScan,
): Partial<LabelledScan> {
  return {
    ...(scan.modality === '' && { modality }),
    ...(scan.description === '' && { description }),
    ...(scan.spacing === null && { spacing }),
    ...(scan.intensity === BY_MODALITY && intensity !== undefined && { intensity }),
  };
}

function readScan(value: unknown, where: string): LabelledScan {
  const scan = asObject(value, where);
  onlyKeys(scan, ['id', 'name', 'kind', 'modality', 'description', 'spacing', 'intensity'], where);
  const kind = scan['kind'];
  if (kind !== 'volume' && kind !== 'picture') throw new UserError(`${where}.kind: "volume" or "picture" expected.`);
  const text = (key: string): string => shortText(scan[key], `${where}.${key}`, MAX_TEXT);
  const count = kind === 'volume' ? 3 : 2;
  const spacing = scan['spacing'] === null ? null : asNumbers(scan['spacing'], count, `${where}.spacing`);
  if (spacing?.some((mm) => mm <= 0)) throw new UserError(`${where}.spacing: mm above 0 expected, ${JSON.stringify(spacing)} found.`);
  const name = text('name');
  const id = shortText(scan['id'], `${where}.id`, MAX_NAME);
  if (name === '' || id === '') throw new UserError(`${where}: "id" and "name" are empty. Repair the file.`);
  const intensity = scan['intensity'] === undefined ? undefined : readIntensity(scan['intensity'], `${where}.intensity`);
  const words = { modality: text('modality'), description: text('description') };
  return { id, name, kind, ...words, spacing, ...(intensity !== undefined && { intensity }) };
}

function readIntensity(value: unknown, where: string): IntensityChoice {
  const mode = INTENSITY_MODES.find((one) => one === value);
  if (mode !== undefined) return mode;
  if (typeof value !== 'object') throw new UserError(`${where}: ${INTENSITY_MODES.join(', ')} or {"low", "high"} expected.`);
  const window = asObject(value, where);
  onlyKeys(window, ['low', 'high'], where);
  const [low, high] = [asNumber(window['low'], `${where}.low`), asNumber(window['high'], `${where}.high`)];
  if (!(low < high)) throw new UserError(`${where}: "low" below "high" expected, ${low} and ${high} found.`);
  return { low, high };
}

function readAnnotation(value: unknown, where: string): DrawnAnnotation {
  const found = asObject(value, where);
  onlyKeys(found, ['id', 'scan', 'plane', 'slice', 'shape', 'label', 'landmarks', 'points'], where);
  const shape = SHAPES.find((one) => one === found['shape']);
  if (shape === undefined) throw new UserError(`${where}.shape: ${SHAPES.join(', ')} expected.`);
  const plane = found['plane'] === null ? null : PLANES.find((one) => one === found['plane']);
  if (plane === undefined) throw new UserError(`${where}.plane: ${PLANES.join(', ')} or null expected.`);
  const annotation: DrawnAnnotation = {
    id: shortText(found['id'], `${where}.id`, MAX_NAME),
    scan: shortText(found['scan'], `${where}.scan`, MAX_NAME),
    plane,
    slice: asIndex(found['slice'], `${where}.slice`),
    shape,
    label: asString(found['label'], `${where}.label`),
    landmarks: asArray(found['landmarks'], `${where}.landmarks`).map((name, i) => asString(name, `${where}.landmarks[${i}]`)),
    points: asArray(found['points'], `${where}.points`).map((point, i) => readPoint(point, `${where}.points[${i}]`)),
  };
  checkAnnotation(annotation, undefined, where);
  return annotation;
}

function readPoint(value: unknown, where: string): DrawnPoint {
  const point = asArray(value, where);
  if (point.length !== 2) throw new UserError(`${where}: [row, column] expected, ${point.length} numbers found.`);
  return [asNumber(point[0], `${where}[0]`), asNumber(point[1], `${where}[1]`)];
}

function shortText(value: unknown, where: string, most: number): string {
  const text = asString(value, where);
  if (text.length > most) throw new UserError(`${where}: ${text.length} characters; ${most} at most were expected.`);
  return text;
}

function onlyKeys(object: JsonObject, known: readonly string[], where: string): void {
  const other = Object.keys(object).find((key) => !known.includes(key));
  if (other === undefined) return;
  throw new UserError(`${where}: "${other.slice(0, 60)}" is not known here; ${known.join(', ')} are. Was it written by a newer Vernier?`);
}
