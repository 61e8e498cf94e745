/** NF4 against bitsandbytes' own arrays, to the bit; what is read of quantised folders, and what is refused in words. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { bf16ToF32, f32ToBf16 } from '../../src/io/halfFloat.ts';
import { bitsandbytesConfig } from '../../src/io/quantization/bitsandbytesConfig.ts';
import { dynamicMap, quantizeScales } from '../../src/io/quantization/doubleQuantization.ts';
import { codeOf, midpoints } from '../../src/io/quantization/boundaries.ts';
import { dequantizeRows, quantizeRows } from '../../src/io/quantization/int8.ts';
import { NF4_VALUES, Nf4Quantizer } from '../../src/io/quantization/nf4.ts';
import type { FloatDtype } from '../../src/io/quantization/nf4.ts';
import { nf4Simd } from '../../src/io/quantization/nf4Simd.ts';
import { blockCount, codeRuns, DequantizedReader, QuantizedWeight } from '../../src/io/quantization/nf4Weight.ts';
import { skipsModule } from '../../src/io/quantization/skipModules.ts';
import { openStoredNf4, storedNf4Names } from '../../src/io/quantization/storedNf4.ts';
import { torchMean } from '../../src/io/quantization/torchMean.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import type { ModelFolder } from '../../src/io/modelFolder.ts';
import { openSafetensors, toFloat32 } from '../../src/io/safetensors.ts';
import type { SafetensorsFile } from '../../src/io/safetensors.ts';
import { asStored } from '../ops/quantized.ts';
import { goldenPath } from './goldenFolder.ts';
import { namingOf } from '../../src/models/families.ts';

const own = (name: string): string => fileURLToPath(new URL(`../golden/nf4/${name}`, import.meta.url));

function sameBits(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));
}

async function numbers(file: SafetensorsFile, name: string): Promise<Float32Array | Uint8Array> {
  const { dtype } = file.tensors.get(name)!;
  const raw = await file.readRaw(name);
  return dtype === 'U8' ? raw : toFloat32(raw, dtype, name);
}

/** Quantises in runs of a few blocks, as a large tensor is. */
async function expectArrays(file: SafetensorsFile, name: string, keys: { packed: string; absmax?: string; bytes: string; nested: string; offset: string }): Promise<void> {
  const { dtype, shape } = file.tensors.get(`${name}.weight`)!;
  const raw = await file.readRaw(`${name}.weight`);
  const quantizer = new Nf4Quantizer(dtype as FloatDtype, shape.reduce((a, b) => a * b, 1));
  const blockBytes = 64 * (dtype === 'F32' ? 4 : 2);
  const packed: number[] = [];
  for (let block = 0; block * blockBytes < raw.byteLength; block += 3) packed.push(...quantizer.quantize(raw.subarray(block * blockBytes, (block + 3) * blockBytes), block));
  expect(sameBits(packed, await numbers(file, `${name}.${keys.packed}`)), `${name}: codes`).toBe(true);
  if (keys.absmax !== undefined) expect(sameBits(quantizer.absmax, await numbers(file, `${name}.${keys.absmax}`)), `${name}: absmax`).toBe(true);
  const scales = quantizeScales(quantizer.absmax);
  expect(sameBits(scales.bytes, await numbers(file, `${name}.${keys.bytes}`)), `${name}: absmax bytes`).toBe(true);
  expect(sameBits(scales.nested, await numbers(file, `${name}.${keys.nested}`)), `${name}: nested absmax`).toBe(true);
  expect(scales.offset, `${name}: offset`).toBe((await numbers(file, `${name}.${keys.offset}`))[0]);
}

const namesIn = (file: SafetensorsFile): string[] => [...file.tensors.keys()].flatMap((name) => /^(.*)\.weight$/.exec(name)?.[1] ?? []);

