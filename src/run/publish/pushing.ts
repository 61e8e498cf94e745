/** `--push_LoRA` and `--push_merged_model`: what a run leaves, with a model card, to the hub. Pushes of checkpoints run beside training. */
import { readJsonFile } from '../../data/jsonFile.ts';
import { hashFile, planAtPin } from '../../data/medvision/plan.ts';
import { readPin } from '../../data/medvision/planVersion.ts';
import { readTaskList } from '../../data/medvision/tasks.ts';
import { readManifest } from '../../data/prepared/manifest.ts';
import { plansOfManifest } from '../../data/prepared/settings.ts';
import { modelCard } from '../../hub/modelCard.ts';
import type { ModelCard } from '../../hub/modelCard.ts';
import { hubOrigin } from '../../hub/origin.ts';
import { downloadHooks } from '../../hub/progress.ts';
import { Pusher } from '../../hub/pusher.ts';
import { HubError } from '../../hub/request.ts';
import { parseHubId } from '../../hub/settings.ts';
import type { HubSettings } from '../../hub/settings.ts';
import { createRepo, uploadFiles, whoAmI } from '../../hub/upload.ts';
import type { UploadFile } from '../../hub/upload.ts';
import { namingOf } from '../../models/families.ts';
import { definitions } from '../../options.ts';
import type { Options } from '../../options.ts';
import type { Definition } from '../../options/definition.ts';
import { countOf, errorText, firstOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { readTrainerState, TRAINER_STATE } from '../../train/checkpointFolder.ts';
import type { TrainerState } from '../../train/checkpointFolder.ts';
import type { RunContext } from '../context.ts';
import { hubOf } from '../inputs/hubInputs.ts';

/** Files of a folder that others load: weights and what describes them; not the optimizer, the logs and the state of the run. */
const PUSHED: readonly RegExp[] = [
  /^adapter_(config\.json|model\.safetensors)$/,
  /^model((-\d+-of-\d+)?\.safetensors|\.safetensors\.index\.json)$/,
  /^(config|generation_config|preprocessor_config|processor_config|video_preprocessor_config)\.json$/,
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^(merges\.txt|tokenizer\.model|chat_template\.(json|jinja))$/,
];

export function isOfModel(name: string): boolean {
  return PUSHED.some((pattern) => pattern.test(name));
}

export interface Pushing {
  /** In the background. Rejects when that push has failed. */
  checkpoint(saved: { path: string; step: number }): Promise<void>;
  /** The result, and the end of what is under way. */
  result(dir: string): Promise<void>;
  merged(dir: string): Promise<void>;
}

/** Logs in and makes the repositories, so that a wrong token is told before hours of work; a hub that is down is only noted. */
export async function openPushing(context: RunContext, base: string): Promise<Pushing> {
  const { platform, options, stop, terminal, say } = context;
  const settings = await hubOf(context);
  if (settings.isOffline)
    throw new UserError(
      'HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, and --push_LoRA and --push_merged_model send to the hub: unset one of them.',
    );
  const adapterName = repoName('--lora_hub_repo', options.lora_hub_repo ?? lastName(options.output_dir), options);
  const repoOf = async (name: string, signal = stop): Promise<{ type: 'model'; id: string }> => ({
    type: 'model',
    id: name.includes('/') ? name : `${(await whoAmI(settings, signal)).name}/${name}`,
  });
  const leaving = soonAfter(stop);
  await atStart(context, settings, async () => {
    await whoAmI(settings, stop);
    if (options.push_LoRA) await createRepo(settings, await repoOf(adapterName), options.hub_private_repo, stop);
    if (options.push_merged_model && options.merged_model_hf !== null) {
      await createRepo(
        settings,
        await repoOf(repoName('--merged_model_hf', options.merged_model_hf, options)),
        options.hub_private_repo,
        stop,
      );
    }
  });

  const pusher = new Pusher(() => undefined); // told by whoever offered
  // The data do not change during a run, and hashing them at every save would cost.
  let dataFacts: Promise<DataFacts> | undefined;
  const push = async (name: string, kind: 'adapter' | 'merged', dir: string, message: string, signal: AbortSignal): Promise<string> => {
    const repo = await repoOf(name, signal);
    const files = await filesOf(platform, dir, base);
    if (files.length === 0) throw new UserError(`${dir} holds nothing to push.`);
    dataFacts ??= describeData(platform, options);
    const card = await modelCard({ ...(await describe(platform, options, { kind, repoId: repo.id, dir, base })), ...(await dataFacts) });
    const bar = kind === 'merged' ? downloadHooks(terminal, repo.id) : {};
    const { url } = await uploadFiles(platform, settings, repo, [...files, { path: 'README.md', content: card }], {
      message,
      isPrivate: options.hub_private_repo,
      ...(bar.onProgress && { onProgress: bar.onProgress }),
      signal,
    });
    return url;
  };
  const offer = async (dir: string, name: string): Promise<string | undefined> => {
    let url: string | undefined;
    let own: unknown;
    await pusher.offer({
      name,
      async push(signal) {
        try {
          url = await push(adapterName, 'adapter', dir, name, AbortSignal.any([signal, leaving]));
        } catch (error) {
          own = error;
          throw error;
        }
      },
    });
    if (own !== undefined) throw own instanceof Error ? own : new Error(String(own));
    return url;
  };
  return {
    async checkpoint({ path, step }) {
      try {
        await offer(path, `Step ${step}`);
      } catch (error) {
        throw new Error(`The adapter was not pushed: ${errorText(error)} The next save pushes again.`, { cause: error });
      }
    },
    async result(dir) {
      say(`Pushing the adapter to ${settings.endpoint}.`);
      try {
        const url = await offer(dir, 'Result of training');
        say(`Pushed: ${url ?? settings.endpoint}`);
      } catch (error) {
        const words = errorText(error);
        throw new UserError(`The run is saved in ${dir}, but its adapter was not pushed: ${words} Later: hf upload ${adapterName} ${dir}`, {
          cause: error,
        });
      }
    },
    async merged(dir) {
      const name = repoName('--merged_model_hf', options.merged_model_hf ?? lastName(dir), options);
      say(`Pushing the merged model to ${settings.endpoint}.`);
      try {
        say(`Pushed: ${await push(name, 'merged', dir, 'Merged model', leaving)}`);
      } catch (error) {
        if (!(error instanceof UserError) && !leaving.aborted) throw error;
        const words = errorText(error);
        throw new UserError(
          `The merged model is in ${dir}, but was not pushed: ${words} The same command with --merge_only true --overwrite true goes on.`,
          { cause: error },
        );
      }
    },
  };
}

/** What is being sent when the user asks to leave has so long to arrive: everything is saved by then, and can be pushed later. */
const LEAVING_MS = 5_000;

function soonAfter(stop: AbortSignal): AbortSignal {
  const soon = new AbortController();
  const abort = (): void => soon.abort(new Error('stopped before it had arrived.', { cause: stop.reason }));
  const begin = (): void => {
    const timer: unknown = setTimeout(abort, LEAVING_MS);
    // Node is not kept by it; in browsers a timer is a number.
    if (typeof timer === 'object') (timer as NodeJS.Timeout).unref();
  };
  if (stop.aborted) begin();
  else stop.addEventListener('abort', begin, { once: true });
  return soon.signal;
}

/** A hub that does not answer now may answer at the first save. */
async function atStart({ terminal }: RunContext, settings: HubSettings, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HubError) || !(error.status === 0 || error.status >= 500 || error.status === 429)) throw error;
    terminal.write(`Warning: ${settings.endpoint} does not answer (${error.message}) Training begins; pushes are tried at every save.\n`);
  }
}

