/** The Studio's shell: what the first visit fetches, projects that outlive a reload, one tab each, no network, hostile names, what axe finds. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../buildProgram.mjs';
import { findChromium, repository } from '../runtimes/runIn.ts';
import { buildStudio, isSkipped, newProject, openStudio, seriousFindings } from './studioPage.ts';
import type { BuiltStudio } from './studioPage.ts';

let studio: BuiltStudio;

beforeAll(async () => {
  if (!isSkipped) studio = await buildStudio();
});
afterAll(async () => {
  if (!isSkipped) await studio.close();
});

test.skipIf(isSkipped)('the first load is small, and the page works without a network afterwards', async () => {
  const context = await studio.browser.newContext();
  const bodies = new Map<string, Promise<Buffer>>();
  context.on('response', (response) => {
    if (response.ok() && !response.fromServiceWorker() && response.request().serviceWorker() === null)
      bodies.set(response.url(), response.body().catch(() => Buffer.alloc(0)));
  });
  const { page, faults } = await openStudio(studio, context);
  await page.getByText(/swiftshader/i).waitFor();
  // The first step's view has come too.
  await newProject(page, 'First');
  await page.waitForSelector('#step-data h2');
  await page.waitForLoadState('networkidle');
  const sizes = await Promise.all([...bodies].map(async ([url, body]) => [url, gzipSync(await body).length] as const));
  const first = sizes.filter(([url]) => !/\/own\/|sw\.js/.test(url));
  expect(first.length).toBeGreaterThan(4);
  expect(first.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThan(450_000);
  expect(sizes.some(([url]) => url.includes('safetensors'))).toBe(false);

  await page.getByText('From now on this page works without a network.').waitFor();
  await context.setOffline(true);
  await page.reload();
  await page.getByText(/swiftshader/i).waitFor();
  expect(await page.textContent('.project')).toBe('First');
  for (const step of ['Model', 'Train', 'Judge', 'Use', 'Data']) await page.getByRole('button', { name: step, exact: true }).click();
  await page.waitForSelector('#step-data h2');
  // Back and Forward go between steps, out to the list and in again; a reload stays where it was.
  await page.goBack();
  await page.waitForSelector('#step-use h2');
  expect(page.url()).toMatch(/#[0-9a-f]{8}\/use$/);
  await page.reload();
  await page.waitForSelector('#step-use h2');
  await page.getByRole('button', { name: '← All projects' }).click();
  await page.waitForSelector('#projects');
  expect(new URL(page.url()).hash).toBe('');
  await page.goBack();
  await page.waitForSelector('#step-use h2');
  await page.goForward();
  await page.waitForSelector('#projects');
  const { url } = studio;
  await page.evaluate((to) => (location.href = to), `${url}#gone/train`);
  await page.getByText('The project that the address names is not in this browser.').waitFor();
  await page.waitForSelector('#projects');
  expect(page.url()).toBe(url);
  // Anybody may have written an address: what names no project is the list.
  await page.evaluate((to) => (location.href = to), `${url}#../train`);
  await expect.poll(() => page.url()).toBe(url);
  // The worker's files too, in whole and by their headers alone.
  const read = await page.evaluate(async () => {
    const whole = await fetch('own/base/model.safetensors');
    const head = await fetch('own/sample/Datasets/Colin27Mini/Images/k01-bet-1mm-deep_T1w.nii.gz', { method: 'HEAD' });
    return [(await whole.arrayBuffer()).byteLength, head.status];
  });
  expect(read).toEqual([statSync(join(repository, 'node/base/model.safetensors')).size, 200]);
  expect(faults.filter((fault) => !/ERR_INTERNET_DISCONNECTED/.test(fault))).toEqual([]);

  // Another build at the same place: it waits, and that is said.
  await context.setOffline(false);
  const script = join(studio.dir, 'sw.js');
  const before = readFileSync(script, 'utf8');
  writeFileSync(script, before.replace(/const VERSION = '\w+'/, "const VERSION = 'newer'"));
  await page.reload();
  await page.getByText('There is a newer version of this page.').waitFor();
  writeFileSync(script, before);
  await context.close();
});

test.skipIf(isSkipped)('a project is one tab’s at a time, and its name is never markup', async () => {
  const context = await studio.browser.newContext();
  const { page, faults } = await openStudio(studio, context);
  const hostile = '<img src=x onerror="document.title=1">';
  await newProject(page, hostile);
  expect(await page.textContent('.project')).toBe(hostile);
  // What had the focus is gone: it is where things go on.
  await page.locator('main#step-data:focus').waitFor();
  const second = await openStudio(studio, context);
  const open = second.page.getByRole('button', { name: `Open: ${hostile}` });
  await open.click();
  await second.page.getByText(/is open in another tab/).waitFor();
  await page.close();
  await open.click();
  await second.page.waitForSelector('.steps');
  expect(await second.page.title()).toBe('Vernier Studio');
  await second.page.getByRole('button', { name: '← All projects' }).click();
  await second.page.locator('main#projects:focus').waitFor();
  await second.page.getByRole('button', { name: `Delete: ${hostile}` }).click();
  await second.page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
  await second.page.getByText('There are none in this browser yet.').waitFor();
  expect([...faults, ...second.faults]).toEqual([]);
  await context.close();
});

test.skipIf(isSkipped)('axe finds nothing serious, in light and dark, wide and narrow', async () => {
  for (const [colorScheme, width] of [['light', 1200], ['dark', 390]] as const) {
    const context = await studio.browser.newContext({ colorScheme, viewport: { width, height: 800 } });
    const { page } = await openStudio(studio, context);
    await page.getByText(/swiftshader/i).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Try it on the embedded sample' }).click();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole('button', { name: '← All projects' }).click();
    await newProject(page, 'Seen');
    for (const step of ['Model', 'Train', 'Judge', 'Use', 'Data']) {
      await page.getByRole('button', { name: step, exact: true }).click();
      await page.waitForSelector(`#step-${step.toLowerCase()} h2`);
      expect(await seriousFindings(page)).toEqual([]);
      // Nothing is wider than the screen.
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    }
    await context.close();
  }
});

/** Calls a function of a worker of the page's own, in the words of Comlink's messages; `tell` of it is nothing. */
const IN_WORKER = `((source) => {
  const worker = new Worker(source, { type: 'module' });
  return (name, ...args) => new Promise((resolve) => {
    const id = String(Math.random());
    worker.addEventListener('message', ({ data }) => {
      if (data.id === id) resolve(data.type === 'HANDLER' ? data.value.value.message : data.value);
    });
    worker.postMessage({ id, type: 'APPLY', path: [name], argumentList: args.map((value) => ({ type: 'RAW', value })) });
  });
})`;

