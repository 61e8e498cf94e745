/**
 * Which variable a name means (`idtracking.py` of Jinja2): every frame (the template, a loop, a macro, a block) knows the names that are
 * stored in it, and where their first value comes from. Loops and macros see outer variables and store into their own, so `{% set %}` in a
 * loop is forgotten after the pass; `if` has no frame of its own.
 */
import type { Expression, Node, Statement } from './syntax.ts';
import { childrenOf } from './syntax.ts';

/** Where a variable gets its value when its frame is entered: the caller, an outer variable, what the template was given, or nowhere. */
export type Load = { from: 'parameter' } | { from: 'outer'; variable: string } | { from: 'context'; name: string } | { from: 'nothing' };

export class Symbols {
  readonly level: number;
  readonly parent: Symbols | undefined;
  /** Name → variable, unique by level. */
  private refs = new Map<string, string>();
  loads = new Map<string, Load>();
  private stores = new Set<string>();

  constructor(parent?: Symbols, level: number = parent === undefined ? 0 : parent.level + 1) {
    this.parent = parent;
    this.level = level;
  }

  private copy(): Symbols {
    const same = new Symbols(this.parent, this.level);
    same.refs = new Map(this.refs);
    same.loads = new Map(this.loads);
    same.stores = new Set(this.stores);
    return same;
  }

  find(name: string): string | undefined {
    return this.refs.get(name) ?? this.parent?.find(name);
  }

  declareParameter(name: string): string {
    this.stores.add(name);
    return this.define(name, { from: 'parameter' });
  }

  private define(name: string, load: Load): string {
    const variable = `${this.level}:${name}`;
    this.refs.set(name, variable);
    this.loads.set(variable, load);
    return variable;
  }

  private store(name: string): void {
    this.stores.add(name);
    if (this.refs.has(name)) return;
    const outer = this.parent?.find(name);
    this.define(name, outer === undefined ? { from: 'nothing' } : { from: 'outer', variable: outer });
  }

  private load(name: string): void {
    if (this.find(name) === undefined) this.define(name, { from: 'context', name });
  }

  /** After an `if`: what a branch stores is, where the branch is not taken, the outer variable or what the template was given. */
  private join(branches: readonly Symbols[]): void {
    const stored = new Set(branches.flatMap((branch) => [...branch.stores]).filter((name) => !this.stores.has(name)));
    for (const branch of branches) {
      for (const [name, variable] of branch.refs) this.refs.set(name, variable);
      for (const [variable, load] of branch.loads) this.loads.set(variable, load);
      for (const name of branch.stores) this.stores.add(name);
    }
    for (const name of stored) {
      const variable = this.find(name);
      if (variable === undefined) continue;
      const outer = this.parent?.find(name);
      this.loads.set(variable, outer === undefined ? { from: 'context', name } : { from: 'outer', variable: outer });
    }
  }

  /** Takes in the statements of this frame. */
  analyze(nodes: readonly Node[]): void {
    for (const node of nodes) this.visit(node);
  }

  /** Takes in the target of a loop, whose names are given their values at every pass. */
  analyzeTarget(node: Expression): void {
    if (node.type === 'name') this.declareParameter(node.name);
    else for (const child of childrenOf(node)) this.analyzeTarget(child as Expression);
  }

  private visit(node: Node): void {
    switch (node.type) {
      case 'name':
        if (node.use === 'param') this.declareParameter(node.name);
        else if (node.use === 'store') this.store(node.name);
        else this.load(node.name);
        return;
      case 'namespace':
        return this.load(node.name);
      case 'if': {
        this.visit(node.test);
        const branch = (statements: readonly Statement[]): Symbols => {
          const symbols = this.copy();
          symbols.analyze(statements);
          return symbols;
        };
        return this.join([branch(node.body), branch(node.elifs), branch(node.otherwise)]);
      }
      case 'macro':
        return this.store(node.name);
      case 'assign':
        this.visit(node.node);
        return this.visit(node.target);
      case 'for':
        return this.visit(node.iterable);
      case 'callBlock':
        return node.call === undefined ? undefined : this.visit(node.call);
      case 'filterBlock':
        return this.visit(node.filter);
      case 'with':
        return this.analyze(node.values);
      case 'assignBlock':
        return this.visit(node.target);
      default:
        return this.analyze(childrenOf(node));
    }
  }
}

/** Which of the names are read below the nodes before anything there stores them. */
export function undeclared(nodes: readonly Node[], names: readonly string[]): Set<string> {
  const wanted = new Set(names);
  const found = new Set<string>();
  const visit = (node: Node): void => {
    if (node.type === 'name') {
      if (node.use !== 'load') wanted.delete(node.name);
      else if (wanted.has(node.name)) found.add(node.name);
      return;
    }
    childrenOf(node).forEach(visit);
  };
  nodes.forEach(visit);
  return found;
}