/** NAME or OWNER/NAME, as the hub allows them. */
function repoName(flag: string, given: string, options: Options): string {
  const name = given.replaceAll('{run_name}', options.run_name);
  if (
    parseHubId(name.includes('/') ? name : `owner/${name}`)?.revision === undefined &&
    parseHubId(name.includes('/') ? name : `owner/${name}`) !== undefined
  )
    return name;
  throw new UserError(
    `${flag}: ${JSON.stringify(name)} is no name for a hub repository. Expected NAME or OWNER/NAME of letters, digits, "-", "_" and "."; ` +
      `give one with ${flag}.`,
  );
}

async function filesOf(platform: Platform, dir: string, base: string): Promise<UploadFile[]> {
  const names = (await platform.listDir(dir)).filter(isOfModel);
  // The folder of a run may hold both an adapter and, from elsewhere, a model.
  const isAdapter = names.includes('adapter_config.json');
  return Promise.all(
    names
      .filter((name) => !isAdapter || !/^(model.*|config\.json|generation_config\.json)$/.test(name))
      .map(async (path) => {
        const file = joinPath(dir, path);
        if (path !== 'adapter_config.json' || hubOrigin(base) !== undefined) return { path, content: { file } };
        // Where the base lies on this machine is nobody's business.
        const text = new TextDecoder().decode(await platform.readFile(file));
        return {
          path,
          content: text.replace(
            /("base_model_name_or_path": ")((?:[^"\\]|\\.)*)"/,
            (_, key: string, name: string) => `${key}${lastName(name)}"`,
          ),
        };
      }),
  );
}

async function describe(
  platform: Platform,
  options: Options,
  { kind, repoId, dir, base }: { kind: 'adapter' | 'merged'; repoId: string; dir: string; base: string },
): Promise<ModelCard> {
  const origin = hubOrigin(base);
  const stateDir = (await platform.exists(joinPath(dir, TRAINER_STATE))) ? dir : options.output_dir;
  const state = (await platform.exists(joinPath(stateDir, TRAINER_STATE)))
    ? await readTrainerState(platform, stateDir).catch(() => undefined)
    : undefined;
  const { model_type: type } = (await readJsonFile(platform, joinPath(base, 'config.json')).catch(() => undefined)) ?? {};
  return {
    kind,
    repoId,
    isTextOnly: typeof type === 'string' && namingOf(type, base).isTextOnly,
    runName: options.run_name,
    ...(origin && { baseModel: origin.id, baseRevision: origin.commit }),
    hyperparameters: hyperparameters(options),
    metrics: state === undefined ? [] : metricsOf(state),
    ...(state && { steps: { done: state.global_step, total: state.max_steps } }),
  };
}

