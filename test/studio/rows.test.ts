/** A project's drawings become files of rows: read as any other file, with the pixels that the model sees. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { askOptions } from '../../src/api/answer.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Conversation } from '../../src/data/example.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import type { Intensity } from '../../src/data/medvision/intensity.ts';
import { openVolume } from '../../src/data/nifti.ts';
import type { Platform } from '../../src/platform.ts';
import { writeRows } from '../../web/data/rowsOfProject.ts';
import type { Scan } from '../../web/studio/project.ts';
import { askedOf, beginAt } from '../../web/use/asked.ts';
import { askedSlice } from '../../web/use/askedSlice.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-rows-'));
afterAll(() => rmSync(folder, { recursive: true }));
const volumeFile = fileURLToPath(
  new URL('../../node/sample/Datasets/Colin27Mini/Images/k03-bet-1x1x15mm-deep_T1w.nii.gz', import.meta.url),
);

/** The browser's storage lies in a folder here. */
const at = (path: string): string => (path.startsWith('/studio') ? join(folder, path) : path);
const files: Platform = {
  ...nodePlatform,
  exists: (path) => nodePlatform.exists(at(path)),
  readFile: (path) => nodePlatform.readFile(at(path)),
  openFile: (path) => nodePlatform.openFile(at(path)),
  makeDir: (path) => nodePlatform.makeDir(at(path)),
  writeFile: (path, data) => nodePlatform.writeFile(at(path), data),
};

const scan: Scan = {
  id: 's1',
  name: 'head.nii.gz',
  kind: 'volume',
  file: volumeFile,
  modality: 'MRI',
  description: 'an MRI scan of the head',
  spacing: [1, 1, 1.5],
  intensity: 'minmax',
  side: 'train',
};
const heldOut: Scan = { ...scan, id: 's2', name: 'other.nii.gz', side: 'test' };
const box: DrawnAnnotation = {
  id: 'a',
  scan: 's1',
  plane: 'sagittal',
  slice: 30,
  shape: 'box',
  label: 'thalamus',
  landmarks: [],
  points: [
    [10, 5],
    [29, 20],
  ],
};
const length: DrawnAnnotation = {
  ...box,
  id: 'b',
  shape: 'distance',
  landmarks: ['front', 'back'],
  points: [
    [10, 5],
    [10, 15],
  ],
};
const same = (height: number, width: number): { height: number; width: number } => ({ height, width });

async function conversations(path: string): Promise<Conversation[]> {
  const found: Conversation[] = [];
  for await (const conversation of readConversations(nodePlatform, at(path))) found.push(conversation);
  return found;
}

it('with the pixels of their slices, held-out scans apart', async () => {
  const project = { id: 'p1', scans: [scan, heldOut], annotations: [{ ...box, id: 'c', scan: 's2' }, box, length] };
  const shares: number[] = [];
  const made = await writeRows(files, { project }, same, async (share) => void shares.push(share));
  expect(made.rows).toEqual({ train: 2, val: 1 });
  expect(shares).toEqual([2 / 3, 1]);
  const [first, second] = await conversations(made.train);
  expect(await conversations(made.val!)).toMatchObject([{ id: 'c', measure: { scan: 'other.nii.gz' } }]);
  expect([first!.task, second!.task]).toEqual(['Detection', 'AD']);
  expect(second!.messages[1]!.content).toEqual([{ type: 'text', text: '15.00' }]); // 10 columns of 1.5 mm
  expect(first!.images).toEqual(second!.images);
  const picture = await nodePlatform.decodeImage(readFileSync(first!.images[0] as string), 'p');
  const pixels = sliceToRgb(await (await openVolume(nodePlatform, volumeFile)).slice(0, 30), 'minmax');
  expect([picture.width, picture.height]).toEqual([pixels.width, pixels.height]);
  expect(Buffer.from(picture.data).equals(pixels.data)).toBe(true);

  // Made again, all is there already; one that was not written to its end is written again.
  const file = first!.images[0] as string;
  const before = statSync(file).mtimeMs;
  expect(await writeRows(files, { project }, same)).toEqual(made);
  expect(statSync(file).mtimeMs).toBe(before);
  writeFileSync(file, '');
  await writeRows(files, { project }, same);
  expect(statSync(file).size).toBeGreaterThan(100);
  // Other drawings are another file, so that a run which goes on finds its own.
  const changed = await writeRows(files, { project: { ...project, annotations: [box] } }, same);
  expect(changed.train).not.toBe(made.train);
  expect(changed.val).toBeNull();
  expect(await conversations(made.train)).toHaveLength(2);
});

