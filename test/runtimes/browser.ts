/**
 * Headless Chromium for runIn.ts, on SwiftShader: a software WebGPU without f16, the least that Vernier must run on. A server on the loopback
 * address (a secure context, which WebGPU asks for) hands out the repository's files, and the folders of reference data that tests name.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { relative, resolve, sep } from 'node:path';
import { chromium } from 'playwright-core';

export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // Nothing is looked up or downloaded behind the test's back.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

const TYPES: Record<string, string> = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', json: 'application/json' };

/** In the page: the host that hostNative.mjs makes for the other runtimes. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Vernier runtime test</title><script type="module">
window.run = async (script, args) => {
  const readFile = async (path) => {
    const answer = await fetch('/file?path=' + encodeURIComponent(path));
    if (!answer.ok) throw new Error('no file ' + path);
    return new Uint8Array(await answer.arrayBuffer());
  };
  const main = (await import(script)).default;
  return JSON.stringify(await main({ runtime: 'browser', gpu: navigator.gpu, args, readFile, library: () => import('/repository/dist/vernier.js') }));
};
</script>`;

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && resolve(folder, way) === path;
}

export async function runInBrowser(program: string, repository: string, script: string, args: unknown, timeoutMs: number): Promise<unknown> {
  const folders = [repository, tmpdir(), process.env.VERNIER_GOLDEN_DIR, process.env.VERNIER_DATA_DIR].filter((folder) => folder !== undefined);
  const answer = async (url: URL): Promise<{ body: string | Buffer; type: string }> => {
    if (url.pathname === '/') return { body: PAGE, type: 'text/html' };
    const inRepository = url.pathname.startsWith('/repository/');
    const path = inRepository
      ? resolve(repository, decodeURIComponent(url.pathname.slice('/repository/'.length)))
      : resolve(repository, url.searchParams.get('path') ?? '');
    if (!folders.some((folder) => isInside(resolve(folder), path))) throw new Error(`${path} is outside what tests may read`);
    return { body: await readFile(path), type: TYPES[path.split('.').at(-1) ?? ''] ?? 'application/octet-stream' };
  };
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? '/', 'http://localhost')).then(
      ({ body, type }) => response.writeHead(200, { 'content-type': type }).end(body),
      (error: unknown) => response.writeHead(404).end(String(error)),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS, timeout: timeoutMs });
  try {
    const page = await browser.newPage();
    const messages: string[] = [];
    page.on('console', (message) => messages.push(message.text()));
    page.on('pageerror', (error) => messages.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const url = `/repository/${relative(repository, script).split(sep).join('/')}`;
    const work = page
      .waitForFunction('window.run', undefined, { timeout: 10_000 })
      .then(() => page.evaluate(`window.run(${JSON.stringify(url)}, ${JSON.stringify(args)})`));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, failed) => {
      timer = setTimeout(() => failed(new Error(`no result after ${timeoutMs / 1000} s`)), timeoutMs);
    });
    try {
      return JSON.parse((await Promise.race([work, late])) as string) as unknown;
    } catch (error) {
      throw new Error(`chromium: ${error instanceof Error ? error.message : String(error)}\n${messages.join('\n')}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  } finally {
    await browser.close();
    server.close();
  }
}
