/**
 * The pages that the programs write, opened from disk in Chromium: whole under their Content-Security-Policy, which stops what a hostile
 * row would have them do.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { reportHtml } from '../../src/run/quickstart/report.ts';
import { buildCommandLine, goldenRows, repository } from '../node/trainProcess.ts';
import { CHROMIUM_FLAGS } from './browser.ts';
import { INSTALL_CHROMIUM, findChromium } from './runIn.ts';

const program = findChromium();
const isSkipped = program === undefined && process.env.CI !== 'true';
const dir = mkdtempSync(join(tmpdir(), 'vernier-policy-'));
let browser: Browser;

beforeAll(async () => {
  if (isSkipped) return;
  if (program === undefined) throw new Error(INSTALL_CHROMIUM);
  browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS });
});

afterAll(async () => {
  if (!isSkipped) await browser.close();
  rmSync(dir, { recursive: true });
});

async function open(file: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(pathToFileURL(file).href);
  return { page, complaints };
}

async function pages(): Promise<Record<string, string>> {
  buildCommandLine();
  const rows = join(dir, 'rows.jsonl');
  writeFileSync(rows, goldenRows('s00_single', 's09_textonly').join('\n'));
  const inspected = join(dir, 'inspect.html');
  const { status, stderr } = spawnSync(process.execPath, [join(repository, 'dist/inspect.js'), rows, '--out', inspected], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const report = join(dir, 'report.html');
  writeFileSync(report, await reportHtml(nodePlatform, {
    architecture: 'Qwen2.5-VL', facts: [['GPU', 'one']], losses: [1, 2, 3].map((step) => ({ step, loss: 3 / step })), comparison: [], questions: [], before: [], after: [], isCutShort: false,
  }));
  return { inspected, report };
}

describe.skipIf(isSkipped)('pages under their policy', () => {
  it('look as they should, and complain of nothing', async () => {
    const files = await pages();
    expect(statSync(files['inspected']!).mode & 0o777).toBe(0o600);
    for (const file of Object.values(files)) {
      expect(readFileSync(file, 'utf8')).not.toMatch(/ style="|<script| on\w+="/);
      const { page, complaints } = await open(file);
      expect(await page.evaluate('getComputedStyle(document.querySelector("main")).maxWidth')).toMatch(/^1\d{3}px$/);
      // The marks of the key, which once had styles of their own.
      const marks = '[...document.querySelectorAll(".key .drawn, .key i[class^=of-]")].map((mark) => getComputedStyle(mark).color)';
      const colours = (await page.evaluate(marks)) as string[];
      expect([['rgb(53, 208, 127)'], ['rgb(53, 208, 127)', 'rgb(255, 123, 107)', 'rgb(88, 166, 255)']]).toContainEqual(colours);
      const pictures = (await page.evaluate(`Promise.all([...document.querySelectorAll('image')].map(async (one) => {
        const picture = new Image();
        picture.src = one.getAttribute('href');
        await picture.decode();
        return picture.naturalWidth;
      }))`)) as number[];
      expect(pictures.every((width) => width > 0)).toBe(true);
      expect(complaints).toEqual([]);
      await page.close();
    }
  });

  it('run no script, load nothing and take no style but their own, even where escaping had failed', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const hostile =
        `<base href="${address}/"><script>document.title = 'taken'</script><img src="${address}/img" onerror="document.title = 'taken'"><img src="relative">` +
        `<style>main { max-width: 7px }</style><link rel="stylesheet" href="${address}/css"><iframe src="${address}/frame"></iframe><object data="${address}/object"></object>` +
        `<form id="f" action="${address}/form"><input name="a"></form><main style="display: none"></main>`;
      for (const file of Object.values(await pages())) {
        const taken = join(dir, 'hostile.html');
        writeFileSync(taken, readFileSync(file, 'utf8').replace('<main>', `${hostile}<main>`));
        const { page, complaints } = await open(taken);
        await page.evaluate('document.getElementById("f").submit()').catch(() => undefined);
        await page.waitForTimeout(300);
        expect(await page.title()).not.toBe('taken');
        expect(await page.evaluate('getComputedStyle(document.querySelectorAll("main")[1]).maxWidth')).toMatch(/^1\d{3}px$/);
        expect(asked).toEqual([]);
        expect(complaints.filter((text) => /Content.Security.Policy/i.test(text)).length).toBeGreaterThan(4);
        await page.close();
      }
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
