/** What a run bought: the figures of its first and its last evaluation side by side. */
import type { LogRow } from './checkpointFolder.ts';

export interface BoughtFigure {
  /** As in the log, e.g. "eval_AD_mre<0.1". */
  name: string;
  before: number;
  after: number;
}

export interface Bought {
  /** Steps of the two evaluations. */
  from: number;
  to: number;
  figures: BoughtFigure[];
}

/** How long an evaluation took is no figure of the model. */
const OF_THE_MACHINE = /_(runtime|per_second)$/;

/**
 * Undefined where the log has fewer than two evaluations. `to`: the step whose figures count as the result, where it is not the last
 * evaluation (the best model is kept).
 */
export function boughtBy(history: readonly LogRow[], to?: number): Bought | undefined {
  const evaluations = history.filter((row) => 'eval_loss' in row);
  const first = evaluations[0];
  const last = evaluations.findLast((row) => to === undefined || row.step === to) ?? evaluations.at(-1);
  if (first === undefined || last === undefined || first.step === last.step) return undefined;
  const figures = Object.entries(first).flatMap(([name, before]): BoughtFigure[] => {
    const after = last[name];
    if (!name.startsWith('eval_') || OF_THE_MACHINE.test(name) || typeof before !== 'number' || typeof after !== 'number') return [];
    return [{ name, before, after }];
  });
  return { from: first.step, to: last.step, figures };
}

/** Lines "name  before → after", aligned, with the steps above. */
export function boughtText({ from, to, figures }: Bought): string {
  const text = (value: number): string =>
    Number.isFinite(value) ? (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4)) : String(value);
  const head = { name: 'evaluation', before: `step ${from}`, after: `step ${to}` };
  const rows = [
    head,
    ...figures.map(({ name, before, after }) => ({ name: name.replace(/^eval_/, ''), before: text(before), after: text(after) })),
  ];
  const width = (key: keyof typeof head): number => Math.max(...rows.map((row) => row[key].length));
  return rows
    .map(
      ({ name, before, after }) =>
        `  ${name.padEnd(width('name'))}  ${before.padStart(width('before'))} → ${after.padStart(width('after'))}`,
    )
    .join('\n');
}
