/** Binding what a call gives to the parameters of a function written here, as Python binds it. */
import { numberOf } from './comparison.ts';
import { TemplateFailure } from './failures.ts';
import { SafeText, Undefined, refuseSpecial, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/**
 * Values in the order of `parameters`, undefined where left out. A name ending in `?` may be left out, one starting with `/` cannot be
 * given by name.
 * @throws TemplateFailure for too many, too few or unknown arguments
 */
export function bind(name: string, parameters: readonly string[], { args, kwargs }: Arguments): (Value | undefined)[] {
  if (args.length > parameters.length)
    throw new TemplateFailure(`${name}() takes ${parameters.length} arguments, ${args.length} were given`);
  const keys = parameters.map((parameter) => parameter.replace(/[/?]/g, ''));
  for (const key of kwargs.keys()) {
    const at = keys.indexOf(key);
    if (at < 0 || parameters[at]?.startsWith('/') === true)
      throw new TemplateFailure(`${name}() got an unexpected keyword argument '${key}'`);
    if (at < args.length) throw new TemplateFailure(`${name}() got multiple values for argument '${key}'`);
  }
  return parameters.map((parameter, i) => {
    const value = i < args.length ? args[i] : kwargs.get(keys[i] as string);
    if (value === undefined && !parameter.endsWith('?'))
      throw new TemplateFailure(`${name}() missing required argument '${keys[i] ?? ''}'`);
    return value;
  });
}

export function text(name: string, value: Value | undefined): string {
  if (typeof value === 'string') return value;
  if (value instanceof Undefined) throw new TemplateFailure(`${name}: ${value.message}`);
  if (value instanceof SafeText) refuseSpecial(value, name);
  throw new TemplateFailure(`${name}: a text was expected, not ${typeName(value ?? null)}`);
}

export function optionalText(name: string, value: Value | undefined): string | undefined {
  return value === undefined || value === null ? undefined : text(name, value);
}

export function integer(name: string, value: Value | undefined, otherwise?: number): number {
  if (value === undefined && otherwise !== undefined) return otherwise;
  const number = numberOf(value ?? null);
  if (value instanceof Undefined) throw new TemplateFailure(`${name}: ${value.message}`);
  if (typeof number !== 'bigint') throw new TemplateFailure(`${name}: an integer was expected, not ${typeName(value ?? null)}`);
  return Number(number);
}
