/** DICOM where volumes and pictures are taken: tasks' volumes, pictures of rows, questions, `vernier volume --out`. */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { scanVolume } from '../../src/data/dicom/toVolume.ts';
import { readImageHeader } from '../../src/data/imageHeader.ts';
import { sliceToRgb } from '../../src/data/medvision/intensity.ts';
import { openVolume } from '../../src/data/nifti.ts';
import type { VolumeSlice } from '../../src/data/nifti.ts';
import { axisCodes, orientationOf } from '../../src/data/niftiSpace.ts';
import { VolumeCache } from '../../src/data/medvision/slices.ts';
import { anyVolumeHeader, openAnyVolume } from '../../src/data/openVolume.ts';
import { parseFor } from '../../src/options/program.ts';
import { volumeProgram } from '../../src/options/volume.ts';
import { FLAGS, namedPictures } from '../../src/run/ask/pictures.ts';
import { pixelOf } from '../../src/run/ask/question.ts';
import { runVolume } from '../../src/run/volume/volume.ts';
import { holdingFiles } from './filesInMemory.ts';

const files = unzipSync(readFileSync(new URL('../golden/dicom_objects.zip', import.meta.url)));
const platform = holdingFiles(files);
const SERIES = ['axial', 'sagittal', 'coronal', 'feet_first', 'oblique', 'enhanced_unordered.dcm'];

it.each(SERIES)('%s: slices of each plane are those of the whole volume', async (name) => {
  const whole = await scanVolume(await openDicomScan(platform, name), name);
  const volume = await openAnyVolume(platform, name);
  expect(volume.shape).toEqual(whole.shape);
  expect(volume.zooms.map((mm) => mm.toFixed(4))).toEqual(whole.zooms.map((mm) => mm.toFixed(4)));
  expect(axisCodes(orientationOf(volume.header.affine))).toEqual(['R', 'A', 'S']);
  const [ni, nj, nk] = whole.shape;
  for (const dim of [0, 1, 2] as const) {
    for (const index of [0, whole.shape[dim] - 1]) {
      const { values, rows, cols } = await volume.slice(dim, index);
      expect([rows, cols]).toEqual(whole.shape.filter((_, axis) => axis !== dim));
      for (const [row, col] of [
        [0, 0],
        [1, 2],
        [rows - 1, cols - 1],
        [rows - 1, 0],
      ] as const) {
        // prettier-ignore
        const [i, j, k] = [0, 1, 2].map((axis) => (axis === dim ? index : axis === (dim === 0 ? 1 : 0) ? row : col));
        expect(values[row * cols + col]).toBe(whole.voxels[(i ?? 0) + ni * ((j ?? 0) + nj * (k ?? 0))]);
      }
    }
  }
  expect(nk).toBe(volume.shape[2]);
  expect((await anyVolumeHeader(platform, name)).header.shape).toEqual(whole.shape);
  await expect(volume.slice(2, whole.shape[2])).rejects.toThrow('does not exist');
});

it('reads the headers of a series once, for its shape and for its slices', async () => {
  const opened: string[] = [];
  const counting: typeof platform = {
    ...platform,
    openFile: (path) => {
      opened.push(path);
      return platform.openFile(path);
    },
  };
  const volumes = new VolumeCache(counting, '');
  const { shape } = await volumes.header('axial');
  const headers = opened.length;
  expect(headers).toBeGreaterThanOrEqual(shape[2]);
  const volume = await volumes.open('axial');
  expect(opened.length).toBe(headers);
  await volume.slice(2, 0);
  expect(opened.length).toBe(headers + 1);
  expect(volumes.bytes).toBeGreaterThan(0);
});

it('begins no header once it is stopped, and reads slices to the end', async () => {
  const stop = new AbortController();
  const volumes = new VolumeCache(platform, '', undefined, stop.signal);
  const { shape } = await volumes.header('axial');
  stop.abort(new Error('Ctrl-C'));
  await expect(volumes.header('sagittal')).rejects.toThrow('Ctrl-C');
  await expect((await volumes.open('axial')).slice(2, shape[2] - 1)).resolves.toMatchObject({ rows: shape[0] });
});

