/** Files and folders as a hand drops them on the step "Data": pictures, a Parquet file with pictures in it, a prepared folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { prepareFolder } from '../../src/data/prepared/prepare.ts';
import { writeShard } from '../../src/data/prepared/writeShard.ts';
import { repository } from '../runtimes/runIn.ts';
import { begin, end, eventually, page, serveStudio, shown } from './dataPage.ts';
import { isSkipped } from './studioPage.ts';

serveStudio();
const scratch = mkdtempSync(join(tmpdir(), 'vernier-dropped-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Files and folders of this machine, from outside of the browser. */
async function drop(files: readonly string[]): Promise<void> {
  const box = (await page.locator('.drop').boundingBox())!;
  const devtools = await page.context().newCDPSession(page);
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2, data: { items: [], files: [...files], dragOperationsMask: 1 } };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) await devtools.send('Input.dispatchDragEvent', { type, ...at });
  await devtools.detach();
}

/** What stands before the voxels (int16) of a TIFF stack, as ImageJ writes large ones: one page with the data of all. */
function imageJStack([width, height, pages]: readonly number[], [x = 1, y = 1, z]: readonly number[]): Uint8Array {
  const text = `ImageJ=1.54f\nimages=${pages}\nslices=${pages}\nunit=mm\nspacing=${z}\n\0`;
  const tags: [tag: number, value: number][] = [
    [256, width!], [257, height!], [258, 16], [259, 1], [262, 1], [270, 0], [273, 0], [277, 1], [278, height!], [279, 2 * width! * height!],
    [282, 0], [283, 0], [296, 1], [339, 2],
  ]; // prettier-ignore
  const end = 8 + 2 + 12 * tags.length + 4;
  const bytes = Buffer.alloc(end + 16 + text.length);
  bytes.write('II*\0');
  bytes.writeUInt32LE(8, 4);
  bytes.writeUInt16LE(tags.length, 8);
  for (const [i, [tag, value]] of tags.entries()) {
    const at = 10 + 12 * i;
    const places: Record<number, number> = { 270: end + 16, 273: bytes.length, 282: end, 283: end + 8 };
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(tag === 270 ? 2 : tag === 282 || tag === 283 ? 5 : 4, at + 2);
    bytes.writeUInt32LE(tag === 270 ? text.length : 1, at + 4);
    bytes.writeUInt32LE(places[tag] ?? value, at + 8);
  }
  for (const [i, number] of [1000, 1000 * x, 1000, 1000 * y].entries()) bytes.writeUInt32LE(number, end + 4 * i);
  bytes.write(text, end + 16);
  return bytes;
}

async function preparedFolder(dir: string): Promise<void> {
  const dataDir = fileURLToPath(new URL('../../node/sample', import.meta.url));
  const volumes = new VolumeCache(nodePlatform, dataDir);
  const resizedSize = (height: number, width: number): { height: number; width: number } => ({ height, width });
  const samplesOf = async (name: string): Promise<MedvisionSample[]> => {
    const found: MedvisionSample[] = [];
    const tasks = [parseTaskName(name, 'test')];
    for await (const sample of medvisionSamples(nodePlatform, dataDir, tasks, { resizedSize, volumes }))
      if (found.push(sample) === 2) break;
    return found;
  };
  await prepareFolder(nodePlatform, {
    dir,
    identity: { prompt_style: 'corrected', seed: 1024 },
    images: 'embedded',
    samples: {
      train: await samplesOf('Colin27Mini_BoxSize_Task01_Axial_Train'),
      validation: await samplesOf('Colin27Mini_BoxSize_Task01_Axial_Test'),
    },
    resizedSize,
    write: (job) => writeShard(nodePlatform, job, async (sample) => renderSlice(await volumes.open(sample.imageFile), sample)),
    workers: 1,
    shardRows: 8,
  });
}

