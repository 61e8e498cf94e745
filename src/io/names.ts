/**
 * Hugging Face has renamed the modules of models more than once, so checkpoints and adapters come in several spellings. Inside Vernier
 * there is one, the module names of transformers 4.52 to 4.57 (`model.language_model.layers.0…`, `lm_head`); a family's rules lead from
 * the others to it and back.
 *
 *   hub       checkpoints as published, and adapters made with transformers ≤ 4.51
 *   current   transformers 4.52 to 4.57: what Vernier uses inside and writes into adapters
 *   v5        transformers 5, which shortens Gemma3's vision tower
 */
export type Spelling = 'hub' | 'current' | 'v5';

export type Rule = readonly [pattern: RegExp, replacement: string];

export interface Spellings {
  /** The first rule that matches applies; a name that none matches is current already. */
  toCurrent: readonly Rule[];
  fromCurrent: Record<'hub' | 'v5', readonly Rule[]>;
}

/** Of models whose modules have had one name in every version. */
export const ONE_SPELLING: Spellings = { toCurrent: [], fromCurrent: { hub: [], v5: [] } };

/** What files of a model say of it, and how. */
export interface Naming extends Spellings {
  /** Hugging Face's `model_type`. */
  modelType: string;
  /** It is loaded with AutoModelForCausalLM, else with AutoModelForImageTextToText. */
  isTextOnly: boolean;
}

/** @throws UserError that begins with `source`, the configuration which says so, for a model_type that is not known */
export type NamingOf = (modelType: string, source: string) => Naming;

/** The name inside Vernier of a tensor or module that a checkpoint or adapter spells in any of the known ways. */
export function canonicalName({ toCurrent }: Pick<Naming, 'toCurrent'>, name: string): string {
  return rename(toCurrent, name);
}

/** A canonical name in another spelling. */
export function respell({ fromCurrent }: Pick<Naming, 'fromCurrent'>, name: string, spelling: Spelling): string {
  return spelling === 'current' ? name : rename(fromCurrent[spelling], name);
}

function rename(rules: readonly Rule[], name: string): string {
  const rule = rules.find(([pattern]) => pattern.test(name));
  return rule === undefined ? name : name.replace(rule[0], rule[1]);
}