describe("bitsandbytes' arrays, to the bit", () => {
  it('the golden matrices, float32', async () => {
    const file = await openSafetensors(nodePlatform, goldenPath('nf4', 'matrices.safetensors'));
    expect(sameBits(NF4_VALUES, await numbers(file, 'nf4_code'))).toBe(true);
    expect(sameBits(dynamicMap(), await numbers(file, 'dynamic_map'))).toBe(true);
    const names = namesIn(file);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      await expectArrays(file, name, { packed: 'packed', absmax: 'absmax_f32', bytes: 'absmax_u8', nested: 'nested_absmax', offset: 'nested_offset' });
    }
    await file.close();
  });

  it('matrices in bf16 and f16, of tiny, huge and odd numbers, and values on every boundary', async () => {
    const file = await openSafetensors(nodePlatform, own('arrays.safetensors'));
    const names = namesIn(file);
    expect(names).toContain('bf16_extreme');
    for (const name of names) await expectArrays(file, name, { packed: 'packed', bytes: 'absmax', nested: 'nested', offset: 'offset' });
    await file.close();
  });

  it("means in torch's order of additions", () => {
    const means = JSON.parse(readFileSync(own('arrays.json'), 'utf8')) as Record<string, number>;
    for (const [count, mean] of Object.entries(means)) {
      const values = Float32Array.from({ length: Number(count) }, (_, i) => (Number((BigInt(i) * 2654435761n) % 16777216n) + 1) * 2 ** -26);
      expect(torchMean(values), `mean of ${count}`).toBe(mean);
    }
  });

  it('bf16 is looked up as its float32 is computed, whatever the numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, min: Math.fround(-1e30), max: Math.fround(1e30) }), { minLength: 64, maxLength: 64 }), fc.integer({ min: -30, max: 5 }), (some, exponent) => {
        const halves = f32ToBf16(Float32Array.from(some, (value) => value * 2 ** exponent));
        const [narrow, wide] = [new Nf4Quantizer('BF16', 64), new Nf4Quantizer('F32', 64)];
        const codes = narrow.quantize(new Uint8Array(halves.buffer), 0);
        expect(codes).toEqual(wide.quantize(asStored(bf16ToF32(halves), 'F32'), 0));
        expect(narrow.absmax).toEqual(wide.absmax);
      }),
      { numRuns: 200 },
    );
  });

  it('the same codes with and without vectors of integers', () => {
    const bounds = midpoints(NF4_VALUES);
    const simd = nf4Simd(bounds);
    expect(simd).toBeDefined();
    const some = fc.array(fc.integer({ min: 0, max: 65535 }), { minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 3 }), fc.integer({ min: 21, max: 239 }), (blocks, exponent) => {
        // Magnitudes below the exponent, and the largest of it.
        const halves = Uint16Array.from(blocks.flat(), (bits, i) => (i % 64 === 17 ? (exponent << 7) | (bits & 0x807f) : (bits & 0x807f) | ((exponent - ((bits >> 7) & 7)) << 7)));
        const codes = new Uint8Array(halves.length / 2);
        const largest = simd!.quantize(halves, codes);
        const wanted = halves.map((bits, i) => {
          const from = i - (i % 64);
          const most = bf16ToF32(halves.slice(from, from + 64).map((one) => one & 0x7fff)).reduce((a, b) => Math.max(a, b));
          return codeOf(Math.fround(bf16ToF32(Uint16Array.of(bits))[0]! * Math.fround(1 / most)), bounds);
        });
        expect([...codes].flatMap((byte) => [byte >> 4, byte & 15])).toEqual([...wanted]);
        expect([...largest]).toEqual(blocks.map((_, block) => halves.subarray(64 * block, 64 * block + 64).reduce((most, bits) => Math.max(most, bits & 0x7fff), 0)));
      }),
      { numRuns: 150 },
    );
  });

  it('every value under every largest magnitude, as vectors of integers', () => {
    const bounds = midpoints(NF4_VALUES);
    const simd = nf4Simd(bounds)!;
    const wrong: string[] = [];
    for (let fraction = 0; fraction < 128; fraction++) {
      // 63 of the smaller magnitudes a block, both signs, over eleven octaves; then the largest.
      const most = (127 << 7) | fraction;
      const magnitudes = Array.from({ length: 11 * 128 }, (_, i) => most - i);
      const all = [...magnitudes, 0, 1, ...[...magnitudes, 0, 1].map((bits) => bits | 0x8000)];
      const halves = new Uint16Array(64 * Math.ceil(all.length / 63)).fill(most);
      all.forEach((bits, i) => (halves[64 * Math.floor(i / 63) + (i % 63)] = bits));
      const codes = new Uint8Array(halves.length / 2);
      simd.quantize(halves, codes);
      const values = bf16ToF32(halves);
      const inverse = Math.fround(1 / (1 + fraction / 128));
      values.forEach((value, i) => {
        const code = i % 2 === 0 ? codes[i >> 1]! >> 4 : codes[i >> 1]! & 15;
        if (code !== codeOf(Math.fround(value * inverse), bounds)) wrong.push(`${value} of ${1 + fraction / 128}: ${code}`);
      });
    }
    expect(wrong).toEqual([]);
  });

  it('says which weight has a value that is no number', () => {
    for (const bad of [NaN, Infinity]) {
      for (const precision of ['F32', 'F16', 'BF16'] as const) {
        const raw = asStored(new Float32Array(70).fill(1, 0, 69).fill(bad, 69), precision);
        expect(() => new Nf4Quantizer(precision, 70, { label: 'dir: x.weight' }).quantize(raw, 0)).toThrow(/dir: x\.weight has a value that is not a finite number/);
      }
    }
  });
});

