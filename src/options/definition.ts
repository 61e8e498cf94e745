/**
 * What an option is made of. The command line, YAML recipes, the help text and the web form are all made from these
 * records, so an option is described once and cannot mean two things in two places.
 */

export const GROUPS = [
  'Model',
  'Data',
  'Task lists',
  'LoRA',
  'Optimisation',
  'Batches and memory',
  'Several GPUs',
  'Measuring',
  'Output',
  'Evaluation',
  'Serving',
  'Merging and sharing',
  'Accepted, without effect',
] as const;
export type Group = (typeof GROUPS)[number];

interface Described {
  readonly group: Group;
  readonly help: string;
  /** Other names that users of Hugging Face tools expect. */
  readonly aliases?: readonly string[];
  /** Environment variable read where neither flag nor recipe says anything. */
  readonly env?: string;
  /** Accepted but without (or with another) effect: told once where it is given. */
  readonly note?: string;
}

/** Bounds of a number; `above` and `below` exclude the bound itself. `all` admits -1 beside them, for "all of it" or "off". */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly all?: true;
}

/** A default of null means that the option is unset: its value is null until somebody gives one. */
export type Definition = Described &
  (
    | {
        readonly type: 'boolean';
        readonly default: boolean | null;
        /** The flag alone says true: it asks for something else to be done. */
        readonly bare?: true;
      }
    | ({ readonly type: 'integer' | 'number'; readonly default: number | null } & Bounds)
    | {
        readonly type: 'string';
        readonly default: string | null;
        /** The words true and false mean something, and a recipe may have them without quotes. */
        readonly orBoolean?: true;
        /** It names a file or folder of this machine, or one or else a hub id: logs show its last part. */
        readonly place?: 'path' | 'path or hub id';
      }
    | {
        readonly type: 'enum';
        readonly default: string | null;
        readonly choices: readonly string[];
        readonly refusedChoices?: Readonly<Record<string, string>>;
      }
    | {
        readonly type: 'list';
        readonly default: readonly string[];
        /** Where given, the only items there are. The word `none`, alone, is the empty list for every list. */
        readonly choices?: readonly string[];
        readonly refusedChoices?: Readonly<Record<string, string>>;
        /** A value with regular expression signs is one item, commas and all. */
        readonly regex?: true;
        /** The items are names of files, in which spaces are usual: commas alone part them. */
        readonly files?: true;
        /** Each item has its place, as width and height have: one may come twice. */
        readonly repeats?: true;
      }
  );

type Unless<Default, Base> = Default extends null ? Base | null : Base;

/** The TypeScript type of an option's value. */
export type ValueOf<D> = D extends { type: 'boolean'; default: infer Default }
  ? Unless<Default, boolean>
  : D extends { type: 'integer' | 'number'; default: infer Default }
    ? Unless<Default, number>
    : D extends { type: 'string'; default: infer Default }
      ? Unless<Default, string>
      : D extends { type: 'enum'; choices: readonly (infer Choice)[]; default: infer Default }
        ? Unless<Default, Choice>
        : D extends { type: 'list'; choices: readonly (infer Choice)[] }
          ? Choice[]
          : D extends { type: 'list' }
            ? string[]
            : never;

export type Value = boolean | number | string | string[] | null;

/** "at least 1", "from 0 to 1", "above 0 and below 1", or "" without bounds. */
export function rangeText(bounds: Bounds): string {
  const { min, max, above, below, all } = bounds;
  const low = min !== undefined ? `at least ${min}` : above !== undefined ? `above ${above}` : '';
  const high = max !== undefined ? `at most ${max}` : below !== undefined ? `below ${below}` : '';
  const range = min !== undefined && max !== undefined ? `from ${min} to ${max}` : [low, high].filter(Boolean).join(' and ');
  return all ? `-1 or ${range}` : range;
}

export function isInRange(value: number, { min, max, above, below, all }: Bounds): boolean {
  if (all && value === -1) return true;
  const aboveLow = (min === undefined || value >= min) && (above === undefined || value > above);
  return aboveLow && (max === undefined || value <= max) && (below === undefined || value < below);
}

/** The default as a user would write it; "" where the option is unset. */
export function defaultText(definition: Definition): string {
  const value = definition.default;
  if (value === null) return '';
  if (typeof value === 'object') return value.length ? value.join(',') : 'none';
  return String(value);
}
