/** What the tests of `vernier dataset make` share: folders, the program, its plans and what is read of them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { medvisionSamples } from '../../../src/data/medvision/samples.ts';
import type { MedvisionSample } from '../../../src/data/medvision/sample.ts';
import { readTaskList } from '../../../src/data/medvision/tasks.ts';
import { datasetProgram } from '../../../src/options/dataset.ts';
import { parseFor } from '../../../src/options/program.ts';
import { makeDataset } from '../../../src/run/dataset/make.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-dataset-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
export const newFolder = (): string => {
  const dir = join(scratch, String(folders++));
  mkdirSync(dir);
  return dir;
};

export const unpacked = <T>(file: string): T => JSON.parse(gunzipSync(readFileSync(file)).toString()) as T;

export async function made(flags: Record<string, string>): Promise<string> {
  let text = '';
  const terminal = { write: (part: string) => void (text += part), isTty: false, columns: 100 };
  await makeDataset(nodePlatform, parseFor(datasetProgram, { action: 'make', ...flags }).options, new AbortController().signal, terminal);
  return text;
}

export function json(dir: string, name: string, value: unknown): string {
  const path = join(dir, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

export async function samplesOf(out: string, list: string, split: 'train' | 'test'): Promise<MedvisionSample[]> {
  const tasks = await readTaskList(nodePlatform, join(out, 'tasks_list', list), list.includes('detect') ? 'detect' : list.includes('TL') ? 'TL' : 'AD');
  const found: MedvisionSample[] = [];
  for await (const one of medvisionSamples(nodePlatform, out, tasks, { split, resizedSize: (height, width) => ({ height, width }) })) found.push(one);
  return found;
}

export interface PlanCase {
  case_ID: string;
  image_file: string;
  image_file_info: { array_size: number[]; orientation: string[]; voxel_size: number[] };
  slice_profiles_x: { slice_idx: number; slice_profile: unknown[]; n_total_clusters?: number }[];
  slice_profiles_y: PlanCase['slice_profiles_x'];
  slice_profiles_z: PlanCase['slice_profiles_x'];
  profile_3D: unknown[];
}
export interface Plan {
  tasks: { train_cases: PlanCase[]; test_cases: PlanCase[]; train_cases_number: number; test_cases_number: number; [key: string]: unknown }[];
}
export const casesOf = (plan: Plan, task: number): Map<string, PlanCase> =>
  new Map([...plan.tasks[task]!.train_cases, ...plan.tasks[task]!.test_cases].map((one) => [one.case_ID, one]));
