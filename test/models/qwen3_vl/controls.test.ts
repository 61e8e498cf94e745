/**
 * Whether the goldens would notice: with deep features in other layers, RoPE sections one after the other, a position table that is not interpolated, and other
 * mistakes that train without complaint, they must fail.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../../src/gpu/device.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { textRotary } from '../../../src/models/qwen2_5_vl/positions.ts';
import type * as positions from '../../../src/models/qwen3_vl/positions.ts';
import type * as tower from '../../../src/models/qwen3_vl/vision.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { Bounds, runBatch, withSession } from '../golden.ts';
import { floats } from '../goldenModel.ts';
import { qwen3 } from './goldenExamples.ts';

/** What is wrong in the model that is built next. */
const wrong: Partial<Pick<typeof positions, 'interleavedRotary' | 'positionMixture'> & Pick<typeof tower, 'deepNames'>> = {};
vi.mock('../../../src/models/qwen3_vl/positions.ts', async (original) => {
  const right = await original<typeof positions>();
  const interleavedRotary: typeof positions.interleavedRotary = (...given) => (wrong.interleavedRotary ?? right.interleavedRotary)(...given);
  const positionMixture: typeof positions.positionMixture = (...given) => (wrong.positionMixture ?? right.positionMixture)(...given);
  return { ...right, interleavedRotary, positionMixture };
});
vi.mock('../../../src/models/qwen3_vl/vision.ts', async (original) => {
  const right = await original<typeof tower>();
  const deepNames: typeof tower.deepNames = (config) => (wrong.deepNames ? wrong.deepNames(config) : right.deepNames(config));
  return { ...right, deepNames };
});

const bounds = new Bounds(qwen3.name);
const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
const work = mkdtempSync(`${tmpdir()}/vernier-qwen3-`);
afterAll(() => { rmSync(work, { recursive: true }); });
let device: Device;
let rightTower: typeof tower;
let rightPositions: typeof positions;
beforeAll(async () => {
  device = await testDevice();
  rightTower = await vi.importActual('../../../src/models/qwen3_vl/vision.ts');
  rightPositions = await vi.importActual('../../../src/models/qwen3_vl/positions.ts');
});

/** The table's rows and weights of one patch after the other, each from what is right. */
function mixture(change: (columns: Uint32Array, weights: Float32Array, side: number) => void): typeof positions.positionMixture {
  return (grids, config) => {
    const table = rightPositions.positionMixture(grids, config);
    const side = Math.floor(Math.sqrt(config.positions));
    for (let at = 0; at < table.columns.length; at += 4) change(table.columns.subarray(at, at + 4), table.weights.subarray(at, at + 4), side);
    return table;
  };
}

/** The folder with other settings. */
function changed(name: string, { text, vision }: { text?: object; vision?: object }): string {
  const folder = `${work}/${name}`;
  cpSync(qwen3.baseModel, folder, { recursive: true });
  const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as { text_config: object; vision_config: object };
  writeFileSync(`${folder}/config.json`, JSON.stringify({ ...config, text_config: { ...config.text_config, ...text }, vision_config: { ...config.vision_config, ...vision } }));
  return folder;
}

async function logitsOf(baseModel = qwen3.baseModel): Promise<{ found: Float32Array; golden: Float32Array }> {
  const { example, tensors } = await qwen3.case('s10_twoimages');
  const found = await withSession(device, { baseModel, finetuning }, async (session) => (await runBatch(session, [example])).logits);
  return { found, golden: floats(tensors, 'logits_completion') };
}

describe('the goldens notice', () => {
  const mistakes: [string, () => typeof wrong][] = [
    ['deep features in each other’s layers', () => ({ deepNames: (config) => rightTower.deepNames(config).toReversed() })],
    ['only the first deep features', () => ({ deepNames: (config) => rightTower.deepNames(config).slice(0, 1) })],
    ['no deep features', () => ({ deepNames: () => [] })],
    ['RoPE sections one after the other', () => ({ interleavedRotary: (ids, config) => textRotary(ids, config) })],
    ['RoPE with the time position alone', () => ({ interleavedRotary: (ids, config) => rightPositions.interleavedRotary(ids, { ...config, mropeSection: [10, 0, 0] }) })],
    [
      'RoPE with height and width swapped',
      () => ({
        interleavedRotary: (ids, config) => {
          const T = ids.length / 3;
          const swapped = Int32Array.from([...ids.subarray(0, T), ...ids.subarray(2 * T), ...ids.subarray(T, 2 * T)]);
          return rightPositions.interleavedRotary(swapped, config);
        },
      }),
    ],
    [
      'a position table that is not interpolated',
      () => ({
        positionMixture: mixture((_, weights) => {
          const most = weights.indexOf(Math.max(...weights));
          weights.fill(0)[most] = 1;
        }),
      }),
    ],
    ['a position table with rows for columns', () => ({ positionMixture: mixture((columns, _, side) => { columns.forEach((at, i) => (columns[i] = (at % side) * side + Math.floor(at / side))); }) })],
    ['no position table', () => ({ positionMixture: mixture((_, weights) => { weights.fill(0); }) })],
  ];
  it.each(mistakes)('%s', async (_, make) => {
    Object.assign(wrong, make());
    try {
      const { found, golden } = await logitsOf();
      bounds.expectFar('forward.logits', 'logits', found, golden);
    } finally {
      for (const key of Object.keys(wrong)) Reflect.deleteProperty(wrong, key);
    }
  });

  const settings: [string, { text?: object; vision?: object }][] = [
    ['deep features of other blocks', { vision: { deepstack_visual_indexes: [1, 2] } }],
    ['deep mergers swapped', { vision: { deepstack_visual_indexes: [2, 0] } }],
    ['another RoPE base', { text: { rope_theta: 5e5 } }],
  ];
  it.each(settings)('%s', async (name, change) => {
    const { found, golden } = await logitsOf(changed(name, change));
    bounds.expectFar('forward.logits', 'logits', found, golden);
  });

  it('exact GELU in the tower, which is hardly another function', async () => {
    const { found, golden } = await logitsOf(changed('gelu', { vision: { hidden_act: 'gelu' } }));
    expect(() => { bounds.expectNear('forward.logits', 'logits', found, golden); }).toThrow("in units of float32's own noise");
  });

  it('nothing, where nothing is changed', async () => {
    expect(wrong).toEqual({});
    const { found, golden } = await logitsOf();
    bounds.expectNear('forward.logits', 'logits', found, golden);
  });
});
