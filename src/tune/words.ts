/** Problems and configurations as people read them. */
import type { AttentionConfiguration, AttentionProblem } from './attention.ts';
import type { ProductConfiguration, ProductProblem } from './product.ts';

const PRODUCTS = { nt: 'x·wᵀ', nn: 'dy·w', tn: 'dyᵀ·x' } as const;
const PASSES = {
  forward: 'attention',
  query_backward: 'attention, gradient of queries',
  key_backward: 'attention, gradient of keys',
} as const;

const OPERANDS = { f32: [], f16: ['operands in f16'], '3xf16': ['operands in two halves of f16'] } as const;

/** "x·wᵀ 600×2048×2048 bf16, dropout": rows, columns and terms of each sum. */
export function productWords({ form, m, n, k, storage, isPlain, hasDropout, compute }: ProductProblem): string {
  return [
    `${PRODUCTS[form]} ${m}×${n}×${k} ${storage}`,
    ...(isPlain ? [] : ['with more terms']),
    ...(hasDropout ? ['dropout'] : []),
    ...OPERANDS[compute],
  ].join(', ');
}

export function attentionWords({ pass, headSize, isDecoding, extent, compute }: AttentionProblem): string {
  const size = extent ? ` ${extent.queries} queries, ${extent.heads} heads, ${extent.kvHeads} key heads, ${extent.span} keys each,` : '';
  return [`${PASSES[pass]}${isDecoding ? ' in generation' : ''}${size} D ${headSize}`, ...OPERANDS[compute]].join(', ');
}

/** "tile BM 64 BN 128 BK 16 TM 8 TN 8"; what is false is left out. */
export function configurationWords(configuration: ProductConfiguration | AttentionConfiguration): string {
  const { algorithm, ...sizes } = configuration;
  const words = Object.entries(sizes).flatMap(([name, value]) =>
    value === false ? [] : [value === true ? name : `${name} ${String(value)}`],
  );
  return [algorithm, ...words].join(' ');
}
