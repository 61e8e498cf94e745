/** What comes into the step "Data": broken and hostile files among good ones, files of rows, folders. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { begin, drawOut, end, eventually, give, image, K01, K02, K03, page, serveStudio, shown, stored, tool } from './dataPage.ts';
import type { Dropped } from './dataPage.ts';
import { isSkipped } from './studioPage.ts';

serveStudio();

describe.skipIf(isSkipped)('files', () => {
  test('what cannot be read is told of by name, the rest is taken; names and texts are no markup', async () => {
    const hostile = '<img src=x onerror="document.title=1">.nii.gz';
    await begin(
      [
        { name: hostile, mimeType: 'application/gzip', buffer: readFileSync(image(K03)) },
        { name: 'cut.nii.gz', mimeType: 'application/gzip', buffer: readFileSync(image(K03)).subarray(0, 20_000) },
        { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no scan') },
        { name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) },
        {
          name: 'slice.dcm',
          mimeType: 'application/dicom',
          buffer: Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), Buffer.alloc(500)]),
        },
        { name: '.DS_Store', mimeType: '', buffer: Buffer.from('x') },
      ],
      { name: '<b>x</b>' },
    );
    await page.getByText('1 scan taken.').waitFor();
    const told = (await page.getByRole('alert').textContent()) ?? '';
    for (const name of ['cut.nii.gz', 'notes.txt', 'empty.png', 'slice.dcm']) expect(told).toContain(name);
    expect(told).toMatch(/slice\.dcm.*DICOM/);
    expect(told).not.toContain('DS_Store');
    expect(told).not.toContain('/dropped');
    await shown('axial 14');
    await tool('Box');
    await page.getByLabel('Structure').fill('<script>alert(1)</script>');
    await drawOut([20, 10], [41, 30], [80, 54], [1, 1]);
    await page.getByLabel('Name of <script>alert(1)</script>').waitFor();
    expect(await page.title()).toBe('Vernier Studio');
    expect(await page.locator('.bench img, .bench script').count()).toBe(0);
    await eventually((project) => project.scans[0]!.name).toBe(hostile);
    await end();
  });

  test('rows that are given as files are looked at as a whole', async () => {
    const png = Buffer.from(await nodePlatform.encodePng(new Uint8Array(28 * 28 * 3), 28, 28, 3));
    const line = (picture: string): string =>
      `${JSON.stringify({
        messages: [
          { role: 'user', content: '<image>Where?' },
          { role: 'assistant', content: 'Here.' },
        ],
        images: [picture],
      })}\n`;
    const text = (name: string, body: string): Dropped => ({ name, mimeType: 'application/json', buffer: Buffer.from(body) });
    const picture = { name: 'a.png', mimeType: 'image/png', buffer: png };
    await begin([text('train.jsonl', line('a.png') + line('b.png')), picture]);
    await page.getByText(/train\.jsonl: 1 row cannot be read/).waitFor();
    await give([text('val.jsonl', line('a.png')), picture]);
    await page.getByText(/Rows to hold out alone train nothing/).waitFor();
    await give([text('train.jsonl', line('a.png')), text('val.jsonl', line('a.png')), picture]);
    await page.getByText('To train on: train.jsonl. Held out: val.jsonl.').waitFor();
    await eventually(({ given }) => given?.val).toMatch(/val\.jsonl$/);
    const { given, scans } = await stored();
    expect(given?.train).toMatch(/\/given\/train\.jsonl$/);
    expect(scans).toEqual([]); // the picture is the rows'
    await page.getByRole('button', { name: 'Take them out' }).click();
    await eventually((project) => project.given).toBeNull();
    await end();
  });

  test('a MedVision data folder becomes scans with what its plans say of them', async () => {
    await begin([]);
    await page
      .locator('input[type=file][aria-label="Choose a folder"]')
      .setInputFiles(fileURLToPath(new URL('../../node/sample', import.meta.url)));
    await page.getByText('3 scans taken.').waitFor({ timeout: 60_000 });
    await eventually(({ scans }) => scans.map(({ name, side }) => [name, side]).sort()).toEqual([
      [`${K01}_T1w.nii.gz`, 'test'],
      [`${K02}_T1w.nii.gz`, 'train'],
      [`${K03}_T1w.nii.gz`, 'train'],
    ]);
    const { annotations, scans } = await stored();
    expect(annotations.length).toBe(586); // 523 boxes, 15 ellipses, 48 distances and angles
    expect(scans[0]).toMatchObject({
      modality: 'MRI',
      description: 'a T1-weighted magnetic resonance imaging (MRI) scan of the human brain',
    });
    await end();
  });
});
