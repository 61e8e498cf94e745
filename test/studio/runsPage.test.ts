/** The page of `vernier ui` in Chromium: the list, a run while it goes on, two beside each other, a run started, stopped and gone on with from the page. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuilt } from '../built.ts';
import { dist, goldenRows, repository, tinyModel } from '../node/trainProcess.ts';
import { lockOf, row, START } from '../run/ui/outputs.ts';
import { CHROMIUM_FLAGS } from '../runtimes/browser.ts';
import { findChromium, INSTALL_CHROMIUM } from '../runtimes/runIn.ts';
import { isSkipped, seriousFindings } from './studioPage.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-runs-'));
const outputs = join(scratch, 'outputs');
const put = (path: string, text: string): void => {
  mkdirSync(join(outputs, path, '..'), { recursive: true });
  writeFileSync(join(outputs, path), text);
};
/** Where screenshots are left for the eye; nowhere unless somebody asks. */
const shots = process.env['VERNIER_SCREENSHOTS'];

let browser: Browser;
let server: ChildProcess;
let address = '';

/** A one-pixel PNG. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const HOSTILE = '<img src=x onerror="document.title=1">';
const record = (name: string): string =>
  JSON.stringify({
    vernier_report: 1, kind: 'training', name, model: 'tiny', outcome: 'finished', writtenAt: '', facts: [], data: [], settings: { lora_r: 8 }, changed: [], parts: [], speeds: [], memory: [], answers: [],
    pictures: [
      {
        drawing: { png: PNG, width: 40, height: 30, marks: [{ of: 'truth', kind: 'box', x: 5, y: 5, width: 20, height: 10 }, { of: 'after', kind: 'path', points: [[3, 3], [30, 20]], hasEnds: true }] },
        heading: `Box: ${HOSTILE}`, place: 'case 1, axial slice 20', prompt: 'Where is it?', target: '0.1, 0.2, 0.3, 0.4', answers: [{ name: 'after', text: HOSTILE, score: 'IoU 0.50' }],
      },
    ],
  });

beforeAll(async () => {
  const program = findChromium();
  if (isSkipped) return;
  if (program === undefined) throw new Error(INSTALL_CHROMIUM);
  ensureBuilt('node', 'web');
  put('study/first/trainer_log.jsonl', START + Array.from({ length: 6 }, (_, i) => row(i + 1) + (i % 3 === 2 ? `{"step":${i + 1},"epoch":1,"eval_loss":${8 - i}}\n` : '')).join('') + '{"event":"finish","outcome":"finished"}\n');
  put('study/first/report.json', record('first'));
  put(`${HOSTILE}/trainer_log.jsonl`, START.replaceAll('tiny', JSON.stringify(HOSTILE).slice(1, -1)).replace('"seed":1', '"seed":2') + row(1) + `{"event":"warning","text":${JSON.stringify(HOSTILE)}}\n`);
  put('live/trainer_log.jsonl', START + row(1) + row(2));
  put('live/.vernier.lock', await lockOf(process.pid));

  server = spawn(process.execPath, [join(dist, 'ui.js'), '--outputs', outputs], { cwd: repository, env: { ...process.env, HF_HUB_OFFLINE: '1' } });
  address = await new Promise((resolve, reject) => {
    server.stdout!.on('data', (piece: Buffer) => resolve(piece.toString().trim()));
    server.on('close', () => reject(new Error('the server ended')));
  });
  browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  server?.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  faults: string[];
}

async function open(more: Parameters<Browser['newContext']>[0] = {}): Promise<Opened> {
  const context = await browser.newContext(more);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  const own = new URL(address).origin;
  context.on('request', (request) => {
    if (!request.url().startsWith(`${own}/`) && !request.url().startsWith('data:')) faults.push(`request to ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForSelector('table');
  return { page, faults };
}

async function shoot(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

const visit = async (page: Page, name: string): Promise<void> => {
  await page.goto(`${new URL(address).origin}/ui.html#`);
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
};

describe.skipIf(isSkipped)('the page of runs', () => {
  it('lists runs, and shows one while lines come, with names and texts as text', async () => {
    const { page, faults } = await open();
    expect(new URL(page.url()).search).toBe(''); // the token is gone from the address
    const names = await page.locator('tbody th').allTextContents();
    expect(names.sort()).toEqual([HOSTILE, 'live', 'study/first']);
    await shoot(page, 'list');

    await visit(page, 'live');
    await page.getByText('Step 2 of 10').first().waitFor();
    expect(await page.locator('.state').first().textContent()).toBe('running');
    appendFileSync(join(outputs, 'live/trainer_log.jsonl'), row(3) + row(4, { gpu_peak_bytes: 2 ** 30 }));
    await page.getByText('Step 4 of 10').first().waitFor({ timeout: 5000 });
    expect(await page.locator('dl.now').innerText()).toMatch(/Time left\s+12 s[^]*Loss\s+6\.0000[^]*Tokens a second\s+50[^]*1\.0 GiB/);
    await expect.poll(() => page.locator('canvas').count()).toBeGreaterThan(0);
    rmSync(join(outputs, 'live/.vernier.lock'));
    appendFileSync(join(outputs, 'live/trainer_log.jsonl'), '{"event":"finish","outcome":"stopped"}\n');
    await page.getByText('stopped, and saved').waitFor({ timeout: 6000 });
    await shoot(page, 'run');

    await visit(page, HOSTILE);
    await page.getByText('Warnings (1)').click();
    expect(await page.locator('li').first().textContent()).toBe(HOSTILE);
    await visit(page, 'study/first');
    await page.getByRole('heading', { name: `Box: ${HOSTILE}` }).waitFor();
    expect(await page.locator('svg.slice rect').count()).toBe(1);
    expect(await page.locator('main img').count()).toBe(0);
    await shoot(page, 'report');
    expect(await page.title()).toBe('Vernier: runs');
    expect(faults).toEqual([]);
  });

  it('two runs stand beside each other', async () => {
    const { page, faults } = await open();
    await page.getByLabel('Compare study/first').check();
    await page.getByLabel(`Compare ${HOSTILE}`).check();
    await page.getByRole('link', { name: 'Compare the two' }).click();
    await page.getByRole('region', { name: 'What differs' }).waitFor();
    expect(await page.getByRole('region', { name: 'Figures', exact: true }).innerText()).toMatch(/loss, last row of the log\s+4\.000 nats\s+9\.000 nats/);
    await page.locator('.beside > section').nth(1).locator('canvas').first().waitFor();
    await expect.poll(() => page.locator('.beside canvas').count()).toBeGreaterThan(1);
    await shoot(page, 'compare');
    expect(faults).toEqual([]);
  });

  it('a run is started from the form, stopped, and goes on', async () => {
    const rowsFile = join(scratch, 'rows.jsonl');
    writeFileSync(rowsFile, goldenRows('s01_single', 's09_textonly').join('\n') + '\n');
    const { page, faults } = await open();
    await page.getByRole('link', { name: 'New run' }).click();
    await page.getByLabel('Name of the run').fill('from-page');
    await page.getByLabel('Base model').fill(tinyModel);
    await page.getByLabel('Rows to train on (a file)').fill(join(scratch, 'none.jsonl'));
    await page.locator('details', { hasText: 'Optimisation' }).first().locator('summary').first().click();
    await shoot(page, 'form');
    await page.getByLabel('Rows to train on (a file)').fill(rowsFile);
    for (const [name, value] of Object.entries({ max_steps: '500', logging_steps: '1', per_device_train_batch_size: '1', gradient_accumulation_steps: '1' }))
      await page.locator('.options').getByLabel(new RegExp(`\\b${name}\\b|^${name.replaceAll('_', ' ')}`, 'i')).first().fill(value);
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.getByRole('heading', { name: 'from-page' }).waitFor();
    await page.getByText(/Step ([3-9]|\d\d+) of 500/).first().waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Stop and save' }).click();
    await page.getByText('stopped, and saved').waitFor({ timeout: 30_000 });
    await page.getByText('What its programs said').click();
    expect(await page.locator('pre').first().textContent()).toContain('Stopping, and saving what is done');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.locator('.state.running').waitFor({ timeout: 30_000 });
    await page.getByRole('button', { name: 'Stop and save' }).click();
    await page.getByText('stopped, and saved').waitFor({ timeout: 30_000 });
    expect(existsSync(join(outputs, 'from-page/adapter_model.safetensors'))).toBe(true);
    // Refused by the server in its own words.
    await page.getByRole('link', { name: 'New run' }).click();
    await page.getByLabel('Name of the run').fill('from-page');
    await page.getByLabel('Base model').fill(tinyModel);
    await page.getByRole('button', { name: 'Start the run' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('from-page is there already');
    expect(faults.filter((text) => !text.includes('409'))).toEqual([]);
  });

  it('axe finds nothing serious, light and dark; 390 px are enough', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, faults } = await open({ colorScheme, viewport: { width: 390, height: 800 }, reducedMotion: 'reduce' });
      const views: (() => Promise<void>)[] = [
        () => Promise.resolve(),
        () => visit(page, 'study/first'),
        async () => {
          await page.getByRole('link', { name: 'New run' }).click();
          await page.getByLabel('Name of the run').waitFor();
        },
        async () => {
          await page.getByRole('link', { name: 'Runs', exact: true }).click();
          await page.getByLabel('Compare study/first').check();
          await page.getByLabel('Compare live').check();
          await page.getByRole('link', { name: 'Compare the two' }).click();
          await page.getByRole('region', { name: 'What differs' }).or(page.getByText('Data and settings are the same.')).waitFor();
        },
      ];
      for (const [i, view] of views.entries()) {
        await view();
        await sleep(200);
        expect(await seriousFindings(page), `view ${i}, ${colorScheme}`).toEqual([]);
        const [width, most] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [number, number];
        expect(width, `view ${i}`).toBeLessThanOrEqual(most);
        await shoot(page, `narrow-${colorScheme}-${i}`);
      }
      expect(faults).toEqual([]);
    }
  });

  it('the keyboard alone chooses two runs and compares them', async () => {
    const { page } = await open();
    const tabTo = async (name: string): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        const reached = (await page.evaluate('document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent')) as string;
        if (reached === name) return;
      }
      throw new Error(`Tab does not come to ${name}`);
    };
    const boxes = await page.locator('tbody input').evaluateAll((found) => found.map((one) => one.getAttribute('aria-label')!));
    for (const name of boxes.slice(0, 2)) {
      await tabTo(name);
      await page.keyboard.press('Space');
    }
    await tabTo('Compare the two');
    await page.keyboard.press('Enter');
    await page.locator('.beside').waitFor();
  });

  it('the Studio is served beside it', async () => {
    const { page, faults } = await open();
    await page.getByRole('link', { name: 'Studio' }).click();
    await page.getByRole('heading', { name: 'Vernier Studio' }).waitFor();
    await page.getByText('New project').first().waitFor();
    await page.getByLabel(/New project/).fill('knees');
    await page.getByRole('button', { name: 'New project' }).click();
    for (const step of ['Model', 'Train', 'Data']) {
      await page.getByRole('button', { name: new RegExp(step) }).first().click();
      await page.locator(`#step-${step.toLowerCase()} h2`).first().waitFor();
    }
    await sleep(500);
    expect(faults).toEqual([]);
  });
});
