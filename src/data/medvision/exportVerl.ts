/**
 * `--export_verl`: rows for reinforcement learning with verl, as Parquet: `prompt, images, ground_truth, data_source, ability,
 * reward_model, extra_info`. Every column has its type in the file, empty lists and absent texts too, so that no reader has to guess from
 * the first rows.
 */
import type { SchemaElement } from 'hyparquet';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { readJsonFile } from '../jsonFile.ts';
import type { CollectedSamples } from './collect.ts';
import { groupOf } from './groups.ts';
import type { MedvisionSample } from './sample.ts';
import { renderSlice } from './slices.ts';
import { TASK_TAGS } from './tasks.ts';
import type { TaskType } from './tasks.ts';

/** Rows of a file: some hundred MB of pictures at most. */
const FILE_ROWS = 1000;
const GROUP_ROWS = 100;
/** Says that the folder is an export, of which annotations, and which files belong to it. */
export const VERL_MANIFEST = 'vernier_verl.json';

const ABILITIES: Readonly<Record<TaskType, string>> = {
  BoxSize: 'detection',
  TumorLesionSize: 'tumor_lesion_size',
  BiometricsFromLandmarks: 'biometrics_from_landmarks',
};

/** A row of the file; the names are verl's. */
export interface VerlRow {
  /** One message, whose picture stands where `<image>` does. */
  prompt: { role: string; content: string }[];
  /** PNG of the slice as it is before the model's resize. */
  images: { bytes: Uint8Array; path: string }[];
  ground_truth: string;
  data_source: string;
  ability: string;
  reward_model: { style: string; ground_truth: string };
  extra_info: {
    split: string;
    index: number;
    task: string;
    task_type: string;
    group: string;
    case_id: string;
    image_file: string;
    slice_dim: number;
    slice_idx: number;
    height: number;
    width: number;
    /** The right numbers, before they were rounded to text. */
    values: number[];
  };
}

const text = (name: string): SchemaElement => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' });
const integer = (name: string): SchemaElement => ({ name, type: 'INT32', repetition_type: 'OPTIONAL' });
const struct = (name: string, fields: readonly SchemaElement[][]): SchemaElement[] => [
  { name, repetition_type: 'OPTIONAL', num_children: fields.length },
  ...fields.flat(),
];
const list = (name: string, element: SchemaElement[]): SchemaElement[] => [
  { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ...element,
];

/** In Parquet's preorder; everything is optional, as pyarrow writes it. */
const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 7 },
  ...list('prompt', struct('element', [[text('role')], [text('content')]])),
  ...list('images', struct('element', [[{ name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }], [text('path')]])),
  text('ground_truth'),
  text('data_source'),
  text('ability'),
  ...struct('reward_model', [[text('style')], [text('ground_truth')]]),
  ...struct('extra_info', [
    [text('split')],
    [integer('index')],
    ...['task', 'task_type', 'group', 'case_id', 'image_file'].map((name) => [text(name)]),
    ...['slice_dim', 'slice_idx', 'height', 'width'].map((name) => [integer(name)]),
    list('values', [{ name: 'element', type: 'DOUBLE', repetition_type: 'OPTIONAL' }]),
  ]),
];
const COLUMNS = ['prompt', 'images', 'ground_truth', 'data_source', 'ability', 'reward_model', 'extra_info'] as const;

/** @param png of its slice @param index in its split */
function verlRow(sample: MedvisionSample, png: Uint8Array, split: string, index: number): VerlRow {
  const { taskType, task, target, prompt, caseId, imageFile, sliceDim, sliceIdx, height, width, values } = sample;
  return {
    prompt: [{ role: 'user', content: `<image>${prompt}` }],
    images: [{ bytes: png, path: `${imageFile}#${'ijk'[sliceDim] ?? ''}${sliceIdx}.png` }],
    ground_truth: target,
    data_source: `medvision/${task}`,
    ability: ABILITIES[taskType],
    reward_model: { style: 'rule', ground_truth: target },
    extra_info: {
      split,
      index,
      task,
      task_type: TASK_TAGS[taskType],
      group: groupOf(sample),
      case_id: caseId,
      image_file: imageFile,
      slice_dim: sliceDim,
      slice_idx: sliceIdx,
      height,
      width,
      values,
    },
  };
}

