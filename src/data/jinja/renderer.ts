/** Runs the statements of a template and writes its text. */
import { Budget } from './budget.ts';
import { TemplateFailure } from './failures.ts';
import { ExpressionEvaluator } from './expressions.ts';
import { Activation, assign, enter, leave, variableOf } from './frames.ts';
import type { Scope } from './frames.ts';
import { LoopState } from './loop.ts';
import { printed, represented } from './printing.ts';
import { Symbols, undeclared } from './symbols.ts';
import type { CallBlockNode, Expression, ForNode, MacroNode, Statement } from './syntax.ts';
import { Callable, Dict, Generator, Namespace, Tuple, Undefined, isTrue, iterate, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

type Jump = 'break' | 'continue' | undefined;

/** Frames by the node that opens them; the analysis is the same at every rendering. */
export type FrameCache = Map<object, Symbols>;

/** @throws TemplateFailure for what Jinja2 raises, NotExact for what is not done here */
export function render(body: readonly Statement[], given: ReadonlyMap<string, Value>, frames: FrameCache, isStrict: boolean): string {
  const renderer = new Renderer(new Budget(), isStrict, frames);
  return renderer.template(body, given);
}

class Renderer extends ExpressionEvaluator {
  private readonly frames: FrameCache;

  constructor(budget: Budget, isStrict: boolean, frames: FrameCache) {
    super(budget, isStrict);
    this.frames = frames;
  }

  template(body: readonly Statement[], given: ReadonlyMap<string, Value>): string {
    const symbols = this.frame(body, undefined, (made) => made.analyze(body));
    const scope: Scope = { symbols, activation: new Activation(), context: { given, exported: new Map() } };
    enter(scope);
    const out: string[] = [];
    this.run(body, scope, out);
    return out.join('');
  }

  private frame(key: object, parent: Symbols | undefined, analyze: (made: Symbols) => void): Symbols {
    let symbols = this.frames.get(key);
    if (symbols === undefined) {
      symbols = new Symbols(parent);
      analyze(symbols);
      this.frames.set(key, symbols);
    }
    return symbols;
  }

  private inner(key: object, scope: Scope, analyze: (made: Symbols) => void): Scope {
    return { ...scope, symbols: this.frame(key, scope.symbols, analyze) };
  }

  private run(body: readonly Statement[], scope: Scope, out: string[]): Jump {
    for (const statement of body) {
      try {
        const jump = this.statement(statement, scope, out);
        if (jump !== undefined) return jump;
      } catch (cause) {
        if (cause instanceof TemplateFailure) cause.line ??= statement.line;
        throw cause;
      }
    }
    return undefined;
  }

  private statement(node: Statement, scope: Scope, out: string[]): Jump {
    this.budget.spend(1);
    switch (node.type) {
      case 'output':
        for (const part of node.nodes) this.write(this.shown(this.evaluate(part, scope)), out);
        return undefined;
      case 'assign':
        this.checkNamespaces(node.target, scope);
        this.store(node.target, this.evaluate(node.node, scope), scope);
        return undefined;
      case 'if': {
        const branch = [node, ...node.elifs].find(({ test }) => isTrue(this.evaluate(test, scope)));
        return this.run(branch?.body ?? node.otherwise, scope, out);
      }
      case 'for':
        this.loop(node, scope, out);
        return undefined;
      case 'macro':
        assign(scope, node.name, this.macro(node, scope));
        return undefined;
      case 'callBlock': {
        const caller = this.macro(node, scope);
        const text = node.call === undefined ? caller.call({ args: [], kwargs: new Map() }) : this.call(node.call, scope, caller);
        this.write(printed(text), out);
        return undefined;
      }
      case 'filterBlock': {
        const frame = this.inner(node, scope, (made) => made.analyze([...node.body, node.filter]));
        enter(frame);
        this.write(printed(this.filtered(node.filter, this.captured(node.body, frame), frame)), out);
        leave(frame);
        return undefined;
      }
      case 'assignBlock': {
        const frame = this.inner(node, scope, (made) => made.analyze(node.body));
        enter(frame);
        const text = this.captured(node.body, frame);
        this.store(node.target, node.filter === undefined ? text : this.filtered(node.filter, text, frame), scope);
        leave(frame);
        return undefined;
      }
      case 'with': {
        const frame = this.inner(node, scope, (made) => made.analyze([...node.targets, ...node.body]));
        enter(frame);
        node.targets.forEach((target, i) => this.store(target, this.evaluate(node.values[i] as Expression, scope), frame));
        const jump = this.run(node.body, frame, out);
        leave(frame);
        return jump;
      }
      case 'break':
      case 'continue':
        return node.type;
    }
  }

  private write(text: string, out: string[]): void {
    this.budget.write(text.length);
    out.push(text);
  }

  private captured(body: readonly Statement[], scope: Scope): string {
    const out: string[] = [];
    this.run(body, scope, out);
    return out.join('');
  }

  private checkNamespaces(target: Expression, scope: Scope): void {
    if (target.type === 'tuple') for (const item of target.items) this.checkNamespaces(item, scope);
    if (target.type === 'namespace') this.namespaceOf(target.name, scope);
  }

  private namespaceOf(name: string, scope: Scope): Namespace {
    const owner = scope.activation.get(variableOf(scope, name));
    if (!(owner instanceof Namespace)) throw new TemplateFailure('cannot assign attribute on non-namespace object');
    return owner;
  }

  private store(target: Expression, value: Value, scope: Scope): void {
    if (target.type === 'name') assign(scope, target.name, value);
    else if (target.type === 'namespace') this.namespaceOf(target.name, scope).attributes.set(target.attr, value);
    else if (target.type === 'tuple') {
      const items = [...iterate(value)];
      if (items.length !== target.items.length) {
        throw new TemplateFailure(`cannot unpack ${items.length} values (${typeName(value)}) into ${target.items.length} names`);
      }
      target.items.forEach((item, i) => this.store(item, items[i] as Value, scope));
    }
  }

  private loop(node: ForNode, scope: Scope, out: string[]): void {
    const iterable = this.evaluate(node.iterable, scope);
    this.mustBe(iterable);
    if (!node.recursive) {
      this.passes(node, iterable, scope, 0, undefined, out);
      return;
    }
    const recurse = (items: Value, depth: number): Value =>
      this.budget.nested(() => {
        const text: string[] = [];
        this.passes(node, items, { ...scope, activation: new Activation(scope.activation) }, depth, recurse, text);
        return text.join('');
      });
    this.write(printed(recurse(iterable, 0)), out);
  }

  private passes(
    node: ForNode,
    iterable: Value,
    scope: Scope,
    depth: number,
    recurse: ((items: Value, depth: number) => Value) | undefined,
    out: string[],
  ): void {
    const frame = this.inner(node, scope, (made) => {
      made.declareParameter('loop');
      made.analyzeTarget(node.target);
      made.analyze(node.body);
    });
    const items = node.test === undefined ? iterable : new Generator(this.chosen(node, node.test, iterable, scope));
    const state = new LoopState(items, depth, recurse);
    let isEmpty = true;
    for (let pass = state.advance(); pass !== undefined; pass = state.advance()) {
      this.budget.spend(1);
      this.store(node.target, pass.item, frame);
      frame.activation.set(variableOf(frame, 'loop'), state);
      enter(frame);
      const jump = this.run(node.body, frame, out);
      if (jump === 'break') {
        // Jinja2 notes that there was a pass at its end, so that a break in the first one leads to the else branch.
        break;
      }
      if (jump === undefined) isEmpty = false;
    }
    leave(frame);
    if (!isEmpty || node.otherwise.length === 0) return;
    const elseFrame = this.inner(node.otherwise, scope, (made) => made.analyze(node.otherwise));
    enter(elseFrame);
    this.run(node.otherwise, elseFrame, out);
    leave(elseFrame);
  }

  /** Items of `for … if …`, tested when they are asked for; variables of the test are its own. */
  private *chosen(node: ForNode, test: Expression, iterable: Value, scope: Scope): Iterable<Value> {
    const activation = new Activation(scope.activation);
    const frame = this.inner(test, { ...scope, activation }, (made) => {
      made.analyzeTarget(node.target);
      made.analyze([test]);
    });
    enter(frame);
    for (const item of iterate(iterable)) {
      this.store(node.target, item, frame);
      if (isTrue(this.evaluate(test, frame))) yield item;
    }
  }

  private macro(node: MacroNode | CallBlockNode, scope: Scope): Callable {
    const special = undeclared(node.body, ['caller', 'kwargs', 'varargs']);
    const names = node.args.map(({ name }) => name);
    const catches = (name: string): boolean => special.has(name) && !names.includes(name);
    const symbols = this.frame(node, scope.symbols, (made) => {
      made.analyze([...node.args, ...node.defaults, ...node.body]);
      for (const name of ['caller', 'kwargs', 'varargs']) if (catches(name)) made.declareParameter(name);
    });
    const name = node.type === 'macro' ? node.name : 'caller';
    const call = (given: Arguments): Value =>
      this.budget.nested(() => {
        const inner: Scope = { ...scope, symbols, activation: new Activation(scope.activation) };
        const kwargs = new Map(given.kwargs);
        const values = names.map((parameter, i) => {
          if (i < given.args.length) return given.args[i];
          const value = kwargs.get(parameter);
          kwargs.delete(parameter);
          return value;
        });
        if (catches('caller')) {
          inner.activation.set(variableOf(inner, 'caller'), kwargs.get('caller') ?? new Undefined('No caller defined'));
          kwargs.delete('caller');
        }
        if (catches('kwargs')) inner.activation.set(variableOf(inner, 'kwargs'), Dict.of(kwargs));
        else if (kwargs.size > 0) throw new TemplateFailure(`macro '${name}' takes no keyword argument '${[...kwargs.keys()][0] ?? ''}'`);
        const rest = given.args.slice(names.length);
        if (catches('varargs')) inner.activation.set(variableOf(inner, 'varargs'), new Tuple(rest));
        else if (rest.length > 0) throw new TemplateFailure(`macro '${name}' takes not more than ${names.length} argument(s)`);
        names.forEach((parameter, i) => inner.activation.set(variableOf(inner, parameter), values[i]));
        enter(inner);
        names.forEach((parameter, i) => {
          if (values[i] !== undefined) return;
          const byDefault = node.defaults[i - names.length + node.defaults.length];
          const value =
            byDefault === undefined ? new Undefined(`parameter '${parameter}' was not provided`) : this.evaluate(byDefault, inner);
          inner.activation.set(variableOf(inner, parameter), value);
        });
        return this.captured(node.body, inner);
      });
    const attributes = new Map<string, Value>([
      ['name', name],
      ['arguments', names],
      ['catch_kwargs', catches('kwargs')],
      ['catch_varargs', catches('varargs')],
      ['caller', special.has('caller')],
      ['explicit_caller', names.includes('caller')],
    ]);
    return new Callable(name, call, node.type === 'macro' ? `<Macro ${represented(name)}>` : '<Macro anonymous>', attributes);
  }
}
