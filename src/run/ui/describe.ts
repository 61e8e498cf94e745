/** One run in full, two beside each other, and the pictures of a report. */
import { asObject } from '../../data/jsonFile.ts';
import { joinPath, UserError } from '../../platform.ts';
import { LOG_FILE } from '../../track/jsonl.ts';
import { redactConfig } from '../../track/secrets.ts';
import { caution, differencesOf, figuresBeside, runNames } from '../report/compare.ts';
import { REPORT_FILE } from '../report/forget.ts';
import { runPage } from '../report/page.ts';
import { openRun } from '../report/run.ts';
import type { Run } from '../report/run.ts';
import { actionsOf } from './actions.ts';
import type { Comparison, Pictures, RunDetail } from './api.ts';
import { filesOf } from './files.ts';
import { placeText } from './logLines.ts';
import { paceOf } from './pace.ts';
import { Refusal } from './refusal.ts';
import type { KnownRun, Runs } from './runs.ts';

/** @throws UserError where the run's log cannot be read */
export async function describeRun(runs: Runs, run: KnownRun): Promise<RunDetail> {
  const { rows, place } = await runs.rowsOf(run);
  const condition = await runs.condition(run);
  const entry = await runs.entry(run, condition);
  const files = await filesOf(runs.folder, run.name);
  const recipe = await runs.jobs.recipe(run.name, run.kind === 'training' ? 'train' : 'evaluate').catch(() => undefined);
  const { log } = run;
  const opened = log.start ? undefined : await openedRun(runs, run).catch(() => undefined);
  const settings = asObject(log.start?.['config']) ?? opened?.settings ?? recipe ?? {};
  const facts = asObject(log.start?.['facts']);
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const peak = Math.max(0, ...rows.map(({ gpu_peak_bytes: bytes }) => (typeof bytes === 'number' ? bytes : 0)));
  return {
    ...entry,
    model: opened?.model ?? text(settings['base_model_hf']),
    facts: facts ? Object.entries(facts).map(([name, value]): [string, string] => [name, String(value)]) : (opened?.facts ?? []),
    settings: redactConfig(settings) as Record<string, unknown>,
    rows: rows.length > 0 ? rows : (opened?.history.map((row) => Object.fromEntries(Object.entries(row).map(shownNumber))) ?? []),
    figures: opened?.kind === 'evaluation' ? evaluationFigures(opened) : [],
    place: placeText(place),
    pace: paceOf(rows) ?? null,
    peakBytes: peak > 0 ? peak : null,
    warnings: log.warnings,
    files,
    hasPictures: files.some(({ name }) => name === 'report.json'),
    base: text(recipe?.['base_model_hf']),
    actions: actionsOf(run, condition, recipe, files),
  };
}

function evaluationFigures(run: Run): [string, string][] {
  const figures = figuresBeside([run]).rows.map(({ head, cells }): [string, string] => [head, cells[0] ?? '']);
  return [['Answers', String(run.rows.length)], ...figures];
}

/** JSON has no NaN. */
function shownNumber([name, value]: [string, number | undefined]): [string, number | string] {
  return [name, value !== undefined && Number.isFinite(value) ? value : String(value ?? 'NaN')];
}

/** @throws UserError for a run that has nothing to tell yet */
async function openedRun({ folder }: Runs, run: KnownRun): Promise<Run> {
  const path = await folder.inside(run.name);
  if (path === undefined) throw new UserError(`${run.name} is no folder yet.`);
  // What openRun reads lies in the folder under names of ours; a link among them may not lead out of it.
  const { platform } = folder;
  const inside = async (file: string): Promise<void> => {
    const real = await platform.links.realPath(file).catch(() => file);
    if (!real.startsWith(`${path}/`) && real !== path) throw new UserError(`${file} leads out of the folder.`);
  };
  const guarded = {
    ...platform,
    readFile: async (file: string) => inside(file).then(() => platform.readFile(file)),
    openFile: async (file: string) => inside(file).then(() => platform.openFile(file)),
  };
  return openRun(guarded, path);
}

/** @throws UserError for a run that has nothing to tell yet */
export async function compareRuns(runs: Runs, chosen: readonly KnownRun[]): Promise<Comparison> {
  const opened: Run[] = [];
  for (const run of chosen) opened.push({ ...(await openedRun(runs, run)), folder: run.name === '' ? '.' : run.name });
  const names = runNames(opened);
  return {
    names,
    about: {
      names,
      rows: [
        { head: 'Model', cells: opened.map(({ model }) => (model === '' ? '–' : model)) },
        { head: 'Steps', cells: opened.map(({ history }) => String(history.at(-1)?.step ?? '–')) },
        { head: 'Answers', cells: opened.map(({ rows }) => String(rows.length)) },
      ],
    },
    figures: figuresBeside(opened),
    differences: differencesOf(opened),
    caution: caution(opened),
  };
}

/** @throws UserError for a record that cannot be read */
export async function picturesOf(runs: Runs, run: KnownRun): Promise<Pictures> {
  const { pictures, pictureNote = '' } = await openedRun(runs, run);
  return { cards: pictures, note: pictureNote };
}

/** The page that the run has left; of one that has left none, made of what is there. @throws Refusal where nothing is */
export async function reportPage(runs: Runs, run: KnownRun): Promise<string> {
  const left = await runs.folder.text(2 ** 27, joinPath(run.name, REPORT_FILE));
  if (left !== undefined) return left;
  try {
    return await runPage(await openedRun(runs, run));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new Refusal(409, `There is nothing to report yet: ${LOG_FILE} has no figures.`);
  }
}
