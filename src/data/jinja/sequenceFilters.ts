/** Jinja2's filters over sequences. Most give generators, whose items are made when they are asked for, once. */
import { bind, integer, text } from './arguments.ts';
import { getItem } from './attributes.ts';
import { compareValues, isEqual } from './comparison.ts';
import { TemplateFailure } from './failures.ts';
import type { Filter, FilterEnvironment } from './filter.ts';
import { binary } from './operators.ts';
import { printed } from './printing.ts';
import { characters } from './pythonText.ts';
import { Dict, Generator, Range, Tuple, Undefined, View, hashKey, isTrue, iterate, refuseSpecial, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** `a.b.0` looks up `a`, then `b`, then item 0. */
function attributeGetter(path: Value | undefined, ignoreCase: boolean, otherwise?: Value): (item: Value) => Value {
  const parts: Value[] =
    path === undefined || path === null
      ? []
      : typeof path === 'string'
        ? path.split('.').map((part) => (/^\d+$/.test(part) ? BigInt(part) : part))
        : [path];
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = getItem(value, part);
      if (value instanceof Undefined && otherwise !== undefined && otherwise !== null) value = otherwise;
    }
    return ignoreCase && typeof value === 'string' ? value.toLowerCase() : value;
  };
}

/** A stable sort by keys; a reversed one keeps equal items in their order too, as Python's does. */
function sorted(items: readonly Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  if (keyed.length === 1) return [...items];
  keyed.sort((a, b) => (reverse ? compareValues(b.key, a.key) : compareValues(a.key, b.key)));
  return keyed.map(({ item }) => item);
}

function* mapped(given: Arguments, environment: FilterEnvironment): Iterable<Value> {
  const [value, name, ...args] = given.args;
  if (value === undefined) throw new TemplateFailure('map requires a value');
  if (!isTrue(value)) return;
  const attribute = given.kwargs.get('attribute');
  if (name === undefined && attribute !== undefined) {
    const unknown = [...given.kwargs.keys()].find((key) => key !== 'attribute' && key !== 'default');
    if (unknown !== undefined) throw new TemplateFailure(`Unexpected keyword argument '${unknown}'`);
    const get = attributeGetter(attribute, false, given.kwargs.get('default'));
    for (const item of iterate(value)) yield get(item);
    return;
  }
  if (name === undefined) throw new TemplateFailure('map requires a filter argument');
  for (const item of iterate(value)) yield environment.filter(text('map', name), { args: [item, ...args], kwargs: given.kwargs });
}

function selecting(name: string, byAttribute: boolean, wanted: boolean): [string, Filter] {
  function* select(given: Arguments, environment: FilterEnvironment): Iterable<Value> {
    const [value, ...rest] = given.args;
    if (value === undefined) throw new TemplateFailure(`${name} requires a value`);
    if (!isTrue(value)) return;
    if (byAttribute && rest.length === 0) throw new TemplateFailure('Missing parameter for attribute name');
    const get = byAttribute ? attributeGetter(rest.shift(), false) : (item: Value): Value => item;
    const [test, ...args] = rest;
    for (const item of iterate(value)) {
      const tested = get(item);
      const passes =
        test === undefined ? isTrue(tested) : environment.test(text(name, test), { args: [tested, ...args], kwargs: given.kwargs });
      if (passes === wanted) yield item;
    }
  }
  return [name, (given, environment) => new Generator(select(given, environment))];
}

function extreme(name: string, isBetter: (order: number) => boolean): [string, Filter] {
  return [
    name,
    (given) => {
      const [value, caseSensitive, attribute] = bind(name, ['value', 'case_sensitive?', 'attribute?'], given);
      const key = attributeGetter(attribute, !isTrue(caseSensitive ?? false));
      let best: { item: Value; key: Value } | undefined;
      for (const item of iterate(value as Value)) {
        const candidate = { item, key: key(item) };
        if (best === undefined || isBetter(compareValues(candidate.key, best.key))) best = candidate;
      }
      return best === undefined ? new Undefined('No aggregated item, sequence was empty.') : best.item;
    },
  ];
}

function* unique(items: Iterable<Value>, key: (item: Value) => Value): Iterable<Value> {
  const seen = new Set<unknown>();
  for (const item of items) {
    const hash = hashKey(key(item));
    if (!seen.has(hash)) yield item;
    seen.add(hash);
  }
}

function* batched(items: Iterable<Value>, size: number, fill: Value | undefined): Iterable<Value> {
  let batch: Value[] = [];
  for (const item of items) {
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (fill !== undefined && fill !== null) while (batch.length < size) batch.push(fill);
  yield batch;
}

function* sliced(items: readonly Value[], count: number, fill: Value | undefined): Iterable<Value> {
  if (count === 0) throw new TemplateFailure('integer division or modulo by zero');
  const [size, extra] = [Math.floor(items.length / count), items.length % count];
  let start = 0;
  for (let i = 0; i < count; i++) {
    const end = start + size + (i < extra ? 1 : 0);
    const part = items.slice(start, end);
    if (fill !== undefined && fill !== null && i >= extra) part.push(fill);
    yield part;
    start = end;
  }
}

/** `reversed()` gives an iterator of sequences and dictionaries, and fails for generators, which the filter then makes lists of. */
function reversed(value: Value): Value {
  if (typeof value === 'string') return characters(value).reverse().join('');
  refuseSpecial(value, 'reverse');
  const items = [...iterate(value)].reverse();
  const isSequence =
    Array.isArray(value) || value instanceof Tuple || value instanceof Dict || value instanceof Range || value instanceof View;
  return isSequence || value instanceof Undefined ? new Generator(items) : items;
}

function* pairs(value: Value): Iterable<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw new TemplateFailure('Can only get item pairs from a mapping.');
  for (const [key, entry] of value.entries()) yield new Tuple([key, entry]);
}

