/**
 * Landmarks as people have them: 3D Slicer's markups (`.mrk.json`: points, lines, angles; `.fcsv` of its older versions), or one JSON file
 * of ours for all cases: {"coordinates": "voxel" | "RAS" | "LPS", "cases": {"case-01": {"P1": [i, j, k], …}}}. Voxels are those of the file
 * as it is stored, or [row, column] of a picture; RAS and LPS are mm.
 */
import { UserError } from '../../platform.ts';
import { asArray, asNumber, asObject, asString } from '../medvision/json.ts';
import type { JsonObject } from '../medvision/json.ts';
import type { Description, Measure } from './description.ts';
import { sameName } from './names.ts';

export type Coordinates = 'voxel' | 'RAS' | 'LPS';

/** A landmark where its file has it. */
export interface PlacedLandmark {
  key: string;
  place: number[];
  coordinates: Coordinates;
}

type Known = Pick<Description, 'landmarks' | 'measures'>;

/** By case. @throws UserError */
export function readLandmarkCases(value: unknown, known: Known, where: string): Map<string, PlacedLandmark[]> {
  const file = asObject(value, where);
  const coordinates = coordinatesOf(file['coordinates'], `${where}: coordinates`);
  return new Map(
    Object.entries(asObject(file['cases'], `${where}: cases`)).map(([id, points]) => {
      const place = `${where}: cases[${JSON.stringify(id)}]`;
      const found = Object.entries(asObject(points, place)).map(([name, at]) => ({
        key: keyOf(name, known, `${place}: ${JSON.stringify(name.slice(0, 80))}`),
        place: asArray(at, `${place}.${name}`).map((one, axis) => asNumber(one, `${place}.${name}[${axis}]`)),
        coordinates,
      }));
      checkPlaces(found, place);
      return [id, found];
    }),
  );
}

function coordinatesOf(value: unknown, where: string): Coordinates {
  if (value === 'voxel' || value === 'RAS' || value === 'LPS') return value;
  throw new UserError(`${where}: "voxel", "RAS" or "LPS" is expected. Voxels count from 0 in the file as stored; RAS and LPS are mm.`);
}

/** Of one case. @param name of the file, without the case and the ending: a line or an angle may be named by it */
export function readMarkups(value: unknown, known: Known, name: string, where: string): PlacedLandmark[] {
  const found = asArray(asObject(value, where)['markups'], `${where}: markups`).flatMap((one, at) => {
    const place = `${where}: markups[${at}]`;
    const markup = asObject(one, place);
    checkUnits(markup['coordinateUnits'], `${place}.coordinateUnits`);
    const coordinates = slicerSystem(markup['coordinateSystem'], `${place}.coordinateSystem`);
    const points = asArray(markup['controlPoints'] ?? [], `${place}.controlPoints`).flatMap((point, i) =>
      controlPoint(point, `${place}.controlPoints[${i}]`),
    );
    const type = asString(markup['type'] ?? 'Fiducial', `${place}.type`);
    if (type === 'Fiducial')
      return points.map(({ label, at: position }) => ({ key: keyOf(label, known, place), place: position, coordinates }));
    if (type !== 'Line' && type !== 'Angle')
      throw new UserError(
        `${place}: a ${type.slice(0, 40)}; points (Fiducial), lines and angles are measured. Remove it, or save the points.`,
      );
    const measure = measureOf(type, [asString(markup['name'] ?? '', `${place}.name`), name], known, place);
    const keys = type === 'Line' ? measure.points : cornerOf(measure, place);
    const wanted = type === 'Line' ? 2 : 3;
    if (points.length !== wanted) throw new UserError(`${place}: ${points.length} points are set; a ${type.toLowerCase()} has ${wanted}.`);
    return points.map(({ at: position }, i) => ({ key: keys[i] ?? '', place: position, coordinates }));
  });
  checkPlaces(found, where);
  return found;
}

/** 3D Slicer's older text format. */
export function readFcsv(text: string, known: Known, where: string): PlacedLandmark[] {
  let coordinates: Coordinates = 'RAS';
  let columns = ['id', 'x', 'y', 'z', 'ow', 'ox', 'oy', 'oz', 'vis', 'sel', 'lock', 'label', 'desc', 'associatedNodeID'];
  const found = text.split(/\r?\n/).flatMap((line, at): PlacedLandmark[] => {
    const place = `${where}:${at + 1}`;
    const [, key, said = ''] = /^#\s*(CoordinateSystem|columns)\s*=\s*(.*)$/.exec(line) ?? [];
    if (key === 'CoordinateSystem') coordinates = slicerSystem(said.trim(), place);
    if (key === 'columns') columns = said.split(',').map((one) => one.trim());
    if (line.trim() === '' || line.startsWith('#')) return [];
    const cells = cellsOf(line);
    // Slicer 5 ends a line with the status of its point, of which 2 is a placed one, and whether it was made by a program.
    if ((cells[columns.indexOf('associatedNodeID') + 1] || '2').trim() !== '2') return [];
    const position = ['x', 'y', 'z'].map((axis) => Number(cells[columns.indexOf(axis)] || NaN));
    if (!position.every(Number.isFinite)) throw new UserError(`${place}: three coordinates are expected, ${line.slice(0, 80)} found.`);
    return [{ key: keyOf(cells[columns.indexOf('label')] ?? '', known, place), place: position, coordinates }];
  });
  checkPlaces(found, where);
  return found;
}

