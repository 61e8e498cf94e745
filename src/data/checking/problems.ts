/** What can be wrong with a row, and how it is told: all rows together, counts by reason, the first ten by place. */
import { countOf } from '../../platform.ts';
import type { UserError } from '../../platform.ts';

/** Each with what it is called in the counts, of one row and of several. */
const REASONS = {
  row: ['is not in a form that is known', 'are not in a form that is known'],
  picture: ['has a picture that is missing or cannot be read', 'have a picture that is missing or cannot be read'],
  refused: ['is refused by the model’s template or image processor', 'are refused by the model’s template or image processor'],
  long: ['is longer than the model takes', 'are longer than the model takes'],
  label: ['has nothing to learn', 'have nothing to learn'],
} as const;

export type Reason = keyof typeof REASONS;

export interface RowProblem {
  index: number;
  reason: Reason;
  /** Begins with the row's place. */
  message: string;
}

/** Problems told one by one. */
const SHOWN = 10;

/** "2 have nothing to learn", for each reason there is. */
export function reasonTexts(problems: readonly RowProblem[]): string[] {
  return (Object.keys(REASONS) as Reason[]).flatMap((reason) => {
    const count = problems.filter((problem) => problem.reason === reason).length;
    return count === 0 ? [] : [`${count} ${REASONS[reason][count === 1 ? 0 : 1]}`];
  });
}

/** Several lines. `problems` by place. */
export function problemsText(source: string, rows: number, problems: readonly RowProblem[]): string {
  const shown = problems.slice(0, SHOWN).map(({ message }) => `  ${message.replaceAll('\n', '\n  ')}`);
  const hidden = problems.length - shown.length;
  return [
    `${source}: ${problems.length} of ${countOf(rows, 'row')} cannot be used:`,
    ...reasonTexts(problems).map((text) => `  ${text}`),
    hidden === 0 ? 'They are:' : `The first ${shown.length} are:`,
    ...shown,
    ...(hidden === 0 ? [] : [`  … and ${hidden} more.`]),
  ].join('\n');
}

/** The message of an error about a row, with the place before it where it does not stand there yet. */
export function messageOf(where: string, error: UserError): string {
  return error.message.startsWith(where) ? error.message : `${where}: ${error.message}`;
}
