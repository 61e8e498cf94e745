/**
 * `report.json`: what a report says that no other file of the run's folder holds. The page is made of it and of those, now or later, so
 * that `node dist/report.js` makes the same page again.
 */
import { UserError } from '../../platform.ts';
import type { Card, Drawing, Mark } from './pictures.ts';

export const RECORD_FILE = 'report.json';
const FORMAT = 1;
/** How a record begins: what lies under its name and does not is somebody else's. */
export const RECORD_MARK = `{"vernier_report":${FORMAT},`;

export interface RunRecord {
  kind: 'training' | 'evaluation';
  name: string;
  /** What the model is called. */
  model: string;
  outcome: 'finished' | 'stopped';
  /** ISO 8601. */
  writtenAt: string;
  /** Shown at the top, in this order. */
  facts: [string, string][];
  /** Files, counts, hashes and versions of annotations. */
  data: [string, string][];
  /** As logs may show them: no secrets, no folders. */
  settings: Record<string, unknown>;
  /** Names of those that differ from their defaults. */
  changed: string[];
  /** What the time went into, in seconds. */
  parts: [string, number][];
  /** Tokens, rows and answers a second. */
  speeds: [string, string][];
  /** GPU memory at its peak, in bytes by what it is for. */
  memory: [string, number][];
  /** Of a training: answers of its evaluations, as lines of samples.jsonl have them. */
  answers: { step: number; rows: unknown[] }[];
  /** The step whose evaluation counts as the result; absent: the last. */
  resultStep?: number;
  pictures: Card[];
  /** Why there are fewer pictures than there might be. */
  pictureNote?: string;
}

export function recordText({ kind, ...record }: RunRecord): string {
  return `${RECORD_MARK}${JSON.stringify({ kind, ...record }).slice(1)}\n`;
}

/** @param path for messages @throws UserError for what no run has written */
export function readRecord(json: Readonly<Record<string, unknown>>, path: string): RunRecord {
  if (json['vernier_report'] !== FORMAT)
    throw new UserError(
      `${path} is no record of a run that this version can read: "vernier_report": ${FORMAT} was expected. Move it away, and the page is ` +
        'made without it.',
    );
  const { kind, outcome, resultStep, pictureNote } = json;
  return {
    kind: kind === 'evaluation' ? 'evaluation' : 'training',
    name: textOf(json['name']),
    model: textOf(json['model']),
    outcome: outcome === 'stopped' ? 'stopped' : 'finished',
    writtenAt: textOf(json['writtenAt']),
    facts: pairsOf(json['facts'], textOf),
    data: pairsOf(json['data'], textOf),
    settings: objectOf(json['settings']),
    changed: listOf(json['changed']).map(textOf),
    parts: pairsOf(json['parts'], numberOf),
    speeds: pairsOf(json['speeds'], textOf),
    memory: pairsOf(json['memory'], numberOf),
    answers: listOf(json['answers']).map((one) => ({ step: numberOf(objectOf(one)['step']), rows: listOf(objectOf(one)['rows']) })),
    ...(typeof resultStep === 'number' && { resultStep }),
    pictures: listOf(json['pictures']).flatMap((one) => cardOf(objectOf(one)) ?? []),
    ...(typeof pictureNote === 'string' && { pictureNote }),
  };
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : NaN);

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function pairsOf<T>(value: unknown, second: (value: unknown) => T): [string, T][] {
  return listOf(value).map((pair): [string, T] => [textOf(listOf(pair)[0]), second(listOf(pair)[1])]);
}

function cardOf(json: Record<string, unknown>): Card | undefined {
  const drawing = drawingOf(objectOf(json['drawing']));
  if (drawing === undefined) return undefined;
  const answers = listOf(json['answers'])
    .map(objectOf)
    .map(({ name, text, score }) => ({ name: textOf(name), text: textOf(text), score: textOf(score) }));
  const { heading, place, prompt, target } = json;
  return { drawing, heading: textOf(heading), place: textOf(place), prompt: textOf(prompt), target: textOf(target), answers };
}

function drawingOf({ png, width, height, marks }: Record<string, unknown>): Drawing | undefined {
  if (typeof png !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(png)) return undefined;
  if (typeof width !== 'number' || typeof height !== 'number' || !(width > 0 && height > 0)) return undefined;
  return { png, width, height, marks: listOf(marks).flatMap((mark) => markOf(objectOf(mark)) ?? []) };
}

function markOf({ of, kind, x, y, width, height, points, hasEnds }: Record<string, unknown>): Mark | undefined {
  if (of !== 'truth' && of !== 'before' && of !== 'after') return undefined;
  if (kind === 'box') return { of, kind, x: numberOf(x), y: numberOf(y), width: numberOf(width), height: numberOf(height) };
  const places = listOf(points).map((point): [number, number] => [numberOf(listOf(point)[0]), numberOf(listOf(point)[1])]);
  return { of, kind: 'path', points: places, hasEnds: hasEnds === true };
}
