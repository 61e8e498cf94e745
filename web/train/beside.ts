/** What a recipe says beside the options of the form: the base, and the rows where an archive of the run has them. */
import { hubOrigin } from '../../src/hub/origin.ts';
import { OWN_BASE, OWN_GEMMA, OWN_SMOLVLM } from '../own/places.ts';
import type { Changed } from './values.ts';

/** The tiny bases lie elsewhere in the package. */
const OWN: Readonly<Record<string, string>> = {
  [OWN_BASE]: 'node/base',
  [OWN_GEMMA]: 'node/base-medgemma',
  [OWN_SMOLVLM]: 'node/base-smolvlm',
};

export const ARCHIVED_ROWS = { train: 'train.jsonl', val: 'test.jsonl' } as const;

export function besideOptions(base: string, hasHeldOut: boolean): Changed {
  const origin = hubOrigin(base);
  return {
    base_model_hf: origin === undefined ? (OWN[base] ?? base) : `${origin.id}@${origin.commit}`,
    train_file: `rows/${ARCHIVED_ROWS.train}`,
    ...(hasHeldOut && { val_file: `rows/${ARCHIVED_ROWS.val}` }),
  };
}
