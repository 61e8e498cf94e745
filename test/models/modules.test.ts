/** A module is said once: what a model consists of, and whether a stage trains, follow from what it asks for. */
import { expect, it } from 'vitest';
import { Modules } from '../../src/models/modules.ts';
import { Weights } from '../../src/models/weights.ts';
import type { Parameter } from '../../src/ops/parameter.ts';

function twoBlocks(m: Modules): Modules[] {
  m.embedding('embed', [7, 3]);
  const blocks = ['a', 'b'].map((name) => {
    const block = m.at(`blocks.${name}`);
    block.linear('proj', [3, 3], { bias: true });
    block.linear('patch', [3, 1, 2, 2]);
    block.at('inner').norm('norm', 3);
    const leaf = block.at('leaf');
    leaf.layerNorm('', 3);
    leaf.parameter('probe', [1, 3]);
    return block;
  });
  return blocks;
}

it('tells names, shapes and kinds in the order in which they are asked for', () => {
  const { shapes, kinds } = Modules.describe(twoBlocks);
  const block = (name: string): [string, number[]][] => [
    [`blocks.${name}.proj.weight`, [3, 3]],
    [`blocks.${name}.proj.bias`, [3]],
    [`blocks.${name}.patch.weight`, [3, 1, 2, 2]],
    [`blocks.${name}.inner.norm.weight`, [3]],
    [`blocks.${name}.leaf.weight`, [3]],
    [`blocks.${name}.leaf.bias`, [3]],
    [`blocks.${name}.leaf.probe`, [1, 3]],
  ];
  expect([...shapes]).toEqual([['embed.weight', [7, 3]], ...block('a'), ...block('b')]);
  expect(Object.fromEntries(kinds)).toMatchObject({ embed: 'embedding', 'blocks.a.proj': 'linear', 'blocks.a.patch': 'conv', 'blocks.b.inner.norm': 'norm' });
});

it('what is said twice is an error', () => {
  expect(() => Modules.describe((m) => [m.norm('norm', 2), m.at('').norm('norm', 2)])).toThrow(/'norm\.weight' is said twice/);
});

it.each(['blocks.b.proj.weight', 'blocks.b.proj.bias', 'blocks.b.patch.weight', 'blocks.b.inner.norm.weight', 'blocks.b.leaf.bias', 'blocks.b.leaf.probe'])(
  'a block trains where %s does, and no other',
  (trained) => {
    const tensor = {} as Parameter['tensor'];
    const names = [...Modules.describe(twoBlocks).shapes.keys()];
    const weights = new Weights(new Map(names.map((name) => [name, { name, tensor, ...(name === trained && { grad: tensor }) }])));
    expect(twoBlocks(Modules.of(weights)).map(({ trains }) => trains)).toEqual([false, true]);
  },
);

it('a weight that is not there is told by its name', () => {
  expect(() => twoBlocks(Modules.of(new Weights(new Map())))).toThrow(/embed\.weight/);
});
