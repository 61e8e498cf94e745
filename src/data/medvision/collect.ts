/**
 * The rows of a run, from the options: task lists → plans → samples, split into training and validation, limited and mixed, in their final
 * order. That order goes volume by volume, so that each is opened once; training shuffles by itself. Rows are numbers in tables until they
 * are asked for, so a set may have millions of them, and everything follows from the seed and the order of the task lists.
 */
import { joinArrays } from '../../io/joinArrays.ts';
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { Processor } from '../example.ts';
import { mixRows } from '../mixing.ts';
import type { Mixing } from '../mixing.ts';
import { drawRows, drawRowsAsNumpy, sampleLimit, splitRows } from '../split.ts';
import type { Split, SplitBy, SplitOptions } from '../split.ts';
import { readAnswerTemplate } from './namedTemplate.ts';
import { readShape } from './canvas.ts';
import type { IntensityMode } from './intensity.ts';
import { LandmarkLines } from './landmarks.ts';
import { openPlan, planCases, planRecord } from './plan.ts';
import type { PlanRecord } from './plan.ts';
import { preparedSize } from './resizing.ts';
import type { DropReason, MedvisionSample, PromptStyle } from './sample.ts';
import { caseRecords, isFixedSize, scanOf } from './samples.ts';
import type { SampleRecord } from './record.ts';
import type { TaskScan } from './samples.ts';
import { VolumeCache } from './slices.ts';
import { SampleTable } from './table.ts';
import { readTaskList } from './tasks.ts';
import type { MedvisionTask, TaskFamily } from './tasks.ts';

/** The options that decide which rows there are and what they say; the names are the command line's. */
export interface CollectSettings {
  data_dir: string | null;
  tasks_list_json_path_AD: string | null;
  tasks_list_json_path_detect: string | null;
  tasks_list_json_path_TL: string | null;
  planner_version: string | null;
  disable_sample_filtering: boolean;
  prompt_style: PromptStyle;
  answer_template: string | null;
  intensity: IntensityMode;
  new_shape_hw: readonly string[];
  pad_to_shape: boolean;
  image_size: number | null;
  split: SplitBy;
  mixing: Mixing;
  mixing_temperature: number;
  /** Rows that are drawn from the tasks, whatever there are; -1: as many as there are. */
  temperature_sampler_num_samples: number;
  seed: number;
  train_sample_limit: number;
  train_sample_limit_per_task: number;
  train_sample_limit_task_AD: number;
  train_sample_limit_task_Detection: number;
  train_sample_limit_task_TL: number;
  val_sample_limit: number;
  val_sample_limit_per_task: number;
  val_sample_limit_task_AD: number;
  val_sample_limit_task_Detection: number;
  val_sample_limit_task_TL: number;
}

/** Rows in final order. A row is worded when it is asked for; to go through them takes the memory of one. */
export class SampleSet implements Iterable<MedvisionSample> {
  private readonly table: SampleTable;
  private readonly rows: Uint32Array;

  constructor(table: SampleTable, rows: Uint32Array) {
    this.table = table;
    this.rows = rows;
  }

  get length(): number {
    return this.rows.length;
  }

  /** @throws RangeError */
  at(index: number): MedvisionSample {
    return this.table.sample(this.rows[index] ?? -1);
  }

  *[Symbol.iterator](): Generator<MedvisionSample, void, undefined> {
    for (const row of this.rows) yield this.table.sample(row);
  }

  /** As the iterator, of records that are made into others before they are worded. */
  *each(change?: (record: SampleRecord) => SampleRecord): Generator<MedvisionSample, void, undefined> {
    for (const row of this.rows) yield this.table.sample(row, change);
  }

  /** Rows by config name. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const row of this.rows) {
      const name = this.table.configs[this.table.config(row)] ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }
}

export interface CollectReport {
  plans: PlanRecord[];
  /** In the order of the lists. */
  tasks: {
    name: string;
    family: TaskFamily;
    found: number;
    train: number;
    validation: number;
    dropped: Partial<Record<DropReason, number>>;
  }[];
  /** Rows of held-out volumes that the validation set has no room for. */
  unused: number;
  /** Sentences for the user. */
  notes: string[];
}

export interface CollectedSamples {
  train: SampleSet;
  validation: SampleSet;
  report: CollectReport;
  /** Volumes opened on the way; the same cache serves whoever renders the slices. */
  volumes: VolumeCache;
  /** The size a slice has for the model that the rows are for: the processor's, or `--image_size`. */
  resizedSize: Processor['resizedSize'];
}

/** Of volumes whose headers alone are asked for. */
const KEPT_BYTES = 64 * 2 ** 20;

const FAMILIES = [
  { family: 'AD', list: 'tasks_list_json_path_AD', limit: 'sample_limit_task_AD' },
  { family: 'detect', list: 'tasks_list_json_path_detect', limit: 'sample_limit_task_Detection' },
  { family: 'TL', list: 'tasks_list_json_path_TL', limit: 'sample_limit_task_TL' },
] as const satisfies readonly { family: TaskFamily; list: keyof CollectSettings; limit: string }[];

