/** The published sizes consist of what transformers' models of those settings consist of (test/golden/qwen3_vl_indices.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeQwen3VL } from '../../../src/models/qwen3_vl/model.ts';

interface Size {
  config: Record<string, unknown>;
  parameters: number;
  names_sha256: string;
}

const { sizes } = JSON.parse(readFileSync(new URL('../../golden/qwen3_vl_indices.json', import.meta.url), 'utf8')) as { sizes: Record<string, Size> };

describe('every parameter, by name and shape', () => {
  it.each(Object.entries(sizes))('%s', (_, { config, parameters, names_sha256 }) => {
    const { shapes, tiedHead } = describeQwen3VL(config, 'config.json');
    expect(tiedHead).toBe(config['tie_word_embeddings']);
    expect([...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBe(parameters);
    const lines = [...shapes].map(([name, shape]) => `${name} [${shape.join(', ')}]`).sort();
    expect(createHash('sha256').update(lines.join('\n')).digest('hex')).toBe(names_sha256);
  });

  it('a row for planning memory has the picture that the processor would make of it', () => {
    const { sample } = describeQwen3VL(sizes['2B']!.config, 'config.json');
    const row = { height: 512, width: 480, textTokens: 100, learnt: 20, minPixels: 65536, maxPixels: 16777216 };
    const { inputIds, imageGrids, pixelValues, positionIds } = sample(row);
    expect(imageGrids).toEqual([[1, 32, 30]]);
    expect(inputIds.length).toBe(100 + (32 * 30) / 4);
    expect(pixelValues.length).toBe(512 * 480 * 3 * 2);
    expect(positionIds.length).toBe(3 * inputIds.length);
  });
});
