/** Jinja2's tests: what may stand after `is`, and in `select('…')`. */
import { bind } from './arguments.ts';
import { compareValues, contains, isEqual, numberOf } from './comparison.ts';
import { NotExact } from './failures.ts';
import { binary } from './operators.ts';
import { printed } from './printing.ts';
import { isLower, isUpper } from './textMethods.ts';
import { Callable, Dict, Loop, SafeText, Tuple, Undefined, Range, isIterable, refuseSpecial } from './values.ts';
import type { Arguments, Value } from './values.ts';

export type Test = (given: Arguments) => boolean;

function one(name: string, of: (value: Value) => boolean): [string, Test] {
  return [name, (given) => of(bind(name, ['value'], given)[0] as Value)];
}

function two(names: string, of: (value: Value, other: Value) => boolean): [string, Test][] {
  return names.split(' ').map((name) => [
    name,
    (given) => {
      const [value, other] = bind(name, ['value', 'other'], given);
      return of(value as Value, other as Value);
    },
  ]);
}

/** Names of tests that only other programs can answer. */
export const UNSUPPORTED_TESTS: ReadonlySet<string> = new Set(['filter', 'test', 'escaped']);

export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  one('defined', (value) => !(value instanceof Undefined)),
  one('undefined', (value) => value instanceof Undefined),
  one('none', (value) => value === null),
  one('boolean', (value) => typeof value === 'boolean'),
  one('true', (value) => value === true),
  one('false', (value) => value === false),
  one('integer', (value) => typeof value === 'bigint'),
  one('float', (value) => typeof value === 'number'),
  one('number', (value) => numberOf(value) !== undefined),
  one('string', (value) => typeof value === 'string' || value instanceof SafeText),
  one('mapping', (value) => value instanceof Dict),
  one('iterable', isIterable),
  one('sequence', (value) => {
    if (value instanceof Loop) return false;
    return (
      typeof value === 'string' || Array.isArray(value) || [Tuple, Dict, Range, Undefined, SafeText].some((type) => value instanceof type)
    );
  }),
  one('callable', (value) => value instanceof Callable || value instanceof Undefined || value instanceof Loop),
  one('lower', (value) => isLower(printed(value))),
  one('upper', (value) => isUpper(printed(value))),
  one('odd', (value) => isEqual(binary('%', value, 2n), 1n)),
  one('even', (value) => isEqual(binary('%', value, 2n), 0n)),
  ...two('divisibleby', (value, other) => isEqual(binary('%', value, other), 0n)),
  ...two('eq == equalto', isEqual),
  ...two('ne !=', (value, other) => !isEqual(value, other)),
  ...two('lt < lessthan', (value, other) => compareValues(value, other, '<') < 0),
  ...two('le <=', (value, other) => compareValues(value, other, '<=') <= 0),
  ...two('gt > greaterthan', (value, other) => compareValues(value, other, '>') > 0),
  ...two('ge >=', (value, other) => compareValues(value, other, '>=') >= 0),
  ...two('in', (value, other) => contains(other, value)),
  ...two('sameas', isSame),
]);

/** Python's `is`: certain for None, booleans and containers; whether two equal numbers or texts are one object nobody can tell. */
function isSame(value: Value, other: Value): boolean {
  refuseSpecial(value, 'sameas');
  if (value === null || typeof value === 'boolean' || other === null || typeof other === 'boolean') return value === other;
  if (typeof value === 'object' && typeof other === 'object') return value === other;
  if (typeof value !== typeof other || !isEqual(value, other)) return false;
  throw new NotExact('sameas of two equal numbers or texts is not supported');
}