/**
 * @param opened the volumes of the data dir, where whoever renders slices goes on with them
 * @throws UserError that names the file and the place of whatever is wrong
 */
export async function collectSamples(
  platform: Platform,
  settings: CollectSettings,
  processor: Pick<Processor, 'resizedSize'>,
  opened?: VolumeCache,
): Promise<CollectedSamples> {
  const dataDir = settings.data_dir;
  if (dataDir === null)
    throw new UserError('--data_dir is not set; task lists need the MedVision data folder, the one with Datasets/ in it.');
  const tasks: MedvisionTask[] = [];
  for (const { family, list } of FAMILIES) {
    const path = settings[list];
    if (path !== null) tasks.push(...(await readTaskList(platform, path, family)));
  }
  const volumes = opened ?? new VolumeCache(platform, dataDir, KEPT_BYTES);
  const resizedSize = preparedSize(processor, settings.image_size);
  const { table, scans, plans, dropped, suspects } = await readPlans(platform, dataDir, tasks, settings, { volumes, resizedSize });

  // The reference concatenates the tasks of a list in their order; the table has them in the order of the plans.
  const rowsOf = rowsByConfig(table);
  const pools = FAMILIES.map(({ family, limit }) => {
    const own = tasks.filter((task) => task.family === family).map((task) => rowsOf.get(task.name) ?? new Uint32Array(0));
    return { family, limit, rows: joinArrays(Uint32Array, own) };
  }).filter(({ family }) => tasks.some((task) => task.family === family));
  const { train, validation, unused, notes } = chooseRows(table, pools, settings);
  if (train.length === 0)
    throw new UserError('The task lists give no training samples: check their task names, and that the plans have training cases.');

  const sets = { train: new SampleSet(table, train), validation: new SampleSet(table, validation) };
  const [trainCounts, validationCounts] = [sets.train.counts(), sets.validation.counts()];
  return {
    ...sets,
    volumes,
    resizedSize,
    report: {
      plans,
      tasks: scans.map(({ task }) => ({
        name: task.name,
        family: task.family,
        found: rowsOf.get(task.name)?.length ?? 0,
        train: trainCounts.get(task.name) ?? 0,
        validation: validationCounts.get(task.name) ?? 0,
        dropped: dropped.get(task.name) ?? {},
      })),
      unused,
      notes: [...volumes.unitNotes(), ...(suspects === 0 ? [] : [suspectNote(suspects)]), ...notes],
    },
  };
}

const suspectNote = (count: number): string =>
  `${count} tumour and lesion ${count === 1 ? 'sample lies' : 'samples lie'} on pixels that are not square, in annotations older than ` +
  '1.1.1: their planner had the two spacings transposed, and both lengths may be wrong. Newer annotations have them right.';

/** Every plan is read through once, whatever the number of its tasks. */
async function readPlans(
  platform: Platform,
  dataDir: string,
  tasks: readonly MedvisionTask[],
  settings: CollectSettings,
  { volumes, resizedSize }: Pick<CollectedSamples, 'volumes' | 'resizedSize'>,
): Promise<{
  table: SampleTable;
  scans: TaskScan[];
  plans: PlanRecord[];
  dropped: Map<string, Partial<Record<DropReason, number>>>;
  suspects: number;
}> {
  const { prompt_style: style, intensity } = settings;
  const template = await readAnswerTemplate(platform, settings.answer_template);
  const landmarks = new LandmarkLines(platform, dataDir, settings.planner_version ?? undefined);
  const table = new SampleTable(style, style === 'reference' && intensity === 'minmax' ? undefined : intensity, template);
  const dropped = new Map<string, Partial<Record<DropReason, number>>>();
  const onDropped = (reason: DropReason, { name }: MedvisionTask): void => {
    const counts = dropped.get(name) ?? {};
    counts[reason] = (counts[reason] ?? 0) + 1;
    dropped.set(name, counts);
  };
  const isFiltered = !settings.disable_sample_filtering;
  const isFixed = isFixedSize(resizedSize);
  const newShape = readShape(settings);
  const more = { newShape, landmarks, ...(template && { template }) };
  const options = { volumes, resizedSize, onDropped, isFiltered, isFixedSize: isFixed, ...more };
  const plans: PlanRecord[] = [];
  let suspects = 0;
  const scans = new Map<MedvisionTask, TaskScan>();
  for (const key of new Set(tasks.map(planKey))) {
    const own = tasks.filter((task) => planKey(task) === key);
    const [first] = own;
    if (first === undefined) continue;
    const plan = await openPlan(platform, dataDir, first.dataset, first.planKind, settings.planner_version ?? undefined);
    plans.push(await planRecord(platform, plan, settings.planner_version));
    const lists = new Map<string, { task: TaskScan['info']; split: TaskScan['split']; scans: TaskScan[] }>();
    for (const task of own) {
      const scan = scanOf(plan, task);
      scans.set(task, scan);
      const list = lists.get(`${task.id} ${scan.split}`) ?? { task: scan.info, split: scan.split, scans: [] };
      lists.set(`${task.id} ${scan.split}`, list);
      list.scans.push(scan);
    }
    for await (const { wanted, item } of planCases(platform, plan, [...lists.values()]))
      for (const scan of wanted.scans) {
        for (const record of await caseRecords(scan, item, options)) {
          table.add(record);
          if (record.annotation.kind === 'ellipse' && record.annotation.isSuspect) suspects++;
        }
      }
  }
  return { table, scans: tasks.flatMap((task) => scans.get(task) ?? []), plans, dropped, suspects };
}

