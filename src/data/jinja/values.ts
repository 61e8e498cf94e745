/**
 * Values of a template as Python has them. `null` is None, a bigint an int, a number a float, an array a list; the classes are the rest.
 * Integers and floats print and divide in different ways, which is why a JavaScript number cannot stand for both.
 */
import { NotExact, TemplateFailure } from './failures.ts';
import { characters, textLength } from './pythonText.ts';

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Value[]
  | Tuple
  | Dict
  | Undefined
  | Range
  | Generator
  | View
  | Namespace
  | Callable
  | Loop
  | SafeText;

export class Tuple {
  readonly items: readonly Value[];
  /** What `groupby` gives: `.grouper` and `.list` are its two items. */
  readonly names: readonly string[];
  constructor(items: readonly Value[], names: readonly string[] = []) {
    this.items = items;
    this.names = names;
  }
}

export class Dict {
  private readonly entriesByKey = new Map<unknown, [Value, Value]>();

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.set(key, value);
    return dict;
  }

  get(key: Value): Value | undefined {
    return this.entriesByKey.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.entriesByKey.has(hashKey(key));
  }

  /** An equal key keeps its first spelling (1 and True), as in Python. */
  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    this.entriesByKey.set(hash, [this.entriesByKey.get(hash)?.[0] ?? key, value]);
  }

  get size(): number {
    return this.entriesByKey.size;
  }

  entries(): [Value, Value][] {
    return [...this.entriesByKey.values()];
  }

  keys(): Value[] {
    return this.entries().map(([key]) => key);
  }
}

/** Equal for values that are equal in Python. @throws TemplateFailure for values that cannot be keys */
export function hashKey(value: Value): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (value instanceof Undefined) return Undefined;
  if (value instanceof Tuple)
    return Symbol.for(
      value.items.map((item) => `${typeof hashKey(item)} ${String(hashKey(item)).length} ${String(hashKey(item))}`).join(),
    );
  if (Array.isArray(value) || value instanceof Dict) throw new TemplateFailure(`unhashable type: '${typeName(value)}'`);
  return value;
}

export class Undefined {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export class Range {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;
  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    const span = step > 0n ? stop - start + step - 1n : start - stop - step - 1n;
    const count = span / (step > 0n ? step : -step);
    this.length = count > 0n ? Number(count) : 0;
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step;
  }
}

/** What filters like `map` and `select` give: run through once, empty after. */
export class Generator {
  readonly iterator: Iterator<Value>;
  constructor(items: Iterable<Value>) {
    this.iterator = items[Symbol.iterator]();
  }
}

/** `dict.keys()`, `dict.values()`, `dict.items()`. */
export class View {
  readonly kind: 'keys' | 'values' | 'items';
  readonly dict: Dict;
  constructor(kind: View['kind'], dict: Dict) {
    this.kind = kind;
    this.dict = dict;
  }

  items(): Value[] {
    return this.dict
      .entries()
      .map(([key, value]) => (this.kind === 'keys' ? key : this.kind === 'values' ? value : new Tuple([key, value])));
  }
}

export class Namespace {
  readonly attributes: Dict;
  constructor(attributes: Dict) {
    this.attributes = attributes;
  }
}

/** What a call gives a function, after `*` and `**` are spread. */
export interface Arguments {
  args: readonly Value[];
  kwargs: ReadonlyMap<string, Value>;
}

export class Callable {
  readonly name: string;
  readonly call: (given: Arguments) => Value;
  /** How it prints; functions print their address, which no template can mean. */
  readonly printed: string | undefined;
  /** What it has to read beside being called (a macro's name). */
  readonly attributes: ReadonlyMap<string, Value>;
  constructor(name: string, call: (given: Arguments) => Value, printed?: string, attributes: ReadonlyMap<string, Value> = new Map()) {
    this.name = name;
    this.call = call;
    this.printed = printed;
    this.attributes = attributes;
  }
}

/** The special variable `loop`; its state is the evaluator's. */
export abstract class Loop {
  abstract attribute(name: string): Value | undefined;
  abstract recurse(iterable: Value): Value;
}

/** The result of `safe`: printed and joined as text; whatever else Python's Markup does is not done here. */
export class SafeText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  switch (typeof value) {
    case 'string':
      return 'str';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'float';
    default:
  }
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Range) return 'range';
  if (value instanceof Generator) return 'generator';
  if (value instanceof View) return `dict_${value.kind}`;
  if (value instanceof Namespace) return 'Namespace';
  if (value instanceof Loop) return 'LoopContext';
  return value instanceof SafeText ? 'Markup' : 'function';
}

export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value !== 'object' || value === null) return Boolean(value);
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof View) return value.dict.size > 0;
  if (value instanceof SafeText) return value.text !== '';
  return !(value instanceof Undefined);
}

/** @throws TemplateFailure for what has no length */
export function lengthOf(value: Value): number {
  if (typeof value === 'string') return textLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof Range) return value.length;
  if (value instanceof View) return value.dict.size;
  if (value instanceof Undefined) return 0;
  refuseSpecial(value, 'length');
  throw new TemplateFailure(`object of type '${typeName(value)}' has no len()`);
}

/** @throws TemplateFailure for what cannot be iterated */
export function iterate(value: Value): Iterable<Value> {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return characters(value);
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof View) return value.items();
  if (value instanceof Undefined) return [];
  if (value instanceof Generator) return rest(value.iterator);
  if (value instanceof Range) return numbers(value);
  refuseSpecial(value, 'a loop over it');
  throw new TemplateFailure(`'${typeName(value)}' object is not iterable`);
}

function* rest(iterator: Iterator<Value>): Iterable<Value> {
  for (let step = iterator.next(); step.done !== true; step = iterator.next()) yield step.value;
}

function* numbers(range: Range): Iterable<Value> {
  for (let i = 0; i < range.length; i++) yield range.at(i);
}

export function isIterable(value: Value): boolean {
  return (
    Array.isArray(value) ||
    typeof value === 'string' ||
    value instanceof Tuple ||
    value instanceof Dict ||
    value instanceof View ||
    value instanceof Undefined ||
    value instanceof Generator ||
    value instanceof Range ||
    value instanceof Loop ||
    value instanceof SafeText
  );
}

/** `loop` and safe text do more in Python than here. */
export function refuseSpecial(value: Value, what: string): void {
  if (value instanceof Loop) throw new NotExact(`${what} of the variable loop is not supported`);
  if (value instanceof SafeText) throw new NotExact(`${what} of a text marked as safe is not supported`);
}

/** What JSON holds, as Python's `json.loads` would give it; a whole number is an int, because JavaScript cannot tell 1.0 from 1. */
export function fromJson(value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(fromJson);
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Dict.of(entries.map(([key, entry]): [Value, Value] => [key, fromJson(entry)]));
}
