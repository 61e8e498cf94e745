/** Variables while a template is rendered: the frames of symbols.ts, entered and left as Jinja2's compiled Python does. */
import { NotExact } from './failures.ts';
import type { Symbols } from './symbols.ts';
import type { Value } from './values.ts';

/** Variables of one call of a function (the template, a macro, a recursive loop); functions made inside see those of the outer one. */
export class Activation {
  private readonly values = new Map<string, Value>();
  private readonly outer: Activation | undefined;

  constructor(outer?: Activation) {
    this.outer = outer;
  }

  get(variable: string): Value | undefined {
    return this.values.has(variable) ? this.values.get(variable) : this.outer?.get(variable);
  }

  set(variable: string, value: Value | undefined): void {
    this.values.set(variable, value as Value);
  }
}

/** What is given to the template, and what its outermost `set`s and macros add. */
export interface Context {
  given: ReadonlyMap<string, Value>;
  exported: Map<string, Value>;
}

/** Where a statement runs. */
export interface Scope {
  symbols: Symbols;
  activation: Activation;
  context: Context;
}

export function enter(scope: Scope): void {
  const { symbols, activation, context } = scope;
  for (const [variable, load] of symbols.loads) {
    if (load.from === 'outer') activation.set(variable, activation.get(load.variable));
    else if (load.from === 'context')
      activation.set(variable, (context.exported.has(load.name) ? context.exported : context.given).get(load.name));
    else if (load.from === 'nothing') activation.set(variable, undefined);
  }
}

export function leave(scope: Scope): void {
  for (const variable of scope.symbols.loads.keys()) scope.activation.set(variable, undefined);
}

export function variableOf(scope: Scope, name: string): string {
  const variable = scope.symbols.find(name);
  if (variable === undefined) throw new NotExact(`the name '${name}' cannot be told where it stands`);
  return variable;
}

export function assign(scope: Scope, name: string, value: Value): void {
  scope.activation.set(variableOf(scope, name), value);
  if (scope.symbols.level === 0) scope.context.exported.set(name, value);
}