test.skipIf(isSkipped)('the worker connects to its own server, and to what was allowed', async () => {
  const context = await studio.browser.newContext();
  // Nothing leaves the machine: whatever is asked of the hub is refused here.
  const asked: string[] = [];
  await context.route(/huggingface\.co/, (route) => {
    asked.push(new URL(route.request().url()).host);
    return route.fulfill({ status: 404, headers: { 'access-control-allow-origin': '*' }, body: '' });
  });
  const page = await context.newPage();
  const script = page.waitForEvent('worker');
  await page.goto(`${studio.url}`);
  const source = (await script).url();
  const said = (await page.evaluate(`(async () => {
    const call = ${IN_WORKER}(${JSON.stringify(source)});
    const refused = await call('loadModel', 1, { base: 'org/none' });
    const askedBefore = await call('allowHosts', ['huggingface.co']);
    return [refused, await call('loadModel', 2, { base: 'org/none' })];
  })()`)) as [string, string];
  expect(said[0]).toMatch(/connects to nothing but the server it came from, and huggingface\.co has not been allowed/);
  expect(said[1]).toMatch(/org\/none/);
  expect(said[1]).not.toMatch(/has not been allowed/);
  expect(asked).toContain('huggingface.co');
  await context.close();
});

/** The driver that this Chromium computes with, for Node. */
const DRIVER = findChromium() === undefined ? undefined : join(dirname(realpathSync(findChromium()!)), 'vk_swiftshader_icd.json');
const ICD = [DRIVER, '/usr/lib/chromium/vk_swiftshader_icd.json'].find((path) => path !== undefined && existsSync(path));

test.skipIf(isSkipped || ICD === undefined)('the embedded sample: the losses of the page are those of npm start on the same adapter', { timeout: 600_000 }, async () => {
  const given = { steps: 3, questions: { box: 1, metric: 0, ellipse: 0 } };
  // Below the repository, where packages are found.
  const built = join(repository, '.vernier/sampleRun');
  const out = mkdtempSync(join(tmpdir(), 'vernier-sample-'));
  const elsewhere = async (): Promise<unknown> => {
    const program = await buildProgram(new URL('sampleRun.ts', import.meta.url), built);
    const env = { ...process.env, VK_DRIVER_FILES: ICD, VK_ICD_FILENAMES: ICD };
    const { stdout } = await promisify(execFile)(process.execPath, [program, repository, out, JSON.stringify(given)], { env });
    return JSON.parse(stdout);
  };
  const inPage = async (): Promise<unknown> => {
    const page = await (await studio.browser.newContext()).newPage();
    const script = page.waitForEvent('worker');
    await page.goto(`${studio.url}`);
    const source = (await script).url();
    const files = JSON.stringify([...ownPaths()].map((name) => [`/own/${name}`, `${studio.url}own/${name}`]));
    return page.evaluate(`(async () => {
      const call = ${IN_WORKER}(${JSON.stringify(source)});
      await call('mount', new Map(${files}));
      return (await call('runSample', { recipe: 'qwen-tiny', out: '/sample-out', ...${JSON.stringify(given)} })).losses;
    })()`);
  };
  try {
    const losses = (await Promise.all([elsewhere(), inPage()])) as { step: number; loss: number }[][];
    const [here, there] = losses as [{ step: number; loss: number }[], { step: number; loss: number }[]];
    expect(here).toHaveLength(3);
    expect(there.map(({ step }) => step)).toEqual(here.map(({ step }) => step));
    for (const [i, { loss }] of here.entries()) expect(Math.abs(there[i]!.loss - loss)).toBeLessThan(1e-5);
  } finally {
    rmSync(built, { recursive: true, force: true });
    rmSync(out, { recursive: true });
  }
});

function ownPaths(): string[] {
  return readdirSync(join(studio.dir, 'own'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(join(studio.dir, 'own'), join(entry.parentPath, entry.name)).split(sep).join('/'));
}
