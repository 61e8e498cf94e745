/** The ways in which a template ends early. */

/** What Jinja2 would have raised: a mistake in the template or a conversation it refuses. */
export class TemplateFailure extends Error {
  /** 1-based line of the template, as far as known. */
  line: number | undefined;
  constructor(message: string, line?: number) {
    super(message);
    this.line = line;
  }
}

/** A rendering that has spent what it may: it would not come to its end, or not soon. */
export class BudgetSpent extends TemplateFailure {}

/** Something that Jinja2 does and that is not done exactly here: never rendered in another way instead. */
export class NotExact extends TemplateFailure {}
