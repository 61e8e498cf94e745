/** Runs beside each other: figures, settings that differ, curves over each other; as a page, and as a short table for the terminal. */
import { versionCaution } from '../../data/medvision/planVersion.ts';
import { countOf } from '../../platform.ts';
import { redactConfig } from '../../track/secrets.ts';
import { overlaidChart } from './curves.ts';
import { plansOfPairs } from './dataPairs.ts';
import { figureWords, keyText } from './figures.ts';
import { escapeHtml } from './html.ts';
import { note, pageOf, section, settingText } from './page.ts';
import type { Run } from './run.ts';

/** A table of runs: a line a thing, a cell a run. */
export interface SideBySide {
  names: string[];
  rows: { head: string; cells: string[]; best?: number[] }[];
}

/** The runs' folders; those that are called alike get numbers. */
export function runNames(runs: readonly Run[]): string[] {
  return runs.map(({ folder }, i) => {
    const alike = runs.filter((run) => run.folder === folder);
    return alike.length === 1 ? folder : `${folder} (${runs.slice(0, i + 1).filter((run) => run.folder === folder).length})`;
  });
}

/** Figures that at least one run has, in the first one's order; the best of each, where they differ. */
export function figuresBeside(runs: readonly Run[]): SideBySide {
  const keys = [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))];
  const rows = keys.map((key) => {
    const { subject, figure, higherIsBetter } = figureWords(key);
    const cells = runs.map(({ figures }) => keyText(key, figures[key]));
    const known = runs.map(({ figures }) => figures[key] ?? NaN);
    const finite = known.filter(Number.isFinite);
    const top = higherIsBetter ? Math.max(...finite) : Math.min(...finite);
    const text = keyText(key, top);
    const isTold = new Set(cells.filter((cell) => cell !== '–')).size > 1;
    return { head: `${subject}: ${figure}`, cells, ...(isTold && { best: cells.flatMap((cell, i) => (cell === text ? [i] : [])) }) };
  });
  const losses = runs.map(({ history }) => history.findLast(({ loss }) => loss !== undefined)?.loss);
  if (losses.some((loss) => loss !== undefined))
    rows.unshift({ head: 'Training: loss, last row of the log', cells: losses.map((loss) => keyText('eval_loss', loss)) });
  return { names: runNames(runs), rows };
}

const LISTS = ['tasks_list_json_path_AD', 'tasks_list_json_path_detect', 'tasks_list_json_path_TL'];
/** Where the runs write says nothing of what they do. */
const PLACES = ['output_dir', 'overwrite', 'config', 'resume_from_checkpoint'];

/** What records tell among the data. */
const FILES = ['train_file', 'val_file', 'eval_file', 'samples', 'data_dir', 'prepared_ds_dir', ...LISTS];

/** Settings and data that are not the same in all runs. */
export function differencesOf(runs: readonly Run[]): SideBySide {
  const settings = runs.map((run) => redactConfig(run.settings) as Record<string, unknown>);
  // Trainings and evaluations have options of their own: of those that not all runs know, the ones that were given count.
  const isTold = (name: string): boolean =>
    settings.every((own) => Object.hasOwn(own, name)) || runs.some(({ hasRecord, changed }) => !hasRecord || changed.includes(name));
  const isData = (name: string): boolean => FILES.includes(name) && runs.every(({ hasRecord }) => hasRecord);
  const names = [...new Set(settings.flatMap((own) => Object.keys(own)))].filter(
    (name) => !PLACES.includes(name) && !isData(name) && isTold(name),
  );
  const rows = names.map((name) => ({ head: name, cells: settings.map((own) => settingText(own[name])) }));
  const data = [...new Set(runs.flatMap((run) => run.data.map(([name]) => name)))].map((name) => ({
    head: name,
    cells: runs.map((run) => run.data.find(([own]) => own === name)?.[1] ?? '–'),
  }));
  return { names: runNames(runs), rows: [...data, ...rows].filter(({ cells }) => new Set(cells).size > 1) };
}

