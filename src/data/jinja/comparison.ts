/** Python's `==`, `<` and `in`. */
import { NotExact, TemplateFailure } from './failures.ts';
import { compareText } from './pythonText.ts';
import { Dict, Generator, Range, SafeText, Tuple, Undefined, View, iterate, refuseSpecial, typeName } from './values.ts';
import type { Value } from './values.ts';

/** A boolean counts as 0 or 1; undefined for what is no number. */
export function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined;
}

/** An int equals a float of the same value; NaN equals nothing. */
function isSameNumber(a: bigint | number, b: bigint | number): boolean {
  return a <= b && a >= b;
}

function sequenceOf(value: Value): readonly Value[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple ? value.items : undefined;
}

export function isEqual(a: Value, b: Value): boolean {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return isSameNumber(left, right);
  if (a instanceof SafeText || b instanceof SafeText) throw new NotExact('comparing a text marked as safe is not supported');
  if (a instanceof Undefined) return b instanceof Undefined;
  if (Array.isArray(a) || a instanceof Tuple) {
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const [items, others] = [sequenceOf(a), sequenceOf(b)];
    return items !== undefined && items.length === others?.length && items.every((item, i) => isEqual(item, others[i] as Value));
  }
  if (a instanceof Dict) {
    return (
      b instanceof Dict && a.size === b.size && a.entries().every(([key, value]) => b.has(key) && isEqual(value, b.get(key) as Value))
    );
  }
  if (a instanceof Range && b instanceof Range) {
    return a.length === b.length && (a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step)));
  }
  if (a instanceof View && b instanceof View && a !== b) throw new NotExact('comparing keys() or items() is not supported');
  return a === b;
}

/** Negative, zero or positive. @throws TemplateFailure for values without an order */
export function compareValues(a: Value, b: Value, operator = '<'): number {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return left < right ? -1 : left > right ? 1 : isSameNumber(left, right) ? 0 : Number.NaN;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  const [items, others] = [sequenceOf(a), sequenceOf(b)];
  if (items !== undefined && others !== undefined && Array.isArray(a) === Array.isArray(b)) {
    const at = items.findIndex((item, i) => i >= others.length || !isEqual(item, others[i] as Value));
    if (at < 0) return items.length - others.length;
    return at >= others.length ? 1 : compareValues(items[at] as Value, others[at] as Value, operator);
  }
  if (a instanceof Undefined || b instanceof Undefined)
    throw new TemplateFailure((a instanceof Undefined ? a : (b as Undefined)).message);
  refuseSpecial(a, 'an order');
  refuseSpecial(b, 'an order');
  if (a instanceof View && b instanceof View) throw new NotExact('comparing keys() or items() is not supported');
  throw new TemplateFailure(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (item instanceof SafeText) return container.includes(item.text);
    if (typeof item !== 'string') throw new TemplateFailure(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    return container.includes(item);
  }
  if (container instanceof Dict) return container.has(item);
  if (container instanceof View && container.kind === 'keys') return container.dict.has(item);
  if (
    Array.isArray(container) ||
    container instanceof Tuple ||
    container instanceof View ||
    container instanceof Range ||
    container instanceof Generator
  ) {
    for (const candidate of iterate(container)) if (candidate === item || isEqual(candidate, item)) return true;
    return false;
  }
  if (container instanceof Undefined) return false;
  refuseSpecial(container, '`in`');
  throw new TemplateFailure(`argument of type '${typeName(container)}' is not iterable`);
}