function grouped(given: Arguments): Value {
  const [value, attribute, otherwise, caseSensitive] = bind('groupby', ['value', 'attribute', 'default?', 'case_sensitive?'], given);
  const key = attributeGetter(attribute, !isTrue(caseSensitive ?? false), otherwise);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sorted([...iterate(value as Value)], key, false)) {
    const current = key(item);
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last.key, current)) last.items.push(item);
    else groups.push({ key: current, items: [item] });
  }
  const shown = attributeGetter(attribute, false, otherwise);
  return groups.map(({ items }) => new Tuple([shown(items[0] as Value), items], ['grouper', 'list']));
}

function dictSorted(given: Arguments): Value {
  const [value, caseSensitive, by, reverse] = bind('dictsort', ['value', 'case_sensitive?', 'by?', 'reverse?'], given);
  if (by !== undefined && by !== 'key' && by !== 'value') throw new TemplateFailure('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  if (!(value instanceof Dict)) throw new TemplateFailure(`'${typeName(value as Value)}' object has no attribute 'items'`);
  const items = value.entries().map((entry) => new Tuple(entry));
  return sorted(items, attributeGetter(by === 'value' ? 1n : 0n, !isTrue(caseSensitive ?? false)), isTrue(reverse ?? false));
}

export const SEQUENCE_FILTERS: readonly [string, Filter][] = [
  ['map', (given, environment) => new Generator(mapped(given, environment))],
  selecting('select', false, true),
  selecting('reject', false, false),
  selecting('selectattr', true, true),
  selecting('rejectattr', true, false),
  extreme('min', (order) => order < 0),
  extreme('max', (order) => order > 0),
  ['list', (given) => [...iterate(bind('list', ['value'], given)[0] as Value)]],
  ['items', (given) => new Generator(pairs(bind('items', ['value'], given)[0] as Value))],
  ['groupby', grouped],
  ['dictsort', dictSorted],
  ['reverse', (given) => reversed(bind('reverse', ['value'], given)[0] as Value)],
  [
    'first',
    (given) => {
      for (const item of iterate(bind('first', ['seq'], given)[0] as Value)) return item;
      return new Undefined('No first item, sequence was empty.');
    },
  ],
  [
    'last',
    (given) => {
      const [value] = bind('last', ['seq'], given) as [Value];
      const backward = typeof value === 'string' ? characters(value).reverse() : reversed(value);
      if (!Array.isArray(backward) && !(backward instanceof Generator))
        throw new TemplateFailure(`'${typeName(value)}' object is not reversible`);
      if (typeof value !== 'string' && Array.isArray(backward))
        throw new TemplateFailure(`'${typeName(value)}' object is not reversible`);
      for (const item of iterate(backward)) return item;
      return new Undefined('No last item, sequence was empty.');
    },
  ],
  [
    'join',
    (given) => {
      const [value, separator, attribute] = bind('join', ['value', 'd?', 'attribute?'], given);
      const get = attributeGetter(attribute, false);
      return [...iterate(value as Value)].map((item) => printed(get(item))).join(printed(separator === undefined ? '' : separator));
    },
  ],
  [
    'sort',
    (given) => {
      const [value, reverse, caseSensitive, attribute] = bind('sort', ['value', 'reverse?', 'case_sensitive?', 'attribute?'], given);
      const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
      const getters = paths.map((path) => attributeGetter(path, !isTrue(caseSensitive ?? false)));
      return sorted([...iterate(value as Value)], (item) => getters.map((get) => get(item)), isTrue(reverse ?? false));
    },
  ],
  [
    'unique',
    (given) => {
      const [value, caseSensitive, attribute] = bind('unique', ['value', 'case_sensitive?', 'attribute?'], given);
      return new Generator(unique(lazily(value as Value), attributeGetter(attribute, !isTrue(caseSensitive ?? false))));
    },
  ],
  [
    'batch',
    (given) => {
      const [value, size, fill] = bind('batch', ['value', 'linecount', 'fill_with?'], given);
      return new Generator(batched(lazily(value as Value), integer('batch', size), fill));
    },
  ],
  [
    'slice',
    (given) => {
      const [value, count, fill] = bind('slice', ['value', 'slices', 'fill_with?'], given);
      return new Generator(sliced([...iterate(value as Value)], integer('slice', count), fill));
    },
  ],
  [
    'sum',
    (given) => {
      const [value, attribute, start] = bind('sum', ['iterable', 'attribute?', 'start?'], given);
      const get = attributeGetter(attribute, false);
      if (typeof start === 'string') throw new TemplateFailure("sum() can't sum strings [use ''.join(seq) instead]");
      let total: Value = start === undefined ? 0n : start;
      for (const item of iterate(value as Value)) total = binary('+', total, get(item));
      return total;
    },
  ],
];

/** A mistake in what is iterated is found when the generator is run, not when it is made. */
function* lazily(value: Value): Iterable<Value> {
  yield* iterate(value);
}
