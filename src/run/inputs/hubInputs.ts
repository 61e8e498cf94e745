/**
 * Hub ids in place of folders: the base model, the adapter to go on from and the data set are fetched into the cache, and the run goes on
 * with their folders.
 */
import type { TaskFamily } from '../../data/medvision/tasks.ts';
import { readTaskList } from '../../data/medvision/tasks.ts';
import type { MedvisionTask } from '../../data/medvision/tasks.ts';
import { fetchDataset } from '../../hub/dataset.ts';
import { fetchAdapter, fetchModel } from '../../hub/modelFiles.ts';
import { downloadHooks } from '../../hub/progress.ts';
import { hubSettingsFromEnv, parseHubId } from '../../hub/settings.ts';
import type { HubSettings } from '../../hub/settings.ts';
import type { Options } from '../../options.ts';
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { warnOnce } from '../tellOnce.ts';

/** What fetching needs of its caller; a RunContext is one. */
export interface FetchContext {
  readonly platform: Platform;
  readonly terminal: Terminal;
  readonly stop: AbortSignal;
  readonly options: Pick<Options, 'report_to'>;
}

/** The hub's settings; what the user should know of them first is told once. */
export async function hubOf({ platform, terminal }: Pick<FetchContext, 'platform' | 'terminal'>): Promise<HubSettings> {
  const settings = await hubSettingsFromEnv(platform);
  warnOnce(terminal, settings.warning);
  return settings;
}

/**
 * A model folder as it is, or a hub id fetched. @param flag for messages, as `--base_model_hf`
 * @throws UserError where it is neither
 */
export async function modelFolder(context: FetchContext, flag: string, text: string): Promise<string> {
  return localOr(context, flag, text, 'a Hugging Face model folder, or a hub id as Qwen/Qwen2.5-VL-3B-Instruct,', async (id) => {
    const { platform } = context;
    return (await fetchModel(platform, await hubOf(context), id, hooks(context, id.id))).dir;
  });
}

export async function adapterFolder(context: FetchContext, flag: string, text: string): Promise<string> {
  return localOr(context, flag, text, 'the folder of a PEFT adapter, or a hub id,', async (id) => {
    const { platform } = context;
    return (await fetchAdapter(platform, await hubOf(context), id, hooks(context, id.id))).dir;
  });
}

/** `split` of tasks that do not name theirs. */
export async function dataFolder(
  context: FetchContext,
  text: string,
  request: { tasks: readonly MedvisionTask[]; split: 'train' | 'test'; plannerVersion: string | null; withLandmarks?: boolean },
): Promise<string> {
  return localOr(context, '--data_dir', text, 'the MedVision data folder, or a hub data set as YongchengYAO/MedVision,', async (id) => {
    const { platform } = context;
    const wanted = { ...id, ...request, plannerVersion: request.plannerVersion ?? undefined };
    return (await fetchDataset(platform, await hubOf(context), wanted, hooks(context, id.id))).dir;
  });
}

function hooks({ terminal, options, stop }: FetchContext, name: string): ReturnType<typeof downloadHooks> {
  return downloadHooks(terminal, name, { isQuiet: options.report_to.includes('none'), signal: stop });
}

/** A folder that exists is meant before a hub id that looks like it. */
async function localOr(
  { platform, stop }: FetchContext,
  flag: string,
  text: string,
  expected: string,
  fetch: (id: { id: string; revision: string | undefined }) => Promise<string>,
): Promise<string> {
  if (await platform.isDirectory(text)) return text.replace(/(?<=.)\/+$/, '');
  if (await platform.exists(text)) throw new UserError(`${flag} ${text} is a file; ${expected} was expected.`);
  const id = parseHubId(text);
  if (id === undefined) throw new UserError(`${flag} ${text}: there is no such folder; ${expected} was expected.`);
  try {
    return await fetch(id);
  } catch (error) {
    if (stop.aborted)
      throw new UserError('Stopped while fetching; what has come is kept, and the same command goes on with it.', { cause: error });
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${flag} ${text} is no folder here, so it was looked for on the hub. ${error.message}`, { cause: error });
  }
}

const LISTS = [
  ['AD', 'tasks_list_json_path_AD'],
  ['detect', 'tasks_list_json_path_detect'],
  ['TL', 'tasks_list_json_path_TL'],
] as const satisfies readonly [TaskFamily, keyof Options][];

/** The options with `--init_adapter` and `--data_dir` as folders. */
export async function fetchInputs(context: FetchContext & { readonly options: Options }, { withLandmarks = false } = {}): Promise<Options> {
  const options = { ...context.options };
  if (options.init_adapter !== null) options.init_adapter = await adapterFolder(context, '--init_adapter', options.init_adapter);
  if (options.data_dir === null) return options;
  const tasks: MedvisionTask[] = [];
  for (const [family, list] of LISTS) {
    const path = options[list];
    if (path !== null) tasks.push(...(await readTaskList(context.platform, path, family)));
  }
  // Without task lists the folder is only a place, which whoever reads it checks.
  if (tasks.length > 0 && !options.merge_only) {
    options.data_dir = await dataFolder(context, options.data_dir, {
      tasks,
      split: 'train',
      plannerVersion: options.planner_version,
      withLandmarks,
    });
  }
  return options;
}
