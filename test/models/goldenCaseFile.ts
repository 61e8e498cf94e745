/** A golden case as a file for the reference's scripts, with the pixels of an example. */
import { expect } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { elementCount, openSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import type { TensorEntry } from '../../src/io/safetensors.ts';
import { goldenPath } from '../io/goldenFolder.ts';

/** The case s00, of one picture; in the shape that it is stored with, else a row a patch. */
export async function writeCase(model: string, example: Example, path: string): Promise<void> {
  const file = await openSafetensors(nodePlatform, goldenPath('golden', model, 'cases', 's00_single.safetensors'));
  const entries: TensorEntry[] = [];
  for (const [name, { dtype, shape }] of file.tensors) {
    if (name !== 'pixel_values') entries.push({ name, dtype, shape, data: await file.readRaw(name) });
  }
  const patches = example.imageGrids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
  const shape = file.tensors.get('pixel_values')?.shape ?? [patches, example.pixelValues.length / patches];
  await file.close();
  expect(elementCount(shape)).toBe(example.pixelValues.length);
  const pixels = shape.length === 4 ? rasterOf(example, shape[1]!) : example.pixelValues;
  entries.push({ name: 'pixel_values', dtype: 'F32', shape, data: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength) });
  await writeSafetensors(nodePlatform, path, entries);
}

/** Patches row by row, each (channels, side, side), as one raster (channels, height, width). */
function rasterOf({ pixelValues, imageGrids }: Example, channels: number): Float32Array {
  const [, rows, columns] = imageGrids[0]!;
  const side = Math.sqrt(pixelValues.length / (rows * columns * channels));
  const raster = new Float32Array(pixelValues.length);
  for (let i = 0; i < raster.length; i++) {
    const [x, y, channel] = [i % side, Math.floor(i / side) % side, Math.floor(i / side ** 2) % channels];
    const patch = Math.floor(i / (channels * side ** 2));
    const [row, column] = [Math.floor(patch / columns), patch % columns];
    raster[(channel * rows * side + row * side + y) * columns * side + column * side + x] = pixelValues[i]!;
  }
  return raster;
}
