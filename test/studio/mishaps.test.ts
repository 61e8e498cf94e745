/** What happens to a person at the step "Data": steps left while files come in, drawings without names, full storage, other tabs. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { begin, drawOut, end, eventually, give, image, K02, K03, opened, page, serveStudio, shown, stored, tool } from './dataPage.ts';
import type { Dropped } from './dataPage.ts';
import { writeFiles } from './seeded.ts';
import { isSkipped } from './studioPage.ts';

serveStudio();

/** A volume of 20×20×5 bytes. @param units of xyzt_units: 2 mm, 3 microns */
function nifti(mm: number, units: number): Buffer {
  const bytes = Buffer.alloc(352 + 2000, 7);
  bytes.fill(0, 0, 352);
  bytes.writeInt32LE(348, 0);
  for (const [i, size] of [3, 20, 20, 5, 1, 1, 1, 1].entries()) bytes.writeInt16LE(size, 40 + 2 * i);
  bytes.writeInt16LE(2, 70);
  bytes.writeInt16LE(8, 72);
  for (const i of [1, 2, 3]) bytes.writeFloatLE(mm, 76 + 4 * i);
  bytes.writeFloatLE(352, 108);
  bytes.writeInt8(units, 123);
  bytes.write('n+1', 344);
  return bytes;
}

const file = (name: string, buffer: Buffer): Dropped => ({ name, mimeType: '', buffer });
const warnings = async (): Promise<string> => (await page.locator('.notice.warning, .notice.error').allInnerTexts()).join('\n');
const step = (name: string): Promise<void> => page.locator('.steps li button', { hasText: name }).click();

describe.skipIf(isSkipped)('mishaps', () => {
  test('files go on coming in while another step is looked at; drawings that do not fit or have no name are told of', async () => {
    await begin([]);
    const copies = Array.from({ length: 8 }, (_, i) => file(`copy${i}.nii.gz`, readFileSync(image(K02))));
    await give([...copies, file('sizeless.nii', nifti(0, 2)), file('microns.nii', nifti(500, 3))]);
    await step('Train');
    await page.getByText('10 scans taken.').waitFor();
    await step('Data');
    await shown('axial 36');
    expect(await warnings()).toMatch(/microns\.nii states voxel sizes in microns[^]*sizeless\.nii does not say how large its voxels are/);

    await page.getByRole('button', { name: /^sizeless\.nii/ }).click();
    await shown('axial 2');
    expect(await page.getByRole('button', { name: 'Distance', exact: true }).isDisabled()).toBe(true);
    for (const i of [1, 2, 3]) await page.getByLabel(`Voxel size ${i} (mm)`).fill('2');
    expect(await page.getByRole('button', { name: 'Distance', exact: true }).isEnabled()).toBe(true);

    await tool('Box');
    await drawOut([4, 4], [12, 12], [20, 20], [2, 2]);
    await page.locator('.names input:focus').waitFor();
    await page.keyboard.type('cyst');
    await page.keyboard.press('Enter');
    await page.getByLabel('Name of cyst').waitFor();
    await tool('Ellipse');
    await drawOut([4, 4], [12, 12], [20, 20], [2, 2]);
    await page.getByText(/Now draw the other axis/).waitFor();
    await tool('Move');
    expect(await warnings()).toMatch(/\(Ellipse\) was not kept: it was not finished/);
    await tool('Distance');
    await page.getByLabel('What is measured').fill('');
    await drawOut([4, 4], [12, 12], [20, 20], [2, 2]);
    await tool('Move');
    expect(await warnings()).toMatch(/\(Distance\) was not kept: it had no name/);

    const box = { scan: 's', plane: 'axial', shape: 'box', landmarks: [] };
    const labels = {
      format: 'vernier-labels',
      version: 1,
      scans: [{ id: 's', name: 'sizeless.nii', kind: 'volume', modality: '', description: '', spacing: null }],
      annotations: [
        {
          ...box,
          id: '1',
          label: 'fits',
          slice: 4,
          points: [
            [1, 1],
            [5, 5],
          ],
        },
        {
          ...box,
          id: '2',
          label: 'no slice',
          slice: 5,
          points: [
            [1, 1],
            [5, 5],
          ],
        },
        {
          ...box,
          id: '3',
          label: 'beside',
          slice: 4,
          points: [
            [1, 1],
            [5, 20],
          ],
        },
      ],
    };
    await give([file('labels.json', Buffer.from(JSON.stringify(labels)))]);
    await page.getByText('1 drawing read.').waitFor();
    expect(await warnings()).toMatch(/left out: 2\.\nsizeless\.nii: no slice: slice 5[^]*sizeless\.nii: beside: point 2/);
    await eventually(({ annotations }) => annotations.map(({ label }) => label)).toEqual(['cyst', 'fits']);
    await end();
  });

  test('a project that cannot be saved stays open until there is room, and one that another tab has is told by its name', async () => {
    await begin([image(K02), image(K03)], { name: 'Full' });
    await page.getByText('2 scans taken.').waitFor();
    await eventually((project) => project.scans.length).toBe(2);
    const { id, scans } = await stored();
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(page.url());
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
    const leave = page.getByRole('button', { name: '← All projects' });
    await leave.click();
    await page.getByText(/storage for this page is full/).waitFor();
    await page.getByLabel('Kind of scan').fill('MRI');
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    await page.getByLabel('What the picture is, in words').fill('a head');
    await page.getByLabel('Kind of scan').focus();
    await eventually((project) => project.scans[0]!.description).toBe('a head');

    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByText('The project “Full” is open in another tab').waitFor();
    await page.bringToFront();
    // As a tab leaves it that is closed while files come in.
    await writeFiles(page, [[`studio/${id}/scans/left.nii`, new Uint8Array(9)]]);
    await leave.click();
    await page.getByRole('button', { name: 'Open: Full' }).click();
    await shown('axial 36');
    const kept = await page.evaluate(async (project) => {
      const folder = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('studio')).getDirectoryHandle(project);
      const names: string[] = [];
      for await (const name of (await folder.getDirectoryHandle('scans')).keys()) names.push(name);
      return names;
    }, id);
    expect(kept.sort()).toEqual(scans.map((scan) => scan.file.split('/').at(-1)).sort());

    // Only taking something out makes room for saving that.
    const { usage } = await devtools.send('Storage.getUsageAndQuota', { origin });
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage });
    await page.getByRole('button', { name: 'Remove this scan' }).click();
    await page.locator('dialog .danger').click();
    await eventually((project) => project.scans.map(({ name }) => name)).toEqual([`${K03}_T1w.nii.gz`]);
    await shown('axial 14');
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });

    await leave.click();
    await page.getByRole('button', { name: 'Delete: Full' }).click();
    await page.locator('dialog .danger').click();
    await page.getByText('There are none in this browser yet.').waitFor();
    await other.bringToFront();
    await other
      .getByRole('button', { name: 'Open: Full' })
      .click({ timeout: 2000 })
      .catch(() => undefined);
    await other.getByText('There are none in this browser yet.').waitFor();
    expect(opened.faults).toEqual([]);
    await end();
  });
});
