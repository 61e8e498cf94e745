/** The report of one run: one HTML file that loads nothing. Of what a run does not have, nothing is said. */
import { countOf } from '../../platform.ts';
import { bytesText, durationText } from '../../track/console.ts';
import { redactConfig, withoutKnownSecrets } from '../../track/secrets.ts';
import { agreementFigures } from './agreementPlots.ts';
import { curveCharts } from './curves.ts';
import { besides, boughtRows, comparisonTable, figureRows, figureTable, figureWords } from './figures.ts';
import type { FigureRow } from './figures.ts';
import { escapeHtml, factList } from './html.ts';
import { meaningsOf, rangesNote, SIZES_NOTE } from './meanings.ts';
import { measureSets } from './measures.ts';
import { pageHead } from './pageHead.ts';
import { pictureCard, pictureKey } from './pictures.ts';
import { decisionFigures, rangesOf, scanCount, sizeFigures } from './rowFigures.ts';
import type { Run } from './run.ts';
import { bar, structureTables } from './structures.ts';
import { REPORT_STYLE } from './style.ts';

export async function runPage(run: Run): Promise<string> {
  const title = run.kind === 'training' ? `Fine-tuning: ${run.name}` : `Evaluation: ${run.name}`;
  return pageOf(title, [
    `<h1>${escapeHtml(title)}</h1>`,
    `<p>${escapeHtml(introduction(run))}</p>`,
    run.facts.length > 0 ? factList(run.facts) : '',
    ...figureSection(run),
    ...sizeSection(run),
    ...decisionSection(run),
    ...section('Over the steps', curveCharts(run.history)),
    ...agreementSection(run),
    ...structureSection(run),
    ...pictureSection(run),
    ...section('Data', pairTable('What the rows are, and where they come from', run.data)),
    ...costSection(run),
    ...settingsSection(run),
  ]);
}

/** A page of these parts, in the style of all reports, without a secret that this process has read. */
export async function pageOf(title: string, parts: readonly string[]): Promise<string> {
  const body = parts.filter((part) => part !== '').join('\n');
  return withoutKnownSecrets(
    `<!doctype html>\n<html lang="en">\n${await pageHead(title, REPORT_STYLE)}\n<body>\n<main>\n${body}\n</main>\n</body>\n</html>\n`,
  );
}

/** Empty where there is nothing below the heading. */
export function section(heading: string, ...content: string[]): string[] {
  return content.every((part) => part === '') ? [] : [`<h2>${escapeHtml(heading)}</h2>`, ...content];
}

function introduction({ kind, model, outcome, history, rows, writtenAt }: Run): string {
  const last = history.at(-1)?.step;
  const of = model === '' ? '' : ` of ${model}`;
  const when = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.exec(writtenAt)?.[0].replace('T', ' ');
  const date = when === undefined ? '' : ` Written ${when} UTC.`;
  const isCut = outcome === 'stopped' ? ' It was stopped early, and the same command goes on from there.' : '';
  return kind === 'training'
    ? `A fine-tuning${of}${last === undefined ? '' : `, ${countOf(last, 'step')}`}.${isCut}${date}`
    : `${countOf(rows.length, 'answer')}${of}, scored as the MedVision benchmark does where they measure.${isCut}${date}`;
}

function figureSection({ kind, figures, figuresBefore, steps, rows, rowsBefore, bootstrap }: Run): string[] {
  const ranges = rangesOf(figures, rows, bootstrap);
  const sure = rows.some(({ score }) => score !== undefined) && bootstrap.draws > 0 ? note(rangesNote(scanCount(rows))) : '';
  if (figuresBefore && steps) {
    const bought = boughtRows(figuresBefore, figures, { before: rangesOf(figuresBefore, rowsBefore, bootstrap), after: ranges });
    const how = note('Held-out rows, asked and measured the same way both times. ✓ better, ✗ worse.');
    return section('Before and after', comparisonTable(bought, heads(steps)), how, sure, meanings(bought));
  }
  if (Object.keys(figures).length === 0) return [];
  const heading = kind === 'training' ? 'Held-out rows' : 'Figures';
  const counts: Record<string, number> = {};
  for (const key of Object.keys(figures)) {
    const tag = /^eval_(AD|Detection|TL)_/.exec(key)?.[1];
    const types = { AD: 'BiometricsFromLandmarks', Detection: 'BoxSize', TL: 'TumorLesionSize' } as const;
    if (tag === 'AD' || tag === 'Detection' || tag === 'TL')
      counts[figureWords(key).subject] = rows.filter(({ asked }) => asked?.taskType === types[tag]).length;
  }
  const shown = figureRows(figures, counts, ranges);
  const how = note('Errors are means over the answers that can be read; overlaps and shares are of all.');
  return section(heading, figureTable(shown), how, sure, meanings(shown));
}

const heads = ({ from, to }: NonNullable<Run['steps']>): [string, string] => [`Step ${from}`, `Step ${to}`];

/** What the figures of a table mean, for those who ask. */
function meanings(rows: readonly Pick<FigureRow, 'figure'>[]): string {
  const told = meaningsOf(rows.map(({ figure }) => figure));
  const lines = told.map(([figure, meaning]) => `<dt>${escapeHtml(figure)}</dt><dd>${escapeHtml(meaning)}</dd>`);
  return told.length === 0
    ? ''
    : `<details><summary>What these figures mean</summary><dl class="meanings">${lines.join('')}</dl></details>`;
}