/** Of a line of comma-separated values; Slicer puts quotes around what has a comma or a quote in it, and writes that quote twice. */
function cellsOf(line: string): string[] {
  const cells = line.match(/(?<=^|,)(?:"(?:[^"]|"")*"(?=,|$)|[^,]*)/g) ?? [];
  return cells.map((cell) => (/^".*"$/.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

interface ControlPoint {
  label: string;
  at: number[];
}

function controlPoint(value: unknown, where: string): ControlPoint[] {
  const point: JsonObject = asObject(value, where);
  // Slicer keeps points that were never placed.
  if ((point['positionStatus'] ?? 'defined') !== 'defined') return [];
  const at = asArray(point['position'], `${where}.position`).map((one, axis) => asNumber(one, `${where}.position[${axis}]`));
  return [{ label: asString(point['label'] ?? '', `${where}.label`), at }];
}

/** Slicer's files of version 1.0 say LPS or RAS; older ones have numbers. */
function slicerSystem(value: unknown, where: string): Coordinates {
  if (value === undefined || value === 'LPS' || value === 1 || value === '1') return 'LPS';
  if (value === 'RAS' || value === 0 || value === '0') return 'RAS';
  throw new UserError(`${where}: LPS or RAS is expected. Save the markups in one of them.`);
}

function checkUnits(value: unknown, where: string): void {
  const units = value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value];
  const odd = units.find((unit) => unit !== 'mm');
  if (odd !== undefined) throw new UserError(`${where}: mm is expected. Save the markups in mm.`);
}

/** The key of a landmark that a file names by its key or by its words. */
function keyOf(name: string, { landmarks }: Known, where: string): string {
  const said = name.trim();
  const found = [...landmarks].find(([key, words]) => key === said || sameName(words, said))?.[0];
  if (found !== undefined) return found;
  const keys = [...landmarks].map(([key, words]) => `${key} (${words})`).join(', ') || 'none';
  throw new UserError(`${where}: no landmark ${JSON.stringify(said.slice(0, 80))} in landmarks_map of the labels file; it has ${keys}.`);
}

function measureOf(type: 'Line' | 'Angle', names: readonly string[], { measures }: Known, where: string): Measure {
  const kind = type === 'Line' ? 'distance' : 'angle';
  const found = measures.find((one) => one.kind === kind && names.some((name) => name !== '' && sameName(name, one.name)));
  if (found === undefined) {
    const there = measures.filter((one) => one.kind === kind).map(({ name }) => name);
    throw new UserError(
      `${where}: no ${kind} of the labels file is named ${
        names
          .filter((name) => name !== '')
          .map((name) => JSON.stringify(name))
          .join(' or ') || '""'
      }; ` + `there are ${there.join(', ') || 'none'}. Name the ${type.toLowerCase()} in Slicer as the labels file does.`,
    );
  }
  return found;
}

/** Landmarks in the order of an angle of Slicer: its vertex, which both lines have, is the second. */
function cornerOf({ name, points }: Measure, where: string): string[] {
  const [one, other] = [points.slice(0, 2), points.slice(2)];
  const vertex = one.find((key) => other.includes(key));
  const ends = points.filter((key) => key !== vertex);
  if (vertex === undefined || ends.length !== 2)
    throw new UserError(`${where}: the angle ${name} is between two lines without a common end; Slicer's angle has three points.`);
  return [ends[0] ?? '', vertex, ends[1] ?? ''];
}

function checkPlaces(found: readonly PlacedLandmark[], where: string): void {
  for (const [at, { key, place, coordinates }] of found.entries()) {
    if (place.length !== 3 && !(coordinates === 'voxel' && place.length === 2))
      throw new UserError(`${where}: ${key} has ${place.length} coordinates; three are expected (or row and column of a picture).`);
    const other = found.find((one, i) => i < at && one.key === key);
    // The vertex of an angle and the end of a line may be one landmark, set twice.
    if (other !== undefined && other.place.some((value, axis) => value !== place[axis]))
      throw new UserError(`${where}: ${key} is set twice, at different places. Keep one of them.`);
  }
}
