/** The functions every chat template can call. */
import { bind, text } from './arguments.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { printed } from './printing.ts';
import { strftime } from './strftime.ts';
import { Callable, Dict, Namespace, Range, Undefined, iterate, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';
import { numberOf } from './comparison.ts';

/** The sandbox allows no longer range. */
const MAX_RANGE = 100_000;

/** Jinja2's functions that are not done here. */
export const UNSUPPORTED_GLOBALS: ReadonlySet<string> = new Set(['lipsum', 'cycler', 'joiner', 'self', 'super']);

export function globalFunctions(now: () => Date): Map<string, Value> {
  const functions: Callable[] = [
    new Callable('range', range),
    new Callable('dict', dictOf, "<class 'dict'>"),
    new Callable('namespace', (given) => new Namespace(dictOf(given)), "<class 'jinja2.utils.Namespace'>"),
    new Callable('raise_exception', (given) => {
      throw new TemplateFailure(printed(bind('raise_exception', ['message'], given)[0] as Value));
    }),
    new Callable('strftime_now', (given) => strftime(now(), text('strftime_now', bind('strftime_now', ['format'], given)[0]))),
  ];
  return new Map(functions.map((value) => [value.name, value]));
}

function range(given: Arguments): Value {
  const values = bind('range', ['/start', '/stop?', '/step?'], given).filter((value) => value !== undefined);
  const numbers = values.map((value) => {
    if (value instanceof Undefined) throw new TemplateFailure(`range: ${value.message}`);
    const number = numberOf(value);
    if (typeof number !== 'bigint') throw new TemplateFailure(`'${typeName(value)}' object cannot be interpreted as an integer`);
    return number;
  });
  const [start = 0n, stop = 0n] = numbers.length === 1 ? [0n, numbers[0]] : numbers;
  const step = numbers[2] ?? 1n;
  if (step === 0n) throw new TemplateFailure('range() arg 3 must not be zero');
  const made = new Range(start, stop, step);
  if (made.length > MAX_RANGE)
    throw new TemplateFailure(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`);
  return made;
}

function dictOf({ args, kwargs }: Arguments): Dict {
  const [source, another] = args;
  if (another !== undefined) throw new TemplateFailure(`dict expected at most 1 argument, got ${args.length}`);
  const dict = new Dict();
  if (source instanceof Undefined) throw new TemplateFailure(source.message);
  if (source instanceof Namespace) throw new NotExact('namespace() of a namespace is not supported');
  if (source instanceof Dict) for (const [key, value] of source.entries()) dict.set(key, value);
  else if (source !== undefined) {
    for (const pair of iterate(source)) {
      const items = [...iterate(pair)];
      if (items.length !== 2) throw new TemplateFailure('dict(): a sequence of pairs was expected');
      dict.set(items[0] as Value, items[1] as Value);
    }
  }
  for (const [key, value] of kwargs) dict.set(key, value);
  return dict;
}
