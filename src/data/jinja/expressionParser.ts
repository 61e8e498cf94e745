/** Expressions of a template, with the precedences of Jinja2's `parser.py`. */
import { TemplateFailure } from './failures.ts';
import type { Token, TokenType } from './lexer.ts';
import type { BinaryOperator, CallArguments, CompareOperator, Expression } from './syntax.ts';

export interface TupleOptions {
  /** Names and literals alone, as targets of an assignment are. */
  simplified?: boolean;
  /** May hold `a if b else c`; not after `for … in` or `if`. */
  conditional?: boolean;
  /** Names that end the tuple. */
  ends?: readonly string[];
  parentheses?: boolean;
  withNamespace?: boolean;
}

const NO_ARGUMENTS: CallArguments = { args: [], kwargs: [], rest: undefined, keywordRest: undefined };

export class ExpressionParser {
  private at = 0;
  private readonly tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  protected get current(): Token {
    return this.look(0);
  }

  private look(ahead: number): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  protected next(): Token {
    const token = this.current;
    this.at++;
    return token;
  }

  protected isAt(type: TokenType, value?: string, ahead = 0): boolean {
    const token = this.look(ahead);
    return token.type === type && (value === undefined || token.value === value);
  }

  protected skip(type: TokenType, value?: string): boolean {
    if (!this.isAt(type, value)) return false;
    this.at++;
    return true;
  }

  protected expect(type: TokenType, value?: string): Token {
    if (!this.isAt(type, value)) this.fail(`expected ${value === undefined ? type : `'${value}'`}, got ${this.describe()}`);
    return this.next();
  }

  protected describe(): string {
    return this.current.value === '' ? this.current.type : `'${this.current.value}'`;
  }

  protected fail(message: string, line: number = this.current.line): never {
    throw new TemplateFailure(message, line);
  }

