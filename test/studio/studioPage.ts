/** The Studio as it is built, in Chromium on SwiftShader, for the tests of this folder. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { preview } from 'vite';
import { ensureBuilt } from '../built.ts';
import { CHROMIUM_FLAGS } from '../runtimes/browser.ts';
import { INSTALL_CHROMIUM, findChromium, repository } from '../runtimes/runIn.ts';

const program = findChromium();
/** CI must prove the browser; a person's machine may do without one. */
export const isSkipped = program === undefined && process.env.CI !== 'true';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface BuiltStudio {
  browser: Browser;
  /** Where it is served, with a slash at the end. */
  url: string;
  /** The folder of the build. */
  dir: string;
  close(): Promise<void>;
}

export async function buildStudio(): Promise<BuiltStudio> {
  if (program === undefined) throw new Error(INSTALL_CHROMIUM);
  ensureBuilt('web');
  const dir = join(repository, 'dist/web');
  const configFile = join(repository, 'vite.config.ts');
  const server = await preview({ configFile, mode: 'web', logLevel: 'warn', preview: { port: 0, host: 'localhost' } });
  const { port } = server.httpServer.address() as AddressInfo;
  const browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS });
  return {
    browser,
    url: `http://localhost:${port}/`,
    dir,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

export interface OpenedStudio {
  page: Page;
  /** Exceptions, breaches of the policy, and requests to another origin: a test expects none. */
  faults: string[];
}

export async function openStudio({ browser, url }: Pick<BuiltStudio, 'browser' | 'url'>, given?: BrowserContext): Promise<OpenedStudio> {
  const context = given ?? (await browser.newContext());
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`${error.message}\n${error.stack ?? ''}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  context.on('request', (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !/^(data|blob):/.test(to)) faults.push(`request to ${to}`);
  });
  await page.goto(`${url}`);
  await page.waitForSelector('.top');
  return { page, faults };
}

/** What axe finds that is serious or worse: one line each. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)')) as {
    id: string;
    impact: string;
    nodes: { html: string; failureSummary: string }[];
  }[];
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`));
}

export async function newProject(page: Page, name: string): Promise<void> {
  await page.getByLabel(/New project/).fill(name);
  await page.getByRole('button', { name: 'New project' }).click();
  await page.waitForSelector('.steps');
}