const planKey = (task: MedvisionTask): string => `${task.dataset}/${task.planKind}`;

interface FamilyPool {
  family: TaskFamily;
  limit: (typeof FAMILIES)[number]['limit'];
  rows: Uint32Array;
}

/** Split, then limits: a family's own where above 0, else the one per task, then the total; then mixing. */
function chooseRows(
  table: SampleTable,
  pools: readonly FamilyPool[],
  settings: CollectSettings,
): { train: Uint32Array; validation: Uint32Array; unused: number; notes: string[] } {
  const { seed, split: by } = settings;
  const limited = (kind: 'train' | 'val', { limit }: FamilyPool): number => {
    const own = settings[`${kind}_${limit}`];
    return own > 0 ? own : settings[`${kind}_sample_limit_per_task`];
  };
  const options: SplitOptions = {
    seed,
    by,
    group: (row) => table.volume(row),
    groupName: (group) => table.volumes[group] ?? '',
    stratum: (row) => table.config(row),
    total: settings.val_sample_limit,
  };
  const isHeldOut = settings.val_sample_limit !== 0;
  const split = splitRows(
    pools.map((pool) => ({ rows: pool.rows, validation: isHeldOut ? limited('val', pool) : 0 })),
    options,
  );
  const draw = (rows: Uint32Array, limit: number, flag: string): Uint32Array => {
    const count = sampleLimit(limit, rows.length, flag);
    return by === 'slice' ? drawRowsAsNumpy(rows, count, seed) : drawRows(rows, count, seed, flag);
  };
  const train = joinArrays(
    Uint32Array,
    split.train.map((rows, i) => {
      const pool = pools[i];
      return pool === undefined ? rows : draw(rows, limited('train', pool), `train_${pool.limit}`);
    }),
  );
  const validation = isHeldOut
    ? draw(joinArrays(Uint32Array, split.validation), settings.val_sample_limit, 'val_sample_limit')
    : new Uint32Array(0);
  const { mixing, mixing_temperature: temperature, temperature_sampler_num_samples: drawn } = settings;
  const mixed =
    mixing === 'concatenate'
      ? draw(train, settings.train_sample_limit, 'train_sample_limit')
      : mixRows(train, drawn > 0 ? drawn : sampleLimit(settings.train_sample_limit, train.length, 'train_sample_limit'), {
          mixing,
          temperature,
          seed,
          stratum: options.stratum,
        });

  const notes = by === 'volume' && isHeldOut ? splitNotes(table, pools, split) : [];
  return { train: byVolume(table, mixed), validation: byVolume(table, validation), unused: split.unused, notes };
}

/** What holding out whole volumes has cost. */
function splitNotes(table: SampleTable, pools: readonly FamilyPool[], split: Split): string[] {
  const advice = 'Add volumes, or use --split slice (the same volumes are then trained and validated on), or --val_sample_limit 0.';
  const without = pools.filter(({ rows }, i) => rows.length > 0 && split.validation[i]?.length === 0).map(({ family }) => family);
  const names = (rows: Uint32Array[]): Set<string> =>
    new Set(rows.flatMap((own) => [...new Set(own.map((row) => table.config(row)))]).map((config) => table.configs[config] ?? ''));
  const trained = names(split.train);
  const untrained = [...names(pools.map(({ rows }) => rows))].filter((name) => !trained.has(name));
  return [
    ...(without.length > 0 ? [`No validation rows for ${without.join(', ')}: there is no volume that could be held out. ${advice}`] : []),
    ...(untrained.length > 0
      ? [`No training rows for ${untrained.join(', ')}: the only volume is held out for validation. ${advice}`]
      : []),
  ];
}

/** Rows sorted by volume, then as they came. */
function byVolume(table: SampleTable, rows: Uint32Array): Uint32Array {
  const keys = Float64Array.from(rows, (row) => table.volume(row) * 2 ** 32 + row);
  return Uint32Array.from(keys.sort(), (key) => key % 2 ** 32);
}

function rowsByConfig(table: SampleTable): Map<string, Uint32Array> {
  const counts = new Uint32Array(table.configs.length);
  for (let row = 0; row < table.length; row++) counts[table.config(row)] = (counts[table.config(row)] ?? 0) + 1;
  const rows = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(counts.length);
  for (let row = 0; row < table.length; row++) {
    const config = table.config(row);
    const own = rows[config];
    if (own !== undefined) own[filled[config] ?? 0] = row;
    filled[config] = (filled[config] ?? 0) + 1;
  }
  return new Map(rows.map((own, config) => [table.configs[config] ?? '', own]));
}
