/** A project in the browser's storage, as the steps before training would have left it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { repository } from '../runtimes/runIn.ts';

/** A short question about a small picture, so that a step on SwiftShader takes seconds. */
export const ROW = {
  messages: [
    { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Size?' }] },
    { role: 'assistant', content: '0.125, 0.250, 0.500, 0.750' },
  ],
  images: ['pictures/a.png'],
  task: 'Detection',
};

export interface Seed {
  id: string;
  options: Record<string, unknown>;
  base?: string;
  train?: readonly unknown[];
  val?: readonly unknown[];
  runs?: readonly { name: string; startedAt: number }[];
}

/** @param page of the Studio: the files are written in its origin */
export async function seedProject(
  page: Page,
  { id, options, base = '/own/base', train = [ROW], val = [ROW], runs = [] }: Seed,
): Promise<void> {
  const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const project = {
    version: 1,
    id,
    name: id,
    createdAt: 0,
    scans: [],
    annotations: [],
    given: { train: `/studio/${id}/rows/train.jsonl`, val: val.length > 0 ? `/studio/${id}/rows/test.jsonl` : null },
    base,
    options,
    runs,
  };
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  await writeFiles(page, [
    [`studio/${id}/rows/train.jsonl`, text(lines(train))],
    [`studio/${id}/rows/test.jsonl`, text(lines(val))],
    [`studio/${id}/project.json`, text(JSON.stringify(project))],
    [`studio/${id}/rows/pictures/a.png`, readFileSync(join(repository, 'test/golden/images/rgb.png'))],
  ]);
}

/** Into the private file system of the page's origin. */
export async function writeFiles(page: Page, files: readonly (readonly [path: string, bytes: Uint8Array])[]): Promise<void> {
  await page.evaluate(
    async (list) => {
      for (const [path, base64] of list) {
        const parts = path.split('/');
        let folder = await navigator.storage.getDirectory();
        for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
        const stream = await (await folder.getFileHandle(parts.at(-1)!, { create: true })).createWritable();
        await stream.write(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
        await stream.close();
      }
    },
    files.map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')] as const),
  );
}

/** A file of the origin's storage as text. */
export function readText(page: Page, path: string): Promise<string> {
  return page.evaluate(async (where) => {
    const parts = where.split('/');
    let folder = await navigator.storage.getDirectory();
    for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
    return (await (await folder.getFileHandle(parts.at(-1)!)).getFile()).text();
  }, path);
}

/** SHA-256 of a file in the origin's storage; undefined where it is not there. */
export function digestOf(page: Page, path: string): Promise<string | undefined> {
  return page.evaluate(async (where) => {
    try {
      const parts = where.split('/').filter((part) => part !== '');
      let folder = await navigator.storage.getDirectory();
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
      const file = await (await folder.getFileHandle(parts.at(-1)!)).getFile();
      const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
      return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    } catch {
      return undefined;
    }
  }, path);
}

/** From the list of projects, or from any step of the project: a page that was loaded anew is there again. */
export async function openStep(page: Page, project: string, step: string): Promise<void> {
  const open = page.getByRole('button', { name: `Open: ${project}`, exact: true });
  await open.or(page.locator('.steps .project', { hasText: project })).waitFor();
  if (await open.isVisible()) await open.click();
  await page.locator('.steps li button', { hasText: step }).click();
  await page.waitForSelector(`#step-${step.toLowerCase()} h2`);
}
