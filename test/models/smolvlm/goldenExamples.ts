/** SmolVLM's golden cases: the reference's tiles as bytes, (tiles, 3, side, side), which the processor's own table makes numbers of. */
import { readFileSync } from 'node:fs';
import type { Conversation, Example } from '../../../src/data/example.ts';
import { patchify, pixelTable } from '../../../src/data/image.ts';
import type { DecodedImage } from '../../../src/platform.ts';
import { goldenPath } from '../../io/goldenFolder.ts';
import type { GoldenTensor } from '../golden.ts';
import { GoldenModel } from '../goldenModel.ts';

const table = pixelTable({ rescaleFactor: 1 / 255, normalise: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } });

/** (tiles, 3, side, side) or, grey, (tiles, side, side) → pictures. */
export function pictures({ shape, data }: GoldenTensor): DecodedImage[] {
  const side = shape.at(-1)!;
  const plane = side ** 2;
  const planes = shape.length === 4 ? 3 : 1;
  return Array.from({ length: shape[0]! }, (_, tile) => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: 3 * plane }, (__, i) => data[(tile * planes + (i % 3) * (planes === 3 ? 1 : 0)) * plane + Math.floor(i / 3)]!),
  }));
}

/** Patches of tiles; what is less than a patch at their right and lower edge falls away. @param merge patches to a side of what becomes a token */
export function patchesOf(tiles: GoldenTensor, patch: number, merge: number): Pick<Example, 'pixelValues' | 'imageGrids'> {
  const side = Math.floor(tiles.shape.at(-1)! / patch) * patch;
  const perTile = 3 * side ** 2;
  const pixelValues = new Float32Array(tiles.shape[0]! * perTile);
  const imageGrids = pictures(tiles).map(({ width, data }, tile) => {
    const kept = Uint8Array.from({ length: perTile }, (_, i) => data[(Math.floor(i / (3 * side)) * width * 3) + (i % (3 * side))]!);
    const out = pixelValues.subarray(tile * perTile, (tile + 1) * perTile);
    return patchify({ width: side, height: side, data: kept }, table, { patchSize: patch, temporalPatchSize: 1, mergeSize: merge }, out);
  });
  return { pixelValues, imageGrids };
}

export const smolvlm = new GoldenModel({
  name: 'smolvlm-tiny',
  modelType: 'smolvlm',
  isPillow: true,
  axes: 1,
  images: (tensors) => (tensors.has('tiles_u8') ? patchesOf(tensors.get('tiles_u8')!, 8, 2) : { pixelValues: new Float32Array(0), imageGrids: [] }),
});

/** (patches, C) of tiles of side × side patches, square by square of 2 × 2 → row by row. */
export function byRows(values: Float32Array | undefined, side: number): Float32Array | undefined {
  if (!values) return undefined;
  const places = [...Array(side * side).keys()].map((i) => {
    const [block, inside] = [Math.floor(i / 4), i % 4];
    return (Math.floor(block / (side / 2)) * 2 + Math.floor(inside / 2)) * side + (block % (side / 2)) * 2 + (inside % 2);
  });
  const C = 32;
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length / C; i++) {
    const tile = Math.floor(i / side ** 2) * side ** 2;
    out.set(values.subarray(i * C, (i + 1) * C), (tile + places[i % side ** 2]!) * C);
  }
  return out;
}

export const dataset = readFileSync(goldenPath('data', 'dataset.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Conversation);
