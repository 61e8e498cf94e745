/** What `node dist/inspect.js` is asked for: the data, its own few flags, and any data flag of dist/train.js. */
import { definitions, parseOptions } from '../../options.ts';
import type { ParsedOptions } from '../../options.ts';
import { MANIFEST } from '../../data/prepared/manifest.ts';
import { parseHubId } from '../../hub/settings.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { readFlags } from '../../options/commandLine.ts';
import type { Definitions } from '../../options/program.ts';
import { readValue } from '../../options/value.ts';

export const HELP = `Writes an HTML page to look at training data: pictures with boxes and landmarks drawn, prompts, targets, what is learnt
of each row in colour, token counts, and a histogram a task. The page stands alone: nothing is loaded from the network.

Usage: node dist/inspect.js DATA [--name value …]

DATA is one of
  a prepared folder     made by dist/train.js --process_dataset_only true
  a data folder         the one with Datasets/ in it, or a hub data set ORG/NAME; task lists by flags, or those of its tasks_list/ folder
  a conversations file  JSON lines, a JSON array or Parquet; TRL's, ShareGPT's, LLaMA-Factory's and ms-swift's rows

Flags of its own:
  --output_dir DIR      where inspect.html is written (default: here); --out FILE names the page itself.
                        --overwrite true where another file is there
  --samples N           rows shown in all, spread over the tasks (default 24)
  --base_model_hf MODEL a folder or hub id, whose tokenizer, template and image sizes are shown (default: the tiny model of the quick start)
Any data flag of dist/train.js is taken as well, among them:
  --tasks_list_json_path_AD/_detect/_TL FILE   --data_dir DIR (for a prepared folder: to draw landmarks)
  --prompt_style reference|corrected   --intensity minmax|window|percentile   --mask completion|reference
  --split volume|slice   --train_sample_limit N   --val_sample_limit N   --min_pixels N   --max_pixels N   --seed N
  --do_image_splitting true|false   --longest_edge N   --sixteen_bit clip|scale|window
`;

/** Flags of this program alone. */
const OWN = {
  samples: { group: 'Output', type: 'integer', default: 24, min: 1, max: 2000, help: 'Rows shown in all, spread over the tasks.' },
  out: { group: 'Output', type: 'string', default: null, place: 'path', help: 'The page.' },
} as const satisfies Definitions;

/** Flags that would make or choose a prepared folder. */
const WRITING = [
  'process_dataset_only',
  'skip_process_dataset',
  'prepared_ds_dir',
  'process_img',
  'save_processed_img_to_disk',
  'export_jsonl',
  'export_verl',
];

export type DataKind = 'prepared' | 'volumes' | 'conversations';

export interface InspectRequest {
  data: string;
  kind: DataKind;
  out: string;
  samples: number;
  /** True where no base model was named. */
  isOwnBase: boolean;
  command: ParsedOptions;
}

/**
 * Undefined: help is asked for.
 * @param ownBase folder of the quick start's tiny model, taken where none is named
 * @throws UserError for what is wrong with the command line
 */
export async function readArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  platform: Platform,
  ownBase: string,
): Promise<InspectRequest | undefined> {
  if (argv.length === 0 || argv.includes('--help') || argv.includes('-h')) return undefined;
  const [data, ...words] = argv;
  if (data === undefined || data.startsWith('--'))
    throw new UserError('Name the data first: node dist/inspect.js DATA [--name value …]. --help says what DATA may be.');
  const { samples: sampleText = OWN.samples.default, out, ...flags } = readFlags(words, { ...definitions, ...OWN });
  const samples = Number(readValue(OWN.samples, sampleText, '--samples'));
  for (const name of WRITING) {
    if (flags[name] !== undefined)
      throw new UserError(
        `--${name} belongs to dist/train.js; this program writes nothing but its page. A prepared folder is named as DATA.`,
      );
  }
  const kind = await kindOf(platform, data);
  const isOwnBase = flags['base_model_hf'] === undefined;
  if (isOwnBase) flags['base_model_hf'] = ownBase;
  // The page shows what is there; nothing is written but the page.
  const { output_dir, lora_checkpoint_dir: folder = output_dir ?? '.' } = flags;
  if (out !== undefined && folder !== '.') throw new UserError('--out names the page, --output_dir its folder; give one of them.');
  return {
    data,
    kind,
    out: out ?? joinPath(folder === '.' ? '' : folder, 'inspect.html'),
    samples,
    isOwnBase,
    command: parseOptions(
      { ...flags, ...(await sourceFlags(platform, data, kind, flags)) },
      {},
      kind === 'volumes' ? { ...env, MedVision_DATA_DIR: undefined } : env,
    ),
  };
}

async function kindOf(platform: Platform, data: string): Promise<DataKind> {
  if (!(await platform.exists(data))) {
    // As --data_dir of training takes it; what the task lists need of it is fetched.
    if (parseHubId(data) !== undefined) return 'volumes';
    throw new UserError(`${data}: there is no such file or folder.`);
  }
  if (!(await platform.isDirectory(data))) return 'conversations';
  if (await platform.exists(joinPath(data, MANIFEST))) return 'prepared';
  if (await platform.isDirectory(joinPath(data, 'Datasets'))) return 'volumes';
  throw new UserError(
    `${data}: a prepared folder (with ${MANIFEST}), a data folder (with Datasets/) or a file of conversations is expected.`,
  );
}

const LISTS = [
  ['tasks_list_json_path_AD', /AD.*train_SFT\.json$/],
  ['tasks_list_json_path_detect', /detect.*train_SFT\.json$/i],
  ['tasks_list_json_path_TL', /TL.*train_SFT\.json$/],
] as const;

async function sourceFlags(
  platform: Platform,
  data: string,
  kind: DataKind,
  flags: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  if (kind === 'conversations') return { train_file: data };
  if (kind === 'prepared') {
    // <data folder>/SFT_datasets/<model>/<name>
    const around = joinPath(data, '../../..');
    const found = flags['data_dir'] ?? ((await platform.isDirectory(joinPath(around, 'Datasets'))) ? around : undefined);
    return { skip_process_dataset: 'true', prepared_ds_dir: data, ...(found !== undefined && { data_dir: found }) };
  }
  const found: Record<string, string> = { data_dir: data };
  if (!(await platform.isDirectory(data)) && LISTS.every(([flag]) => flags[flag] === undefined)) {
    throw new UserError(
      `${data} is no file or folder here. For the hub data set of that name, give task lists by --tasks_list_json_path_AD, _detect or ` +
        `_TL: they say what is fetched of it.`,
    );
  }
  const folder = joinPath(data, 'tasks_list');
  if (LISTS.every(([flag]) => flags[flag] === undefined) && (await platform.isDirectory(folder))) {
    const names = await platform.listDir(folder);
    for (const [flag, pattern] of LISTS) {
      const name = names.find((one) => pattern.test(one));
      if (name !== undefined) found[flag] = joinPath(folder, name);
    }
  }
  return found;
}