it('slices share memory only once it is given back', async () => {
  const filling: typeof platform = {
    ...platform,
    async openFile(path) {
      const file = await platform.openFile(path);
      return {
        ...file,
        async read(offset, length, into) {
          const bytes = await file.read(offset, length);
          into?.set(bytes);
          return into?.subarray(0, length) ?? bytes;
        },
      };
    },
  };
  const kept = await openAnyVolume(platform, 'axial');
  const volume = await openAnyVolume(filling, 'axial');
  const checked = async (slice: VolumeSlice, index: number): Promise<void> =>
    expect(slice.values).toEqual((await kept.slice(2, index)).values);
  const [first, second] = await Promise.all([volume.slice(2, 0), volume.slice(2, 1)]);
  expect(second.coded?.codes.buffer).not.toBe(first.coded?.codes.buffer);
  first.release?.();
  const third = await volume.slice(2, 2);
  expect(third.coded?.codes.buffer).toBe(first.coded?.codes.buffer);
  await checked(second, 1);
  await checked(third, 2);
  await checked(await volume.slice(2, 0), 0);
});

it('a series with gaps is no volume, and says where the gap is', async () => {
  await expect(openAnyVolume(platform, 'gap')).rejects.toThrow('10 mm from slice 3 to 4 (1 slice is missing)');
});

it('a picture of a row', async () => {
  const bytes = files['jpeg_12.dcm'] ?? new Uint8Array();
  const header = await readImageHeader({
    path: 'jpeg_12.dcm',
    size: bytes.length,
    read: (at, length) => Promise.resolve(bytes.slice(at, at + length)),
  });
  expect(header).toMatchObject({ format: 'dicom', width: 32, height: 24, colour: 'grey' });
  const { width, height, data } = await nodePlatform.decodeImage(bytes, 'jpeg_12.dcm');
  expect([width, height, data.length]).toEqual([32, 24, 32 * 24 * 3]);
  const { values } = await (await openDicomScan(platform, 'jpeg_12.dcm')).readSlice(0);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  for (const at of [0, 100, 767]) {
    const level = Math.floor((((values[at] ?? 0) - low) * 255) / (high - low) + 0.5);
    expect([...data.subarray(3 * at, 3 * at + 3)]).toEqual([level, level, level]);
  }
  const colour = await nodePlatform.decodeImage(files['rgb.dcm'] ?? new Uint8Array(), 'rgb.dcm');
  expect([...colour.data]).toEqual([...(await (await openDicomScan(platform, 'rgb.dcm')).readSlice(0)).values]);
  const several = await nodePlatform.decodeImage(files['frames_table.dcm'] ?? new Uint8Array(), 'frames_table.dcm');
  expect(several.notes?.[0]?.text).toBe('frames_table.dcm holds 3 frames; the first is used.');
  await expect(nodePlatform.decodeImage(bytes.subarray(0, 400), 'cut.dcm')).rejects.toThrow('cut.dcm');
});

it('a question about a slice of a folder', async () => {
  const choice = { slices: ['axial:2'], intensity: 'minmax', modality: '', structure: '', words: FLAGS } as const;
  const [picture] = await namedPictures(platform, ['axial'], choice);
  expect(picture?.slice).toMatchObject({ plane: 'axial', index: 2 });
  expect(picture?.slice?.pixelWidth).toBeCloseTo(0.7, 5);
  await expect(namedPictures(platform, ['axial'], { ...choice, slices: [] })).rejects.toThrow('axial:0 to 4');
  for (const intensity of ['window', 'ct_rgb'] as const)
    await expect(namedPictures(platform, ['axial'], { ...choice, intensity })).rejects.toThrow(`--intensity ${intensity} asks for grey levels by the kind`);
});

