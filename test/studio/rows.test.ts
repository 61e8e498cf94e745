/** A project's drawings become files of rows: read as any other file, with the pixels that the model sees. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Conversation } from '../../src/data/example.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import { openVolume } from '../../src/data/nifti.ts';
import type { Platform } from '../../src/platform.ts';
import { writeRows } from '../../web/data/rowsOfProject.ts';
import type { Scan } from '../../web/studio/project.ts';

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
  const ct = { ...scan, modality: 'CT' };
  const bone = { ...box, id: 'd', label: 'left rib' };
  const made = await writeRows(files, { project: { id: 'p3', scans: [ct], annotations: [box, bone] }, intensity: 'window' }, same);
  const [first, second] = await conversations(made.train);
  expect([first!.images[0], second!.images[0]].map((path) => (path as string).split('/').at(-1))).toEqual([
    's1-sagittal-30-0to80.png',
    's1-sagittal-30--500to1300.png',
  ]);
});
