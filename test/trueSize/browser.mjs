/**
 * One LoRA step at true size in a worker of a page, as an application of `vernier/web` runs it; outside of CI. Chromium on SwiftShader, a software GPU.
 *   node test/trueSize/browser.mjs FOLDER     a folder of make.py, of SmolVLM-256M; its pictures are one tile here
 * Prints what the run tells.
 */
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const folder = resolve(process.argv[2] ?? '');
const FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const PICTURES = 'preprocessor_config.json';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-true-'));
const base = join(scratch, 'base');
mkdirSync(base);
for (const name of readdirSync(folder)) if (name !== PICTURES) symlinkSync(join(folder, name), join(base, name));
writeFileSync(join(base, PICTURES), JSON.stringify({ ...JSON.parse(readFileSync(join(folder, PICTURES), 'utf8')), do_image_splitting: false }));

/** The folder's files, and pieces of them. */
function serve(request, response) {
  const path = join(base, decodeURIComponent(request.url.slice(1)));
  const { size } = statSync(path);
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const [start, end] = [Number(from ?? 0), to ? Number(to) : size - 1];
  response.writeHead(from === undefined ? 200 : 206, {
    'accept-ranges': 'bytes', 'content-length': end - start + 1, ...(from !== undefined && { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD') response.end();
  else createReadStream(path, { start, end }).pipe(response);
}

const server = await createServer({
  configFile: false,
  root: join(repository, 'web'),
  logLevel: 'warn',
  appType: 'custom',
  optimizeDeps: { noDiscovery: true, include: ['dicom-parser'] },
  server: { port: 0, host: 'localhost', hmr: false, fs: { allow: [repository] } },
  plugins: [
    {
      name: 'a folder',
      configureServer({ middlewares }) {
        middlewares.use('/model', serve);
        middlewares.use('/empty', (_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
      },
    },
  ],
});
await server.listen();
const address = `http://localhost:${server.httpServer.address().port}`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on('console', (message) => console.log(message.text()));
  await page.goto(`${address}/empty`);
  const names = readdirSync(base);
  const seconds = await page.evaluate(`(async (address, names) => {
    const { connectWorker } = await import('/client.ts');
    const vernier = connectWorker(new Worker('/worker.ts', { type: 'module' }));
    await vernier.mount(new Map(names.map((name) => ['/base/' + name, address + '/model/' + name])));
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7) % 256);
    const content = [{ type: 'image' }, { type: 'text', text: 'Size?' }];
    const rows = [{ messages: [{ role: 'user', content }, { role: 'assistant', content: '0.125' }], images: [{ width: 64, height: 64, data }] }];
    const began = performance.now();
    const run = vernier.fineTune({ base: '/base', rows, output: '/run', max_steps: 1, logging_steps: 1, per_device_train_batch_size: 1,
      gradient_accumulation_steps: 1, target_modules: ['all-linear'], lora_r: 16, overwrite: true });
    for await (const event of run) console.log(event.kind === 'message' ? event.text : event.kind + ' ' + JSON.stringify(event));
    const { outcome } = await run;
    console.log(outcome + ': ' + (await vernier.listDir('/run')).join(' '));
    return (performance.now() - began) / 1000;
  })(${JSON.stringify(address)}, ${JSON.stringify(names)})`);
  console.log(`${seconds.toFixed(0)} s with loading`);
} finally {
  await browser.close();
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
}
