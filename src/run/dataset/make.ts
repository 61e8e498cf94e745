/** `vernier dataset make`: scans with masks, landmarks or boxes become a MedVision data folder, which is then read as training reads it. */
import { PLANES } from '../../data/planes.ts';
import { studyOf } from '../../data/dicom/series.ts';
import { readDescription } from '../../data/making/description.ts';
import type { Description } from '../../data/making/description.ts';
import { heldOutPatients, patientOf } from '../../data/drawn/sides.ts';
import { PLAN_VERSION, writeDataset } from '../../data/making/writeDataset.ts';
import type { SourceCase, WrittenTasks } from '../../data/making/writeDataset.ts';
import { isScanFile } from '../../data/making/names.ts';
import { parseJson } from '../../data/medvision/json.ts';
import { medvisionSamples } from '../../data/medvision/samples.ts';
import type { DropReason } from '../../data/medvision/sample.ts';
import { parseTaskName } from '../../data/medvision/tasks.ts';
import type { DatasetOptions } from '../../options/dataset.ts';
import { countOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import type { Terminal } from '../../track/console.ts';
import { findSources } from './sources.ts';
import type { Sources } from './sources.ts';

/** In a data set that was made here: it may be made again. */
const MARK = 'vernier-dataset.json';

export async function makeDataset(platform: Platform, options: DatasetOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => terminal.write(`${text}\n`);
  const labelsFile = options.labels ?? '';
  if (!(await platform.exists(labelsFile))) throw new UserError(`--labels ${labelsFile}: there is no such file.`);
  const described = readDescription(parseJson(await platform.readFile(labelsFile), labelsFile), labelsFile);
  const sources = await findSources(platform, options, described, say);
  const description = withBoxLabels(described, sources);
  if (sources.masks.size > 0 && description.labels.size === 0)
    throw new UserError(`${labelsFile}: no labels. Say what the values of the masks are: "labels_map": {"1": "liver"}.`);
  const cases = sided(sources, description, await patientsOf(platform, sources, description, say), options);
  const out = options.out ?? '';
  await claimFolder(platform, out, description, options.overwrite);

  const written = await writeDataset({
    platform,
    out,
    description,
    cases,
    choice: { series: options.series, volume: options.volume },
    stop,
    say: (text) => say(`${terminal.isTty ? CLEAR_LINE : ''}${text}`),
    onCase: (done) => {
      if (terminal.isTty) terminal.write(`${CLEAR_LINE}Case ${countText(done)} of ${countText(cases.length)}`);
    },
  });
  if (terminal.isTty) terminal.write(CLEAR_LINE);
  if (written === undefined) {
    say('Stopped; the data set is not whole, and the same command makes it anew.');
    return;
  }
  const tests = cases.filter(({ side }) => side === 'test').length;
  say(`${description.dataset}: ${countOf(cases.length - tests, 'training case')}, ${countOf(tests, 'test case')}, plans ${PLAN_VERSION}.`);
  await writeTaskLists(platform, options, written, say);
}

/** COCO and LabelMe name their labels themselves; without a labels_map those are taken, in the order of the alphabet. */
function withBoxLabels(description: Description, { boxes }: Sources): Description {
  if (description.labels.size > 0 || boxes.size === 0) return description;
  const names = [...new Set([...boxes.values()].flat().map(({ name }) => name))].sort();
  return { ...description, labels: new Map(names.map((name, at) => [at + 1, name])) };
}

/**
 * The patient of each case: as the labels file or the file's name says, and one for all scans of a DICOM study (named after its first
 * case, since nothing that names a patient is read).
 */
async function patientsOf(
  platform: Platform,
  { images }: Sources,
  { patients }: Description,
  say: (text: string) => void,
): Promise<(id: string) => string> {
  const firsts = new Map<string, string>();
  const found = new Map<string, string>();
  for (const [id, path] of [...images].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const study = isScanFile(lastName(path)) ? undefined : await studyOf(platform, path);
    const first = (study === undefined ? undefined : firsts.get(study)) ?? id;
    if (study !== undefined) firsts.set(study, first);
    found.set(id, patients.get(id) ?? patients.get(first) ?? patientOf(first));
  }
  const others = images.size - new Set(found.values()).size;
  if (firsts.size > 0 && others > 0)
    say(`${countOf(others, 'scan is', 'scans are')} of a study or patient that has another one; all of a patient are on one side.`);
  return (id) => found.get(id) ?? id;
}

/** Cases in the order of the plans: for training, then for testing. All of a patient are on one side. */
function sided(
  { images, masks, landmarks, boxes }: Sources,
  description: Description,
  patient: (id: string) => string,
  { test_fraction, seed }: DatasetOptions,
): SourceCase[] {
  const ids = [...images.keys()].filter((id) => masks.has(id) || landmarks.has(id) || boxes.has(id)).sort();
  const { testCases } = description;
  const strange = [...description.patients.keys(), ...(testCases ?? [])].find((id) => !images.has(id));
  if (strange !== undefined) throw new UserError(`The labels file names the case ${JSON.stringify(strange)}, of which there is no image.`);
  const held = testCases === undefined ? heldOutPatients(ids.map(patient), test_fraction, seed) : new Set(testCases.map(patient));
  if (testCases !== undefined) {
    const torn = ids.find((id) => held.has(patient(id)) && !testCases.includes(id));
    if (torn !== undefined)
      throw new UserError(
        `test_cases has one scan of the patient ${patient(torn)} but not ${torn}: all scans of a patient go to one side. Name it too.`,
      );
  }
  const all = ids.map((id): SourceCase => {
    const side = held.has(patient(id)) ? 'test' : 'train';
    return { id, image: images.get(id) ?? '', mask: masks.get(id), landmarks: landmarks.get(id), boxes: boxes.get(id), side };
  });
  return [...all.filter(({ side }) => side === 'train'), ...all.filter(({ side }) => side === 'test')];
}

/** @throws UserError where something else lies there */
async function claimFolder(platform: Platform, out: string, { dataset, targets }: Description, overwrite: boolean): Promise<void> {
  const folder = joinPath(out, 'Datasets', dataset);
  const mark = joinPath(folder, MARK);
  if (await platform.exists(folder)) {
    const isOwn = await platform.exists(mark);
    const isEmpty = (await platform.isDirectory(folder)) && (await platform.listDir(folder)).length === 0;
    if (!isEmpty && !isOwn)
      throw new UserError(`${folder} is there and was not made by this command. Name another --out, or another dataset.`);
    if (isOwn && !overwrite && (await isWhole(platform, mark)))
      throw new UserError(`${folder} is made already. --overwrite true makes it anew.`);
    if (isOwn) await clear(platform, folder);
  }
  const parts = ['Images', 'Masks', 'Landmarks', ...targets.map((label) => `Landmarks-Label${label}`)];
  for (const part of parts) await platform.makeDir(joinPath(folder, part));
  await platform.writeFile(mark, JSON.stringify({ format: 1, whole: false }));
}

async function isWhole(platform: Platform, mark: string): Promise<boolean> {
  const found = parseJson(await platform.readFile(mark), mark);
  return typeof found === 'object' && found !== null && 'whole' in found && found.whole === true;
}

/** What this command makes, and nothing else. */
async function clear(platform: Platform, folder: string): Promise<void> {
  for (const name of await platform.listDir(folder)) {
    const path = joinPath(folder, name);
    if (/^benchmark_plan_.*\.json\.gz$/.test(name)) await platform.remove(path);
    if (!/^(?:Images|Masks|Landmarks(?:-Label\d+)?)$/.test(name)) continue;
    for (const file of await platform.listDir(path)) if (/\.(?:nii|json)\.gz$/.test(file)) await platform.remove(joinPath(path, file));
  }
}

const LISTS = [
  ['detection', 'detect'],
  ['lesions', 'TL'],
  ['metrics', 'AD'],
] as const;

/** Reads what was made as training and evaluation will, counts, and lists the tasks that have samples. */
async function writeTaskLists(
  platform: Platform,
  options: DatasetOptions,
  written: WrittenTasks,
  say: (text: string) => void,
): Promise<void> {
  const out = options.out ?? '';
  const folder = joinPath(out, 'tasks_list');
  await platform.makeDir(folder);
  const flags: string[] = [];
  for (const [kind, short] of LISTS) {
    const planes = kind === 'metrics' ? PLANES : options.planes;
    const names = written[kind].flatMap((task) => planes.map((plane) => `${task}_${plane[0]?.toUpperCase() ?? ''}${plane.slice(1)}`));
    const counts = { train: {} as Record<string, number>, test: {} as Record<string, number> };
    for (const name of names)
      for (const split of ['train', 'test'] as const) await countSamples(platform, out, name, split, counts[split], say);
    const file = joinPath(folder, `tasks_MedVision-${short}__train_SFT.json`);
    if (Object.keys(counts.train).length > 0) {
      await platform.writeFile(file, `${JSON.stringify(counts.train, undefined, 4)}\n`);
      flags.push(`--tasks_list_json_path_${short} ${file}`);
    }
    if (Object.keys(counts.test).length > 0)
      await platform.writeFile(joinPath(folder, `tasks_MedVision-${short}.json`), `${JSON.stringify(counts.test, undefined, 4)}\n`);
  }
  const [first] = [...written.detection, ...written.lesions, ...written.metrics];
  if (flags.length === 0 || first === undefined)
    throw new UserError('Nothing that was made can be asked: see what was left out above. Check labels_map, target_labels and --planes.');
  const dataset = first.slice(0, first.indexOf('_'));
  await platform.writeFile(joinPath(out, 'Datasets', dataset, MARK), JSON.stringify({ format: 1, whole: true }));
  say(`Train on it: vernier train --data_dir ${out} ${flags.join(' ')} …`);
}

const DROPPED: Readonly<Record<DropReason, string>> = {
  more_than_one_box: 'with more than one box of a label on a slice',
  box_under_10px: 'with a box below 10 pixels',
  more_than_one_ellipse: 'with more than one lesion on a slice',
  empty_annotation: 'empty',
};

async function countSamples(
  platform: Platform,
  dataDir: string,
  name: string,
  split: 'train' | 'test',
  counts: Record<string, number>,
  say: (text: string) => void,
): Promise<void> {
  const dropped = new Map<DropReason, number>();
  let count = 0;
  const reading = medvisionSamples(platform, dataDir, [parseTaskName(name, 'task')], {
    split,
    resizedSize: (height, width) => ({ height, width }),
    onDropped: (reason) => dropped.set(reason, (dropped.get(reason) ?? 0) + 1),
  });
  for await (const sample of reading) if (sample.prompt !== '') count++;
  if (count > 0) counts[name] = count;
  if (count === 0 && dropped.size === 0) return;
  const left = [...dropped].map(([reason, number]) => `${countText(number)} ${DROPPED[reason]}`).join(', ');
  say(`  ${name}, ${split}: ${countOf(count, 'question')}${left === '' ? '' : ` (left out: ${left})`}`);
}
