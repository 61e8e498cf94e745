/** The identity of the rows that a run's options ask for, worked out before any plan is read through. */
import { textOrNothing } from '../../io/parseJson.ts';
import { joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { asObject, readJsonFile } from '../jsonFile.ts';
import { readAnswerTemplate } from '../medvision/namedTemplate.ts';
import type { CollectSettings } from '../medvision/collect.ts';
import { hashFile, planAtPin } from '../medvision/plan.ts';
import type { PlanKind, PlanRecord } from '../medvision/plan.ts';
import { readTaskList } from '../medvision/tasks.ts';
import type { MedvisionTask, TaskFamily } from '../medvision/tasks.ts';
import { folderName, sha256Hex } from './identity.ts';
import type { Identity, IdentityValue, ImageStorage } from './identity.ts';
import type { Manifest } from './manifest.ts';

export interface PreparedSettings extends CollectSettings {
  min_pixels: number | null;
  max_pixels: number | null;
  do_image_splitting: boolean | null;
  longest_edge: number | null;
}

/** Options that the bytes follow from, beside the task lists and the base model. */
const OPTIONS = [
  'prompt_style',
  'intensity',
  'split',
  'mixing',
  'mixing_temperature',
  'seed',
  'min_pixels',
  'max_pixels',
  'image_size',
  'train_sample_limit',
  'train_sample_limit_per_task',
  'train_sample_limit_task_AD',
  'train_sample_limit_task_Detection',
  'train_sample_limit_task_TL',
  'val_sample_limit',
  'val_sample_limit_per_task',
  'val_sample_limit_task_AD',
  'val_sample_limit_task_Detection',
  'val_sample_limit_task_TL',
] as const satisfies readonly (keyof PreparedSettings)[];

const LISTS = [
  ['AD', 'tasks_list_json_path_AD'],
  ['detect', 'tasks_list_json_path_detect'],
  ['TL', 'tasks_list_json_path_TL'],
] as const satisfies readonly (readonly [TaskFamily, keyof CollectSettings])[];

/**
 * @param base folder of the base model: of it only the image processor counts, since prompts hold the resized pixel size
 * @param hasPlans false leaves the plans out, for prepared rows that are read where the data dir is not
 * @throws UserError that names a missing or wrong task list, plan or model file
 */
export async function preparedIdentity(platform: Platform, settings: PreparedSettings, base: string, hasPlans = true): Promise<Identity> {
  const identity: Record<string, IdentityValue> = await modelIdentity(platform, base);
  for (const name of OPTIONS) identity[name] = settings[name];
  // Folders from before these options say nothing of them.
  for (const name of ['do_image_splitting', 'longest_edge'] as const) if (settings[name] !== null) identity[name] = settings[name];
  const tasks: MedvisionTask[] = [];
  for (const [family, option] of LISTS) {
    const path = settings[option];
    const own = path === null ? [] : await readTaskList(platform, path, family);
    tasks.push(...own);
    identity[`task list ${family}`] = own.length === 0 ? null : await namesText(own);
  }
  // Folders from before these options say nothing of them.
  if (settings.disable_sample_filtering) identity['disable_sample_filtering'] = true;
  const template = await readAnswerTemplate(platform, settings.answer_template);
  if (template) identity['answer_template'] = `SHA-256 ${await sha256Hex(new TextEncoder().encode(template.text))}`;
  if (settings.new_shape_hw.length > 0) {
    identity['new_shape_hw'] = settings.new_shape_hw.join(' ');
    identity['pad_to_shape'] = settings.pad_to_shape;
  }
  if (settings.temperature_sampler_num_samples > 0) identity['temperature_sampler_num_samples'] = settings.temperature_sampler_num_samples;
  if (!hasPlans || settings.data_dir === null) return identity;
  for (const { dataset, planKind } of new Map(tasks.map((task) => [`${task.dataset} ${task.planKind}`, task])).values()) {
    identity[`plan ${dataset} ${planKind}`] = await planText(platform, settings.data_dir, dataset, planKind, settings.planner_version);
  }
  return identity;
}

async function planText(platform: Platform, dataDir: string, dataset: string, kind: PlanKind, wanted: string | null): Promise<string> {
  const { path, version } = await planAtPin(platform, dataDir, dataset, kind, wanted ?? undefined);
  return `v${version}, SHA-256 ${await hashFile(platform, path)}`;
}

/** The plans that rows were prepared from, as far as the manifest names them. */
export function plansOfManifest({ identity, pin }: Pick<Manifest, 'identity' | 'pin'>): PlanRecord[] {
  return Object.entries(identity).flatMap(([name, value]): PlanRecord[] => {
    const [, dataset = '', kind = ''] = /^plan (.+) (detection|biometry)$/.exec(name) ?? [];
    const [, version = '', sha256 = ''] = /^v(.+), SHA-256 ([0-9a-f]+)$/.exec(String(value)) ?? [];
    return version === '' || dataset === ''
      ? []
      : [{ dataset, kind: kind as PlanKind, version, sha256, ...(pin !== undefined && { pin }) }];
  });
}

/** What of the base model the rows depend on. */
export async function modelIdentity(platform: Platform, base: string): Promise<Record<string, IdentityValue>> {
  const config = await readJsonFile(platform, joinPath(base, 'config.json'));
  const combined = asObject((await readJsonFile(platform, joinPath(base, 'processor_config.json')))?.['image_processor']);
  const processor = combined ?? (await readJsonFile(platform, joinPath(base, 'preprocessor_config.json'))) ?? {};
  const identity: Record<string, IdentityValue> = { model_type: textOrNothing(config?.['model_type']) || 'unknown' };
  for (const [name, value] of flattened(processor, 'image_processor')) identity[name] = value;
  return identity;
}

/** Keys that name Python classes and their arguments; they come and go with the version that saved the folder. */
const CLASS_KEYS = new Set(['auto_map', 'feature_extractor_type', 'image_processor_type', 'processor_class', '_valid_processor_keys']);

function* flattened(value: Readonly<Record<string, unknown>>, prefix: string): Generator<[string, IdentityValue]> {
  for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (CLASS_KEYS.has(key)) continue;
    const object = asObject(item);
    if (object !== undefined) yield* flattened(object, `${prefix}.${key}`);
    else if (item === null || typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
      yield [`${prefix}.${key}`, item];
    else yield [`${prefix}.${key}`, JSON.stringify(item)];
  }
}

/** One task by its name, more by their number and a hash of all names in their order. */
async function namesText(tasks: readonly MedvisionTask[]): Promise<string> {
  const names = tasks.map(({ name, split }) => (split === undefined ? name : `${name}_${split}`));
  if (names.length === 1) return names.join('');
  return `${names.length} tasks, SHA-256 ${await sha256Hex(new TextEncoder().encode(names.join('\n')))}`;
}

/** `--prepared_ds_dir`, or a folder of these settings' own below the data dir. */
export async function preparedFolder(
  settings: PreparedSettings & { prepared_ds_dir: string | null },
  identity: Identity,
  images: ImageStorage,
): Promise<string> {
  if (settings.prepared_ds_dir !== null) return settings.prepared_ds_dir.replace(/(?<=.)\/+$/, '');
  const modelType = String(identity['model_type']);
  const limits = (kind: 'train' | 'val'): readonly [number, number, number, number] => {
    const own = (task: 'AD' | 'Detection' | 'TL'): number => {
      const value = settings[`${kind}_sample_limit_task_${task}`];
      return value > 0 ? value : settings[`${kind}_sample_limit_per_task`];
    };
    return [own('AD'), own('Detection'), own('TL'), settings[`${kind}_sample_limit`]];
  };
  const parts = { modelType, train: limits('train'), validation: limits('val'), promptStyle: settings.prompt_style, images };
  return joinPath(settings.data_dir ?? '.', 'SFT_datasets', modelType, await folderName(parts, identity));
}

/** `--save_processed_img_to_disk` keeps files as well; `--process_img` alone only what is in the Parquet files. */
export function imageStorage(settings: { process_img: boolean; save_processed_img_to_disk: boolean }): ImageStorage {
  return settings.save_processed_img_to_disk ? 'files' : settings.process_img ? 'embedded' : 'none';
}
