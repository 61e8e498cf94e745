/** What is offered for measuring: the policy's choice first, nothing twice, nothing that the GPU lacks, and never more than a handful. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/gpu/capabilities.ts';
import { chooseAttention, refusedAttention } from '../../src/tune/attention.ts';
import { attentionCandidates, productCandidates } from '../../src/tune/candidates.ts';
import { plansOf, Plans } from '../../src/tune/plans.ts';
import { chooseProduct, refusedProduct } from '../../src/tune/product.ts';
import type { ProductProblem } from '../../src/tune/product.ts';
import { classOf } from '../../src/tune/shapeClass.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { hardware, software } from './capabilities.ts';

const HANDFUL = 10;
const problems: ProductProblem[] = (['nt', 'nn', 'tn'] as const).flatMap((form) =>
  [1, 3, 17, 600, 4096].flatMap((m) =>
    [16, 256, 2048, 151_936].map((n) => ({ form, m, n, k: 2048, storage: 'bf16', isPlain: true, hasDropout: m === 17, compute: 'f32' as const })),
  ),
);
const gpus: [string, Capabilities][] = [
  ['a graphics card', hardware],
  ['one with 48 KiB of workgroup memory', { ...hardware, workgroupMemoryBytes: 49152, subgroups: { min: 32, max: 32 } }],
  ['the CPU with subgroups', software],
  ['the CPU without', { ...software, subgroups: undefined }],
];

describe.each(gpus)('on %s', (_, capabilities) => {
  it.each(problems)('$form $m×$n', (problem) => {
    const found = productCandidates(capabilities, problem);
    expect(found[0]).toEqual(chooseProduct(capabilities, problem));
    expect(new Set(found.map((one) => JSON.stringify(one))).size).toBe(found.length);
    expect(found.length).toBeLessThanOrEqual(HANDFUL);
    for (const one of found) expect(refusedProduct(capabilities, problem, one)).toBeUndefined();
  });

  it('attention of every pass and head size', () => {
    for (const pass of ['forward', 'query_backward', 'key_backward'] as const) {
      for (const headSize of [16, 64, 72, 80, 128, 256]) {
        const problem = { pass, headSize, isDecoding: false, compute: 'f32' } as const;
        const found = attentionCandidates(capabilities, problem);
        expect(found[0]).toEqual(chooseAttention(capabilities, problem));
        expect(new Set(found.map((one) => JSON.stringify(one))).size).toBe(found.length);
        expect(found.length).toBeLessThanOrEqual(HANDFUL);
        for (const one of found) expect(refusedAttention(capabilities, problem, one)).toBeUndefined();
      }
    }
  });
});

it('offers a graphics card several tiles for a large product, and larger ones where they fit', () => {
  const large = { form: 'nt', m: 600, n: 2048, k: 2048, storage: 'bf16', isPlain: true, hasDropout: false, compute: 'f32' } as const;
  const sizes = productCandidates(hardware, large).map((one) => (one.algorithm === 'tile' ? `${one.BM}×${one.BN}×${one.BK}` : one.algorithm));
  expect(sizes).toEqual(expect.arrayContaining(['64×64×16', '32×32×16', '128×64×16', '64×128×16', '128×128×8', '128×128×16']));
  expect(productCandidates({ ...hardware, workgroupMemoryBytes: 8192 }, large).map((one) => JSON.stringify(one)).join()).not.toContain('"BM":128,"BN":128,"BK":16');
});

describe('shape classes', () => {
  const problem: ProductProblem = { form: 'nt', m: 600, n: 2048, k: 2048, storage: 'bf16', isPlain: true, hasDropout: false, compute: 'f32' };
  it('extents count by their powers of two, everything else as it is', () => {
    expect(classOf({ ...problem, m: 1023 })).toBe(classOf(problem));
    for (const other of [{ m: 511 }, { m: 1024 }, { storage: 'f32' }, { form: 'nn' as const }, { isPlain: false }, { hasDropout: true }]) {
      expect(classOf({ ...problem, ...other })).not.toBe(classOf(problem));
    }
    const attention = { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f32', extent: { queries: 600, heads: 16, kvHeads: 2, span: 300 } } as const;
    expect(classOf({ ...attention, extent: { ...attention.extent, span: 260 } })).toBe(classOf(attention));
    expect(classOf({ ...attention, headSize: 65 })).not.toBe(classOf(attention));
  });

  it('a choice holds for its class, where the problem allows it; what is forced comes before', () => {
    const plans = new Plans(hardware);
    const wide = { algorithm: 'tile', BM: 64, BN: 128, BK: 16, TM: 8, TN: 8, COMPACT: false } as const;
    const few = { ...problem, m: 4 };
    plans.choose({
      product: [
        { problem, configuration: wide, ms: 1, policyMs: 2, flop: 1e9 },
        { problem: few, configuration: { algorithm: 'few_rows', ROWS: 4 }, ms: 1, policyMs: 2, flop: 1e9 },
      ],
      attention: [],
    });
    expect(plans.product({ ...problem, m: 513 }).configuration).toEqual(wide);
    expect(plans.product({ ...problem, m: 500 }).configuration).toEqual(chooseProduct(hardware, problem));
    expect(plans.product(few).configuration.algorithm).toBe('few_rows');
    expect(plans.product({ ...few, m: 5 }).configuration).toEqual(chooseProduct(hardware, { ...problem, m: 5 }));
    const forced = { ...wide, BK: 8 };
    plans.force({ product: () => forced });
    expect(plans.product(problem).configuration).toEqual(forced);
    plans.force({});
    plans.choose();
    expect(plans.product(problem).configuration).toEqual(chooseProduct(hardware, problem));
  });

  it('notes what is asked for, the largest of each class and how often', async () => {
    const plans = plansOf(await testDevice());
    const asked = await plans.asking(async () => {
      for (const m of [600, 700, 513]) plans.product({ ...problem, m });
      plans.product({ ...problem, m: 40 });
      await Promise.resolve();
    });
    plans.product({ ...problem, m: 5 });
    expect([...asked.product.values()].map(({ problem: { m }, times }) => [m, times])).toEqual([[700, 3], [40, 1]]);
  });
});
