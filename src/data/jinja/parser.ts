/** Statements of a template (`parser.py` of Jinja2): tags and the text between them. Expressions are in expressionParser.ts. */
import { ExpressionParser } from './expressionParser.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { tokenize } from './lexer.ts';
import type { Expression, FilterNode, IfNode, MacroBody, NameNode, Statement, Target } from './syntax.ts';

const OF_OTHER_TEMPLATES: ReadonlySet<string> = new Set(['block', 'extends', 'include', 'import', 'from', 'autoescape']);

/** @throws TemplateFailure where Jinja2 finds a mistake of syntax, NotExact for tags that are not supported */
export function parse(template: string): Statement[] {
  return new Parser(tokenize(template)).template();
}

class Parser extends ExpressionParser {
  /** What encloses a statement; `break` must find a loop before a macro. */
  private readonly enclosing: ('loop' | 'macro')[] = [];

  template(): Statement[] {
    const body = this.until([]);
    if (this.current.type !== 'eof') this.fail(`unexpected ${this.describe()}`);
    return body;
  }

  /** Statements up to a tag of one of these names, which stays current; no names: up to the end. */
  private until(ends: readonly string[]): Statement[] {
    const body: Statement[] = [];
    let output: Expression[] = [];
    const flush = (): void => {
      const first = output[0];
      if (first !== undefined) body.push({ type: 'output', nodes: output, line: first.line });
      output = [];
    };
    for (;;) {
      const token = this.current;
      if (token.type === 'data') {
        output.push({ type: 'data', text: token.value, line: token.line });
        this.next();
      } else if (token.type === 'variableBegin') {
        this.next();
        output.push(this.tuple());
        this.expect('variableEnd');
      } else if (token.type === 'blockBegin') {
        flush();
        this.next();
        if (this.current.type === 'name' && ends.includes(this.current.value)) return body;
        body.push(...this.statement());
        this.expect('blockEnd');
      } else {
        flush();
        if (ends.length > 0) this.fail(`Unexpected end of template. Looking for ${ends.join(' or ')}.`);
        return body;
      }
    }
  }

  /** The body of a tag: up to one of these tags, whose name is taken off as well where `drop` says so. */
  private block(ends: readonly string[], drop = true): Statement[] {
    this.skip('operator', ':');
    this.expect('blockEnd');
    const body = this.until(ends);
    if (drop) this.next();
    return body;
  }

  private within(kind: 'loop' | 'macro', ends: readonly string[], drop = true): Statement[] {
    this.enclosing.push(kind);
    const body = this.block(ends, drop);
    this.enclosing.pop();
    return body;
  }

  private statement(): Statement[] {
    const token = this.current;
    if (token.type !== 'name') this.fail('tag name expected');
    const line = token.line;
    switch (token.value) {
      case 'for':
        return [this.forLoop()];
      case 'if':
        return [this.ifChain()];
      case 'set':
        return [this.set()];
      case 'print': {
        this.next();
        const nodes: Expression[] = [];
        while (this.current.type !== 'blockEnd') {
          if (nodes.length > 0) this.expect('operator', ',');
          nodes.push(this.expression());
        }
        return [{ type: 'output', nodes, line }];
      }
      case 'macro': {
        this.next();
        const name = this.expect('name').value;
        const { args, defaults } = this.signature();
        return [{ type: 'macro', name, args, defaults, body: this.within('macro', ['endmacro']), line }];
      }
      case 'call': {
        this.next();
        const { args, defaults } = this.isAt('operator', '(') ? this.signature() : { args: [], defaults: [] };
        const call = this.expression();
        if (call.type !== 'call') this.fail('expected call', line);
        return [{ type: 'callBlock', call, args, defaults, body: this.within('macro', ['endcall']), line }];
      }
      case 'generation':
        this.next();
        return [{ type: 'callBlock', call: undefined, args: [], defaults: [], body: this.within('macro', ['endgeneration']), line }];
      case 'filter': {
        this.next();
        const filter = this.filterChain(undefined, true) as FilterNode;
        return [{ type: 'filterBlock', filter, body: this.block(['endfilter']), line }];
      }
      case 'with':
        return [this.withBlock()];
      case 'break':
      case 'continue':
        this.next();
        if (this.enclosing.at(-1) !== 'loop') this.fail(`'${token.value}' outside loop`, line);
        return [{ type: token.value, line }];
      default:
        if (OF_OTHER_TEMPLATES.has(token.value)) throw new NotExact(`the tag {% ${token.value} %} is not supported`, line);
        return this.fail(`Encountered unknown tag '${token.value}'.`);
    }
  }

