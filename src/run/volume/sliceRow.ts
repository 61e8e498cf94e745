/**
 * A volume as a row of training: slices from its first to its last, evenly spaced, each a picture with its number behind it, then a
 * question and its answer. So MedGemma 1.5 is asked about CT and MRI.
 */
import { PLANES } from '../../data/planes.ts';
import type { ContentPart, Message } from '../../data/example.ts';
import type { SliceDim } from '../../data/nifti.ts';
import type { VolumeOptions } from '../../options/volume.ts';
import { joinPath, lastName, parentPath, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';

/** A volume in RAS+, as pictures. */
export interface Planes {
  shape: readonly [number, number, number];
  /** A picture for each index. */
  shown: (dim: SliceDim, indices: readonly number[]) => AsyncIterable<DecodedImage>;
}

interface SliceRow {
  /** Of the scan: its last name says what the pictures and the row are called. */
  path: string;
  /** The rows, one more behind those that are there; pictures lie in a folder beside it. */
  out: string;
  options: Pick<VolumeOptions, 'plane' | 'question' | 'answer' | 'overwrite'>;
}

/** @throws UserError where the volume has fewer slices, or a picture of that name is there already */
export async function addSliceRow(platform: Platform, { shape, shown }: Planes, slices: number, row: SliceRow): Promise<void> {
  const { path, out, options } = row;
  const plane = options.plane ?? 'axial';
  const dim = PLANES.indexOf(plane) as SliceDim;
  const count = shape[dim];
  if (slices > count) throw new UserError(`--slices ${slices}: ${path} has ${count} ${plane} slices.`);
  const id = lastName(path).replace(/\.(?:nii|nii\.gz|dcm)$/i, '');
  const folder = lastName(out).replace(/\.jsonl$/i, '_slices');
  const place = joinPath(parentPath(out), folder);
  const named = evenly(slices, count).map((index) => ({ index, name: `${id}_${plane}_${String(index).padStart(3, '0')}.png` }));
  for (const { name } of named) {
    if (!options.overwrite && (await platform.exists(joinPath(place, name))))
      throw new UserError(`${joinPath(place, name)} is there already. Give another --out, or --overwrite true.`);
  }
  await platform.makeDir(place);
  const names = named.values();
  for await (const { data, width, height } of shown(
    dim,
    named.map(({ index }) => index),
  )) {
    const { value } = names.next();
    if (value !== undefined) await platform.writeFile(joinPath(place, value.name), await platform.encodePng(data, width, height, 3));
  }
  const seen = named.flatMap((_, i): ContentPart[] => [{ type: 'image' }, { type: 'text', text: `SLICE ${i + 1}` }]);
  const messages: Message[] = [
    { role: 'user', content: [...seen, { type: 'text', text: options.question ?? '' }] },
    { role: 'assistant', content: options.answer ?? '' },
  ];
  await platform.appendFile(out, `${JSON.stringify({ id, messages, images: named.map(({ name }) => `${folder}/${name}`) })}\n`);
}

/** The first, the last, and what lies between. */
function evenly(slices: number, count: number): number[] {
  return Array.from({ length: slices }, (_, i) => Math.round((i * (count - 1)) / (slices - 1)));
}
