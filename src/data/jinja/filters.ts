/** Jinja2's filters that take one value; those over sequences are in sequenceFilters.ts. */
import { bind, integer, optionalText, text } from './arguments.ts';
import { getAttribute } from './attributes.ts';
import { numberOf } from './comparison.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import type { Filter } from './filter.ts';
import { fixed, formatPercent } from './formatting.ts';
import { toJson } from './json.ts';
import { printed } from './printing.ts';
import { capitalize, characters, splitAtFromRight, splitLines, stripLeft, stripRight, textLength, titleCase } from './pythonText.ts';
import { SEQUENCE_FILTERS } from './sequenceFilters.ts';
import { TEXT_METHODS, replaced } from './textMethods.ts';
import { Dict, SafeText, Tuple, Undefined, isTrue, lengthOf, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** Filters of Jinja2 that are not done here. */
export const UNSUPPORTED_FILTERS: ReadonlySet<string> = new Set([
  'e',
  'escape',
  'filesizeformat',
  'forceescape',
  'pprint',
  'random',
  'striptags',
  'urlencode',
  'urlize',
  'wordwrap',
  'xmlattr',
]);

/** Text of a value as the filters of text take it: what `str()` gives. */
function soft(value: Value | undefined): string {
  return printed(value ?? null);
}

function onText(name: string, of: (value: string) => Value): [string, Filter] {
  return [name, (given) => of(soft(bind(name, ['s'], given)[0]))];
}

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...SEQUENCE_FILTERS,
  onText('upper', (value) => value.toUpperCase()),
  onText('lower', (value) => value.toLowerCase()),
  onText('capitalize', capitalize),
  onText('string', (value) => value),
  onText('wordcount', (value) => BigInt(value.match(/[\p{L}\p{M}\p{N}_]+/gu)?.length ?? 0)),
  onText('title', (value) =>
    value
      .split(/([-\s({[<]+)/)
      .filter((part) => part !== '')
      .map((part) => {
        const [first = '', ...others] = characters(part);
        if (first.toUpperCase() !== titleCase(first)) throw new NotExact('title of this text is not supported');
        return first.toUpperCase() + others.join('').toLowerCase();
      })
      .join(''),
  ),
  ['length', (given) => BigInt(lengthOf(bind('length', ['/obj'], given)[0] as Value))],
  ['count', (given) => BigInt(lengthOf(bind('count', ['/obj'], given)[0] as Value))],
  [
    'trim',
    (given) => {
      const [value, chars] = bind('trim', ['value', 'chars?'], given);
      const letters = optionalText('trim', chars);
      return stripLeft(stripRight(soft(value), letters), letters);
    },
  ],
  [
    'replace',
    (given) => {
      const [value, from, to, count] = bind('replace', ['s', 'old', 'new', 'count?'], given);
      return replaced(soft(value), soft(from), soft(to), count === null ? -1 : integer('replace', count, -1));
    },
  ],
  [
    'center',
    (given) => {
      const [value, width] = bind('center', ['value', 'width?'], given);
      return TEXT_METHODS.get('center')?.(soft(value), { args: [width === undefined ? 80n : width], kwargs: new Map() }) ?? '';
    },
  ],
  ['default', byDefault],
  ['d', byDefault],
  ['safe', (given) => new SafeText(soft(bind('safe', ['value'], given)[0]))],
  ['tojson', json],
  ['indent', indented],
  ['truncate', truncated],
  ['int', toInteger],
  [
    'float',
    (given) => {
      const [value, otherwise] = bind('float', ['value', 'default?'], given);
      const float = floatOf(value as Value);
      return float === undefined ? (otherwise === undefined ? 0 : otherwise) : float;
    },
  ],
  [
    'abs',
    (given) => {
      const [value] = bind('abs', ['/x'], given);
      const number = numberOf(value as Value);
      if (number === undefined) throw new TemplateFailure(`bad operand type for abs(): '${typeName(value as Value)}'`);
      return number < 0 ? -number : typeof number === 'number' ? Math.abs(number) : number;
    },
  ],
  ['round', rounded],
  [
    'attr',
    (given) => {
      const [value, name] = bind('attr', ['obj', 'name'], given);
      if (value instanceof Dict && value.has(name as Value) && getAttribute(new Dict(), text('attr', name)) instanceof Undefined) {
        return new Undefined(`'dict object' has no attribute '${text('attr', name)}'`);
      }
      return getAttribute(value as Value, text('attr', name));
    },
  ],
  [
    'format',
    ({ args, kwargs }) => {
      const [value, ...values] = args;
      if (values.length > 0 && kwargs.size > 0)
        throw new TemplateFailure("can't handle positional and keyword arguments at the same time");
      return formatPercent(soft(value), kwargs.size > 0 ? Dict.of(kwargs) : new Tuple(values));
    },
  ],
]);

function byDefault(given: Arguments): Value {
  const [value, otherwise, boolean] = bind('default', ['value', 'default_value?', 'boolean?'], given);
  const isMissing = value instanceof Undefined || (isTrue(boolean ?? false) && !isTrue(value as Value));
  if (!isMissing) return value as Value;
  return otherwise === undefined ? '' : otherwise;
}

function json(given: Arguments): Value {
  const [value, ascii, indent, separators, sortKeys] = bind(
    'tojson',
    ['x', 'ensure_ascii?', 'indent?', 'separators?', 'sort_keys?'],
    given,
  );
  const isLined = indent !== undefined && indent !== null;
  const space = typeof indent === 'string' ? indent : isLined ? ' '.repeat(Math.max(0, integer('tojson indent', indent))) : undefined;
  const marks = Array.isArray(separators) ? separators : separators instanceof Tuple ? separators.items : undefined;
  if (separators !== undefined && separators !== null && marks?.length !== 2)
    throw new TemplateFailure('tojson: separators must be two texts');
  return toJson(value as Value, {
    ensureAscii: isTrue(ascii ?? false),
    indent: space,
    itemSeparator: marks === undefined ? (isLined ? ',' : ', ') : text('tojson separators', marks[0]),
    keySeparator: marks === undefined ? ': ' : text('tojson separators', marks[1]),
    sortKeys: isTrue(sortKeys ?? false),
  });
}

function indented(given: Arguments): Value {
  const [value, width, first, blank] = bind('indent', ['s', 'width?', 'first?', 'blank?'], given);
  const space = typeof width === 'string' ? width : ' '.repeat(Math.max(0, integer('indent', width, 4)));
  const lines = splitLines(`${text('indent', value)}\n`);
  const isBlank = isTrue(blank ?? false);
  const body = lines.map((line, i) => (i === 0 || (line === '' && !isBlank) ? line : space + line)).join('\n');
  return isTrue(first ?? false) ? space + body : body;
}

function truncated(given: Arguments): Value {
  const [value, length, kill, end, leeway] = bind('truncate', ['s', 'length?', 'killwords?', 'end?', 'leeway?'], given);
  const [most, ending] = [integer('truncate', length, 255), end === undefined ? '...' : text('truncate', end)];
  const spare = leeway === undefined || leeway === null ? 5 : integer('truncate', leeway);
  if (most < textLength(ending) || spare < 0)
    throw new TemplateFailure(`truncate: expected length >= ${textLength(ending)} and leeway >= 0`);
  const whole = text('truncate', value);
  if (textLength(whole) <= most + spare) return whole;
  const cut = characters(whole)
    .slice(0, most - textLength(ending))
    .join('');
  return (isTrue(kill ?? false) ? cut : (splitAtFromRight(cut, ' ', 1)[0] ?? '')) + ending;
}

const DIGITS_OF: Readonly<Record<number, RegExp>> = {
  10: /^[-+]?\d+(?:_\d+)*$/,
  16: /^[-+]?(?:0x)?[\da-f]+$/i,
  8: /^[-+]?(?:0o)?[0-7]+$/i,
  2: /^[-+]?(?:0b)?[01]+$/i,
};

function toInteger(given: Arguments): Value {
  const [value, otherwise, radix] = bind('int', ['value', 'default?', 'base?'], given);
  const base = integer('int', radix, 10);
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  if (typeof value === 'string') {
    const digits = stripLeft(stripRight(value));
    const pattern = DIGITS_OF[base];
    if (pattern === undefined) throw new NotExact(`int with base ${base} is not supported`);
    if (/[^\0-\x7f]/.test(digits) && /\p{Nd}/u.test(digits)) throw new NotExact('int of digits outside ASCII is not supported');
    if (pattern.test(digits)) {
      const bare = digits
        .replace(/^[-+]/, '')
        .replaceAll('_', '')
        .replace(/^0[xob]/i, '');
      const prefix = { 2: '0b', 8: '0o', 10: '', 16: '0x' }[base] ?? '';
      return BigInt(prefix + bare) * (digits.startsWith('-') ? -1n : 1n);
    }
  } else {
    const number = numberOf(value as Value);
    if (typeof number === 'bigint') return number;
    if (number !== undefined && !Number.isFinite(number) && !Number.isNaN(number))
      throw new TemplateFailure('cannot convert float infinity to integer');
  }
  const float = floatOf(value as Value);
  return float === undefined || !Number.isFinite(float) ? (otherwise === undefined ? 0n : otherwise) : BigInt(Math.trunc(float));
}

/** `float(value)`; undefined where Python raises a TypeError or ValueError. */
function floatOf(value: Value): number | undefined {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  const number = numberOf(value);
  if (number !== undefined) return Number(number);
  if (typeof value !== 'string') return undefined;
  const digits = stripLeft(stripRight(value)).toLowerCase();
  if (/^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?$/.test(digits))
    return Number(digits.replaceAll('_', ''));
  if (/^[-+]?(?:inf|infinity)$/.test(digits)) return digits.startsWith('-') ? -Infinity : Infinity;
  return /^[-+]?nan$/.test(digits) ? Number.NaN : undefined;
}

function rounded(given: Arguments): Value {
  const [value, precision, method] = bind('round', ['value', 'precision?', 'method?'], given);
  const digits = integer('round', precision, 0);
  const way = method === undefined ? 'common' : text('round', method);
  if (!['common', 'ceil', 'floor'].includes(way)) throw new TemplateFailure('method must be common, ceil or floor');
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  const number = numberOf(value as Value);
  if (number === undefined) throw new TemplateFailure(`type ${typeName(value as Value)} doesn't define __round__ method`);
  if (way !== 'common') {
    if (digits < 0) throw new NotExact('round to tens by ceil or floor is not supported');
    const tens = Number(`1e${digits}`);
    const scaled = Number(number) * tens;
    return (way === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled)) / tens;
  }
  if (typeof number === 'bigint') {
    if (digits < 0) throw new NotExact('round of an integer to tens is not supported');
    return number;
  }
  if (digits < 0) throw new NotExact('round to tens is not supported');
  return roundHalfEven(number, digits);
}

/** Python rounds what the float exactly is, and an exact half to the even digit; `toFixed` rounds an exact half up. */
function roundHalfEven(number: number, digits: number): number {
  const text = fixed(Math.abs(number), digits);
  const exact = fixed(Math.abs(number), Math.min(100, digits + 60));
  const tail = exact.slice(exact.indexOf('.') + 1 + digits);
  const isHalf = /^50*$/.test(tail);
  const isOdd = /[13579]\D*$/.test(text);
  const magnitude = isHalf && isOdd ? Number(text) - Number(`1e-${digits}`) : Number(text);
  return number < 0 || Object.is(number, -0) ? -Number(magnitude.toFixed(digits)) : Number(magnitude.toFixed(digits));
}
