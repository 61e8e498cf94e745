/** A volume as a row of training: the slices it names, each with its number, read back by what reads rows. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readConversations } from '../../../src/data/conversations/read.ts';
import type { Conversation } from '../../../src/data/example.ts';
import { sliceToRgb } from '../../../src/data/medvision/intensity.ts';
import { openVolume } from '../../../src/data/nifti.ts';
import { niftiBytes } from '../../../src/data/niftiWrite.ts';
import { parseFor } from '../../../src/options/program.ts';
import { volumeProgram } from '../../../src/options/volume.ts';
import { runVolume } from '../../../src/run/volume/volume.ts';

let dir: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vernier-slices-'));
  // The third axis is the axial one: 9 slices of 5×4, no two alike.
  const voxels = Int16Array.from({ length: 5 * 4 * 9 }, (_, i) => ((i * 37) % 500) - 200 + Math.floor(i / 20) * 11);
  const affine = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 2, 0],
  ];
  await nodePlatform.writeFile(join(dir, 'ct.nii'), niftiBytes({ shape: [5, 4, 9], zooms: [1, 1, 2], affine, datatype: 4, voxels }));
});
afterEach(() => rmSync(dir, { recursive: true }));

async function run(more: Record<string, unknown>): Promise<void> {
  const { options } = parseFor(volumeProgram, { input: join(dir, 'ct.nii'), ...more });
  await runVolume({ platform: nodePlatform, options, terminal: { write: () => undefined }, stop: new AbortController().signal });
}

async function rows(): Promise<Conversation[]> {
  const found: Conversation[] = [];
  for await (const row of readConversations(nodePlatform, join(dir, 'rows.jsonl'), { isForTraining: true })) found.push(row);
  return found;
}

it('from the first slice to the last, each with its number, and further rows behind', async () => {
  const asked = { out: join(dir, 'rows.jsonl'), slices: '3', question: 'What is it?', answer: 'A cube.' };
  await run(asked);
  await run({ ...asked, plane: 'sagittal', ct_rgb: true });
  const [axial, sagittal, ...others] = await rows();
  expect(others).toEqual([]);
  const content = [1, 2, 3].flatMap((number) => [{ type: 'image' }, { type: 'text', text: `SLICE ${number}` }]);
  expect(axial!.messages).toEqual([
    { role: 'user', content: [...content, { type: 'text', text: 'What is it?' }] },
    { role: 'assistant', content: 'A cube.' },
  ]);
  expect(readdirSync(join(dir, 'rows_slices'))).toEqual(
    ['axial_000', 'axial_004', 'axial_008', 'sagittal_000', 'sagittal_002', 'sagittal_004'].map((name) => `ct_${name}.png`),
  );
  const volume = await openVolume(nodePlatform, join(dir, 'ct.nii'));
  const pictures = async ({ images }: Conversation): Promise<Uint8Array[]> =>
    Promise.all(images.map(async (image) => (await nodePlatform.decodeImage(await nodePlatform.readFile(image as string), 'slice')).data));
  const cut = async (dim: 0 | 2, indices: number[], intensity: 'minmax' | 'ct_rgb'): Promise<Uint8Array[]> =>
    Promise.all(indices.map(async (index) => sliceToRgb(await volume.slice(dim, index), intensity).data));
  expect(await pictures(axial!)).toEqual(await cut(2, [0, 4, 8], 'minmax'));
  expect(await pictures(sagittal!)).toEqual(await cut(0, [0, 2, 4], 'ct_rgb'));
});

it('replaces no picture unless it is told to, and says what is missing', async () => {
  const asked = { out: join(dir, 'rows.jsonl'), slices: '3', question: 'What is it?', answer: 'A cube.' };
  await run(asked);
  await expect(run(asked)).rejects.toThrow('is there already');
  await run({ ...asked, overwrite: true });
  expect(await rows()).toHaveLength(2);
  await expect(run({ ...asked, slices: '10', overwrite: true })).rejects.toThrow('has 9 axial slices');
  expect(() => parseFor(volumeProgram, { input: 'ct.nii', out: 'x.jsonl', slices: '3', question: 'What?' })).toThrow('--answer is missing');
  expect(() => parseFor(volumeProgram, { input: 'ct.nii', out: 'x.png', slices: '3' })).toThrow('--slices is for a row');
});
