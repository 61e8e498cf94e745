/**
 * Clinical cut-offs: a table that the user brings says where a measure decides something (10 mm: a lesion is a target by RECIST), and how
 * often the answer decides as the truth does is told.
 */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { ScoredRow } from './answerRows.ts';
import { intervals, volumeOf } from './bootstrap.ts';
import type { BootstrapSettings, Interval } from './bootstrap.ts';
import { asArray, asNumber, asObject, asString, parseJson } from './json.ts';
import { TASK_TAGS } from './tasks.ts';

export interface Cutoff {
  /** What is decided. */
  name: string;
  task: 'TL' | 'AD';
  /** Part of a group's name ("kidney tumor"), upper and lower case alike; all groups where it is not said. */
  group?: string;
  /** Of an ellipse the axis that counts. */
  axis: 'major' | 'minor';
  /** Rising limits; a value at a limit belongs above it. */
  at: readonly number[];
}

/**
 * `[{"name": "RECIST target", "task": "TL", "group": "tumor", "axis": "major", "at": [10]}]`
 * @throws UserError that names the file and the place
 */
export async function readCutoffs(platform: Platform, path: string): Promise<Cutoff[]> {
  const list = asArray(parseJson(await platform.readFile(path), path), path);
  return list.map((value, i) => {
    const where = `${path}: [${i}]`;
    const entry = asObject(value, where);
    const known = ['name', 'task', 'group', 'axis', 'at'];
    const strange = Object.keys(entry).find((key) => !known.includes(key));
    if (strange !== undefined) throw new UserError(`${where}: ${JSON.stringify(strange)} is unknown; ${known.join(', ')} are expected.`);
    const task = entry['task'];
    if (task !== 'TL' && task !== 'AD') throw new UserError(`${where}.task: TL or AD expected, ${JSON.stringify(task)} found.`);
    const axis = entry['axis'] ?? 'major';
    if (axis !== 'major' && axis !== 'minor') throw new UserError(`${where}.axis: major or minor expected, ${JSON.stringify(axis)} found.`);
    const at = asArray(entry['at'], `${where}.at`).map((limit, n) => asNumber(limit, `${where}.at[${n}]`));
    if (at.length === 0 || at.some((limit, n) => n > 0 && limit <= (at[n - 1] ?? limit)))
      throw new UserError(`${where}.at: limits that rise expected, as [10, 20]; ${JSON.stringify(entry['at'])} found.`);
    const group = entry['group'];
    return {
      name: asString(entry['name'], `${where}.name`),
      task,
      axis,
      at,
      ...(group !== undefined && { group: asString(group, `${where}.group`) }),
    };
  });
}

/** How answers decide, of the rows that a cut-off is about. */
export interface Decisions {
  name: string;
  at: readonly number[];
  num_samples: number;
  /** Share of rows on the same side (or between the same limits) as the truth; an answer that cannot be read decides wrongly. */
  agreement: number | null;
  agreement_interval?: Interval;
  /** Cohen's: agreement beyond chance, where answers that cannot be read are a class of their own. */
  kappa: number | null;
  /** With one limit: of the rows at or above it, and of those below, the share that is answered so. */
  sensitivity?: number | null;
  specificity?: number | null;
}

export function decisionsOf(rows: readonly ScoredRow[], cutoffs: readonly Cutoff[], bootstrap: BootstrapSettings): Decisions[] {
  return cutoffs.map(({ name, task, group = '', axis, at }) => {
    const number = task === 'TL' && axis === 'minor' ? 1 : 0;
    const decided = rows.flatMap(({ asked, score, id, doc }): Decidable[] => {
      if (!asked || !score || TASK_TAGS[asked.taskType] !== task || !asked.group.toLowerCase().includes(group.toLowerCase())) return [];
      const answer = score.isAnswer ? score.values[number] : undefined;
      return [{ volume: volumeOf({ id, doc }), truth: asked.values[number] ?? NaN, answer }];
    });
    return { name, at, ...decisionsAt(decided, at, bootstrap) };
  });
}

/** A true and an answered value; the answer is undefined where it could not be read. */
export interface Decidable {
  truth: number;
  answer: number | undefined;
  volume: string;
}

/** @param at rising limits */
export function decisionsAt(
  rows: readonly Decidable[],
  at: readonly number[],
  bootstrap: BootstrapSettings,
): Omit<Decisions, 'name' | 'at'> {
  const side = (value: number): number => at.filter((limit) => value >= limit).length;
  const decided = rows.map(({ truth, answer, volume }) => ({
    volume,
    row: { truth: side(truth), answer: answer === undefined ? NONE : side(answer) },
  }));
  const pairs = decided.map(({ row }) => row);
  const own = (high: boolean): number | null => {
    const those = pairs.filter(({ truth }) => truth > 0 === high);
    return those.length === 0 ? null : those.filter(({ truth, answer }) => truth === answer).length / those.length;
  };
  const { agreement } = intervals(
    decided,
    { agreement: ({ truth, answer }) => ({ value: truth === answer ? 1 : 0, weight: 1 }) },
    bootstrap,
  );
  return {
    num_samples: pairs.length,
    ...agreementOf(pairs, at.length + 1),
    ...(agreement && { agreement_interval: agreement }),
    ...(at.length === 1 && { sensitivity: own(true), specificity: own(false) }),
  };
}

/** The class of an answer that cannot be read. */
const NONE = -1;

function agreementOf(pairs: readonly { truth: number; answer: number }[], classes: number): Pick<Decisions, 'agreement' | 'kappa'> {
  const count = pairs.length;
  if (count === 0) return { agreement: null, kappa: null };
  const agreement = pairs.filter(({ truth, answer }) => truth === answer).length / count;
  let chance = 0;
  for (let one = 0; one < classes; one++)
    chance += (pairs.filter(({ truth }) => truth === one).length / count) * (pairs.filter(({ answer }) => answer === one).length / count);
  return { agreement, kappa: chance === 1 ? null : (agreement - chance) / (1 - chance) };
}
