/**
 * One prepared row and the Parquet columns it is stored in. The first column is an image as Python's `datasets` stores it, {bytes, path};
 * the others are the sample's own fields, so that a row can be shown, scored and traced back to its slice without the volumes.
 */
import type { SchemaElement } from 'hyparquet';
import { parseJson, shownJson } from '../../io/parseJson.ts';
import { UserError } from '../../platform.ts';
import type { Annotation, MedvisionSample } from '../medvision/sample.ts';
import type { SampleSplit } from '../medvision/plan.ts';
import type { TaskType } from '../medvision/tasks.ts';
import type { SliceDim } from '../nifti.ts';

/** The sets of a prepared folder; its files are named after them. */
export type PreparedSplit = 'train' | 'validation';

export interface PreparedImage {
  /** PNG, 8-bit RGB, (height, width) of the sample. */
  bytes: Uint8Array;
  /** Its file relative to the prepared folder, where files are kept; else the name it would have. */
  path: string;
}

export interface PreparedRow {
  sample: MedvisionSample;
  image: PreparedImage | null;
  /** Rough number of tokens, for batches of rows of like length. */
  lengthEstimate: number;
}

type Physical = 'text' | 'integer' | 'numbers';

interface Column {
  name: string;
  type: Physical;
  of: (row: PreparedRow) => string | number | number[] | null;
}

const COLUMNS: readonly Column[] = [
  { name: 'prompt', type: 'text', of: ({ sample }) => sample.prompt },
  { name: 'target', type: 'text', of: ({ sample }) => sample.target },
  { name: 'values', type: 'numbers', of: ({ sample }) => sample.values },
  { name: 'task_type', type: 'text', of: ({ sample }) => sample.taskType },
  { name: 'task', type: 'text', of: ({ sample }) => sample.task },
  { name: 'plan_split', type: 'text', of: ({ sample }) => sample.split },
  { name: 'dataset', type: 'text', of: ({ sample }) => sample.dataset },
  { name: 'case_id', type: 'text', of: ({ sample }) => sample.caseId },
  { name: 'image_file', type: 'text', of: ({ sample }) => sample.imageFile },
  { name: 'mask_file', type: 'text', of: ({ sample }) => sample.maskFile ?? null },
  { name: 'landmark_file', type: 'text', of: ({ sample }) => sample.landmarkFile ?? null },
  { name: 'slice_dim', type: 'integer', of: ({ sample }) => sample.sliceDim },
  { name: 'slice_idx', type: 'integer', of: ({ sample }) => sample.sliceIdx },
  { name: 'height', type: 'integer', of: ({ sample }) => sample.height },
  { name: 'width', type: 'integer', of: ({ sample }) => sample.width },
  { name: 'loader_index', type: 'integer', of: ({ sample }) => sample.loaderIndex },
  { name: 'annotation', type: 'text', of: ({ sample }) => JSON.stringify(sample.annotation) },
  // What a later version of MedvisionSample holds beside the columns above, so that nothing of a sample is lost on the way.
  { name: 'more', type: 'text', of: ({ sample }) => moreText(sample) },
  { name: 'length_estimate', type: 'integer', of: ({ lengthEstimate }) => lengthEstimate },
];

const KNOWN = new Set<string>([
  'prompt',
  'target',
  'values',
  'taskType',
  'task',
  'split',
  'dataset',
  'caseId',
  'imageFile',
  'maskFile',
  'landmarkFile',
  'sliceDim',
  'sliceIdx',
  'height',
  'width',
  'loaderIndex',
  'annotation',
]);

function moreText(sample: MedvisionSample): string | null {
  const more = Object.entries(sample).filter(([name, value]) => !KNOWN.has(name) && value !== undefined);
  return more.length === 0 ? null : JSON.stringify(Object.fromEntries(more));
}

const text = (name: string): SchemaElement => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' });