describe('a folder that bitsandbytes has quantised', () => {
  it.each([
    { stored: goldenPath('models', 'qwen2_5_vl-tiny-bnb-4bit'), original: goldenPath('models', 'qwen2_5_vl-tiny-bf16'), isGolden: true },
    { stored: own('gemma3-tiny-bnb-4bit'), original: goldenPath('models', 'gemma3-tiny-bf16'), isGolden: false },
  ])('$stored', async ({ stored, original, isGolden }) => {
    const [folder, source] = [await openModelFolder(nodePlatform, stored, namingOf), await openModelFolder(nodePlatform, original, namingOf)];
    const names = storedNf4Names(folder);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const weight = await openStoredNf4(folder, name);
      const again = new QuantizedWeight(source, name);
      expect(weight.shape).toEqual(again.shape);
      expect(weight.precision).toBe('BF16');
      if (!isGolden) {
        expect([weight.blockSize, weight.nestedBlock, (await weight.scales()).kind]).toEqual([128, 'none', 'single']);
        continue;
      }
      const codes = [];
      for await (const run of codeRuns(again)) codes.push(run.codes);
      expect(await weight.codes(0, blockCount(weight))).toEqual(codes[0]);
      expect(await weight.scales()).toEqual(await again.scales());
    }
    await folder.close();
    await source.close();
  });

  it('values come back as bitsandbytes gives them', async () => {
    const folder = await openModelFolder(nodePlatform, goldenPath('models', 'qwen2_5_vl-tiny-bnb-4bit'), namingOf);
    const golden = await openSafetensors(nodePlatform, goldenPath('golden', 'qwen2_5_vl-tiny', 'nf4', 'bf16', 'dequantised_layer0.safetensors'));
    for (const name of golden.tensors.keys()) {
      const weight = await openStoredNf4(folder, name.replace('model.layers', 'model.language_model.layers'));
      const wanted = toFloat32(await golden.readRaw(name), 'F32', name);
      const reader = new DequantizedReader(weight);
      expect(await reader.values(0, wanted.length)).toEqual(wanted);
      expect(await reader.values(77, 300)).toEqual(wanted.subarray(77, 377));
    }
    await golden.close();
    await folder.close();
  });

  const fake = (tensors: Record<string, { dtype: string; shape: number[]; raw: Uint8Array }>): ModelFolder =>
    ({
      dir: 'model',
      has: (name: string) => name in tensors,
      storedName: (name: string) => name,
      info: (name: string) => ({ ...tensors[name]!, bytes: tensors[name]!.raw.length, offset: 0 }),
      names: () => Object.keys(tensors),
      readRaw: (name: string) => Promise.resolve(tensors[name]!.raw),
    }) as unknown as ModelFolder;
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const map = { dtype: 'F32', shape: [16], raw: new Uint8Array(NF4_VALUES.slice().buffer) };
  const state = { quant_type: 'nf4', blocksize: 64, dtype: 'bfloat16', shape: [8, 16] };
  const complete = {
    'x.weight': { dtype: 'U8', shape: [64, 1], raw: new Uint8Array(64) },
    'x.weight.quant_map': map,
    'x.weight.absmax': { dtype: 'F32', shape: [2], raw: new Uint8Array(8) },
    'x.weight.quant_state.bitsandbytes__nf4': { dtype: 'U8', shape: [1], raw: text(state) },
  };

  it.each([
    ['another table of values', { ...complete, 'x.weight.quant_map': { ...map, raw: new Uint8Array(64) } }, /quant_map holds other values/],
    ['fp4', { ...complete, 'x.weight.quant_state.bitsandbytes__fp4': map }, /quantised to fp4; only nf4 is computed/],
    ['too few codes', { ...complete, 'x.weight': { dtype: 'U8', shape: [9, 1], raw: new Uint8Array(9) } }, /9 bytes hold the codes of \[8, 16\], which take 64/],
    ['an odd block', { ...complete, 'x.weight.quant_state.bitsandbytes__nf4': { ...map, raw: text({ ...state, blocksize: 60 }) } }, /blocksize 60/],
    ['a missing map', { ...complete, 'x.weight.quant_map': undefined }, /quant_map is missing/],
  ])('refused: %s', async (_, tensors, words) => {
    const present = Object.fromEntries(Object.entries(tensors).filter(([, tensor]) => tensor !== undefined)) as typeof complete;
    await expect(openStoredNf4(fake(present), 'x.weight')).rejects.toThrow(words);
  });

  it('refused: as many scales as do not fit', async () => {
    const weight = await openStoredNf4(fake({ ...complete, 'x.weight.absmax': { dtype: 'F32', shape: [1], raw: new Uint8Array(4) } }), 'x.weight');
    await expect(weight.scales()).rejects.toThrow(/absmax has 1 values, 2 were expected/);
  });

  it.each([
    [{ quant_method: 'gptq' }, /quant_method is "gptq"; only "bitsandbytes"/],
    [{ quant_method: 'bitsandbytes', load_in_8bit: true }, /load_in_4bit is .*; only true/],
    [{ quant_method: 'bitsandbytes', load_in_4bit: true, bnb_4bit_quant_type: 'fp4' }, /bnb_4bit_quant_type is "fp4"; only "nf4"/],
    [{ quant_method: 'bitsandbytes', load_in_4bit: true }, /bnb_4bit_quant_type is nothing; only "nf4"/],
  ])('refused: %j', (config, words) => {
    expect(() => bitsandbytesConfig({ quantization_config: config }, 'config.json')).toThrow(words);
  });
});