it('says why there are none', async () => {
  const rows = (scans: Scan[], annotations: DrawnAnnotation[]): Promise<unknown> =>
    writeRows(files, { project: { id: 'p2', scans, annotations } }, same);
  await expect(rows([scan], [])).rejects.toThrow(/Nothing is drawn yet/);
  await expect(rows([{ ...scan, side: 'test' }], [box])).rejects.toThrow(/All scans with drawings are held out/);
  await expect(rows([{ ...scan, spacing: null }], [length])).rejects.toThrow(
    /head\.nii\.gz: .*the size of a pixel of head\.nii\.gz is not known/,
  );
  await expect(rows([scan], [{ ...box, slice: 999 }])).rejects.toThrow(/slice 999 along axis 0 does not exist/);
  await expect(rows([scan], [{ ...box, plane: null }])).rejects.toThrow(/head\.nii\.gz: a drawing on a picture is not on this volume/);
});

it('cuts CT at the window of what is measured', async () => {
  const ct: Scan = { ...scan, modality: 'CT', intensity: 'window' };
  const bone = { ...box, id: 'd', label: 'left rib' };
  const made = await writeRows(files, { project: { id: 'p3', scans: [ct], annotations: [box, bone] } }, same);
  const [first, second] = await conversations(made.train);
  expect([first!.images[0], second!.images[0]].map((path) => (path as string).split('/').at(-1))).toEqual([
    's1-sagittal-30-0to80.png',
    's1-sagittal-30--500to1300.png',
  ]);
});

it.each<[Scan['intensity'], string, string, Intensity]>([
  ['window', 'MRI', 'percentile', 'percentile'],
  ['percentile', 'CT', 'percentile', 'percentile'],
  [{ low: 20, high: 90.5 }, 'CT', '20to90.5', { low: 20, high: 90.5 }],
])('the picture is of the grey levels that are chosen for the scan: %j of %s', async (intensity, modality, name, wanted) => {
  const own: Scan = { ...scan, modality, intensity };
  const { train } = await writeRows(files, { project: { id: `p4-${modality}-${name}`, scans: [own], annotations: [box] } }, same);
  const [row] = await conversations(train);
  const path = row!.images[0] as string;
  expect(path.split('/').at(-1)).toBe(`s1-sagittal-30-${name}.png`);
  const pixels = sliceToRgb(await (await openVolume(nodePlatform, volumeFile)).slice(0, 30), wanted);
  expect(readFileSync(path)).toEqual(Buffer.from(await nodePlatform.encodePng(pixels.data, pixels.width, pixels.height, 3)));
  const { data } = await nodePlatform.decodeImage(readFileSync(path), 'p');
  expect(Buffer.from(data).equals(pixels.data)).toBe(true);
  if (typeof intensity === 'string') return;
  const { values } = await (await openVolume(nodePlatform, volumeFile)).slice(0, 30);
  const byHand = Array.from(values, (value) => Math.floor(((Math.min(90.5, Math.max(20, value)) - 20) / 70.5) * 255));
  expect(Array.from(values, (_, i) => data[3 * i])).toEqual(byHand);
  expect(new Set(byHand).size).toBeGreaterThan(20);
});