function sizeSection({ rows, rowsBefore, steps, bootstrap }: Run): string[] {
  const after = sizeFigures(rows, bootstrap);
  if (after.length === 0) return [];
  const before = steps ? sizeFigures(rowsBefore, bootstrap) : [];
  const table = steps && before.length > 0 ? comparisonTable(besides(before, after), heads(steps)) : figureTable(after);
  return section('By size', table, note(SIZES_NOTE));
}

function decisionSection({ decisions }: Run): string[] {
  const rows = decisionFigures(decisions);
  return rows.length === 0 ? [] : section('Where a measure decides', figureTable(rows), meanings(rows));
}

function agreementSection({ rows }: Run): string[] {
  const plots = measureSets(rows).map(agreementFigures).join('\n');
  const explained = note(
    'Left: each answer against the truth. Right: their difference over their mean, with the bias (line) and the limits of agreement ' +
      '(dashes), between which 19 of 20 differences are expected (Bland and Altman, Lancet 1986; 327: 307–310). Triangles lie outside.',
  );
  return plots.trim() === '' ? [] : section('Predicted and true measures', plots, explained);
}

function structureSection({ rows }: Run): string[] {
  const tables = structureTables(rows);
  return tables === ''
    ? []
    : section('Error by structure', tables, note('The worst first. Read: answers from which the numbers could be read.'));
}

function pictureSection({ pictures, rowsBefore, pictureNote }: Run): string[] {
  const why = pictureNote === undefined ? '' : note(pictureNote);
  if (pictures.length === 0) return section('Pictures', why);
  const marks = new Set(pictures.flatMap(({ drawing }) => drawing.marks.map(({ of }) => of)));
  const after = rowsBefore.length > 0 || marks.has('before') ? 'answer after' : 'answer';
  const key = pictureKey({
    ...(marks.has('truth') && { truth: 'truth' }),
    ...(marks.has('before') && { before: 'answer before' }),
    ...(marks.has('after') && { after }),
  });
  return section(
    'Pictures',
    marks.size > 0 ? key : '',
    `<div class="pictures">${pictures.map(pictureCard).join('\n')}</div>`,
    note(
      'Spread over all questions, not chosen by how they went. A length or an angle is drawn at its answered size, where the true one is.',
    ),
    why,
  );
}

function costSection({ parts, speeds, memory }: Run): string[] {
  const seconds = parts.reduce((sum, [, one]) => sum + one, 0);
  const time = barTable('Time', 'Part', parts, seconds, (value) => durationText(value));
  const bytes = [...memory].sort(([, a], [, b]) => b - a);
  const peak = bytes.reduce((sum, [, one]) => sum + one, 0);
  const held = barTable(`GPU memory at its peak: ${bytesText(peak)}`, 'What it is for', bytes, peak, bytesText);
  return section('Time and memory', pairTable('Speed', speeds), time, bytes.length > 0 ? held : '');
}

function barTable(
  caption: string,
  head: string,
  rows: readonly (readonly [string, number])[],
  all: number,
  text: (value: number) => string,
): string {
  const shown = rows.filter(([, value]) => value > 0);
  if (shown.length === 0) return '';
  const lines = shown.map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td class="number">${escapeHtml(text(value))}</td>` +
      `<td class="number">${((100 * value) / all).toFixed(value / all < 0.0995 ? 1 : 0)} %</td><td>${bar(value / all)}</td></tr>`,
  );
  return (
    `<div class="card scroll"><table><caption>${escapeHtml(caption)}</caption>\n` +
    `<thead><tr><th scope="col">${escapeHtml(head)}</th><th scope="col" class="number">Amount</th>` +
    `<th scope="col" colspan="2">Share</th></tr></thead>\n<tbody>${lines.join('')}</tbody></table></div>`
  );
}

function settingsSection({ settings, changed }: Run): string[] {
  const all = Object.entries(redactConfig(settings) as Record<string, unknown>).map(([name, value]): [string, string] => [
    name,
    settingText(value),
  ]);
  const isChanged = (name: string): boolean => changed.includes(name);
  const given = all.filter(([name]) => isChanged(name));
  // Where it is not known which were given, all are shown.
  const [first, rest] = given.length === 0 ? [all, []] : [given, all.filter(([name]) => !isChanged(name))];
  const others = rest.length === 0 ? '' : `<details class="card"><summary>${countOf(rest.length, 'option')} at their defaults</summary>`;
  return section(
    'Settings',
    pairTable(given.length === 0 ? 'Settings' : 'What differs from the defaults', first),
    others === '' ? '' : `${others}${pairTable('Defaults', rest)}</details>`,
  );
}

export function settingText(value: unknown): string {
  if (value === undefined) return '–';
  if (value === null || value === '') return 'unset';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(settingText).join(', ');
  return JSON.stringify(value);
}

function pairTable(caption: string, pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return '';
  const rows = pairs.map(([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`);
  const body = `<tbody>${rows.join('')}</tbody>`;
  return `<div class="card scroll"><table class="pairs"><caption>${escapeHtml(caption)}</caption>\n${body}</table></div>`;
}

export const note = (text: string): string => `<p class="soft">${escapeHtml(text)}</p>`;
