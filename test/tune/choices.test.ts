/** The file of winners: what is written is read again, for the same device and version only, and a file that is broken or another's is as none, in words. */
import { describe, expect, it } from 'vitest';
import type { Platform } from '../../src/platform.ts';
import { choicesFile, keepChoices, mergedChoices, NO_CHOICES, readChoices, revivedChoices } from '../../src/tune/choices.ts';
import type { Choices } from '../../src/tune/choices.ts';
import { keyDifferences, planKey } from '../../src/tune/planKey.ts';
import type { PlanKey } from '../../src/tune/planKey.ts';
import type { ProductProblem } from '../../src/tune/product.ts';
import { nodePlatform } from '../../node/platform.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';
import { hardware, software } from './capabilities.ts';

const key: PlanKey = { adapter: 'card', driver: '1.0', webgpu: 'Dawn 0.6.2', kernels: 'abc' };
const problem: ProductProblem = { form: 'nt', m: 600, n: 2048, k: 2048, storage: 'bf16', isPlain: true, hasDropout: false, compute: 'f32' };
const wide = { algorithm: 'tile', BM: 64, BN: 128, BK: 16, TM: 8, TN: 8, COMPACT: false } as const;
const choices: Choices = {
  product: [{ problem, configuration: wide, ms: 1.5, policyMs: 2, flop: 1e9 }],
  attention: [
    {
      problem: { pass: 'forward', headSize: 64, isDecoding: false, compute: 'f32', extent: { queries: 600, heads: 16, kvHeads: 2, span: 300 } },
      configuration: { algorithm: 'tile', parts: 1, rows: 32, own: 1, staged: 32, unroll: true },
      ms: 3,
      policyMs: 4,
      flop: 1e9,
    },
  ],
};

function withHome(): Platform & { files: Map<string, Uint8Array> } {
  const platform = memoryPlatform();
  return Object.assign(platform, { env: (name: string) => (name === 'HOME' ? '/home/me' : undefined) });
}

describe('choices on the disk', () => {
  it('are read as they were written, and added to', async () => {
    const platform = withHome();
    const kept = await keepChoices(platform, key, hardware, choices);
    expect('path' in kept && kept.path).toMatch(/^\/home\/me\/\.cache\/vernier\/plans\/[0-9a-f]{32}\.json$/);
    expect(await readChoices(platform, key, hardware, fail)).toEqual(choices);
    const other = { ...problem, form: 'nn' as const };
    await keepChoices(platform, key, hardware, { product: [{ problem: other, configuration: wide, ms: 1, policyMs: 2, flop: 1e9 }], attention: [] });
    const both = await readChoices(platform, key, hardware, fail);
    expect(both.product).toHaveLength(2);
    expect(both.attention).toHaveLength(1);
    for (const change of [{ driver: '1.1' }, { kernels: 'abd' }, { webgpu: 'Dawn 0.7' }, { adapter: 'other' }]) {
      expect(await readChoices(platform, { ...key, ...change }, hardware, fail)).toEqual(NO_CHOICES);
    }
  });

  it.each([
    ['no JSON', '{"format": 1,', /cannot be read/],
    ['another program\'s', '{"plans": []}', /was not written by this program/],
    ['a later format', '{"format": 2}', /was not written by this program/],
    ['another device\'s', JSON.stringify({ format: 1, key: { ...key, driver: '2' }, ...choices }), /is of another GPU, driver or version/],
    ['without lists', JSON.stringify({ format: 1, key }), /is damaged/],
    ['a list', '[1, 2]', /was not written by this program/],
  ])('a file that is %s is as none', async (_, text, words) => {
    const platform = withHome();
    const path = (await choicesFile(platform, key))!;
    platform.files.set(path, new TextEncoder().encode(text));
    const told: string[] = [];
    expect(await readChoices(platform, key, hardware, (line) => void told.push(line))).toEqual(NO_CHOICES);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(words);
    expect(await keepChoices(platform, key, hardware, choices)).toEqual({ path });
    expect(await readChoices(platform, key, hardware, fail)).toEqual(choices);
  });

  it('what this GPU cannot take, or nobody would offer it, is dropped and counted', () => {
    const odd = [
      { ...choices.product[0]!, configuration: { ...wide, BM: 12 } },
      { ...choices.product[0]!, problem: { ...problem, m: -1 } },
      { ...choices.product[0]!, problem: { ...problem, form: '__proto__' } },
      { ...choices.product[0]!, ms: null },
      null,
      'text',
    ];
    expect(revivedChoices(JSON.parse(JSON.stringify({ product: [...odd, ...choices.product], attention: [{}] })), hardware)).toEqual({
      choices: { product: choices.product, attention: [] },
      dropped: odd.length + 1,
    });
    expect(revivedChoices(choices, software)?.dropped).toBe(2);
    for (const nothing of [undefined, null, 3, [], {}, { product: {} }]) expect(revivedChoices(nothing, hardware)).toBeUndefined();
  });

  it('a place that cannot be written is no reason to stop', async () => {
    const platform = Object.assign(withHome(), { writeFile: () => Promise.reject(new Error('full')) });
    expect(await keepChoices(platform, key, hardware, choices)).toEqual({ failure: expect.stringMatching(/[^.]$/) as string });
    expect(await keepChoices(memoryPlatform(), key, hardware, choices)).toEqual({ failure: 'there is no folder for caches: neither XDG_CACHE_HOME nor HOME is set' });
  });

  it('newer ones take the place of older ones of their class', () => {
    const newer = { product: [{ ...choices.product[0]!, problem: { ...problem, m: 700 }, ms: 1 }], attention: [] };
    expect(mergedChoices(choices, newer)).toEqual({ product: newer.product, attention: choices.attention });
  });
});

it('the key names the device, its driver, WebGPU and the kernels', async () => {
  const device = await testDevice();
  const own = await planKey(device, nodePlatform);
  expect(own.driver).toBe(device.capabilities.description);
  expect(own.adapter).not.toBe('');
  expect(own.webgpu).toMatch(/^(Dawn of webgpu \d|Deno \d)/);
  expect(own.kernels).toMatch(/^[0-9a-f]{16}$/);
  expect(keyDifferences(own, own)).toEqual([]);
  expect(keyDifferences(key, { ...key, driver: '2', kernels: 'x' })).toEqual(['the driver is 2 and was 1.0', 'the kernels are of another version']);
});

function fail(text: string): void {
  throw new Error(text);
}
