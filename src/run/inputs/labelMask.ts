/** What is learnt of a row, as `--mask` and `--reasoning_weight` say it together. */
import type { LabelMask } from '../../data/example.ts';
import type { Options } from '../../options.ts';

export function labelMask({ mask, reasoning_weight }: Pick<Options, 'mask' | 'reasoning_weight'>): LabelMask {
  return reasoning_weight === 1 || mask !== 'completion' ? mask : { reasoningWeight: reasoning_weight };
}