/** What is to be told of figures that were measured on different rows, or nobody knows on which. Empty where all are of the same. */
export function caution(runs: readonly Run[]): string {
  const annotations = versionCaution(runs.map(({ data }) => plansOfPairs(data)));
  const rows = new Set(runs.map(({ data }) => data.find(([name]) => /^SHA-256 of the (held-out )?rows$/.test(name))?.join(' ')));
  const isSame = rows.size === 1 && !rows.has(undefined);
  const measured = isSame ? '' : 'The runs are not known to be measured on the same rows: their figures may differ for that alone.';
  return [measured, annotations].filter((sentence) => sentence !== '').join(' ');
}

export function comparisonText({ names, rows }: SideBySide): string {
  const lines = [
    ['', ...names],
    ...rows.map(({ head, cells, best = [] }) => [head, ...cells.map((cell, i) => `${cell}${best.includes(i) ? ' *' : '  '}`)]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Curves that are worth laying over each other. */
const CURVES = [
  ['loss', 'training loss (nats a token)'],
  ['eval_loss', 'held-out loss (nats a token)'],
  ['eval_AD_mre', 'relative error of angles and distances'],
  ['eval_TL_mre', 'relative error of sizes'],
  ['eval_Detection_iou', 'IoU of detection'],
  ['learning_rate', 'learning rate'],
] as const;

export async function comparePage(runs: readonly Run[]): Promise<string> {
  const names = runNames(runs);
  const title = `${countOf(runs.length, 'run')} compared`;
  const named = runs.map((run, i) => ({ name: names[i] ?? run.folder, history: run.history }));
  const charts = CURVES.map(([key, words]) => overlaidChart(named, key, words)).filter((one) => one !== '');
  const about: SideBySide = {
    names,
    rows: [
      { head: 'What', cells: runs.map(({ kind }) => kind) },
      { head: 'Name', cells: runs.map(({ name }) => name) },
      { head: 'Model', cells: runs.map(({ model }) => (model === '' ? '–' : model)) },
      { head: 'Outcome', cells: runs.map(({ outcome }) => outcome) },
      { head: 'Steps', cells: runs.map(({ history }) => String(history.at(-1)?.step ?? '–')) },
      { head: 'Answers', cells: runs.map(({ rows }) => String(rows.length)) },
    ],
  };
  return pageOf(title, [
    `<h1>${escapeHtml(title)}</h1>`,
    ...section('Runs', sideTable('Run', about)),
    ...section(
      'Figures',
      sideTable('Figure', figuresBeside(runs)),
      note('Of each run its result: the last evaluation, or the best where it was kept. ★ the best.'),
      caution(runs) === '' ? '' : note(caution(runs)),
    ),
    ...section('Over the steps', charts.length === 0 ? '' : `<div class="charts">${charts.join('\n')}</div>`),
    ...section('What differs', sideTable('Setting', differencesOf(runs), 'Data and settings are the same.')),
  ]);
}

/** @param none said where no row is */
function sideTable(what: string, { names, rows }: SideBySide, none = ''): string {
  if (rows.length === 0) return none === '' ? '' : note(none);
  const heads = names.map((name) => `<th scope="col" class="number">${escapeHtml(name)}</th>`).join('');
  const lines = rows.map(({ head, cells, best = [] }) => {
    const shown = cells.map((cell, i) =>
      best.includes(i) ? `<td class="number better">${escapeHtml(cell)} ★</td>` : `<td class="number">${escapeHtml(cell)}</td>`,
    );
    return `<tr><th scope="row">${escapeHtml(head)}</th>${shown.join('')}</tr>`;
  });
  return (
    `<div class="card scroll"><table class="beside"><thead><tr><th scope="col">${what}</th>${heads}</tr></thead>\n` +
    `<tbody>${lines.join('')}</tbody></table></div>`
  );
}
