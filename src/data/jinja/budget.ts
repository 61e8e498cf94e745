/** What a template may spend: chat templates come from the network, and a loop in one must not stop a run without a word. */
import { BudgetSpent, TemplateFailure } from './failures.ts';

/** Statements, passes and calls of one rendering; the longest known templates need some hundred for a turn. */
const MAX_STEPS = 5_000_000;
/** Calls within calls: where Python's own limit of recursion ends a template, too. */
const MAX_DEPTH = 180;
const MAX_CHARACTERS = 1 << 27;

export class Budget {
  private steps = 0;
  private depth = 0;
  private characters = 0;

  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > MAX_STEPS) throw new BudgetSpent(`it takes more than ${MAX_STEPS} steps: a loop that does not end, or nearly`);
  }

  write(length: number): void {
    this.characters += length;
    if (this.characters > MAX_CHARACTERS) throw new BudgetSpent(`it writes more than ${MAX_CHARACTERS} characters`);
  }

  /** Runs a call one level deeper. */
  nested<T>(call: () => T): T {
    this.spend(1);
    if (this.depth >= MAX_DEPTH) throw new TemplateFailure(`macros or recursive loops are nested more than ${MAX_DEPTH} deep`);
    this.depth++;
    try {
      return call();
    } finally {
      this.depth--;
    }
  }
}
