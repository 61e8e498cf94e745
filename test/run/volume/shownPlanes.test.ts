/** Pictures of a scan's planes, by `vernier volume --out`, against pydicom's levels (test/golden/dicom_planes.py). */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { PLANES } from '../../../src/data/planes.ts';
import { parseFor } from '../../../src/options/program.ts';
import { volumeProgram } from '../../../src/options/volume.ts';
import { runVolume } from '../../../src/run/volume/volume.ts';
import { holdingFiles } from '../../data/filesInMemory.ts';

const { 'index.json': indexBytes = new Uint8Array(), ...files } = unzipSync(readFileSync(new URL('../../golden/dicom_planes.zip', import.meta.url)));
const index = JSON.parse(new TextDecoder().decode(indexBytes)) as Record<string, number[][][]>;

async function written(input: string, more: Record<string, string>): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const keep = (path: string, data: Uint8Array | string): Promise<void> => Promise.resolve(void found.set(path, data as Uint8Array));
  const platform = { ...holdingFiles(files), writeFile: keep, appendFile: keep, makeDir: () => Promise.resolve() };
  const { options } = parseFor(volumeProgram, { input, ...more });
  await runVolume({ platform, options, terminal: { write: () => undefined }, stop: new AbortController().signal });
  return found;
}

async function levelsOf(png: Uint8Array | undefined): Promise<number[]> {
  const { data } = await holdingFiles({}).decodeImage(png ?? new Uint8Array(), 'x.png');
  return [...data].filter((_, at) => at % 3 === 0);
}

it.each(Object.keys(index))('%s', async (name) => {
  for (const [axis, plane] of PLANES.entries()) {
    const expected = index[name]?.[axis] ?? [];
    const row = await written(name, { out: 'r.jsonl', plane, slices: String(expected.length), question: 'What?', answer: 'This.' });
    const pictures = [...row].filter(([path]) => path.endsWith('.png'));
    expect(pictures).toHaveLength(expected.length);
    for (const [at, [, png]] of pictures.entries()) expect(await levelsOf(png), `${plane} ${at}`).toEqual(expected[at]);
  }
});

it('three windows of CT are refused for what is none', async () => {
  const row = { out: 'r.jsonl', slices: '2', question: 'What?', answer: 'This.' };
  await expect(written('linear', { ...row, ct_rgb: 'true' })).rejects.toThrow('--ct_rgb shows Hounsfield units of CT; linear is MR. Leave it out.');
});

it.each(PLANES)('a slice by itself is that of a row: %s', async (plane) => {
  const one = await written('inverted', { out: 'x.png', plane, slice: '2' });
  expect(await levelsOf(one.get('x.png'))).toEqual(index['inverted']?.[PLANES.indexOf(plane)]?.[2]);
});