describe.skipIf(isSkipped)('dropped', () => {
  test('JPEG, WebP and PNG are scans', async () => {
    await begin([]);
    await drop(
      ['rgb.jpg', 'lossless.webp', 'grey16.png', 'rotated_by_exif.jpg'].map((name) => join(repository, 'test/golden/images', name)),
    );
    await page.getByText('4 scans taken.').waitFor();
    await eventually(({ scans }) => scans.map(({ name, kind }) => [name, kind]).sort()).toEqual([
      ['grey16.png', 'picture'],
      ['lossless.webp', 'picture'],
      ['rgb.jpg', 'picture'],
      ['rotated_by_exif.jpg', 'picture'],
    ]);
    for (const name of ['rgb.jpg', 'lossless.webp', 'grey16.png', 'rotated_by_exif.jpg']) {
      await page.getByRole('button', { name: new RegExp(`^${name.replace('.', '\\.')}`) }).click();
      await shown(' 0');
      await page.locator(`canvas[aria-label="${name}"]`).waitFor();
    }
    await end();
  });

  test('NRRD, MetaImage and TIFF stacks are volumes with their voxel sizes, and are asked about', async () => {
    const [size, mm] = [
      [12, 10, 6],
      [0.5, 0.75, 2],
    ];
    const voxels = Int16Array.from({ length: 720 }, (_, i) => (i * 37) % 1000);
    const file = (name: string, head: string | Uint8Array): string => {
      writeFileSync(join(scratch, name), Buffer.concat([typeof head === 'string' ? Buffer.from(head) : head, Buffer.from(voxels.buffer)]));
      return join(scratch, name);
    };
    const directions = mm.map((step, i) => `(${[0, 1, 2].map((axis) => (axis === i ? step : 0)).join(',')})`).join(' ');
    const files = [
      file(
        'knee.nrrd',
        `NRRD0004\ntype: int16\ndimension: 3\nspace: right-anterior-superior\nsizes: ${size.join(' ')}\n` +
          `space directions: ${directions}\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n\n`,
      ),
      file(
        'hip.mha',
        `ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n` +
          `TransformMatrix = -1 0 0 0 -1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = ${mm.join(' ')}\nDimSize = ${size.join(' ')}\n` +
          'ElementType = MET_SHORT\nElementDataFile = LOCAL\n',
      ),
    ];
    files.push(file('foot.tif', imageJStack(size, mm)));
    await begin([]);
    await drop(files);
    await page.getByText('3 scans taken.').waitFor();
    await eventually(({ scans }) => scans.map(({ name, kind, spacing }) => [name, kind, spacing]).sort()).toEqual([
      ['foot.tif', 'volume', mm],
      ['hip.mha', 'volume', mm],
      ['knee.nrrd', 'volume', mm],
    ]);
    for (const name of ['knee', 'hip', 'foot']) {
      await page.getByRole('button', { name: new RegExp(`^${name}`) }).click();
      await shown('axial 3');
    }
    await page.getByRole('navigation').getByText('Use').click();
    const picker = page.getByLabel('Take a picture or a volume from this machine');
    for (const path of files) {
      await picker.setInputFiles(path);
      const seen = page.locator('.seen canvas[data-shown="axial 3"]');
      await seen.waitFor();
      const wanted = sliceToRgb(await (await openAnyVolume(nodePlatform, path)).slice(2, 3), 'percentile');
      const rgba = await seen.evaluate((element) => {
        const { width, height } = element as HTMLCanvasElement;
        return [...(element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data];
      });
      expect(rgba.filter((_, i) => i % 4 < 3)).toEqual([...wanted.data]);
      await picker.setInputFiles([]);
    }
    await end();
  });

  test('a Parquet file brings its pictures, a prepared folder its rows for both sides', async () => {
    const folder = join(scratch, 'ready');
    mkdirSync(folder);
    await preparedFolder(folder);
    await begin([]);
    await drop([join(repository, 'test/golden/rows/parts.parquet')]);
    await page.getByText(/parts\.parquet: \d+ rows? to train on/).waitFor();
    await eventually(({ given }) => given?.train).toMatch(/\/given\/parts\.parquet$/);
    await page.getByRole('button', { name: 'Look at the rows' }).click();
    const frame = page.frameLocator('iframe.inspect');
    await frame.locator('svg.slice image').first().waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Take them out' }).click();
    await eventually((project) => project.given).toBeNull();

    await drop([folder]);
    await page.getByText(/To train on: .*Held out: (?!none)/).waitFor({ timeout: 60_000 });
    await eventually(({ given }) => [given?.train, given?.val].map((path) => /given\/ready\//.test(path ?? ''))).toEqual([true, true]);
    await end();
  });
});
