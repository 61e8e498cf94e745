/**
 * Which files of a model or adapter repository are needed: configuration, tokenizer, processor and safetensors. Weights in other formats
 * (.bin, .pth, GGUF, ONNX), second copies and documentation are left on the hub.
 */
import { readJsonObject } from '../io/modelFolder.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { openSnapshot } from './snapshot.ts';
import type { DownloadHooks, Snapshot } from './snapshot.ts';
import type { HubSettings } from './settings.ts';
import type { HubFile } from './tree.ts';

export interface ModelId {
  /** `org/name` */
  id: string;
  /** Branch, tag or commit; default main. */
  revision?: string | undefined;
}

export interface FetchedFolder {
  /** `org/name` */
  id: string;
  commit: string;
  /** A folder as it would be local. */
  dir: string;
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const OTHER_WEIGHTS = /\.(bin|pt|pth|ckpt|gguf|onnx|h5|msgpack|tflite)$/;

/** Small files of a model: everything in the root that says how it works. */
function isModelText(file: HubFile): boolean {
  return !file.path.includes('/') && /\.(json|jinja|txt|model)$/.test(file.path) && !OTHER_WEIGHTS.test(file.path) && file.path !== INDEX;
}

/**
 * A base model as a folder: `config.json`, tokenizer, processor, safetensors. @throws UserError in words
 */
export async function fetchModel(
  platform: Platform,
  settings: HubSettings,
  model: ModelId,
  hooks: DownloadHooks = {},
): Promise<FetchedFolder> {
  const { id } = model;
  const { snapshot, files, byName } = await openRoot(platform, settings, model, hooks);
  if (!byName.has('config.json')) throw notAModel(snapshot, byName, 'config.json');
  const wanted = files.filter(isModelText);
  const single = byName.get(SINGLE);
  const index = byName.get(INDEX);
  if (single !== undefined) wanted.push(single);
  else if (index !== undefined) {
    // The index says which of the safetensors are the model's; it is small and comes first, so that the total is known.
    await snapshot.fetch([index]);
    for (const shard of await shardNames(platform, joinPath(snapshot.dir, INDEX))) {
      const file = byName.get(shard);
      if (file === undefined)
        throw new UserError(
          `${id}: ${INDEX} names ${shard}, which ` +
            `${snapshot.isOffline ? `is not in the cache (${snapshot.dir})` : 'the repository does not have'}.`,
        );
      wanted.push(file);
    }
  } else throw notAModel(snapshot, byName, SINGLE);
  await snapshot.fetch(wanted);
  await snapshot.finish();
  return { id, commit: snapshot.commit, dir: snapshot.dir };
}

/** A PEFT adapter as a folder. */
export async function fetchAdapter(
  platform: Platform,
  settings: HubSettings,
  adapter: ModelId,
  hooks: DownloadHooks = {},
): Promise<FetchedFolder> {
  const { id } = adapter;
  const { snapshot, byName } = await openRoot(platform, settings, adapter, hooks);
  const wanted = ['adapter_config.json', 'adapter_model.safetensors'].map((name) => {
    const file = byName.get(name);
    if (file !== undefined) return file;
    const advice = byName.has('adapter_model.bin')
      ? 'Its weights are in adapter_model.bin, which is not read: load it with PEFT and save it again with safe_serialization.'
      : 'It is not a PEFT adapter; a base model belongs in --base_model_hf.';
    throw new UserError(`${id} has no ${name}${snapshot.isOffline ? ` in the cache (${snapshot.dir})` : ''}. ${advice}`);
  });
  await snapshot.fetch(wanted);
  await snapshot.finish();
  return { id, commit: snapshot.commit, dir: snapshot.dir };
}

/** The files of the root, where a model or an adapter has everything that is needed. */
async function openRoot(
  platform: Platform,
  settings: HubSettings,
  { id, revision = 'main' }: ModelId,
  hooks: DownloadHooks,
): Promise<{ snapshot: Snapshot; files: HubFile[]; byName: Map<string, HubFile> }> {
  const snapshot = await openSnapshot(platform, settings, { type: 'model', id }, revision, hooks);
  const files = await snapshot.list('', { isRecursive: false });
  return { snapshot, files, byName: new Map(files.map((file) => [file.path, file])) };
}

async function shardNames(platform: Platform, indexPath: string): Promise<string[]> {
  const index = await readJsonObject(platform, indexPath, '');
  const map = index['weight_map'];
  const names = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || !names.every((name) => typeof name === 'string'))
    throw new UserError(`${indexPath} has no weight_map; the repository is damaged.`);
  return names.sort();
}

function notAModel({ repo, dir, isOffline }: Snapshot, files: ReadonlyMap<string, HubFile>, name: string): UserError {
  if (isOffline)
    return new UserError(
      `${repo.id}: the cache has no ${name} of it (${dir}). Run once with a network, without --offline true or HF_HUB_OFFLINE.`,
    );
  if (files.has('adapter_config.json')) {
    return new UserError(
      `${repo.id} is a LoRA adapter, not a model: give it as --init_adapter, and the model it belongs to as --base_model_hf.`,
    );
  }
  const other = [...files.keys()].find((path) => OTHER_WEIGHTS.test(path));
  const advice =
    other === undefined
      ? 'It is not a model that transformers wrote.'
      : `Its weights are in ${other}, which is not read: convert it with save_pretrained.`;
  return new UserError(`${repo.id} has no ${name}. ${advice}`);
}
