/**
 * Jinja2's lexer (`lexer.py`) with the settings of transformers' chat templates: `trim_blocks` and `lstrip_blocks`. White space between
 * text and tags is decided here and nowhere else.
 */
import { TemplateFailure } from './failures.ts';
import { stripRight } from './pythonText.ts';

export type TokenType =
  'data' | 'blockBegin' | 'blockEnd' | 'variableBegin' | 'variableEnd' | 'name' | 'string' | 'integer' | 'float' | 'operator' | 'eof';

export interface Token {
  type: TokenType;
  /** Text of the token; of a string its value, of a number its digits without `_`. */
  value: string;
  line: number;
}

/** Python's `\s`, which knows U+001C to U+001F and U+0085 and not U+FEFF. */
const S = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const rule = (pattern: string, flags = ''): RegExp => new RegExp(pattern, `suy${flags}`);

const OPENING = rule(
  `(.*?)(?:(?<raw>\\{%([-+]?)${S}*raw${S}*(?:-%\\}${S}*|%\\}))|(?<block>\\{%([-+]?))|(?<comment>\\{#([-+]?))|(?<variable>\\{\\{([-+]?)))`,
);
const COMMENT_END = rule(`(.*?)(?:\\+#\\}|-#\\}${S}*|#\\}\\n?)`);
const RAW_END = rule(`(.*?)(?:\\{%([-+]?))${S}*endraw${S}*(?:\\+%\\}|-%\\}${S}*|%\\}\\n?)`);
const BLOCK_END = rule(`\\+%\\}|-%\\}${S}*|%\\}\\n?`);
const VARIABLE_END = rule(`-\\}\\}${S}*|\\}\\}`);
const WHITESPACE = rule(`${S}+`);
const FLOAT = rule('(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?e[+-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)', 'i');
const INTEGER = rule('0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|[1-9](?:_?\\d)*|0(?:_?0)*', 'i');
const NAME = rule('[\\p{L}\\p{M}\\p{N}\\p{Pc}]+');
const IDENTIFIER = /^[\p{ID_Start}_][\p{ID_Continue}]*$/u;
const STRING = rule(`'[^'\\\\]*(?:\\\\.[^'\\\\]*)*'|"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"`);
const OPERATOR = rule('\\/\\/|\\*\\*|==|!=|>=|<=|[-+/*%~\\[\\](){}><=.:|,;]');
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** @throws TemplateFailure with the line where the text is no template */
export function tokenize(template: string): Token[] {
  return new Lexer(template).run();
}

class Lexer {
  private readonly source: string;
  private readonly tokens: Token[] = [];
  private position = 0;
  private line = 1;
  private lineStarting = true;

  constructor(template: string) {
    const lines = template.split(/\r\n|\r|\n/);
    if (lines.at(-1) === '') lines.pop();
    this.source = lines.join('\n');
  }

  run(): Token[] {
    while (this.position < this.source.length) this.text();
    this.push('eof', '');
    return this.tokens;
  }

  /** Text up to the next tag, and that tag. */
  private text(): void {
    const found = this.match(OPENING);
    if (found === undefined) {
      this.data(this.source.slice(this.position));
      this.position = this.source.length;
      return;
    }
    const groups = found.groups ?? {};
    const sign = found[3] ?? found[5] ?? found[7] ?? found[9] ?? '';
    const text = found[1] ?? '';
    this.data(this.strippedBefore(text, sign, groups['variable'] !== undefined));
    this.line += newlines(text);
    const tagLine = this.line;
    this.line += newlines(found[0]) - newlines(text);
    this.advance(found[0]);
    if (groups['raw'] !== undefined) this.raw(tagLine);
    else if (groups['comment'] !== undefined) this.comment(tagLine);
    else if (groups['variable'] !== undefined) this.tag('variableBegin', 'variableEnd', VARIABLE_END);
    else this.tag('blockBegin', 'blockEnd', BLOCK_END);
  }