type DataFacts = Pick<ModelCard, 'data' | 'datasets' | 'plans' | 'pin'>;

async function describeData(platform: Platform, options: Options): Promise<DataFacts> {
  const origin = options.data_dir === null ? undefined : hubOrigin(options.data_dir);
  const prepared = await preparedPlans(platform, options);
  const plans = prepared.length > 0 ? prepared : await plansOf(platform, options);
  const pin = plans[0]?.pin;
  return { data: await dataLines(platform, options), ...(origin && { datasets: [origin.id] }), plans, ...(pin !== undefined && { pin }) };
}

const LISTS = [
  ['AD', 'tasks_list_json_path_AD'],
  ['detect', 'tasks_list_json_path_detect'],
  ['TL', 'tasks_list_json_path_TL'],
] as const;

async function dataLines(platform: Platform, options: Options): Promise<string[]> {
  if (options.train_file !== null)
    return [
      `Conversations of \`${lastName(options.train_file)}\`, SHA-256 ` +
        `\`${await hashFile(platform, options.train_file).catch(() => 'unknown')}\``,
    ];
  const lines: string[] = [];
  const origin = options.data_dir === null ? undefined : hubOrigin(options.data_dir);
  if (origin !== undefined) lines.push(`Hub data set ${origin.id} at commit \`${origin.commit}\``);
  for (const [family, list] of LISTS) {
    const path = options[list];
    if (path === null) continue;
    const names = (await readTaskList(platform, path, family).catch(() => [])).map(({ name }) => name);
    lines.push(`${family}: ${countOf(names.length, 'task')} (${firstOf(names, 30)})`);
  }
  return lines;
}

type PlanFact = NonNullable<ModelCard['plans']>[number] & { pin?: string };

/** Those of prepared rows, which may lie where their plans do not. */
async function preparedPlans(platform: Platform, { prepared_ds_dir: dir }: Options): Promise<PlanFact[]> {
  const manifest = dir === null ? undefined : await readManifest(platform, dir).catch(() => undefined);
  return plansOfManifest(manifest ?? { identity: {} }).map(({ dataset, kind, ...plan }) => ({
    file: `Datasets/${dataset}/benchmark_plan_${kind}_v${plan.version}.json.gz`,
    ...plan,
  }));
}

/** The plans that the tasks read, with their hashes: which annotations a result belongs to. */
async function plansOf(platform: Platform, options: Options): Promise<PlanFact[]> {
  const dataDir = options.data_dir;
  if (dataDir === null || options.train_file !== null) return [];
  const plans = new Map<string, PlanFact>();
  const pin = options.planner_version === null ? {} : { pin: readPin(options.planner_version) };
  for (const [family, list] of LISTS) {
    const path = options[list];
    for (const { dataset, planKind } of path === null ? [] : await readTaskList(platform, path, family).catch(() => [])) {
      const key = `${dataset}/${planKind}`;
      if (plans.has(key)) continue;
      const found = await planAtPin(platform, dataDir, dataset, planKind, options.planner_version ?? undefined).catch(() => undefined);
      if (found === undefined) continue;
      const { path, version } = found;
      const file = `Datasets/${dataset}/${lastName(path)}`;
      plans.set(key, { file, version, sha256: await hashFile(platform, path).catch(() => 'unknown'), ...pin });
    }
  }
  return [...plans.values()];
}

/** What decides the training; names of folders and services stay here. */
function hyperparameters(options: Options): Record<string, unknown> {
  const groups = ['LoRA', 'Optimisation', 'Batches and memory', 'Data', 'Task lists'];
  const all = Object.entries<Definition>(definitions).filter(([, { group, type }]) => groups.includes(group) && type !== 'string');
  const values: Record<string, unknown> = { finetune: options.finetune, quantization: options.quantization };
  for (const [name] of all) values[name] = options[name as keyof Options];
  return values;
}

/** First and last value of every figure of the evaluations, and of the loss. */
function metricsOf(state: TrainerState): NonNullable<ModelCard['metrics']> {
  const metrics = new Map<string, { name: string; before?: number; after?: number }>();
  for (const row of state.log_history) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value !== 'number' || !(name === 'loss' || name.startsWith('eval_')) || /_(runtime|per_second)$/.test(name)) continue;
      const known = metrics.get(name);
      if (known === undefined)
        metrics.set(name, { name: name === 'loss' ? 'training loss (first row, last row)' : name, before: value, after: value });
      else known.after = value;
    }
  }
  return [...metrics.values()];
}
