/** The step "Data" by pointer and by keys: drawings, sizes of pixels, masks and labels. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readLabels } from '../../src/data/drawn/labels.ts';
import {
  begin,
  drawOut,
  end,
  eventually,
  give,
  image,
  K02,
  K03,
  measured,
  page,
  sample,
  serveStudio,
  shown,
  stored,
  tool,
} from './dataPage.ts';
import { isSkipped, seriousFindings } from './studioPage.ts';

serveStudio();

/** Of the middle row of what the canvas shows, without drawings on it. */
const brightest = (): Promise<number> =>
  page.locator('canvas').evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, Math.floor(height / 2), width, 1);
    return Math.max(...data.filter((_, i) => i % 4 === 1 && data[i] === data[i - 1]));
  });

describe.skipIf(isSkipped)('drawings', () => {
  test('are looked at, drawn on by pointer and by keys, and are there after a reload', async () => {
    await begin([image(K03), image(K02)]);
    await page.getByText('2 scans taken.').waitFor();
    // 80×54×28 voxels of 1×1×1.5 mm: the middle axial slice.
    await page.getByRole('button', { name: new RegExp(K03) }).click();
    await shown('axial 14');

    await tool('Box');
    await page.getByLabel('Structure').fill('left putamen');
    await drawOut([20, 10], [41, 30], [80, 54], [1, 1]);
    expect(await measured('left putamen')).toBe('21 × 22 px');
    // It is undone and done again, by buttons and by keys.
    const named = page.getByLabel('Name of left putamen');
    await page.getByRole('button', { name: 'Undo', exact: true }).click();
    await named.waitFor({ state: 'detached' });
    await page.keyboard.press('Control+Shift+Z');
    await named.waitFor();
    await page.locator('canvas').focus();
    await page.keyboard.press('Control+z');
    await named.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Redo', exact: true }).click();
    await named.waitFor();
    await page.getByText('Done again: left putamen.').waitFor();

    // What is shown is what the model sees: of CT the window of what is drawn, or the one that is chosen.
    await page.getByLabel('Kind of scan').fill('CT');
    await page.getByLabel('Kind of scan').blur();
    await page.getByText('Window width: 400').waitFor();
    await page.getByLabel('Structure').fill('left rib');
    await page.getByText('Window width: 1800').waitFor();
    await page.getByLabel('Grey levels for the model').selectOption({ label: 'window: brain' });
    await page.getByText('Window width: 80').waitFor();
    await expect.poll(brightest).toBe(255);
    await page.getByLabel('Centre of the window').fill('-5000');
    await expect.poll(brightest).toBe(255);
    await page.getByLabel('Centre of the window').fill('5000');
    await expect.poll(brightest).toBe(0);
    await page.getByLabel('Width of the window').fill('none');
    await page.getByText('A number above 0 is expected.').waitFor();
    await page.getByLabel('Width of the window').fill('100');
    await eventually(({ scans }) => scans.find(({ name }) => name.startsWith(K03))?.intensity).toEqual({ low: 4950, high: 5050 });
    await page.getByLabel('Grey levels for the model').selectOption({ label: 'by the kind of scan' });
    await page.getByLabel('Kind of scan').fill('MRI');
    await page.getByLabel('Kind of scan').blur();

    await page.getByRole('button', { name: 'Sagittal' }).click();
    await shown('sagittal 40');
    await tool('Distance');
    await page.getByLabel('What is measured').fill('height');
    await drawOut([10, 4], [10, 24], [54, 28], [1, 1.5]);
    const value = Number(/([\d.]+) mm/.exec(await measured('height'))?.[1]);
    expect(Math.abs(value - 30)).toBeLessThan(0.4); // 20 columns of 1.5 mm, to a pixel of the screen

    // An angle by keys alone.
    await tool('Angle');
    await page.getByLabel('What is measured').fill('tilt');
    await page.locator('canvas').focus();
    await page.keyboard.press('Enter');
    await page.getByText(/Point 1 of 4/).waitFor();
    await page.keyboard.press('Tab');
    await page.getByText(/Point 2 of 4/).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Enter');
    await page.getByText(/tilt drawn: /).waitFor();

    // One is begun and left.
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    // Without a drawing, arrows go through slices.
    await page.keyboard.press('ArrowDown');
    await shown('sagittal 41');

    await tool('Ellipse');
    await page.getByLabel('Structure').fill('cyst');
    await drawOut([27, 4], [27, 24], [54, 28], [1, 1.5]);
    await drawOut([27, 14], [37, 14], [54, 28], [1, 1.5]);
    const axes = /([\d.]+) × ([\d.]+) mm/.exec(await measured('cyst'));
    expect(Math.abs(Number(axes?.[1]) - 30)).toBeLessThan(0.4);
    expect(Math.abs(Number(axes?.[2]) - 20)).toBeLessThan(0.6); // square to the major axis, as far to both sides

    await eventually(({ annotations }) => annotations.length).toBe(4);
    const project = await stored();
    expect(project.annotations.map(({ shape, label, plane, slice }) => [shape, label, plane, slice])).toEqual([
      ['box', 'left putamen', 'axial', 14],
      ['distance', 'height', 'sagittal', 40],
      ['angle', 'tilt', 'sagittal', 40],
      ['ellipse', 'cyst', 'sagittal', 41],
    ]);
    expect(project.annotations[0]!.points).toEqual([
      [20, 10],
      [41, 30],
    ]);
    expect(project.annotations[1]!.landmarks).toEqual(['end 1 of height', 'end 2 of height']);
    expect(project.scans.map(({ name, spacing }) => [name, spacing])).toEqual([
      [`${K02}_T1w.nii.gz`, [2.5, 2.5, 2.5]],
      [`${K03}_T1w.nii.gz`, [1, 1, 1.5]],
    ]);
    expect(await seriousFindings(page)).toEqual([]);

    await page.reload();
    await page.getByRole('button', { name: new RegExp(K03) }).click();
    await page.getByRole('button', { name: 'Go to left putamen, axial 14' }).click();
    await shown('axial 14');
    await page.locator('canvas').focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await eventually((project) => project.annotations[0]!.points[0]).toEqual([20, 9]);
    // What the model sees of it, in a frame that may do nothing.
    await page.getByRole('button', { name: 'Look at the rows' }).click();
    const frame = page.frameLocator('iframe.inspect');
    await frame.getByRole('heading', { name: 'Box: left putamen' }).waitFor({ timeout: 60_000 });
    await frame.getByRole('heading', { name: 'Distance: height' }).waitFor();
    expect(await frame.locator('svg.slice line').count()).toBeGreaterThanOrEqual(5);
    expect(await page.locator('iframe.inspect').getAttribute('sandbox')).toBe('');
    await page.getByRole('button', { name: 'Delete tilt' }).click();
    await eventually((project) => project.annotations).toHaveLength(3);
    await end();
  });

  test('a picture is asked for the size of its pixels before anything in mm is drawn', async () => {
    const png = Buffer.from(await nodePlatform.encodePng(new Uint8Array(60 * 80 * 3).fill(120), 80, 60, 3));
    await begin([{ name: 'x-ray.png', mimeType: 'image/png', buffer: png }]);
    await shown(' 0');
    const distance = page.getByRole('group', { name: 'Tool' }).getByRole('button', { name: 'Distance' });
    expect(await distance.isDisabled()).toBe(true);
    await tool('Box');
    await page.getByLabel('Structure').fill('femur');
    await drawOut([5, 5], [25, 45], [60, 80], [1, 1]);
    await page.getByLabel('Pixel width (mm)').fill('nonsense');
    await page.getByText('A number above 0 is expected.').waitFor();
    await page.getByLabel('Pixel width (mm)').fill('0.5');
    await page.getByLabel('Pixel height (mm)').fill('0,25');
    expect(await distance.isDisabled()).toBe(false);
    await tool('Distance');
    await page.getByLabel('What is measured').fill('width');
    await drawOut([30, 10], [30, 50], [60, 80], [0.25, 0.5]);
    const value = Number(/([\d.]+) mm/.exec(await measured('width'))?.[1]);
    expect(Math.abs(value - 20)).toBeLessThan(0.1);
    await eventually(({ annotations }) => annotations.length).toBe(2);
    const { scans, annotations } = await stored();
    expect(scans[0]).toMatchObject({ kind: 'picture', spacing: [0.5, 0.25] });
    expect(annotations.map(({ plane, slice }) => [plane, slice])).toEqual([
      [null, 0],
      [null, 0],
    ]);
    await end();
  });

  test('labels go out and come back, masks become boxes and axes, scans are held out', async () => {
    await begin([image(K03), image(K02)]);
    await page.getByText('2 scans taken.').waitFor();
    await page.getByRole('button', { name: new RegExp(K03) }).click();
    await shown('axial 14');
    await page.getByRole('button', { name: 'Import a mask' }).click();
    const dialog = page.locator('dialog');
    await dialog.getByLabel('Mask of this scan').setInputFiles(`${sample}Masks-deep/${K02}_seg.nii.gz`);
    await dialog.getByText(/the mask is 72×86×72, .* is 80×54×28/).waitFor();
    await dialog.getByLabel('Mask of this scan').setInputFiles(`${sample}Masks-deep/${K03}_seg.nii.gz`);
    await dialog.getByLabel(/Name of label 1 /).fill('left thalamus');
    await dialog.getByLabel('Slices of a plane, at most').fill('100');
    await dialog.getByRole('button', { name: 'Make drawings' }).click();
    await page.getByText(/drawings? made/).waitFor();
    // Those of the plan, as MedVision's loader takes them.
    const plan = JSON.parse(gunzipSync(readFileSync(`${sample}benchmark_plan_detection_v1.0.0.json.gz`)).toString()) as {
      tasks: { train_cases: { case_ID: string; slice_profiles_z: { slice_idx: number; slice_profile: PlanLabel[] }[] }[] }[];
    };
    interface PlanLabel {
      label: number;
      bboxes: { min_coords: [number, number]; max_coords: [number, number]; dimensions: [number, number] }[];
    }
    const wanted = plan.tasks[0]!.train_cases.find(({ case_ID: id }) => id === K03)!.slice_profiles_z.flatMap(
      ({ slice_idx: slice, slice_profile: profile }) =>
        profile
          .filter(({ label, bboxes }) => label === 1 && bboxes.length === 1 && bboxes[0]!.dimensions.every((side) => side >= 10))
          .map(({ bboxes }) => [slice, [bboxes[0]!.min_coords, bboxes[0]!.max_coords]]),
    );
    expect(wanted.length).toBeGreaterThan(3);
    await eventually(({ annotations }) => annotations.length).toBe(wanted.length);
    const made = (await stored()).annotations;
    expect(made.map(({ slice, points }) => [slice, points])).toEqual(wanted);

    await page.getByRole('button', { name: 'Choose held-out scans for me' }).click();
    await eventually((project) => project.scans.map(({ side }) => side)).toEqual(['train', 'train']); // one alone has drawings
    await page.getByLabel(`${K02}_T1w.nii.gz: what it is for`).selectOption('test');
    await eventually((project) => project.scans.map(({ side }) => side)).toEqual(['test', 'train']);

    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export labels' }).click();
    const file = await (await download).path();
    const labels = readLabels(readFileSync(file), 'labels.json');
    expect(labels.annotations).toEqual(made);
    for (const { label } of made.slice(0, made.length))
      await page
        .getByRole('button', { name: `Delete ${label}`, exact: true })
        .first()
        .click();
    await eventually((project) => project.annotations).toEqual([]);
    await give([{ name: 'labels.json', mimeType: 'application/json', buffer: readFileSync(file) }]);
    await page.getByText(`${made.length} drawings read.`).waitFor();
    await eventually((project) => project.annotations).toEqual(made);
    await end();
  });

  test('can be used in 390 pixels, in the dark', async () => {
    await begin([image(K03)], { viewport: { width: 390, height: 800 }, colorScheme: 'dark' });
    await shown('axial 14');
    await tool('Box');
    expect(await seriousFindings(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await end();
  });
});
