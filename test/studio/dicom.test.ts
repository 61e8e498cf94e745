/** DICOM in the Studio: series and projections become scans, with what their headers say of sizes and nothing of whom they are of. */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import type { Unzipped } from 'fflate';
import { describe, expect, test } from 'vitest';
import { begin, drawOut, end, eventually, measured, page, serveStudio, shown, stored, tool } from './dataPage.ts';
import type { Dropped } from './dataPage.ts';
import { isSkipped } from './studioPage.ts';

serveStudio();

const [objects, volumes] = ['dicom_objects.zip', 'dicom_volumes.zip'].map((name) =>
  unzipSync(readFileSync(new URL(`../golden/${name}`, import.meta.url))),
) as [Unzipped, Unzipped];
for (const [name, file] of Object.entries(volumes)) objects[name] ??= file;
/** What test/golden/dicom_objects.py writes into every object, and the numbers of studies and series below. */
const IDENTIFYING = /Zyxwvut|Hildegard|PID-778899|19010203|Qwertz|Abcxyz|ACC-556677|STUDY-1|112233|1\.2\.3\.[789]\d|1\.2\.826\.0\.1\.36/;

/** All objects have one study and one series; here they are of others. */
function changed(
  bytes: Uint8Array,
  { study = '77', series = '78', modality }: { study?: string; series?: string; modality?: string },
): Buffer {
  const other = Buffer.from(bytes).toString('latin1').replaceAll('1.2.3.77', `1.2.3.${study}`).replaceAll('1.2.3.78', `1.2.3.${series}`);
  return Buffer.from(modality === undefined ? other : other.replace('\x08\0\x60\0CS\x02\0MR', `\x08\0\x60\0CS\x02\0${modality}`), 'latin1');
}

/** mm between slices, rows and columns, as the standard has them. */
const expected = JSON.parse(new TextDecoder().decode(objects['index.json'])) as Record<string, { spacing_mm: number[] }>;
const at = (name: string, axis: 0 | 1 | 2): number => expected[name]!.spacing_mm[axis]!;

/** Files of the archive that begin so, as they are dropped from a folder that is called as the patient. */
function dropped(start: string, how: Parameters<typeof changed>[1] = {}): Exclude<Dropped, string>[] {
  return Object.keys(objects)
    .filter((name) => name.startsWith(start))
    .map((name) => ({ name: name.replace('/', '-'), mimeType: '', buffer: changed(objects[name]!, how) }));
}

const written = (): Promise<string[]> =>
  page.evaluate(async () => {
    const texts: string[] = [];
    const look = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const entry of folder.values()) {
        texts.push(`${path}/${entry.name}`);
        if (entry.kind === 'directory') await look(entry as FileSystemDirectoryHandle, `${path}/${entry.name}`);
        else texts.push(new TextDecoder('latin1').decode(await (await (entry as FileSystemFileHandle).getFile()).arrayBuffer()));
      }
    };
    await look(await navigator.storage.getDirectory(), '');
    return texts;
  });

