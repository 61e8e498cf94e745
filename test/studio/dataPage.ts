/** The step "Data" of the built Studio, for its tests: files in, drawing by pointer, and what is kept. */
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Project } from '../../web/studio/project.ts';
import { drawOnPage } from './drawing.ts';
import type { Drawn } from './drawing.ts';
import { buildStudio, isSkipped, newProject, openStudio } from './studioPage.ts';
import type { BuiltStudio, OpenedStudio } from './studioPage.ts';

export const sample = fileURLToPath(new URL('../../node/sample/Datasets/Colin27Mini/', import.meta.url));
export const image = (name: string): string => `${sample}Images/${name}_T1w.nii.gz`;
export const [K01, K02, K03] = ['k01-bet-1mm-deep', 'k02-bet-25mm', 'k03-bet-1x1x15mm-deep'] as const;

let studio: BuiltStudio;
export let opened: OpenedStudio;
/** Of the test that runs. */
export let page: Page;

/** Builds the page for a file of tests. */
export function serveStudio(): void {
  beforeAll(async () => {
    if (!isSkipped) studio = await buildStudio();
  });
  afterAll(async () => {
    if (!isSkipped) await studio.close();
  });
}

export type Dropped = string | { name: string; mimeType: string; buffer: Buffer };

/** A project with these files. */
export async function begin(
  files: readonly Dropped[],
  { name = 'Mine', ...options }: BrowserContextOptions & { name?: string } = {},
): Promise<void> {
  const context = await studio.browser.newContext({ viewport: { width: 1280, height: 1000 }, ...options });
  opened = await openStudio(studio, context);
  ({ page } = opened);
  await newProject(page, name);
  await page.waitForSelector('.drop');
  if (files.length > 0) await give(files);
}

export async function give(files: readonly Dropped[]): Promise<void> {
  const input = page.locator('input[type=file][aria-label="Choose files"]');
  if (typeof files[0] === 'string') await input.setInputFiles(files as string[]);
  else await input.setInputFiles(files as Exclude<Dropped, string>[]);
}

export async function end(): Promise<void> {
  expect(opened.faults).toEqual([]);
  await page.context().close();
}

/** As it lies in the browser's storage. */
export async function stored(): Promise<Project> {
  return JSON.parse(
    await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('studio');
      for await (const folder of root.values())
        if (folder.kind === 'directory') {
          const file = await (await (folder as FileSystemDirectoryHandle).getFileHandle('project.json')).getFile();
          return file.text();
        }
      return 'null';
    }),
  ) as Project;
}

/** Changes are saved soon, not at once. */
export const eventually = (pick: (project: Project) => unknown): ReturnType<typeof expect.poll> =>
  expect.poll(async () => pick(await stored()), { timeout: 10_000 });

export async function shown(where: string): Promise<void> {
  await page.locator(`canvas[data-slice="${where}"]`).waitFor();
}

/** As `drawOnPage`, on the page of the test that runs. */
export const drawOut = (...drawn: Drawn): Promise<void> => drawOnPage(page, ...drawn);

export const tool = (name: string): Promise<void> =>
  page.getByRole('group', { name: 'Tool' }).getByRole('button', { name, exact: true }).click();
/** What the list says that a drawing measures. */
export const measured = async (label: string): Promise<string> =>
  (await page
    .getByRole('row')
    .filter({ has: page.getByLabel(`Name of ${label}`) })
    .locator('.number')
    .textContent()) ?? '';