  private forLoop(): Statement {
    const line = this.next().line;
    const target = this.assignTarget(['in'], false);
    this.expect('name', 'in');
    const iterable = this.tuple({ conditional: false, ends: ['recursive'] });
    const test = this.skip('name', 'if') ? this.expression() : undefined;
    const recursive = this.skip('name', 'recursive');
    const body = this.within('loop', ['endfor', 'else'], false);
    const otherwise = this.next().value === 'endfor' ? [] : this.block(['endfor']);
    return { type: 'for', target, iterable, test, recursive, body, otherwise, line };
  }

  private ifChain(): IfNode {
    const line = this.next().line;
    const first: IfNode = { type: 'if', test: this.tuple({ conditional: false }), body: [], elifs: [], otherwise: [], line };
    let node = first;
    for (;;) {
      node.body = this.block(['elif', 'else', 'endif'], false);
      const end = this.next();
      if (end.value === 'elif') {
        node = { type: 'if', test: this.tuple({ conditional: false }), body: [], elifs: [], otherwise: [], line: end.line };
        first.elifs.push(node);
        continue;
      }
      if (end.value === 'else') first.otherwise = this.block(['endif']);
      return first;
    }
  }

  private set(): Statement {
    const line = this.next().line;
    const target = this.assignTarget([], true);
    if (this.skip('operator', '=')) return { type: 'assign', target, node: this.tuple(), line };
    const filter = this.filterChain(undefined, false);
    return { type: 'assignBlock', target, filter: filter?.type === 'filter' ? filter : undefined, body: this.block(['endset']), line };
  }

  private withBlock(): Statement {
    const line = this.next().line;
    const targets: Expression[] = [];
    const values: Expression[] = [];
    while (this.current.type !== 'blockEnd') {
      if (targets.length > 0) this.expect('operator', ',');
      const target = this.assignTarget([], false);
      targets.push(asParameter(target));
      this.expect('operator', '=');
      values.push(this.expression());
    }
    return { type: 'with', targets, values, body: this.block(['endwith']), line };
  }

  private signature(): Pick<MacroBody, 'args' | 'defaults'> {
    this.expect('operator', '(');
    const args: NameNode[] = [];
    const defaults: Expression[] = [];
    while (!this.isAt('operator', ')')) {
      if (args.length > 0) this.expect('operator', ',');
      const token = this.expect('name');
      if (isConstantName(token.value)) this.fail(`can't assign to '${token.value}'`);
      if (this.skip('operator', '=')) defaults.push(this.expression());
      else if (defaults.length > 0) this.fail('non-default argument follows default argument');
      args.push({ type: 'name', name: token.value, use: 'param', line: token.line });
    }
    this.expect('operator', ')');
    return { args, defaults };
  }

  private assignTarget(ends: readonly string[], withNamespace: boolean): Target {
    const target = this.tuple({ simplified: true, ends, withNamespace });
    return this.stored(target);
  }

  private stored(node: Expression): Target {
    if (node.type === 'tuple') return { ...node, items: node.items.map((item) => this.stored(item)) };
    if (node.type === 'namespace') return node;
    if (node.type === 'name' && !isConstantName(node.name)) return { ...node, use: 'store' };
    throw new TemplateFailure(`can't assign to '${node.type}'`, node.line);
  }
}

function isConstantName(name: string): boolean {
  return ['true', 'false', 'none', 'True', 'False', 'None'].includes(name);
}

function asParameter(target: Target): Expression {
  if (target.type === 'tuple') return { ...target, items: target.items.map((item) => asParameter(item as Target)) };
  return target.type === 'name' ? { ...target, use: 'param' } : target;
}
