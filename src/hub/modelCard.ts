/**
 * README.md of what is pushed: what it was made from, how, how good it is, and how to load it in Python. The head is the YAML that the hub
 * reads.
 */
import { redactConfig, withoutKnownSecrets } from '../track/secrets.ts';

export interface ModelCard {
  kind: 'adapter' | 'merged' | 'full';
  /** `org/name` of the repository it goes to, where known. */
  repoId?: string;
  runName: string;
  /** Hub id of the base model; undefined for one that is only local, whose path is nobody's business. */
  baseModel?: string;
  /** Commit of the base model. */
  baseRevision?: string;
  isTextOnly?: boolean;
  /** What it was trained on, in lines: data set, tasks, rows. */
  data?: readonly string[];
  /** Hub ids of data sets. */
  datasets?: readonly string[];
  /** Annotation plans by file, with version and SHA-256. */
  plans?: readonly { file: string; version: string; sha256: string }[];
  /** The version of the annotations that was asked for, where one was. */
  pin?: string;
  hyperparameters?: Readonly<Record<string, unknown>>;
  /** Figures before the first step and after the last. */
  metrics?: readonly { name: string; before?: number; after?: number }[];
  steps?: { done: number; total: number };
  version?: string;
}

/** The text of the README.md, with its YAML head; secrets are taken out. */
export async function modelCard(card: ModelCard): Promise<string> {
  const { stringify } = await import('yaml'); // when there is something to write
  const head = {
    ...(card.kind === 'adapter' ? { library_name: 'peft' } : { library_name: 'transformers' }),
    pipeline_tag: card.isTextOnly ? 'text-generation' : 'image-text-to-text',
    ...(card.baseModel !== undefined && {
      base_model: card.baseModel,
      base_model_relation: card.kind === 'adapter' ? 'adapter' : card.kind === 'merged' ? 'merge' : 'finetune',
    }),
    ...(card.datasets !== undefined && card.datasets.length > 0 && { datasets: [...card.datasets] }),
    tags: [
      'vernier',
      'medvision',
      'medical-imaging',
      ...(card.kind === 'adapter' ? ['lora', 'peft'] : []),
      ...(card.baseModel === undefined ? [] : [`base_model:${card.baseModel}`]),
    ],
  };
  const what = { adapter: 'A LoRA adapter', merged: 'A merged model', full: 'A fine-tuned model' }[card.kind];
  const base = card.baseModel === undefined ? 'a local base model' : `[${card.baseModel}](https://huggingface.co/${card.baseModel})`;
  const sections = [
    `---\n${stringify(head)}---`,
    `# ${card.runName}`,
    `${what} for ${base}${card.baseRevision === undefined ? '' : ` at commit \`${card.baseRevision}\``}, trained with ` +
      `Vernier${card.version === undefined ? '' : ` ${card.version}`}` +
      `${card.steps === undefined ? '' : `; step ${card.steps.done} of ${card.steps.total}`}. It answers questions about measurements in ` +
      `medical images; it is not a medical device.`,
    section('Data', [...(card.data ?? []).map((line) => `- ${line}`), ...pinLines(card), ...planTable(card.plans ?? [])]),
    section('Results', metricTable(card.metrics ?? [])),
    section('Hyperparameters', hyperparameterTable(card.hyperparameters ?? {})),
    section('Loading it in Python', ['```python', ...loading(card), '```']),
  ];
  return withoutKnownSecrets(`${sections.filter(Boolean).join('\n\n')}\n`);
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `## ${title}\n\n${lines.join('\n')}`;
}

function pinLines({ pin }: ModelCard): string[] {
  return pin === undefined ? [] : [`- Annotations of version ${pin} or the newest before it (\`--planner_version ${pin}\`)`];
}

function planTable(plans: NonNullable<ModelCard['plans']>): string[] {
  if (plans.length === 0) return [];
  return [
    '',
    '| plan | version | SHA-256 |',
    '|---|---|---|',
    ...plans.map(({ file, version, sha256 }) => `| ${cell(file)} | ${cell(version)} | \`${sha256}\` |`),
  ];
}

function metricTable(metrics: NonNullable<ModelCard['metrics']>): string[] {
  if (metrics.length === 0) return [];
  const number = (value: number | undefined): string =>
    value === undefined ? '' : Number.isFinite(value) ? String(Number(value.toPrecision(5))) : 'not finite';
  return [
    '| metric | before | after |',
    '|---|---|---|',
    ...metrics.map(({ name, before, after }) => `| ${cell(name)} | ${number(before)} | ${number(after)} |`),
  ];
}

function hyperparameterTable(values: Readonly<Record<string, unknown>>): string[] {
  const shown = Object.entries(redactConfig(values) as Record<string, unknown>).filter(
    ([, value]) => value !== null && value !== undefined,
  );
  if (shown.length === 0) return [];
  return [
    '| option | value |',
    '|---|---|',
    ...shown.map(([name, value]) => `| ${cell(name)} | ${cell(Array.isArray(value) ? value.join(', ') : String(value))} |`),
  ];
}

function cell(text: string): string {
  return text.replace(/\|/g, '\\|').replace(/\s+/g, ' ');
}

function loading({ kind, repoId = 'THIS_REPOSITORY', baseModel, baseRevision, isTextOnly }: ModelCard): string[] {
  const [auto, input, read] = isTextOnly
    ? ['AutoModelForCausalLM', 'tokenizer', 'AutoTokenizer']
    : ['AutoModelForImageTextToText', 'processor', 'AutoProcessor'];
  const quote = (text: string): string => JSON.stringify(text);
  if (kind !== 'adapter') {
    return [
      `from transformers import ${auto}, ${read}`,
      '',
      `model = ${auto}.from_pretrained(${quote(repoId)}, dtype="auto", device_map="auto")`,
      `${input} = ${read}.from_pretrained(${quote(repoId)})`,
    ];
  }
  const revision = baseRevision === undefined ? '' : `, revision=${quote(baseRevision)}`;
  const base = quote(baseModel ?? 'BASE_MODEL');
  return [
    'from peft import PeftModel',
    `from transformers import ${auto}, ${read}`,
    '',
    `base = ${auto}.from_pretrained(${base}${revision}, dtype="auto", device_map="auto")`,
    `model = PeftModel.from_pretrained(base, ${quote(repoId)})`,
    `${input} = ${read}.from_pretrained(${base}${revision})`,
  ];
}
