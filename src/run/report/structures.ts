/** How good answers are by what is measured: each label or landmark measure, the worst first. */
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { figuresOf } from '../../data/medvision/metrics.ts';
import type { AnswerScore, Figures } from '../../data/medvision/metrics.ts';
import { escapeHtml } from './html.ts';
import { KIND_WORDS, kindOf, unitOf, withUnit } from './measures.ts';
import type { Kind } from './measures.ts';

export interface Structure {
  /** As the summaries group answers: data set, label, plane. */
  group: string;
  unit: string;
  /** Under medvision_bm's names. */
  figures: Figures;
}

/** Rows of a table that are seen at once; the others unfold. */
const MOST = 25;
const KINDS = ['box', 'distance', 'angle', 'measure', 'ellipse'] as const satisfies readonly Kind[];

/** Structures of one kind of question, the worst first: by overlap, or by relative error. */
export function structuresOf(rows: readonly ScoredRow[], kind: Kind): Structure[] {
  const groups = new Map<string, { unit: string; scores: AnswerScore[] }>();
  for (const row of rows) {
    if (!row.asked || !row.score || kindOf(row) !== kind) continue;
    const unit = kind === 'box' ? '' : unitOf(row);
    const own = groups.get(row.asked.group) ?? { unit, scores: [] };
    groups.set(row.asked.group, own);
    // What is measured in two units has no mean in either.
    if (own.unit !== unit) own.unit = '';
    own.scores.push(row.score);
  }
  const found = [...groups].map(([group, { unit, scores }]) => ({
    group,
    unit,
    figures: figuresOf(scores[0]!.taskType, scores),
  }));
  const badness = ({ figures }: Structure): number => (kind === 'box' ? -(figures['IoU'] ?? 0) : (figures['avgMRE'] ?? NaN));
  // What could not be read at all has no error, and is the worst.
  const known = (value: number): number => (Number.isNaN(value) ? Infinity : value);
  return found.sort((a, b) => {
    const [one, other] = [known(badness(a)), known(badness(b))];
    return one === other ? (a.group < b.group ? -1 : 1) : one > other ? -1 : 1;
  });
}

/** A table for each kind of question. Empty where no row is scored. */
export function structureTables(rows: readonly ScoredRow[]): string {
  return KINDS.flatMap((kind) => {
    const found = structuresOf(rows, kind);
    if (found.length === 0) return [];
    const all = [table(kind, found.slice(0, MOST), found)];
    if (found.length > MOST) {
      const rest = table(kind, found.slice(MOST), found);
      all.push(`<details><summary>${found.length - MOST} more, in which the answers are better</summary>${rest}</details>`);
    }
    return all;
  }).join('\n');
}

function table(kind: Kind, shown: readonly Structure[], all: readonly Structure[]): string {
  const isBox = kind === 'box';
  const heads = isBox ? ['IoU', 'IoU ≥ 0.5', 'Precision', 'Recall'] : ['Mean error', 'Relative error'];
  const most = isBox ? 1 : Math.max(...all.map(({ figures }) => figures['avgMRE'] ?? 0).filter(Number.isFinite), 1e-9);
  const rows = shown.map(({ group, unit, figures }) => {
    const value = (name: string): number => figures[name] ?? NaN;
    const cells = isBox
      ? [fixed(value('IoU')), percent(value('IoU>0.5')), fixed(value('Precision')), fixed(value('Recall'))]
      : [withUnit(value('avgMAE'), unit), percent(value('avgMRE'))];
    const share = (isBox ? value('IoU') : value('avgMRE')) / most;
    return (
      `<tr><th scope="row">${escapeHtml(group)}</th><td class="number">${figures['num_samples'] ?? 0}</td>` +
      `<td class="number">${percent(value('SuccessRate'))}</td>` +
      `${cells.map((cell) => `<td class="number">${escapeHtml(cell)}</td>`).join('')}<td>${bar(share)}</td></tr>`
    );
  });
  const columns = ['Questions', 'Read', ...heads].map((head) => `<th scope="col" class="number">${head}</th>`).join('');
  return (
    `<div class="card scroll"><table><caption>${KIND_WORDS[kind]}</caption>\n` +
    `<thead><tr><th scope="col">Structure</th>${columns}<th scope="col">${isBox ? 'IoU' : 'Relative error'}</th></tr></thead>\n` +
    `<tbody>${rows.join('')}</tbody></table></div>`
  );
}

/** A share of the longest, beside the number that it shows. */
export function bar(share: number): string {
  const width = Number.isFinite(share) ? Math.max(0, Math.min(1, share)) * 96 : 0;
  return `<svg class="bar" viewBox="0 0 96 8" aria-hidden="true"><rect width="${width.toFixed(1)}" height="8" rx="2"/></svg>`;
}

const fixed = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(3));
const percent = (value: number): string => (Number.isFinite(value) ? `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %` : '–');
