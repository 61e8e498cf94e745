/** A model's `config.json` read field by field, with messages that name the file and the key. */
import { shownJson } from '../io/parseJson.ts';
import { UserError } from '../platform.ts';

/** The deepest known models have some hundred. */
const MAX_LAYERS = 2048;
/** Of any other number: an index, a size, a window; the GPU counts with 32 bits. */
const MAX_SIZE = 2 ** 31 - 1;

/** Typed access to one object of the file; a key that is missing or null gives the default. */
export class Fields {
  readonly source: string;
  private readonly values: Readonly<Record<string, unknown>>;
  private readonly prefix: string;

  constructor(values: Readonly<Record<string, unknown>>, source: string, prefix: string) {
    this.values = values;
    this.source = source;
    this.prefix = prefix;
  }

  wrong(key: string, found: unknown, expected: string): UserError {
    return new UserError(`${this.source}: ${this.prefix}${key} is ${shownJson(found)}; expected ${expected}.`);
  }

  /** The key is there, and not null. */
  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null;
  }

  isNull(key: string): boolean {
    return this.values[key] === null;
  }

  /** @throws UserError that says what was expected in place of a key which is not null and not among `known` */
  refuseOthers(known: readonly string[], expected: string): void {
    const other = Object.keys(this.values).find((key) => this.has(key) && !known.includes(key));
    if (other !== undefined) throw this.wrong(other, this.values[other], expected);
  }

  /** This object with the members of another laid over it, as Python's `dict.update` does. */
  updatedBy(other: Fields | undefined): Fields {
    return other === undefined ? this : new Fields({ ...this.values, ...other.values }, this.source, other.prefix);
  }

  /** The object as it stands in the file. */
  get json(): Readonly<Record<string, unknown>> {
    return this.values;
  }

  get isEmpty(): boolean {
    return Object.keys(this.values).length === 0;
  }

  integer(key: string, fallback: number, least = 1): number {
    const value = this.values[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
      throw this.wrong(key, value, `an integer of at least ${least}`);
    if (value > MAX_SIZE) throw this.wrong(key, value, `at most ${MAX_SIZE}`);
    return value;
  }

  /** How many layers: each of them is made, with its names, before a weight is looked for. */
  layers(key: string, fallback: number): number {
    const value = this.integer(key, fallback);
    if (value > MAX_LAYERS) throw this.wrong(key, value, `at most ${MAX_LAYERS} layers`);
    return value;
  }

  /** Positive: a size, a factor, an epsilon. */
  positive(key: string, fallback: number): number {
    const value = this.number(key, fallback);
    if (value <= 0) throw this.wrong(key, value, 'a number above 0');
    return value;
  }

  number(key: string, fallback: number): number {
    const value = this.values[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(key, value, 'a number');
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.values[key] ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(key, value, 'true or false');
    return value;
  }

  text(key: string, fallback: string): string {
    const value = this.values[key] ?? fallback;
    if (typeof value !== 'string') throw this.wrong(key, value, 'a string');
    return value;
  }

  list(key: string): unknown[] | undefined {
    const value = this.values[key] ?? undefined;
    if (value !== undefined && !Array.isArray(value)) throw this.wrong(key, value, 'a list');
    return value;
  }

  integers(key: string, fallback: number[]): number[] {
    return (this.list(key) ?? fallback).map((value) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.wrong(key, value, 'a list of integers');
      return value;
    });
  }

  section(key: string): Fields | undefined {
    const value = this.values[key] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) throw this.wrong(key, value, 'an object');
    return new Fields(Object.fromEntries(Object.entries(value as object)), this.source, `${this.prefix}${key}.`);
  }

  /** The activation under `key`, one of `known` (Hugging Face's name → ours). */
  activation<A extends string>(key: string, fallback: string, known: Readonly<Record<string, A>>): A {
    const name = this.text(key, fallback);
    const found = Object.hasOwn(known, name) ? known[name] : undefined;
    if (found === undefined)
      throw this.wrong(key, name, `one of ${Object.keys(known).join(', ')}; other activations are not supported for this model`);
    return found;
  }
}
