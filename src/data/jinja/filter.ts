/** What a filter is: a function of a value and arguments, and of what else it may look up by name. */
import type { Arguments, Value } from './values.ts';

export type Filter = (given: Arguments, environment: FilterEnvironment) => Value;

/** Filters and tests by name, which `map` and `select` take. */
export interface FilterEnvironment {
  filter(name: string, given: Arguments): Value;
  test(name: string, given: Arguments): boolean;
}
