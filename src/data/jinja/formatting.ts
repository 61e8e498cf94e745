/** `'%s' % value` and `'{}'.format(value)`. */
import { numberOf } from './comparison.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { printed, represented } from './printing.ts';
import { characters, textLength } from './pythonText.ts';
import { Dict, Range, Tuple, Undefined, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

const DIRECTIVE = /%(?:\((?<key>[^)]*)\))?(?<flags>[-+ #0]*)(?<width>\d+|\*)?(?:\.(?<precision>\d+|\*))?[hlL]?(?<kind>[\s\S]|$)/g;

/** The operator `%` of a text. @throws NotExact for conversions other than s, r, d, i, f */
export function formatPercent(text: string, values: Value): string {
  const list = values instanceof Tuple ? values.items : [values];
  let used = 0;
  const result = text.replace(DIRECTIVE, (directive: string, ...rest: unknown[]) => {
    const { key, flags = '', width, precision, kind = '' } = rest.at(-1) as Record<string, string | undefined>;
    if (kind === '%') return '%';
    if (kind === '') throw new TemplateFailure('incomplete format');
    if (!'srdif'.includes(kind) || /[+ #]/.test(flags) || width === '*' || precision === '*') {
      throw new NotExact(`the conversion ${directive} of a text is not supported`);
    }
    let value: Value | undefined;
    if (key !== undefined) {
      if (!(values instanceof Dict)) throw new TemplateFailure('format requires a mapping');
      value = values.get(key);
      if (value === undefined) throw new TemplateFailure(`KeyError: '${key}'`);
    } else value = list[used++];
    if (value === undefined) throw new TemplateFailure('not enough arguments for format string');
    return padded(converted(value, kind, precision), flags, Number(width ?? 0), kind);
  });
  const isMapping = Array.isArray(values) || [Dict, Undefined, Range].some((type) => values instanceof type);
  if (used < list.length && !isMapping) throw new TemplateFailure('not all arguments converted during string formatting');
  return result;
}

function converted(value: Value, kind: string, precision: string | undefined): string {
  if (kind === 's' || kind === 'r') {
    const text = kind === 's' ? printed(value) : represented(value);
    return precision === undefined ? text : characters(text).slice(0, Number(precision)).join('');
  }
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateFailure(`%${kind} format: a real number is required, not ${typeName(value)}`);
  if (kind === 'f') return fixed(Number(number), Number(precision ?? 6));
  if (precision !== undefined || !Number.isFinite(Number(number)))
    throw new NotExact(`%.${precision ?? ''}${kind} of a text is not supported`);
  return typeof number === 'bigint' ? number.toString() : BigInt(Math.trunc(number)).toString();
}

/** JavaScript rounds what the float exactly is, as Python does, up to 1e21. */
export function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value) || Math.abs(value) >= 1e21 || digits > 100)
    throw new NotExact(`${value} with ${digits} digits is not supported`);
  const text = value.toFixed(digits);
  return Object.is(value, -0) ? `-${text}` : text;
}

function padded(text: string, flags: string, width: number, kind: string): string {
  const missing = width - textLength(text);
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || kind === 's' || kind === 'r') return ' '.repeat(missing) + text;
  return text.startsWith('-') ? `-${'0'.repeat(missing)}${text.slice(1)}` : '0'.repeat(missing) + text;
}

/** `str.format` with fields that are empty, numbers or names. @throws NotExact for attributes, conversions and format specifications */
export function formatFields(text: string, { args, kwargs }: Arguments): string {
  let automatic = 0;
  let isNumbered = false;
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (field: string, name: string | undefined) => {
    if (field === '{{' || field === '}}') return field.charAt(0);
    if (name === undefined) throw new TemplateFailure(`Single '${field}' encountered in format string`);
    if (!/^\w*$/.test(name)) throw new NotExact(`the field ${field} of str.format is not supported`);
    if (name !== '' && !/^\d+$/.test(name)) {
      const value = kwargs.get(name);
      if (value === undefined) throw new TemplateFailure(`KeyError: '${name}'`);
      return printed(value);
    }
    if (name === '' ? isNumbered : automatic > 0) throw new TemplateFailure('cannot switch between automatic and manual field numbering');
    isNumbered = name !== '';
    const value = args[name === '' ? automatic++ : Number(name)];
    if (value === undefined) throw new TemplateFailure('Replacement index out of range for positional args tuple');
    return printed(value);
  });
}