describe.skipIf(isSkipped)('DICOM', () => {
  test('mixed series of two studies become volumes and pictures, in mm; nobody is named', async () => {
    expect(objects['axial/000.dcm'] && Buffer.from(objects['axial/000.dcm']).toString('latin1')).toMatch(IDENTIFYING);
    await begin([
      ...dropped('axial/', { series: '81', modality: 'CT' }),
      ...dropped('sagittal/', { series: '82' }),
      ...dropped('us_region.dcm', { study: '91', series: '92' }),
      ...dropped('us_two_regions.dcm', { study: '91', series: '93' }),
      ...dropped('cr_imager.dcm', { study: '91', series: '94' }),
      ...dropped('gap/', { study: '91', series: '95' }),
      ...dropped('echoes/', { study: '91', series: '96' }),
      { name: 'README.TXT', mimeType: 'text/plain', buffer: Buffer.from('a disc') },
    ]);
    await page.getByText('7 scans taken.').waitFor();
    await eventually(({ scans }) => scans.map(({ name, kind, modality }) => [name, kind, modality])).toEqual([
      ['Study 1, CT series 1', 'volume', 'CT'],
      ['Study 1, MRI series 1', 'volume', 'MRI'],
      ['Study 2, ultrasound image 1', 'picture', 'ultrasound'],
      ['Study 2, ultrasound image 2', 'picture', 'ultrasound'],
      ['Study 2, X-ray image 1', 'picture', 'X-ray'],
      // Beside the one with gaps.
      ['Study 2, MRI series 2', 'volume', 'MRI'],
      ['Study 2, MRI series 3', 'volume', 'MRI'],
    ]);
    const { scans } = await stored();
    expect(scans.map(({ spacing }) => spacing?.map((mm) => Number(mm.toFixed(4))) ?? null)).toEqual([
      [at('axial', 2), at('axial', 1), at('axial', 0)],
      [at('sagittal', 0), at('sagittal', 2), at('sagittal', 1)],
      [at('us_region.dcm', 2), at('us_region.dcm', 1)],
      null,
      [at('cr_imager.dcm', 2), at('cr_imager.dcm', 1)],
      [0.5, 0.7, 2],
      [0.5, 0.7, 2],
    ]);
    const said = (await page.locator('body').textContent()) ?? '';
    expect(said).toMatch(/Study 2, MRI series 1: no volume is made of it, since there are gaps: .*\(1 slice is missing\)/);
    expect(said).toMatch(/Study 2, ultrasound image 2: its 2 ultrasound regions have pixels of different sizes/);
    expect(said).toMatch(/Study 2, X-ray image 1: pixel sizes are those of the detector, not calibrated/);
    expect(said).toContain('Study 2, MRI series 3: this is volume 2 of 2 (EchoTime 12 ms); 4 images of others left out.');
    expect(said).toContain('1 file beside the DICOM files is nothing that is read here.');
    expect(said).not.toMatch(IDENTIFYING);
    expect((await written()).join('\n')).not.toMatch(IDENTIFYING);

    await page.getByRole('button', { name: /^Study 1, CT series 1/ }).click();
    await shown('axial 2');
    await page.getByLabel('Grey levels for the model').selectOption({ label: 'window: lung' });
    await tool('Distance');
    await page.getByLabel('What is measured').fill('width');
    await drawOut([2, 3], [8, 3], [10, 12], [at('axial', 2), at('axial', 1)]);
    await page.getByLabel('Name of width').waitFor();
    expect(Number(/([\d.]+) mm/.exec(await measured('width'))?.[1])).toBeCloseTo(6 * at('axial', 2), 0);
    await end();
  });

  test('compressed files are decoded, each by a decoder that came for it', async () => {
    const names = ['jls_12.dcm', 'htj2k_rpcl.dcm', 'jpeg_8.dcm', 'jpeg_lossless_12.dcm', 'rle_16.dcm'];
    await begin(names.flatMap((name, i) => dropped(name, { study: `9${i}`, series: `8${i}` })));
    await page.getByText('5 scans taken.').waitFor();
    expect(await page.getByText('Not taken').count()).toBe(0);
    await eventually(({ scans }) => scans.length).toBe(names.length);
    const { scans } = await stored();
    expect(scans.map(({ kind }) => kind)).toEqual(names.map(() => 'picture'));
    await shown(' 0');
    expect((await written()).join('\n')).not.toMatch(IDENTIFYING);
    await end();
  });

  test('a file is asked about: a slice with its kind, or a projection with the size of its pixels', async () => {
    await begin([]);
    await page.getByRole('navigation').getByText('Use').click();
    const picker = page.getByLabel('Take a picture or a volume from this machine');
    await picker.setInputFiles(dropped('ct_signed.dcm'));
    await page.locator('canvas[data-shown="axial 0"]').waitFor();
    expect(await page.getByLabel('Kind of scan').inputValue()).toBe('CT');
    await picker.setInputFiles(dropped('us_region.dcm'));
    await page.locator('canvas[data-shown="picture"]').waitFor();
    await page.getByLabel('What is asked for').selectOption('Distance');
    expect(await page.getByLabel('mm a pixel (width, height)').inputValue()).toBe('0.2 0.3');
    await end();
  });
});
