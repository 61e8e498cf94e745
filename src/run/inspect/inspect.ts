/** Inspection as a program: an HTML page to look at what a model would be trained on. */
import type { LabelMask } from '../../data/example.ts';
import { PictureWarnings } from '../../data/pictures/warnings.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { publicName } from '../../hub/origin.ts';
import { checkReplaceable, OWN_PAGE } from '../../io/foreignFiles.ts';
import { loadProcessor } from '../../models/processor.ts';
import { countOf, lastName, parentPath, UserError } from '../../platform.ts';
import { withoutFolders } from '../../track/localPaths.ts';
import { preparedRows } from '../../train/sources.ts';
import type { RunContext } from '../context.ts';
import type { InspectRequest } from './arguments.ts';
import { gather } from './gather.ts';
import { pageHtml } from './page.ts';
import { fetchInputs, modelFolder } from '../inputs/hubInputs.ts';
import { outgoingOf } from '../outgoing.ts';
import { findRows } from '../inputs/rows.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import { imageSizes } from '../../options/imageSizes.ts';

/** Writes the page and says where it is. */
export async function inspect(
  { data, kind, out, samples, isOwnBase, command }: InspectRequest,
  around: Omit<RunContext, 'options'>,
): Promise<void> {
  const { platform, terminal } = around;
  const named = command.options;
  if (named.base_model_hf === null) throw new UserError('--base_model_hf is not set.');
  if (out.endsWith('/')) throw new UserError(`--out ${out} is a folder; name the HTML file.`);
  await checkReplaceable(platform, out, OWN_PAGE, '--out', named.overwrite);
  const given: RunContext = { ...around, options: named };
  const base = await modelFolder(given, '--base_model_hf', named.base_model_hf);
  const options = kind === 'volumes' ? await fetchInputs(given, { withLandmarks: true }) : named;
  const context = { ...given, options };
  // A prepared folder is looked at as it is, whatever model it was prepared for.
  const set = kind === 'prepared' ? await PreparedSet.open(platform, data) : undefined;
  const found = set === undefined ? await findRows(context, base, isOwnBase ? Infinity : undefined) : foundIn(set, options.data_dir);
  if (found === undefined) return;
  const processor = await loadProcessor(platform, base, imageSizes(options));
  const warned: string[] = []; // on the terminal and on the page
  const warnings = new PictureWarnings((text) => {
    warned.push(text);
    context.say(text);
  });
  const tasks = await gather(context, found, processor, samples, warnings);
  warnings.end();
  const { folders } = await outgoingOf(platform, options);
  const notes = [
    ...warned.map((text) => withoutFolders(text, folders)),
    ...(isOwnBase
      ? ['Tokens and image sizes are those of the quick start’s tiny model; --base_model_hf shows them as your model has them.']
      : []),
    ...(kind === 'prepared' && found.dataDir === undefined
      ? ['Pixels are drawn square and landmarks left out: the volumes are not known. --data_dir names them.']
      : []),
  ];
  const kinds = { prepared: 'prepared folder', volumes: 'task lists over volumes', conversations: 'conversations' };
  const facts: [string, string][] = [
    ['Data', `${lastName(data)} (${kinds[kind]})`],
    ['Rows', `${found.train.length} training, ${found.validation?.length ?? 0} validation`],
    ['Model', isOwnBase ? 'tiny Qwen2.5-VL of the quick start' : publicName(base)],
    ...preparedFacts(set, kind === 'volumes' ? options.prompt_style : undefined),
    ...(await dialectFacts(found)),
    [
      'Learnt',
      LEARNT[options.mask] +
        (options.reasoning_weight === 1 || options.mask !== 'completion'
          ? ''
          : `, what stands before <answer> at weight ${options.reasoning_weight}`),
    ],
  ];
  await platform.makeDir(parentPath(out));
  await platform.writeFile(out, await pageHtml(platform, { title: `What is learnt from ${lastName(data)}`, facts, tasks, notes }), {
    isPrivate: true,
  });
  terminal.write(
    `${out}: ${countOf(
      tasks.reduce((sum, { shown }) => sum + shown.length, 0),
      'row',
    )} of ${countOf(tasks.length, 'task')} shown. Open it in a browser.\n`,
  );
}

function foundIn(set: PreparedSet, dataDir: string | null): FoundRows {
  return {
    train: preparedRows(set, 'train'),
    validation: preparedRows(set, 'validation'),
    preparedDir: set.dir,
    ...(dataDir !== null && { dataDir }),
  };
}

/** Which forms the rows of a file of conversations have. */
async function dialectFacts({ train }: FoundRows): Promise<[string, string][]> {
  const dialects = [...((await train.dialects?.()) ?? [])].sort(([, a], [, b]) => b - a);
  if (dialects.length === 0) return [];
  return [['Written as', dialects.map(([name, rows]) => (dialects.length === 1 ? name : `${name}: ${rows}`)).join('; ')]];
}

const LEARNT: Readonly<Record<Extract<LabelMask, string>, string>> = {
  completion: 'what the assistant says',
  answer: 'of what the assistant says, the <answer> (--mask answer)',
  reference: 'all but padding and images (--mask reference)',
};

function preparedFacts(set: PreparedSet | undefined, promptStyle: string | undefined): [string, string][] {
  if (set === undefined) return promptStyle === undefined ? [] : [['Prompts', promptStyle]];
  const { identity, images } = set.manifest;
  const plans = Object.entries(identity).filter(([name]) => name.startsWith('plan '));
  return [
    ['Prepared for', String(identity['model_type'] ?? 'unknown')],
    ['Prompts', String(identity['prompt_style'] ?? 'unknown')],
    [
      'Pictures',
      { none: 'cut from the volumes when needed', embedded: 'in the Parquet files', files: 'in the Parquet files and as PNG' }[images],
    ],
    ['Plans', plans.map(([name, value]) => `${name.slice(5)} ${String(value).replace(/,.*/, '')}`).join(', ') || 'not recorded'],
  ];
}