it('a question about a projection has the mm of its file', async () => {
  const choice = { slices: [], intensity: 'minmax', modality: '', structure: '', words: FLAGS } as const;
  const [byPath, inMemory, colour] = await namedPictures(
    platform,
    ['dx_magnified.dcm', { bytes: files['dx_magnified.dcm']!, name: 'x' }, 'rgb.dcm'],
    choice,
  );
  for (const picture of [byPath, inMemory]) {
    expect(picture?.pixel?.notes.join()).toContain('divided by the estimated magnification');
    const { pixelHeight, pixelWidth } = pixelOf({ pixelWidth: NaN, pixelHeight: NaN }, picture);
    expect([pixelHeight.toFixed(9), pixelWidth.toFixed(9)]).toEqual(['0.100000000', '0.050000000']);
    expect(pixelOf({ pixelWidth: 2, pixelHeight: 3 }, picture)).toMatchObject({ pixelHeight: 3, pixelWidth: 2 });
  }
  expect(pixelOf(undefined, colour).pixelWidth).toBeNaN();
});

it('a DICOM file that is asked about is read once; of several slices it is a volume', async () => {
  const opened: string[] = [];
  const counting: typeof platform = {
    ...platform,
    readFile: (path) => (opened.push('all'), platform.readFile(path)),
    async openFile(path) {
      const file = await platform.openFile(path);
      return { ...file, read: (offset, length) => (opened.push(`${offset}+${length}`), file.read(offset, length)) };
    },
  };
  const choice = { slices: [], intensity: 'minmax', modality: '', structure: '', words: FLAGS } as const;
  const [picture] = await namedPictures(counting, ['dx_magnified.dcm'], choice);
  expect(opened).toEqual(['0+132', 'all']);
  expect(picture?.source).toMatchObject({ bytes: files['dx_magnified.dcm'], name: 'dx_magnified.dcm' });

  const whole = await openAnyVolume(platform, 'enhanced_unordered.dcm');
  for (const given of ['enhanced_unordered.dcm', { bytes: files['enhanced_unordered.dcm']!, name: 'x' }]) {
    const [slice] = await namedPictures(platform, [given], { ...choice, slices: ['axial:3'] });
    const { data } = await platform.decodeImage((slice?.source as { bytes: Uint8Array }).bytes, 'x.png');
    expect(data).toEqual(sliceToRgb(await whole.slice(2, 3), 'minmax').data);
    expect(slice?.slice).toMatchObject({ plane: 'axial', index: 3, pixelWidth: whole.zooms[1], pixelHeight: whole.zooms[0] });
    await expect(namedPictures(platform, [given], choice)).rejects.toThrow('is a volume: say which slice, --slice sagittal:0 to 9');
  }
  // Frames without places are a picture, and so is one slice.
  for (const given of ['frames_table.dcm', 'ct_signed.dcm']) {
    expect((await namedPictures(platform, [given], choice))[0]?.slice).toBeUndefined();
    await expect(namedPictures(platform, [given], { ...choice, slices: ['axial:0'] })).rejects.toThrow('names no volume');
  }
});

it('is written as a volume and as pictures', async () => {
  const written = new Map<string, Uint8Array>();
  const writing = {
    ...platform,
    writeFile: (path: string, data: Uint8Array | string) => Promise.resolve(void written.set(path, data as Uint8Array)),
  };
  const run = async (input: string, out: string, more: Record<string, string> = {}): Promise<Uint8Array> => {
    const { options } = parseFor(volumeProgram, { input, out, ...more });
    await runVolume({ platform: writing, options, terminal: { write: () => undefined }, stop: new AbortController().signal });
    return written.get(out) ?? new Uint8Array();
  };
  const nifti = await run('sagittal', 'x.nii.gz');
  const again = await openVolume(holdingFiles({ 'x.nii.gz': nifti }), 'x.nii.gz');
  const whole = await scanVolume(await openDicomScan(platform, 'sagittal'), 'sagittal');
  expect(await again.stored()).toEqual(whole.voxels);

  const png = async (more: Record<string, string>): Promise<{ width: number; height: number; data: Uint8Array }> =>
    nodePlatform.decodeImage(await run('sagittal', 'x.png', more), 'x.png');
  expect(await png({ slice: '1' })).toMatchObject({ width: 10, height: 12 });
  expect(await png({ slice: '1', plane: 'sagittal' })).toMatchObject({ width: 12, height: 10 });
  expect(await png({ plane: 'axial' })).toMatchObject({ width: 10, height: 5 });
  await expect(png({ slice: '5' })).rejects.toThrow('slices 0 to 4');
  await expect(run('rgb.dcm', 'y.nii')).rejects.toThrow('in colour');
});
