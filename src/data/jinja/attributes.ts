/** `value.name` and `value[index]` as transformers' sandbox looks them up: attributes or items first, undefined where there is neither. */
import { bind, integer } from './arguments.ts';
import { isEqual, numberOf } from './comparison.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { element } from './operators.ts';
import { represented } from './printing.ts';
import { TEXT_METHODS, UNSUPPORTED_TEXT_METHODS } from './textMethods.ts';
import { Callable, Dict, Loop, Namespace, Range, SafeText, Tuple, Undefined, View, hashKey, refuseSpecial, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** What the sandbox hides because it would change the value. */
const CHANGING: Readonly<Record<string, readonly string[]>> = {
  list: ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
};

/** What Python's types have beside and what is not done here. */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  dict: ['fromkeys'],
  int: ['as_integer_ratio', 'bit_count', 'conjugate', 'from_bytes', 'to_bytes'],
  float: ['as_integer_ratio', 'conjugate', 'fromhex', 'hex'],
  range: ['count', 'index'],
  dict_keys: ['isdisjoint', 'mapping'],
  dict_values: ['mapping'],
  dict_items: ['isdisjoint', 'mapping'],
  generator: ['close', 'gi_code', 'gi_frame', 'gi_running', 'gi_suspended', 'gi_yieldfrom', 'send', 'throw'],
};

/** Names of attributes that no template may use. */
export const UNSUPPORTED_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...UNSUPPORTED_TEXT_METHODS,
  'fromkeys',
  'as_integer_ratio',
  'to_bytes',
  'from_bytes',
]);

function attribute(value: Value, name: string): Value | undefined {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  if (value instanceof SafeText) refuseSpecial(value, `.${name}`);
  if (value instanceof Loop) return value.attribute(name);
  if (value instanceof Namespace) return value.attributes.get(name);
  const type = typeName(value);
  if (name.startsWith('_') || CHANGING[type]?.includes(name) === true) {
    return name.startsWith('__') || !name.startsWith('_')
      ? new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`)
      : undefined;
  }
  if (UNSUPPORTED[type === 'bool' ? 'int' : type]?.includes(name) === true || (type === 'str' && UNSUPPORTED_TEXT_METHODS.has(name))) {
    throw new NotExact(`'${type}' has an attribute '${name}', which is not supported`);
  }
  if (typeof value === 'string') return method(name, TEXT_METHODS.get(name), value);
  if (value instanceof Dict) return method(name, DICT_METHODS[name], value);
  if (value instanceof Tuple && value.names.includes(name)) return value.items[value.names.indexOf(name)];
  if (Array.isArray(value) || value instanceof Tuple) {
    if (name === 'copy' && Array.isArray(value)) return method(name, (self) => [...self], value);
    const items = Array.isArray(value) ? value : value.items;
    return method(name, LIST_METHODS[name], items);
  }
  if (value instanceof Range && (name === 'start' || name === 'stop' || name === 'step')) return value[name];
  if (value instanceof Callable) return callableAttribute(value, name);
  return numericAttribute(value, name);
}

function method<T>(name: string, of: ((self: T, given: Arguments) => Value) | undefined, self: T): Value | undefined {
  return of === undefined ? undefined : new Callable(name, (given) => of(self, given));
}

const DICT_METHODS: Readonly<Record<string, ((self: Dict, given: Arguments) => Value) | undefined>> = Object.assign(
  Object.create(null) as Record<string, never>,
  {
    get: (self: Dict, given: Arguments) => {
      const [key, otherwise] = bind('get', ['/key', '/default?'], given);
      return firstOf(
        self.get(key as Value),
        () => otherwise,
        () => null,
      );
    },
    keys: view('keys'),
    values: view('values'),
    items: view('items'),
    copy: (self: Dict, given: Arguments) => {
      bind('copy', [], given);
      return Dict.of(self.entries());
    },
  },
);

function view(kind: View['kind']): (self: Dict, given: Arguments) => Value {
  return (self, given) => {
    bind(kind, [], given);
    return new View(kind, self);
  };
}

const LIST_METHODS: Readonly<Record<string, ((self: readonly Value[], given: Arguments) => Value) | undefined>> = Object.assign(
  Object.create(null) as Record<string, never>,
  {
    count: (self: readonly Value[], given: Arguments) => {
      const [sought] = bind('count', ['/value'], given);
      return BigInt(self.filter((item) => item === sought || isEqual(item, sought as Value)).length);
    },
    index: (self: readonly Value[], given: Arguments) => {
      const [sought, start, stop] = bind('index', ['/value', '/start?', '/stop?'], given);
      const bound = (value: number): number => Math.max(0, value < 0 ? value + self.length : value);
      const [first, end] = [bound(integer('index', start, 0)), bound(integer('index', stop, self.length))];
      const at = self.findIndex((item, i) => i >= first && i < end && isEqual(item, sought as Value));
      if (at < 0) throw new TemplateFailure(`${represented(sought as Value)} is not in list`);
      return BigInt(at);
    },
  },
);

function numericAttribute(value: Value, name: string): Value | undefined {
  const number = numberOf(value);
  if (number === undefined) return undefined;
  if (name === 'real') return number;
  if (name === 'imag') return typeof number === 'bigint' ? 0n : 0;
  if (typeof number === 'number') return name === 'is_integer' ? method(name, () => Number.isInteger(number), number) : undefined;
  if (name === 'numerator') return number;
  if (name === 'denominator') return 1n;
  return name === 'bit_length'
    ? method(name, () => BigInt(number === 0n ? 0 : number.toString(2).replace('-', '').length), number)
    : undefined;
}

function callableAttribute(value: Callable, name: string): Value | undefined {
  const known = value.attributes.get(name);
  if (value.printed?.startsWith('<class') === true)
    throw new NotExact(`an attribute of a class (${value.name}.${name}) is not supported`);
  return known;
}

/** `value[index]` of Python; undefined where it raises an error that the sandbox catches. */
function item(value: Value, index: Value): Value | undefined {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  if (value instanceof SafeText) refuseSpecial(value, 'an index');
  if (value instanceof Dict) return isHashable(index) ? value.get(index) : undefined;
  const at = numberOf(index);
  if (typeof at !== 'bigint') return undefined;
  if (typeof value === 'string') return element(value, at);
  if (Array.isArray(value)) return element(value, at);
  if (value instanceof Tuple) return element(value.items, at);
  if (!(value instanceof Range)) return undefined;
  const i = Number(at) + (at < 0n ? value.length : 0);
  return i < 0 || i >= value.length ? undefined : value.at(i);
}

function isHashable(value: Value): boolean {
  try {
    hashKey(value);
    return true;
  } catch {
    return false;
  }
}

/** `value.name` */
export function getAttribute(value: Value, name: string): Value {
  return firstOf(
    attribute(value, name),
    () => item(value, name),
    () => missing(value, name),
  );
}

/** `value[index]` */
export function getItem(value: Value, index: Value): Value {
  return firstOf(
    item(value, index),
    () => (typeof index === 'string' ? attribute(value, index) : undefined),
    () => missing(value, index),
  );
}

/** The first that is there; None is there. */
function firstOf(found: Value | undefined, second: () => Value | undefined, last: () => Value): Value {
  if (found !== undefined) return found;
  const next = second();
  return next === undefined ? last() : next;
}

function missing(value: Value, key: Value): Undefined {
  const owner = value === null ? 'None' : `${typeName(value)} object`;
  return new Undefined(typeof key === 'string' ? `'${owner}' has no attribute '${key}'` : `${owner} has no element ${represented(key)}`);
}
