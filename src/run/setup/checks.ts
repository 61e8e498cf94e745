/**
 * The checks of `node dist/setup.js`, one function a subject. Each tells what it finds and never throws for what the user can put right.
 */
import { planVersions } from '../../data/medvision/plan.ts';
import { MANIFEST } from '../../data/prepared/manifest.ts';
import { readTaskList } from '../../data/medvision/tasks.ts';
import type { MedvisionTask } from '../../data/medvision/tasks.ts';
import { Device } from '../../gpu/device.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { HubError, requestJson } from '../../hub/request.ts';
import { parseHubId } from '../../hub/settings.ts';
import type { HubSettings } from '../../hub/settings.ts';
import { openSnapshot } from '../../hub/snapshot.ts';
import { whoAmI } from '../../hub/upload.ts';
import { readJsonObject } from '../../io/modelFolder.ts';
import type { Options } from '../../options.ts';
import { errorText, joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { bytesText, countText } from '../../track/console.ts';
import type { Terminal } from '../../track/console.ts';
import { VIEWER } from '../../track/wandb/queries.ts';
import { WandbClient } from '../../track/wandb/client.ts';
import { wandbSettings } from '../../track/wandb/settings.ts';
import { memoryTable } from '../../train/memoryText.ts';
import { warnOnce } from '../tellOnce.ts';
import { limitOf } from '../train/memory.ts';
import type { Finding } from './finding.ts';
import { planSetup } from './plan.ts';
import type { SetupPlan } from './plan.ts';

export async function checkGpu(platform: Platform): Promise<{ findings: Finding[]; capabilities?: Capabilities }> {
  try {
    const device = await Device.create(await platform.gpu());
    const { capabilities } = device;
    device.destroy();
    const features = [
      capabilities.f16 ? 'f16' : 'no f16',
      capabilities.subgroups ? 'subgroups' : 'no subgroups',
      capabilities.timestamps ? 'timestamps' : 'no timestamps',
    ].join(', ');
    const limits =
      `binds ${bytesText(capabilities.maxBindingBytes)} at once, buffers of ${bytesText(capabilities.maxBufferBytes)}, ` +
      `${bytesText(capabilities.workgroupMemoryBytes)} a workgroup`;
    const software: Partial<Finding> =
      capabilities.kind === 'software'
        ? {
            state: 'warning',
            fix:
              'A software GPU: right results, some 1000 times slower. Enough to try a tiny model; install the driver of a real GPU to ' +
              'train.',
          }
        : {};
    return {
      findings: [{ state: 'good', about: 'GPU', text: `${capabilities.description}; ${features}; ${limits}`, ...software }],
      capabilities,
    };
  } catch (error) {
    return { findings: [{ state: 'missing', about: 'GPU', text: 'none that WebGPU can use', fix: errorText(error) }] };
  }
}

export interface CheckedModel {
  findings: Finding[];
  plan?: SetupPlan;
  /** Still to be fetched. */
  downloadBytes: number;
}

/** @param device that the plan of memory is made for, where there is one */
export async function checkModel(
  platform: Platform,
  hub: HubSettings,
  options: Options,
  device: Capabilities | undefined,
): Promise<CheckedModel> {
  const base = options.base_model_hf;
  if (base === null) {
    const fix = 'Give --base_model_hf, a folder or a hub id as google/medgemma-4b-it; memory and disk are then checked for it.';
    return { findings: [{ state: 'open', about: 'Model', text: 'not given', fix }], downloadBytes: 0 };
  }
  try {
    const { dir, downloadBytes, where } = (await platform.isDirectory(base))
      ? { dir: base, downloadBytes: 0, where: 'a folder' }
      : await lookUp(platform, hub, base);
    const source = joinPath(dir, 'config.json');
    const config = await readJsonObject(platform, source, 'every model folder has one');
    const plan = await planSetup(platform, { dir, config, isWhole: downloadBytes === 0 }, options, device);
    const text =
      `${base}: ${String(config['model_type'])}, ${countText(plan.parameters)} parameters, ${countText(plan.trainedValues)} ` +
      `values train; ${where}`;
    return { findings: [{ state: 'good', about: 'Model', text }], plan, downloadBytes };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { findings: [{ state: 'missing', about: 'Model', text: `${base} cannot be used`, fix: error.message }], downloadBytes: 0 };
  }
}

/** `--init_adapter`: a folder or a hub id, as training takes it. */
export async function checkAdapter(platform: Platform, hub: HubSettings, options: Options): Promise<Finding[]> {
  const adapter = options.init_adapter;
  if (adapter === null) return [];
  const about = 'Adapter';
  if (await platform.isDirectory(adapter)) {
    const isThere = await platform.exists(joinPath(adapter, 'adapter_config.json'));
    const fix = `${adapter} has no adapter_config.json; give --init_adapter the folder of a PEFT adapter, or a hub id.`;
    return [
      isThere ? { state: 'good', about, text: `${adapter}: a folder` } : { state: 'missing', about, text: `${adapter} is no adapter`, fix },
    ];
  }
  const id = (await platform.exists(adapter)) ? undefined : parseHubId(adapter);
  if (id === undefined) {
    const fix = `--init_adapter ${adapter}: the folder of a PEFT adapter or a hub id (ORG/NAME) was expected.`;
    return [{ state: 'missing', about, text: `${adapter} does not exist`, fix }];
  }
  try {
    const snapshot = await openSnapshot(platform, hub, { type: 'model', id: id.id }, id.revision ?? 'main');
    const isThere = (await snapshot.list('', { isRecursive: false })).some(({ path }) => path === 'adapter_config.json');
    if (!isThere) throw new UserError(`${adapter} has no adapter_config.json; it is not an adapter that PEFT wrote.`);
    return [{ state: 'good', about, text: `hub adapter ${id.id} at ${snapshot.commit.slice(0, 12)}; it is fetched when training begins` }];
  } catch (error) {
    return [{ state: 'missing', about, text: `${adapter} cannot be used`, fix: errorText(error) }];
  }
}

/** A model of the hub: its configuration is fetched, and what else is to come is counted. */
async function lookUp(platform: Platform, hub: HubSettings, base: string): Promise<{ dir: string; downloadBytes: number; where: string }> {
  const id = parseHubId(base);
  if (id === undefined || (await platform.exists(base)))
    throw new UserError(`--base_model_hf ${base}: a Hugging Face model folder or a hub id (ORG/NAME) was expected.`);
  const snapshot = await openSnapshot(platform, hub, { type: 'model', id: id.id }, id.revision ?? 'main');
  const files = await snapshot.list('', { isRecursive: false });
  const config = files.find(({ path }) => path === 'config.json');
  if (config === undefined) throw new UserError(`${base} has no config.json; it is not a model that transformers wrote.`);
  await snapshot.fetch([config]);
  let downloadBytes = 0;
  for (const { path, size } of files) {
    if (/^model.*\.safetensors$/.test(path) && !(await platform.exists(joinPath(snapshot.dir, path)))) downloadBytes += size;
  }
  const where = downloadBytes === 0 ? 'in the cache' : `${bytesText(downloadBytes)} to fetch from ${hub.endpoint}`;
  return { dir: snapshot.dir, downloadBytes, where };
}

export async function checkMemory(
  platform: Platform,
  plan: SetupPlan | undefined,
  options: Options,
  device: Capabilities | undefined,
): Promise<Finding[]> {
  if (plan === undefined) return [];
  const about = 'Memory';
  const text = `${bytesText(plan.neededBytes)} by the plan for ${plan.assumption}:\n${memoryTable(plan.memory)}`;
  const limit = await limitOf(platform, options, device);
  const there =
    Number.isFinite(limit.bytes) || device === undefined
      ? limit
      : ((await platform.gpuMemory?.({ isSoftware: device.kind === 'software' })) ?? limit);
  if (!Number.isFinite(there.bytes)) return [{ state: 'good', about, text: `${text}\n  The system does not tell how much the GPU has.` }];
  const state = plan.neededBytes > there.bytes ? 'missing' : plan.neededBytes > there.bytes * 0.85 ? 'warning' : 'good';
  const fix =
    'Lower --per_device_train_batch_size (and raise --gradient_accumulation_steps), --max_pixels or --lora_r, leave --modules_to_save ' +
    'empty, or take a smaller model.';
  const found = `${bytesText(plan.neededBytes)} of ${bytesText(there.bytes)} are needed. ${fix}`;
  return [
    { state, about, text: `${text}\n  There are ${bytesText(there.bytes)} (${there.source}).`, ...(state !== 'good' && { fix: found }) },
  ];
}

export async function checkDisk(
  platform: Platform,
  hub: HubSettings,
  options: Options,
  { plan, downloadBytes }: CheckedModel,
): Promise<Finding[]> {
  const kept = options.save_total_limit > 0 ? options.save_total_limit : 10;
  // Values and both moments; the merged model in f32.
  const checkpointBytes = (plan?.trainedValues ?? 0) * 12 * (kept + 1);
  const mergedBytes = plan !== undefined && (options.merge_model || options.push_merged_model) ? plan.parameters * 4 : 0;
  const places: [string, string | undefined, number][] = [
    ['the cache (HF_HOME)', hub.cacheDir, downloadBytes],
    ['--output_dir', options.output_dir, checkpointBytes + mergedBytes],
  ];
  const found: Finding[] = [];
  for (const [name, dir, bytes] of places) {
    const free = dir === undefined ? undefined : await platform.freeBytes?.(dir);
    if (dir === undefined || free === undefined) continue;
    const state = free < bytes ? 'missing' : free < bytes * 1.2 + 2 ** 30 ? 'warning' : 'good';
    const text = `${bytesText(free)} free for ${name}, ${dir}${bytes > 0 ? `; about ${bytesText(bytes)} needed` : ''}`;
    found.push({
      state,
      about: 'Disk',
      text,
      ...(state !== 'good' && { fix: `${text}. Free some space, or choose a folder on another disk.` }),
    });
  }
  return found;
}

const LISTS = [
  ['AD', 'tasks_list_json_path_AD'],
  ['detect', 'tasks_list_json_path_detect'],
  ['TL', 'tasks_list_json_path_TL'],
] as const;

export async function checkData(platform: Platform, hub: HubSettings, options: Options): Promise<Finding[]> {
  const found: Finding[] = [];
  const about = 'Data';
  if (options.train_file !== null) {
    const isThere = await platform.exists(options.train_file);
    found.push({
      state: isThere ? 'good' : 'missing',
      about,
      text: `--train_file ${options.train_file}${isThere ? '' : ': there is no such file'}`,
    });
  }
  const tasks: MedvisionTask[] = [];
  for (const [family, list] of LISTS) {
    const path = options[list];
    if (path === null) continue;
    try {
      tasks.push(...(await readTaskList(platform, path, family)));
    } catch (error) {
      found.push({ state: 'missing', about, text: `the task list ${path}`, fix: errorText(error) });
    }
  }
  if (options.skip_process_dataset && options.prepared_ds_dir !== null) {
    const dir = options.prepared_ds_dir;
    const isThere = await platform.exists(joinPath(dir, MANIFEST));
    const fix = `${dir} has no ${MANIFEST}; make it by training's --process_dataset_only true.`;
    return [
      ...found,
      isThere
        ? { state: 'good', about, text: `prepared folder ${dir}` }
        : { state: 'missing', about, text: `${dir} is no prepared folder`, fix },
    ];
  }
  const dir = options.data_dir;
  const isNamed = options.train_file !== null || options.merge_only || LISTS.some(([, list]) => options[list] !== null);
  if (dir === null) {
    if (!isNamed) {
      const fix = 'Give --train_file, a file of conversations, or --data_dir, the MedVision data folder, with task lists.';
      found.push({ state: 'open', about, text: 'no --train_file and no --data_dir', fix });
    } else if (tasks.length > 0)
      found.push({
        state: 'missing',
        about,
        text: 'task lists without --data_dir',
        fix: 'Give --data_dir, the MedVision data folder, or a hub data set.',
      });
    return found;
  }
  const unnamed: Finding[] = [];
  if (!isNamed) {
    const fix = 'Name the tasks to learn by --tasks_list_json_path_AD, _detect or _TL (see node/recipes/tasks_list).';
    unnamed.push({ state: 'open', about, text: '--data_dir without a task list', fix });
  }
  if (!(await platform.isDirectory(dir))) {
    const there = await hubData(platform, hub, dir);
    return [...found, there, ...(there.state === 'missing' ? [] : unnamed)];
  }
  const datasets = joinPath(dir, 'Datasets');
  if (!(await platform.isDirectory(datasets))) {
    const fix =
      `${dir} has no folder Datasets/: put the MedVision data sets there, as Datasets/<data set>/benchmark_plan_….json.gz and ` +
      `the volumes; or give --data_dir a hub data set, as YongchengYAO/MedVision.`;
    return [...found, { state: 'missing', about, text: `${dir} holds no MedVision data`, fix }];
  }
  const names = await platform.listDir(datasets);
  found.push({ state: 'good', about, text: `${datasets}: ${names.length === 0 ? 'empty' : names.join(', ')}` });
  for (const key of new Set(tasks.map(({ dataset, planKind }) => `${dataset}/${planKind}`))) {
    const [dataset = '', kind = ''] = key.split('/');
    const versions = names.includes(dataset)
      ? await planVersions(platform, dir, dataset, kind === 'detection' ? 'detection' : 'biometry')
      : [];
    if (versions.length > 0) continue;
    found.push({
      state: 'missing',
      about,
      text: `the ${kind} plan of ${dataset}`,
      fix: `The task lists need Datasets/${dataset}/benchmark_plan_${kind}_v*.json.gz in ${dir}.`,
    });
  }
  return [...found, ...unnamed];
}

async function hubData(platform: Platform, hub: HubSettings, dir: string): Promise<Finding> {
  const id = (await platform.exists(dir)) ? undefined : parseHubId(dir);
  const about = 'Data';
  if (id === undefined || dir.startsWith('.')) {
    return {
      state: 'missing',
      about,
      text: `${dir} does not exist`,
      fix: `Make the folder ${dir} with Datasets/ in it, or give --data_dir a hub data set, as YongchengYAO/MedVision.`,
    };
  }
  try {
    const { commit } = await openSnapshot(platform, hub, { type: 'dataset', id: id.id }, id.revision ?? 'main');
    return {
      state: 'good',
      about,
      text: `hub data set ${id.id} at ${commit.slice(0, 12)}; what the tasks need is fetched when training begins`,
    };
  } catch (error) {
    return { state: 'missing', about, text: `${dir} is neither a folder nor a data set that can be fetched`, fix: errorText(error) };
  }
}

/** The hub: whether it answers, whose token there is, and whether that is needed. */
export async function checkHub(platform: Platform, hub: HubSettings, options: Options): Promise<Finding[]> {
  const about = 'Hub';
  const isPushing = options.push_LoRA || options.push_merged_model;
  if (hub.isOffline) {
    const text = 'offline (--offline true, or HF_HUB_OFFLINE is set): only what is in the cache is used';
    const fix = `Leave --offline true out and unset HF_HUB_OFFLINE to ${isPushing ? 'push: that needs the hub' : 'fetch models and data'}.`;
    return [{ state: isPushing ? 'missing' : 'warning', about, text, fix }];
  }
  let isNeeded = isPushing;
  for (const text of [options.base_model_hf, options.init_adapter, options.data_dir]) {
    if (text !== null && parseHubId(text) !== undefined && !(await platform.exists(text))) isNeeded = true;
  }
  try {
    if (hub.token === undefined) {
      await requestJson(hub, '/api/whoami-v2', { action: 'reach the hub', accept: [401, 403, 404] });
      const fix =
        'Put an access token with write permission in HF_TOKEN, or run `hf auth login`: --push_LoRA and --push_merged_model need it.';
      return [
        {
          state: isPushing ? 'missing' : 'good',
          about,
          text: `${hub.endpoint} answers; no token (needed for gated and private models and for pushing)`,
          ...(isPushing && { fix }),
        },
      ];
    }
    const { name } = await whoAmI(hub);
    return [{ state: 'good', about, text: `${hub.endpoint} answers; ${hub.tokenSource ?? 'the token'} is of ${name}` }];
  } catch (error) {
    const isRefused = error instanceof HubError && error.status === 401;
    return [
      {
        state: isRefused || isNeeded ? 'missing' : 'warning',
        about,
        text: isRefused ? `${hub.tokenSource ?? 'the token'} is not valid` : `${hub.endpoint} does not answer`,
        fix: errorText(error),
      },
    ];
  }
}

export async function checkWandb(platform: Platform, options: Options, terminal: Terminal): Promise<Finding[]> {
  const about = 'W&B';
  const isWanted = options.report_to.includes('wandb') || options.report_to.includes('all');
  try {
    const settings = await wandbSettings(platform, options, options.run_name, options.output_dir);
    warnOnce(terminal, settings.warning);
    if (settings.apiKey === undefined) return isWanted ? [{ state: 'good', about, text: `${settings.mode}: no key is needed` }] : [];
    const viewer = (await new WandbClient(settings.baseUrl, settings.apiKey, platform.network, 10_000).graphql(VIEWER, {}))['viewer'];
    const name = typeof viewer === 'object' && viewer !== null && 'username' in viewer ? String(viewer.username) : 'somebody';
    if (viewer !== null && viewer !== undefined)
      return [{ state: 'good', about, text: `${settings.baseUrl} answers; the key is of ${name}` }];
    return [
      {
        state: isWanted ? 'missing' : 'warning',
        about,
        text: 'the key is not valid',
        fix: 'Run `wandb login` again, or set WANDB_API_KEY.',
      },
    ];
  } catch (error) {
    if (!isWanted) return [{ state: 'good', about, text: 'not set up; only --report_to wandb needs it' }];
    const isKey = error instanceof UserError;
    return [
      {
        state: isKey ? 'missing' : 'warning',
        about,
        text: isKey ? 'no valid key' : 'the server does not answer; figures would be kept and sent later',
        fix: errorText(error),
      },
    ];
  }
}