  protected tuple(options: TupleOptions = {}): Expression {
    const line = this.current.line;
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.expect('operator', ',');
      if (this.isTupleEnd(options.ends ?? [])) break;
      items.push(options.simplified === true ? this.primary(options.withNamespace) : this.expression(options.conditional));
      if (!this.isAt('operator', ',')) break;
      isTuple = true;
    }
    const [only] = items;
    if (!isTuple && only !== undefined) return only;
    if (!isTuple && options.parentheses !== true) this.fail(`Expected an expression, got ${this.describe()}`);
    return { type: 'tuple', items, line };
  }

  private isTupleEnd(ends: readonly string[]): boolean {
    const { type, value } = this.current;
    return (
      type === 'variableEnd' || type === 'blockEnd' || (type === 'operator' && value === ')') || (type === 'name' && ends.includes(value))
    );
  }

  protected expression(conditional = true): Expression {
    if (!conditional) return this.either();
    let line = this.current.line;
    let then = this.either();
    while (this.skip('name', 'if')) {
      const test = this.either();
      const otherwise = this.skip('name', 'else') ? this.expression() : undefined;
      then = { type: 'condition', test, then, otherwise, line };
      line = this.current.line;
    }
    return then;
  }

  private either(): Expression {
    let left = this.both();
    while (this.skip('name', 'or')) left = { type: 'or', left, right: this.both(), line: left.line };
    return left;
  }

  private both(): Expression {
    let left = this.negated();
    while (this.skip('name', 'and')) left = { type: 'and', left, right: this.negated(), line: left.line };
    return left;
  }

  private negated(): Expression {
    const line = this.current.line;
    return this.skip('name', 'not') ? { type: 'not', node: this.negated(), line } : this.comparison();
  }

  private comparison(): Expression {
    const node = this.sum();
    const operands: { operator: CompareOperator; node: Expression }[] = [];
    for (;;) {
      const { type, value } = this.current;
      if (type === 'operator' && ['==', '!=', '<', '<=', '>', '>='].includes(value)) {
        this.next();
        operands.push({ operator: value as CompareOperator, node: this.sum() });
      } else if (this.skip('name', 'in')) {
        operands.push({ operator: 'in', node: this.sum() });
      } else if (this.isAt('name', 'not') && this.isAt('name', 'in', 1)) {
        this.next();
        this.next();
        operands.push({ operator: 'not in', node: this.sum() });
      } else {
        return operands.length === 0 ? node : { type: 'compare', node, operands, line: node.line };
      }
    }
  }

  private chain(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = operators.find((candidate) => this.isAt('operator', candidate));
      if (operator === undefined) return left;
      this.next();
      left = { type: 'binary', operator, left, right: operand(), line: left.line };
    }
  }

  private sum(): Expression {
    return this.chain(['+', '-'], () => this.concatenation());
  }

  private concatenation(): Expression {
    const first = this.product();
    const nodes = [first];
    while (this.skip('operator', '~')) nodes.push(this.product());
    return nodes.length === 1 ? first : { type: 'concat', nodes, line: first.line };
  }

  private product(): Expression {
    return this.chain(['*', '/', '//', '%'], () => this.chain(['**'], () => this.unary(true)));
  }

  private unary(withFilter: boolean): Expression {
    const line = this.current.line;
    let node: Expression;
    if (this.skip('operator', '-')) node = { type: 'negative', node: this.unary(false), line };
    else if (this.skip('operator', '+')) node = { type: 'positive', node: this.unary(false), line };
    else node = this.primary();
    node = this.postfix(node);
    return withFilter ? this.filters(node) : node;
  }

  private primary(withNamespace = false): Expression {
    const { type, value, line } = this.current;
    if (type === 'name') {
      this.next();
      if (['true', 'True', 'false', 'False'].includes(value)) return { type: 'const', value: value.toLowerCase() === 'true', line };
      if (value === 'none' || value === 'None') return { type: 'const', value: null, line };
      if (withNamespace && this.skip('operator', '.')) return { type: 'namespace', name: value, attr: this.expect('name').value, line };
      return { type: 'name', name: value, use: 'load', line };
    }
    if (type === 'string') {
      let text = '';
      while (this.isAt('string')) text += this.next().value;
      return { type: 'const', value: text, line };
    }
    if (type === 'integer' || type === 'float') {
      this.next();
      return { type: 'const', value: type === 'integer' ? BigInt(value) : Number(value), line };
    }
    if (this.skip('operator', '(')) {
      const node = this.tuple({ parentheses: true });
      this.expect('operator', ')');
      return node;
    }
    if (this.skip('operator', '[')) return { type: 'list', items: this.listed(']', () => this.expression()), line };
    if (this.skip('operator', '{')) {
      const items = this.listed('}', () => {
        const key = this.expression();
        this.expect('operator', ':');
        return { key, value: this.expression() };
      });
      return { type: 'dict', items, line };
    }
    return this.fail(`unexpected ${this.describe()}`);
  }

  /** Entries with commas between them and perhaps one after the last, up to the closing bracket. */
  private listed<T>(closing: string, entry: () => T): T[] {
    const items: T[] = [];
    while (!this.isAt('operator', closing)) {
      if (items.length > 0) this.expect('operator', ',');
      if (this.isAt('operator', closing)) break;
      items.push(entry());
    }
    this.expect('operator', closing);
    return items;
  }

  private postfix(node: Expression): Expression {
    for (;;) {
      const line = this.current.line;
      if (this.isAt('operator', '.') || this.isAt('operator', '[')) node = this.subscript(node);
      else if (this.isAt('operator', '(')) node = { type: 'call', node, call: this.callArguments(), line };
      else return node;
    }
  }

  private filters(node: Expression): Expression {
    for (;;) {
      const line = this.current.line;
      if (this.isAt('operator', '|')) node = this.filterChain(node, false) ?? node;
      else if (this.isAt('name', 'is')) node = this.test(node);
      else if (this.isAt('operator', '(')) node = { type: 'call', node, call: this.callArguments(), line };
      else return node;
    }
  }

  private subscript(node: Expression): Expression {
    const { value, line } = this.next();
    if (value === '.') {
      const token = this.next();
      if (token.type === 'name') return { type: 'attribute', node, name: token.value, line };
      if (token.type !== 'integer') this.fail('expected name or number', token.line);
      return { type: 'item', node, index: { type: 'const', value: BigInt(token.value), line: token.line }, line };
    }
    const indices = [];
    while (!this.isAt('operator', ']')) {
      if (indices.length > 0) this.expect('operator', ',');
      indices.push(this.subscribed());
    }
    this.expect('operator', ']');
    const [index] = indices;
    return {
      type: 'item',
      node,
      index: indices.length === 1 && index !== undefined ? index : { type: 'tuple', items: indices, line },
      line,
    };
  }

  private subscribed(): Expression {
    const line = this.current.line;
    const isEnd = (): boolean => this.isAt('operator', ']') || this.isAt('operator', ',');
    const start = this.isAt('operator', ':') ? undefined : this.expression();
    if (start !== undefined && !this.isAt('operator', ':')) return start;
    this.next();
    const stop = this.isAt('operator', ':') || isEnd() ? undefined : this.expression();
    const step = this.skip('operator', ':') && !isEnd() ? this.expression() : undefined;
    return { type: 'slice', start, stop, step, line };
  }

  private callArguments(): CallArguments {
    const line = this.expect('operator', '(').line;
    const call: CallArguments = { args: [], kwargs: [], rest: undefined, keywordRest: undefined };
    const ensure = (isValid: boolean): void => {
      if (!isValid) this.fail('invalid syntax for function call expression', line);
    };
    let isFirst = true;
    while (!this.isAt('operator', ')')) {
      if (!isFirst) {
        this.expect('operator', ',');
        if (this.isAt('operator', ')')) break;
      }
      isFirst = false;
      if (this.isAt('operator', '*')) {
        ensure(call.rest === undefined && call.keywordRest === undefined);
        this.next();
        call.rest = this.expression();
      } else if (this.isAt('operator', '**')) {
        ensure(call.keywordRest === undefined);
        this.next();
        call.keywordRest = this.expression();
      } else if (this.isAt('name') && this.isAt('operator', '=', 1)) {
        ensure(call.keywordRest === undefined);
        const key = this.next().value;
        this.next();
        ensure(call.kwargs.every((other) => other.key !== key));
        call.kwargs.push({ key, value: this.expression() });
      } else {
        ensure(call.rest === undefined && call.keywordRest === undefined && call.kwargs.length === 0);
        call.args.push(this.expression());
      }
    }
    this.expect('operator', ')');
    return call;
  }

  private dottedName(): string {
    let name = this.expect('name').value;
    while (this.skip('operator', '.')) name += `.${this.expect('name').value}`;
    return name;
  }

  /** `| a | b(c)`; `inline` where the first filter stands without its bar. */
  protected filterChain(node: Expression | undefined, inline: boolean): Expression | undefined {
    let filtered = node;
    let isInline = inline;
    while (isInline || this.isAt('operator', '|')) {
      if (!isInline) this.next();
      isInline = false;
      const line = this.current.line;
      const name = this.dottedName();
      filtered = { type: 'filter', node: filtered, name, call: this.isAt('operator', '(') ? this.callArguments() : NO_ARGUMENTS, line };
    }
    return filtered;
  }

  private test(node: Expression): Expression {
    const line = this.next().line;
    const isNegated = this.skip('name', 'not');
    const name = this.dottedName();
    let call = NO_ARGUMENTS;
    const { type, value } = this.current;
    if (this.isAt('operator', '(')) call = this.callArguments();
    else if (
      (type === 'name' && !['else', 'or', 'and'].includes(value)) ||
      type === 'string' ||
      type === 'integer' ||
      type === 'float' ||
      (type === 'operator' && (value === '[' || value === '{'))
    ) {
      if (this.isAt('name', 'is')) this.fail('You cannot chain multiple tests with is');
      call = { ...NO_ARGUMENTS, args: [this.postfix(this.primary())] };
    }
    const test: Expression = { type: 'test', node, name, call, line };
    return isNegated ? { type: 'not', node: test, line } : test;
  }
}