describe('modules that are skipped', () => {
  const modules = ['lm_head', 'model', 'model.visual', 'model.visual.blocks.0.attn.qkv', 'model.language_model.layers.1.mlp.up_proj', 'model.language_model.layers.11.mlp.up_proj'];
  it.each([
    ['visual', ['model.visual', 'model.visual.blocks.0.attn.qkv']],
    ['layers.1', ['model.language_model.layers.1.mlp.up_proj']],
    ['model.layers.11', ['model.language_model.layers.11.mlp.up_proj']],
    ['up_proj', ['model.language_model.layers.1.mlp.up_proj', 'model.language_model.layers.11.mlp.up_proj']],
    ['lm_head', ['lm_head']],
  ])('%s', (name, expected) => {
    expect(modules.filter(skipsModule([name], modules, namingOf('qwen2_5_vl')))).toEqual(expected);
  });

  it('a name that fits nothing is told', () => {
    expect(() => skipsModule(['vison'], modules, namingOf('qwen2_5_vl'))).toThrow(/"vison" is no module of the base model.*Nearest: .*visual/);
  });
});

it('int8 rows are within half a step, and rows of zeros are zeros', () => {
  const values = Float32Array.of(0.5, -1, 0.25, 0, 0, 0, 1e-30, 3e-31, 0, 7, 8, -9);
  const found = dequantizeRows(quantizeRows(values, 3), 3);
  values.forEach((value, i) => {
    const largest = Math.max(...values.subarray(i - (i % 3), i - (i % 3) + 3).map(Math.abs));
    expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual((largest / 254) * 1.0001);
  });
});
