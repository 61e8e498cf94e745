/** Python's arithmetic, and slices of sequences. */
import { numberOf } from './comparison.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { formatPercent } from './formatting.ts';
import { characters, textLength } from './pythonText.ts';
import { Dict, Range, Tuple, Undefined, refuseSpecial, typeName } from './values.ts';
import type { Value } from './values.ts';
import type { BinaryOperator } from './syntax.ts';

/** Texts and lists that a repetition may make, and bits of a power: past these a template means no conversation. */
const MAX_LENGTH = 1 << 26;
const MAX_BITS = 1 << 16;

/** @throws TemplateFailure for operands that Python does not take */
export function binary(operator: BinaryOperator, a: Value, b: Value): Value {
  for (const side of [a, b]) {
    if (side instanceof Undefined && !(operator === '%' && typeof a === 'string')) throw new TemplateFailure(side.message);
    refuseSpecial(side, `'${operator}'`);
  }
  if (operator === '%' && typeof a === 'string') return formatPercent(a, b);
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return arithmetic(operator, left, right);
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  }
  if (operator === '*') {
    if (typeof right === 'bigint') return repeated(a, right, b);
    if (typeof left === 'bigint') return repeated(b, left, a);
  }
  throw new TemplateFailure(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

function repeated(value: Value, times: bigint, other: Value): Value {
  const count = times > 0n ? Number(times) : 0;
  const items =
    typeof value === 'string' ? value.length : Array.isArray(value) ? value.length : value instanceof Tuple ? value.items.length : 0;
  if (items * count > MAX_LENGTH) throw new TemplateFailure(`a repetition of ${items} × ${times} is too long`);
  if (typeof value === 'string') return value.repeat(count);
  if (Array.isArray(value)) return Array.from({ length: count }, () => value).flat(1);
  if (value instanceof Tuple) return new Tuple(Array.from({ length: count }, () => value.items).flat(1));
  throw new TemplateFailure(`unsupported operand type(s) for *: '${typeName(value)}' and '${typeName(other)}'`);
}

function arithmetic(operator: BinaryOperator, a: bigint | number, b: bigint | number): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return ofIntegers(operator, a, b);
  return ofFloats(operator, Number(a), Number(b));
}

function ofIntegers(operator: BinaryOperator, a: bigint, b: bigint): Value {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0n) throw new TemplateFailure('division by zero');
      if (a > 2n ** 53n || a < -(2n ** 53n) || b > 2n ** 53n || b < -(2n ** 53n))
        throw new NotExact('dividing integers over 2**53 is not supported');
      return Number(a) / Number(b);
    case '//':
      return floorDivide(a, b);
    case '%':
      return a - floorDivide(a, b) * b;
    case '**':
      if (b < 0n) {
        if (a === 0n) throw new TemplateFailure('0.0 cannot be raised to a negative power');
        return floatPower(Number(a), Number(b));
      }
      if (BigInt(a.toString(2).length) * b > BigInt(MAX_BITS)) throw new TemplateFailure(`${a} ** ${b} is too large`);
      return a ** b;
  }
}

function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new TemplateFailure('integer division or modulo by zero');
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

function ofFloats(operator: BinaryOperator, a: number, b: number): Value {
  if ('/ // %'.split(' ').includes(operator) && b === 0) throw new TemplateFailure('float division by zero');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return floatDivision(a, b).quotient;
    case '%':
      return floatDivision(a, b).remainder;
    case '**':
      return floatPower(a, b);
  }
}

/** Runtimes round other powers in other ways in the last digit. */
function floatPower(a: number, b: number): number {
  if (a === 0 && b < 0) throw new TemplateFailure('0.0 cannot be raised to a negative power');
  if (b !== 0 && Math.abs(b) !== 1 && b !== 2) throw new NotExact(`the float power ${a} ** ${b} is not supported`);
  const power = b === 0 ? 1 : b === 1 ? a : b === 2 ? a * a : 1 / a;
  if (!Number.isFinite(power) && Number.isFinite(a)) throw new TemplateFailure('Numerical result out of range');
  return power;
}

/** `float_divmod` of CPython: the remainder has the divisor's sign. */
function floatDivision(a: number, b: number): { quotient: number; remainder: number } {
  let remainder = a % b;
  let quotient = (a - remainder) / b;
  if (remainder !== 0) {
    if (b < 0 !== remainder < 0) {
      remainder += b;
      quotient -= 1;
    }
  } else remainder = b < 0 ? -0 : 0;
  const floor = Math.floor(quotient);
  return { quotient: quotient - floor > 0.5 ? floor + 1 : quotient === 0 ? (a / b < 0 ? -0 : 0) : floor, remainder };
}

export function negative(value: Value): Value {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateFailure(`bad operand type for unary -: '${typeName(value)}'`);
  return -number;
}

export function positive(value: Value): Value {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateFailure(`bad operand type for unary +: '${typeName(value)}'`);
  return number;
}

/** `value[start:stop:step]`; null for what is left out. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) throw new TemplateFailure(value.message);
  refuseSpecial(value, 'a slice');
  if (value instanceof Dict) throw new TemplateFailure("unhashable type: 'slice'");
  const isText = typeof value === 'string';
  const items: readonly Value[] | undefined = isText
    ? characters(value)
    : Array.isArray(value)
      ? value
      : value instanceof Tuple
        ? value.items
        : undefined;
  const length = value instanceof Range ? value.length : items?.length;
  if (length === undefined) throw new TemplateFailure(`'${typeName(value)}' object is not subscriptable`);
  const indices = sliceIndices(length, start, stop, step);
  if (value instanceof Range) {
    return new Range(value.at(indices.start), value.at(indices.stop), value.step * BigInt(indices.step));
  }
  const chosen: Value[] = [];
  for (let i = indices.start; indices.step > 0 ? i < indices.stop : i > indices.stop; i += indices.step) chosen.push(items?.[i] as Value);
  if (isText) return chosen.join('');
  return Array.isArray(value) ? chosen : new Tuple(chosen);
}

/** `slice.indices` of Python. */
export function sliceIndices(length: number, start: Value, stop: Value, step: Value): { start: number; stop: number; step: number } {
  const stride = step === null ? 1 : index(step);
  if (stride === 0) throw new TemplateFailure('slice step cannot be zero');
  const [low, high] = stride > 0 ? [0, length] : [-1, length - 1];
  const bound = (value: Value, otherwise: number): number => {
    if (value === null) return otherwise;
    const at = index(value);
    return at < 0 ? Math.max(at + length, low) : Math.min(at, high);
  };
  return { start: bound(start, stride > 0 ? low : high), stop: bound(stop, stride > 0 ? high : low), step: stride };
}

function index(value: Value): number {
  const number = numberOf(value);
  if (typeof number !== 'bigint') throw new TemplateFailure('slice indices must be integers or None or have an __index__ method');
  return Number(number);
}

/** Element of a text, list or tuple; undefined where the index lies outside. */
export function element(value: string | readonly Value[], at: bigint): Value | undefined {
  const length = typeof value === 'string' ? textLength(value) : value.length;
  const i = Number(at) + (at < 0n ? length : 0);
  if (i < 0 || i >= length) return undefined;
  return typeof value === 'string' ? characters(value)[i] : value[i];
}