/** @throws UserError where the folder holds something else */
export async function checkVerlFolder(platform: Platform, dir: string, mayReplace: boolean): Promise<void> {
  if (!(await platform.exists(dir))) return;
  if (!(await platform.isDirectory(dir))) throw new UserError(`--export_verl ${dir} is a file; a folder is expected, which may be new.`);
  const isOurs = (await platform.listDir(dir)).length === 0 || (await filesOf(platform, dir)) !== undefined;
  if (!isOurs && !mayReplace)
    throw new UserError(
      `--export_verl ${dir} is not empty and holds no export. Give another folder, or --overwrite true to write into it.`,
    );
}

/** Names of the files of an export that is there. */
async function filesOf(platform: Platform, dir: string): Promise<string[] | undefined> {
  const path = joinPath(dir, VERL_MANIFEST);
  if (!(await platform.exists(path))) return undefined;
  const files = (await readJsonFile(platform, path).catch(() => undefined))?.['files']; // not JSON, so not ours
  return Array.isArray(files)
    ? files.filter((name) => typeof name === 'string' && /^(train|validation)-\d{5}\.parquet$/.test(name))
    : undefined;
}

/**
 * `train-00000.parquet`, … and `validation-00000.parquet`, …, rows in their final order; then the manifest.
 * @returns the number of rows; undefined when `stop` ended it, and then there is no manifest
 */
export async function exportVerl(
  platform: Platform,
  dir: string,
  { train, validation, volumes, report }: Pick<CollectedSamples, 'train' | 'validation' | 'volumes' | 'report'>,
  { stop, onProgress }: { stop?: AbortSignal; onProgress?: (rows: number) => void } = {},
): Promise<number | undefined> {
  await platform.makeDir(dir);
  for (const name of (await filesOf(platform, dir)) ?? []) await platform.remove(joinPath(dir, name));
  const files: string[] = [];
  let count = 0;
  let last: { key: string; png: Uint8Array } | undefined; // several annotations of one slice come one after the other
  for (const [split, samples] of [
    ['train', train],
    ['validation', validation],
  ] as const) {
    let rows: VerlRow[] = [];
    const write = async (): Promise<void> => {
      const name = `${split}-${String(files.filter((one) => one.startsWith(split)).length).padStart(5, '0')}.parquet`;
      await platform.writeFile(joinPath(dir, name), await encode(rows), { isPrivate: true }); // pictures of patients
      files.push(name);
      rows = [];
    };
    let index = 0;
    for (const sample of samples) {
      if (stop?.aborted === true) return undefined;
      const key = JSON.stringify([sample.imageFile, sample.sliceDim, sample.sliceIdx, sample.intensity ?? null]);
      if (last?.key !== key) {
        const { data, width, height } = await renderSlice(await volumes.open(sample.imageFile), sample);
        last = { key, png: await platform.encodePng(data, width, height, 3) };
      }
      rows.push(verlRow(sample, last.png, split, index++));
      count++;
      if (rows.length < FILE_ROWS) continue;
      await write();
      onProgress?.(count);
    }
    if (rows.length > 0) await write();
  }
  const manifest = {
    format: 'vernier-verl',
    version: 1,
    files,
    rows: { train: train.length, validation: validation.length },
    annotations: report.plans,
  };
  await platform.writeFile(joinPath(dir, VERL_MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return count;
}

async function encode(rows: readonly VerlRow[]): Promise<Uint8Array> {
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer'); // where there is something to write
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema: SCHEMA, codec: 'SNAPPY', createdBy: 'vernier' });
  const columnData = COLUMNS.map((name) => ({
    name,
    data: rows.map((row) => row[name]),
    // PNG is compressed already.
    ...(name === 'images' && { codec: 'UNCOMPRESSED' as const, statistics: false }),
  }));
  if (parquet.write({ columnData, rowGroupSize: GROUP_ROWS }) !== undefined) throw new Error('encode: a writer into memory does not wait');
  void parquet.finish();
  return writer.getBytes();
}
