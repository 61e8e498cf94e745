/** What was done to drawings, so that it can be undone and done again: each step knows the drawings that it changed, and no others. */
import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';

/** A drawing as it was and as it became, and its place in the list; absent on a side where it was not. */
interface Change {
  id: string;
  at: number;
  before?: DrawnAnnotation;
  after?: DrawnAnnotation;
}

type Step = readonly Change[];

/** Steps that are remembered. */
const MOST = 200;

export class History {
  readonly #done: Signal<readonly Step[]> = signal([]);
  readonly #undone: Signal<readonly Step[]> = signal([]);

  get canUndo(): boolean {
    return this.#done.value.length > 0;
  }

  get canRedo(): boolean {
    return this.#undone.value.length > 0;
  }

  /** What was undone before cannot be done again. */
  remember(before: readonly DrawnAnnotation[], after: readonly DrawnAnnotation[]): void {
    const step = changes(before, after);
    if (step.length === 0) return;
    this.#done.value = [...this.#done.peek(), step].slice(-MOST);
    this.#undone.value = [];
  }

  /** @returns the drawings, and those of them or of those gone that the step is about; undefined where there is none */
  undo(now: readonly DrawnAnnotation[]): Moved | undefined {
    return move(now, this.#done, this.#undone, 'before');
  }

  redo(now: readonly DrawnAnnotation[]): Moved | undefined {
    return move(now, this.#undone, this.#done, 'after');
  }
}

export interface Moved {
  annotations: DrawnAnnotation[];
  changed: DrawnAnnotation[];
}

function changes(before: readonly DrawnAnnotation[], after: readonly DrawnAnnotation[]): Step {
  const step: Change[] = [];
  const was = new Map(before.map((one) => [one.id, one]));
  const is = new Map(after.map((one) => [one.id, one]));
  for (const [at, one] of before.entries()) {
    const then = is.get(one.id);
    if (then === undefined || !isSame(then, one)) step.push({ id: one.id, at, before: one, ...(then && { after: then }) });
  }
  for (const [at, one] of after.entries()) if (!was.has(one.id)) step.push({ id: one.id, at, after: one });
  return step;
}

/** A drawing that was looked at and left as it was is another object. */
const isSame = (one: DrawnAnnotation, other: DrawnAnnotation): boolean => one === other || JSON.stringify(one) === JSON.stringify(other);

function move(
  now: readonly DrawnAnnotation[],
  from: Signal<readonly Step[]>,
  to: Signal<readonly Step[]>,
  side: 'before' | 'after',
): Moved | undefined {
  const step = from.peek().at(-1);
  if (step === undefined) return undefined;
  from.value = from.peek().slice(0, -1);
  to.value = [...to.peek(), step];
  const annotations = [...now];
  for (const { id, at, [side]: wanted } of step) {
    const place = annotations.findIndex((one) => one.id === id);
    if (place >= 0) annotations.splice(place, 1, ...(wanted ? [wanted] : []));
    else if (wanted) annotations.splice(at, 0, wanted);
  }
  const changed = step.flatMap(({ before, after }) => (side === 'before' ? (before ?? after) : (after ?? before)) ?? []);
  return { annotations, changed };
}
