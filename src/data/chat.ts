/**
 * Chat template, and which tokens of the rendered conversation the assistant wrote. The template decides what a turn looks like, and it may
 * trim, number or reorder; so nothing is assumed of its syntax. Each assistant turn is rendered once more with a mark in place of its text:
 * what stands before and after the mark is the template's, the rest is the assistant's.
 */
import { EndlessFile, isLongText } from '../io/timeLimit.ts';
import { errorText, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { readChatTemplate } from './chatTemplateFiles.ts';
import { textsOf } from './example.ts';
import type { Message } from './example.ts';
import { BudgetSpent, NotExact, TemplateFailure } from './jinja/failures.ts';
import { JinjaTemplate } from './jinja/template.ts';
import type { Tokenizer } from './tokenizer.ts';

export class ChatTemplate {
  private readonly template: JinjaTemplate;
  private readonly variables: Readonly<Record<string, unknown>>;
  /** Its file. */
  readonly source: string;
  private knownOpening: string | undefined;

  /**
   * @param text the Jinja template
   * @param variables what the template sees beside the messages: the tokenizer's `bos_token`, `eos_token`, …
   * @param source where it comes from, for messages
   * @throws UserError with file and line where the template is no Jinja, or uses what cannot be rendered as transformers renders it
   */
  constructor(text: string, variables: Readonly<Record<string, unknown>>, source: string) {
    this.source = source;
    this.variables = variables;
    try {
      this.template = new JinjaTemplate(text);
    } catch (cause) {
      if (cause instanceof NotExact) throw this.notExact(cause);
      throw new UserError(`${this.place(cause)}: the chat template cannot be read (${errorText(cause)}). Fetch the file again.`);
    }
  }

  /** The template that transformers takes from the folder (chatTemplateFiles.ts). */
  static async load(platform: Platform, dir: string, tokenizer: Tokenizer): Promise<ChatTemplate> {
    const { text, source } = await readChatTemplate(platform, dir);
    return new ChatTemplate(text, tokenizer.templateVariables, source);
  }

  /**
   * The conversation as `apply_chat_template` renders it: without tools and documents.
   * @throws UserError with the template's own words where it refuses the conversation (roles that do not alternate, say); EndlessFile where
   * it does not come to its end, and not for the length of what it was given
   */
  render(messages: readonly Message[], options: { addGenerationPrompt?: boolean } = {}): string {
    const given = { messages, tools: null, documents: null, add_generation_prompt: options.addGenerationPrompt ?? false };
    try {
      return this.template.render({ ...this.variables, ...given });
    } catch (cause) {
      if (cause instanceof NotExact) throw this.notExact(cause);
      const roles = messages.map((m) => m.role).join(', ');
      const words = `${this.place(cause)}: the chat template refuses this conversation (${errorText(cause)}; roles: ${roles}).`;
      throw cause instanceof BudgetSpent && !isLongText(charactersOf(messages)) ? new EndlessFile(words) : new UserError(words);
    }
  }

  /** What it writes at the end for a model that is to answer; empty where that cannot be told. */
  get opening(): string {
    this.knownOpening ??= this.findOpening();
    return this.knownOpening;
  }

  private findOpening(): string {
    // Some templates add texts up, others go through parts.
    for (const content of [[{ type: 'text' as const, text: 'x' }], 'x']) {
      const messages: Message[] = [{ role: 'user', content }];
      try {
        const text = this.render(messages);
        const asked = this.render(messages, { addGenerationPrompt: true });
        if (asked.startsWith(text)) return asked.slice(text.length);
      } catch (cause) {
        if (!(cause instanceof UserError)) throw cause;
      }
    }
    return '';
  }

  private place(cause: unknown): string {
    const line = cause instanceof TemplateFailure ? cause.line : undefined;
    return line === undefined ? this.source : `${this.source}, line ${line}${this.source.endsWith('.jinja') ? '' : ' of the template'}`;
  }

  private notExact(cause: NotExact): UserError {
    return new UserError(
      `${this.place(cause)}: the chat template cannot be rendered as transformers does: ${cause.message}. Rewrite that line of the ` +
        `template.`,
    );
  }
}

/** Of all that is said. */
export function charactersOf(messages: readonly Message[]): number {
  return textsOf(messages).reduce((sum, { length }) => sum + length, 0);
}

/** A stretch of the rendered text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/**
 * What the assistant says, turn by turn: its text as the template renders it and the special token that ends the turn, not the white space
 * after. Spaces between the text and what the template writes for a model that is to answer are the assistant's too: SmolVLM's ends with
 * "Assistant:", and writes "Assistant: 12" for an answer, so the model has to write the space.
 * @param text `template.render(messages, options)`
 * @param options.isWanted of which turns; all of the assistant's where absent
 */
export function assistantSpans(
  template: ChatTemplate,
  messages: readonly Message[],
  text: string,
  specialTokens: ReadonlySet<string>,
  options: { addGenerationPrompt?: boolean; isWanted?: (message: Message) => boolean } = {},
): Span[] {
  const mark = unusedMark(text);
  const spans: Span[] = [];
  messages.forEach((message, turn) => {
    if (message.role !== 'assistant' || options.isWanted?.(message) === false) return;
    const isText = typeof message.content === 'string';
    const render = (said: string, among: readonly Message[], more: typeof options): string =>
      template.render(among.with(turn, { ...message, content: isText ? said : [{ type: 'text', text: said }] }), more);
    for (const said of markedTexts(message, mark)) {
      const marked = render(said, messages, options);
      const at = marked.indexOf(mark);
      const before = marked.slice(0, at);
      // The answer's mark: the second, unless the template drops the thought.
      const last = said === mark ? at : Math.max(at, marked.indexOf(mark, at + 1));
      const after = marked.slice(last + mark.length);
      const end = text.length - after.length;
      if (at < 0 || end < at || !text.startsWith(before) || !text.endsWith(after)) continue;
      const token = closingToken(after, specialTokens);
      // A template without an end of turn goes on with the next turn's opening token, which is not there when the conversation ends here.
      const isEnd = (): boolean => render(said, messages.slice(0, turn + 1), {}).includes(mark + token);
      spans.push({ start: spokenFrom(template, text, at), end: token !== '' && isEnd() ? end + token.length : end });
      return;
    }
    throw new UserError(
      `Chat template: where the assistant's turn ${turn + 1} starts and ends cannot be told, because the template changes other text ` +
        `with it. ` +
        'Train with --mask reference, or simplify the template.',
    );
  });
  return spans;
}

/** A turn's text with a mark in its place; and where it has a thought, which templates take apart from the answer, with both marked. */
function markedTexts(message: Message, mark: string): string[] {
  return textsOf([message]).join('').includes('</think>') ? [mark, `<think>\n${mark}\n</think>\n\n${mark}`] : [mark];
}

/**
 * Where a turn whose text is at `at` begins: behind what the template writes for a model that is to answer. Spaces and the start of a
 * thought between the two are the model's to write, unless that opening has them.
 */
function spokenFrom({ opening }: ChatTemplate, text: string, at: number): number {
  if (opening === '') return at;
  const opened = text.lastIndexOf(opening, at) + opening.length;
  return opened >= opening.length && /^ *(<think>\n)?$/.test(opened < at ? text.slice(opened, at) : text.slice(at, opened)) ? opened : at;
}

/** A private-use character string that the text does not contain; templates pass it through as they pass a letter. */
function unusedMark(text: string): string {
  let mark = '\uE0FE';
  while (text.includes(mark)) mark += '\uE0FE';
  return `${mark}\uE0FF`;
}

/** The special token (with white space before it) that stands at the start of a text; empty where there is none. */
function closingToken(after: string, specialTokens: ReadonlySet<string>): string {
  const space = after.length - after.trimStart().length;
  let token = '';
  for (const candidate of specialTokens) {
    if (candidate.length > token.length && after.startsWith(candidate, space)) token = candidate;
  }
  return token === '' ? '' : after.slice(0, space) + token;
}

/**
 * Which tokens of `ids` (`tokenizer.encode(text)`, no special tokens added) hold a character of the spans: `first` to `end`, exclusive, for
 * each. The text is tokenised up to each boundary and compared with the whole; a token that straddles the boundary (the template's newline
 * with a newline of the answer) counts as the assistant's.
 */
export function tokenRanges(
  tokenizer: Pick<Tokenizer, 'encode'>,
  text: string,
  ids: readonly number[],
  spans: readonly Span[],
): { first: number; end: number }[] {
  return spans.map(({ start, end }) => {
    const head = tokenizer.encode(text.slice(0, start));
    let first = 0;
    while (first < head.length && head[first] === ids[first]) first++;
    const upTo = tokenizer.encode(text.slice(0, end));
    if (upTo.every((id, i) => ids[i] === id)) return { first, end: upTo.length };
    const tail = tokenizer.encode(text.slice(end));
    let same = 0;
    while (same < tail.length && tail[tail.length - 1 - same] === ids[ids.length - 1 - same]) same++;
    return { first, end: ids.length - same };
  });
}