  /** `-` takes all white space before the tag, else blocks and comments that stand alone at the start of a line take their indentation. */
  private strippedBefore(text: string, sign: string, isVariable: boolean): string {
    if (sign === '-') return stripRight(text);
    if (sign === '+' || isVariable) return text;
    const start = text.lastIndexOf('\n') + 1;
    const isLineStart = start > 0 || this.lineStarting;
    return isLineStart && new RegExp(`^${S}+$`, 'u').test(text.slice(start)) ? text.slice(0, start) : text;
  }

  private comment(line: number): void {
    const found = this.match(COMMENT_END);
    if (found === undefined) throw new TemplateFailure('Missing end of comment tag', line);
    this.line += newlines(found[0]);
    this.advance(found[0]);
  }

  private raw(line: number): void {
    const found = this.match(RAW_END);
    if (found === undefined) throw new TemplateFailure('Missing end of raw directive', line);
    this.data(this.strippedBefore(found[1] ?? '', found[2] ?? '', false));
    this.line += newlines(found[0]);
    this.advance(found[0]);
  }

  private tag(begin: TokenType, end: TokenType, endRule: RegExp): void {
    this.push(begin, '');
    const open: string[] = [];
    for (;;) {
      const closing = open.length === 0 ? this.match(endRule) : undefined;
      if (closing !== undefined) {
        this.push(end, '');
        this.line += newlines(closing[0]);
        this.advance(closing[0]);
        return;
      }
      if (this.position >= this.source.length) {
        this.push('eof', '');
        return;
      }
      const space = this.match(WHITESPACE);
      if (space !== undefined) {
        this.line += newlines(space[0]);
        this.advance(space[0]);
        continue;
      }
      this.inTag(open);
    }
  }

  private inTag(open: string[]): void {
    for (const [pattern, type] of [
      [FLOAT, 'float'],
      [INTEGER, 'integer'],
      [NAME, 'name'],
      [STRING, 'string'],
      [OPERATOR, 'operator'],
    ] as const) {
      const text = this.match(pattern)?.[0];
      if (text === undefined) continue;
      if (type === 'name' && !IDENTIFIER.test(text)) throw new TemplateFailure('Invalid character in identifier', this.line);
      if (type === 'operator') this.balance(open, text);
      if (type === 'string') this.push(type, this.stringValue(text));
      else this.push(type, type === 'float' || type === 'integer' ? text.replaceAll('_', '') : text);
      this.line += newlines(text);
      this.advance(text);
      return;
    }
    throw new TemplateFailure(`unexpected char ${JSON.stringify(this.source.charAt(this.position))}`, this.line);
  }

  private balance(open: string[], text: string): void {
    const closing = CLOSING[text];
    if (closing !== undefined) open.push(closing);
    else if (text === ')' || text === ']' || text === '}') {
      const expected = open.pop();
      if (expected !== text) {
        throw new TemplateFailure(`unexpected '${text}'${expected === undefined ? '' : `, expected '${expected}'`}`, this.line);
      }
    }
  }

  /** Python's `unicode-escape`: an escape that it does not know keeps its backslash. */
  private stringValue(literal: string): string {
    const simple: Readonly<Record<string, string>> = {
      '\n': '',
      '\\': '\\',
      "'": "'",
      '"': '"',
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
    };
    return literal.slice(1, -1).replace(/\\([0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|.)/gsu, (whole, escape: string) => {
      if (/^[0-7]/.test(escape)) return String.fromCharCode(Number.parseInt(escape, 8));
      if (escape.length > 1) return this.character(Number.parseInt(escape.slice(1), 16));
      if ('xuUN'.includes(escape)) throw new TemplateFailure(`a string holds \\${escape}, which is no whole escape`, this.line);
      return simple[escape] ?? whole;
    });
  }

  private character(code: number): string {
    if (code > 0x10ffff) throw new TemplateFailure('illegal Unicode character in a string', this.line);
    return String.fromCodePoint(code);
  }

  private data(text: string): void {
    if (text !== '') this.push('data', text);
  }

  private push(type: TokenType, value: string): void {
    this.tokens.push({ type, value, line: this.line });
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position;
    return pattern.exec(this.source) ?? undefined;
  }

  private advance(text: string): void {
    this.position += text.length;
    this.lineStarting = text.endsWith('\n');
  }
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