/** The schema in Parquet's preorder. Everything is optional, as pyarrow writes it. */
export const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: COLUMNS.length + 1 },
  { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  text('path'),
  ...COLUMNS.flatMap(({ name, type }): SchemaElement[] => {
    switch (type) {
      case 'text':
        return [text(name)];
      case 'integer':
        return [{ name, type: 'INT32', repetition_type: 'OPTIONAL' }];
      case 'numbers':
        return [
          { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
          { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
          { name: 'element', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
        ];
    }
  }),
];

/** Makes Python's `datasets` read the first column as images; the other columns' types follow from the schema. */
export const FEATURES = { key: 'huggingface', value: JSON.stringify({ info: { features: { image: { _type: 'Image' } } } }) };

/** Values of every column but the image, by name. */
export function columnsOf(rows: readonly PreparedRow[]): { name: string; data: (string | number | number[] | null)[] }[] {
  return COLUMNS.map(({ name, of }) => ({ name, data: rows.map(of) }));
}

export const COLUMN_NAMES: readonly string[] = ['image', ...COLUMNS.map(({ name }) => name)];

/** A row as hyparquet reads it, checked. @param where file and row, for messages */
export function rowFromColumns(found: Readonly<Record<string, unknown>>, where: string): PreparedRow {
  const wrong = (name: string, expected: string): UserError =>
    new UserError(`${where}: column ${name}: ${expected} expected, ${shownJson(found[name])} found. Prepare the data again.`);
  const string = (name: string): string => {
    const value = found[name];
    if (typeof value !== 'string') throw wrong(name, 'a text');
    return value;
  };
  const optional = (name: string): string | undefined => (found[name] === null || found[name] === undefined ? undefined : string(name));
  const integer = (name: string): number => {
    const value = found[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(name, 'a whole number');
    return value;
  };
  const values = found['values'];
  if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) throw wrong('values', 'a list of numbers');
  const json = (name: string, value: string): object => {
    try {
      const parsed: unknown = parseJson(value);
      if (typeof parsed === 'object' && parsed !== null) return parsed;
    } catch {
      // told below
    }
    throw wrong(name, 'a JSON object');
  };
  const sample: MedvisionSample = {
    ...json('more', optional('more') ?? '{}'),
    taskType: string('task_type') as TaskType,
    task: string('task'),
    split: string('plan_split') as SampleSplit,
    dataset: string('dataset'),
    caseId: string('case_id'),
    imageFile: string('image_file'),
    maskFile: optional('mask_file'),
    landmarkFile: optional('landmark_file'),
    sliceDim: integer('slice_dim') as SliceDim,
    sliceIdx: integer('slice_idx'),
    height: integer('height'),
    width: integer('width'),
    loaderIndex: integer('loader_index'),
    annotation: json('annotation', string('annotation')) as Annotation,
    prompt: string('prompt'),
    target: string('target'),
    values: values as number[],
  };
  return { sample, image: imageFrom(found['image'], where), lengthEstimate: integer('length_estimate') };
}

function imageFrom(found: unknown, where: string): PreparedImage | null {
  if (found === null || found === undefined) return null;
  const { bytes, path } = found as { bytes?: unknown; path?: unknown };
  if (!(bytes instanceof Uint8Array) || typeof path !== 'string') {
    throw new UserError(
      `${where}: column image: {bytes, path} expected. The file is not of this program's making; prepare the data again.`,
    );
  }
  return { bytes, path };
}

/**
 * Tokens a row has, roughly: three and a half characters a token, and one token for 28 × 28 pixels of the resized image. It needs no
 * tokenizer and no pixels, and only compares rows with one another.
 */
export function estimateLength(sample: Pick<MedvisionSample, 'prompt' | 'target'>, resized: { height: number; width: number }): number {
  return Math.ceil((sample.prompt.length + sample.target.length) / 3.5) + Math.ceil((resized.height * resized.width) / 784);
}