it('a question about a slice has the picture and the pixels of its rows: the grey levels and the spacing that are said of the scan', async () => {
  const ct: Scan = { ...scan, modality: 'CT', intensity: 'window', spacing: [2, 0.5, 3] };
  const { train } = await writeRows(files, { project: { id: 'p5', scans: [ct], annotations: [box] } }, same);
  const [row] = await conversations(train);
  const asked = async (words: string, slice = 30, from: Scan = ct): Promise<{ png: Uint8Array; pixelSize?: [number, number] }> => {
    const { about, request } = askedOf({ from: { scan: from }, plane: 'sagittal', slice, kind: 'Detection', words, size: '9' });
    expect(request).toMatchObject({ task: 'Detection', of: words.trim(), image_description: 'an MRI scan of the head' });
    expect(request).not.toHaveProperty('pixel_size'); // the slice says it
    if ('picture' in about) throw new Error('no slice');
    const { image, ...more } = await askedSlice(await openVolume(files, about.slice.file as string), about.slice);
    return { png: await files.encodePng(image.data, image.width, image.height, 3), ...more };
  };
  const { png, pixelSize } = await asked(' thalamus ');
  expect(Buffer.from(png)).toEqual(readFileSync(row!.images[0] as string));
  expect(pixelSize).toEqual([3, 0.5]); // a column of the third axis, a row of the second
  expect((await asked('rib')).png).not.toEqual(png); // another window
  // A picked volume says it itself.
  const file = new File([], 'picked.nii.gz');
  const { about } = askedOf({
    from: { file, isVolume: true, modality: '', intensity: 'minmax' },
    plane: 'sagittal',
    slice: 30,
    kind: '',
    words: 'x',
    size: '',
  });
  if ('picture' in about) throw new Error('no slice');
  expect((await askedSlice(await openVolume(files, volumeFile), about.slice)).pixelSize).toEqual([1.5, 1]);
  // And where it says none, nobody does.
  const sizeless = gunzipSync(readFileSync(volumeFile));
  sizeless.fill(0, 80, 92);
  writeFileSync(join(folder, 'sizeless.nii'), sizeless);
  expect(await askedSlice(await openVolume(files, join(folder, 'sizeless.nii')), about.slice)).not.toHaveProperty('pixelSize');
  for (const slice of [80, -1, 1.5, NaN])
    await expect(asked('rib', slice)).rejects.toThrow('head.nii.gz: say which slice, a whole number from 0 to 79 in the sagittal plane.');
});

it('a question begins where something is drawn, in the plane that is chosen, or in the middle', () => {
  const drawn = [{ plane: 'sagittal', slice: 30 }, { plane: 'sagittal', slice: 31 }, { plane: 'axial', slice: 99 }] as const;
  expect(beginAt([80, 60, 40], [])).toEqual({ plane: 'axial', slice: 20 });
  expect(beginAt([80, 60, 40], drawn)).toEqual({ plane: 'sagittal', slice: 30 });
  expect(beginAt([80, 60, 40], drawn, 'coronal')).toEqual({ plane: 'coronal', slice: 30 });
  expect(beginAt([80, 60, 40], drawn, 'axial')).toEqual({ plane: 'axial', slice: 20 }); // the scan has not so many
});

it('what goes wrong with the copy of a scan is said of the scan', async () => {
  const project = { id: 'p6', scans: [scan], annotations: [{ ...box, slice: 500 }] };
  await expect(writeRows(files, { project }, same)).rejects.toThrow(/^head\.nii\.gz: slice 500/);
  const lost = { ...project, scans: [{ ...scan, file: '/studio/p6/scans/s1.nii.gz' }] };
  await expect(writeRows(files, { project: lost }, same)).rejects.toThrow(/head\.nii\.gz/);
});

it('a question about a picture says how large its pixels are', () => {
  const picture: Scan = { ...scan, kind: 'picture', spacing: [0.5, 0.25] };
  const asked = { plane: 'axial', slice: 0, kind: 'Distance', words: 'a; b', size: '3' } as const;
  expect(askedOf({ ...asked, from: { scan: picture } }).request).toMatchObject({ pixel_size: ['0.5', '0.25'] });
  // A pixel may be as wide as it is high.
  const { request, question } = askedOf({ ...asked, from: { scan: { ...picture, spacing: [0.5, 0.5] } } });
  expect(askOptions(nodePlatform, 1, question, request)).toMatchObject({ pixel_size: ['0.5', '0.5'], task: 'Distance' });
  expect(askedOf({ ...asked, from: { scan: { ...picture, spacing: null } } }).request).toMatchObject({ pixel_size: ['3'] });
});
