/**
 * The browser's Platform in Chromium, served from its sources: private files, ranged reads of mounted ones, pictures to the byte; and a run in a
 * worker. The Studio is in test/studio.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { unzipSync } from 'fflate';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { createServer } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestHub } from '../hub/testHub.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { CHROMIUM_FLAGS } from './browser.ts';
import { INSTALL_CHROMIUM, findChromium, repository } from './runIn.ts';

const program = findChromium();
/** CI must prove the browser; a person's machine may do without one. */
const isSkipped = program === undefined && process.env.CI !== 'true';
const closing: (() => Promise<unknown> | void)[] = [];
let browser: Browser;

beforeAll(async () => {
  if (isSkipped) return;
  if (program === undefined) throw new Error(INSTALL_CHROMIUM);
  browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS });
  closing.push(() => browser.close());
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** A page with nothing on it, from the sources: modules of web/ are imported by /name.ts. */
async function emptyPage(): Promise<Page> {
  const server = await createServer({
    configFile: false,
    root: join(repository, 'web'),
    logLevel: 'warn',
    appType: 'custom',
    optimizeDeps: { noDiscovery: true, include: ['dicom-parser'] }, // CommonJS, which a page cannot read
    server: { port: 0, host: 'localhost', hmr: false, fs: { allow: [repository] } },
    plugins: [
      {
        name: 'an empty page',
        configureServer: ({ middlewares }) => {
          middlewares.use('/empty', (_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
        },
      },
    ],
  });
  closing.push(() => server.close());
  await server.listen();
  const page = await browser.newPage();
  await page.goto(`http://localhost:${(server.httpServer!.address() as AddressInfo).port}/empty`);
  return page;
}

test.skipIf(isSkipped)("the browser's Platform", async () => {
  const page = await emptyPage();
  type Digest = { width: number; height: number; sha256: string };
  const golden = Object.entries(JSON.parse(readFileSync(join(repository, 'test/golden/images/rgb_sha256.json'), 'utf8')) as Record<string, Digest>);
  const archive = unzipSync(readFileSync(join(repository, 'test/golden/pillow_pictures.zip')));
  const more = Object.entries(JSON.parse(new TextDecoder().decode(archive['index.json'])) as Record<string, Digest | { error: string }>);
  const images = [
    ...golden.map(([name, digest]) => ({ name, digest, bytes: readFileSync(join(repository, 'test/golden/images', name)) })),
    ...more.flatMap(([name, digest]) => ('error' in digest ? [] : [{ name, digest, bytes: Buffer.from(archive[name]!) }])),
  ];
  const [head, tail] = [gzipSync('head'), gzipSync('tail')];
  const gzipFiles = [[head], [head, Buffer.alloc(1)], [head, Buffer.alloc(512)], [head, tail], [head, Buffer.alloc(9), tail, Buffer.alloc(3)], [head, Buffer.from('junk')]]
    .map((parts, i) => [`${i}.gz`, Buffer.concat(parts).toString('base64')]);
  const inPage = `(async (images, gzipFiles) => {
    const { browserPlatform } = await import('/platform.ts');
    const text = (bytes) => new TextDecoder().decode(bytes);
    const refusal = (work) => work.then(() => 'no error', (error) => error.name + ': ' + error.message);
    const mounts = new Map([['/given/a/one.txt', new Blob(['0123456789'])], ['/given/two.txt', 'data:text/plain,two']]);
    const platform = browserPlatform(mounts);
    await platform.makeDir('/out/deep');
    await platform.writeFile('/out/deep/x.txt', 'first');
    const kept = await platform.createFile('/out/deep/x.txt');
    await kept.write(new TextEncoder().encode('half'));
    await kept.abort();
    const never = await platform.createFile('/out/never.txt');
    await never.abort();
    await platform.appendFile('/out/deep/x.txt', ' and more');
    await platform.rename('/out/deep', '/out/moved');
    const ranged = await platform.openFile('/given/a/one.txt');
    const found = {
      text: text(await platform.readFile('/out/moved/x.txt')),
      out: await platform.listDir('/out'),
      gone: await platform.exists('/out/deep'),
      given: await platform.listDir('/given'),
      isFolder: [await platform.isDirectory('/given/a'), await platform.isDirectory('/given/two.txt'), await platform.isDirectory('/out')],
      two: text(await platform.readFile('/given/two.txt')),
      range: text(await ranged.read(3, 4)),
      beyond: await refusal(ranged.read(8, 4)),
      missing: await refusal(platform.readFile('/out/none')),
      overMounted: await refusal(platform.writeFile('/given/two.txt', 'x')),
    };
    const { fileChunks } = await import(${JSON.stringify(`/@fs${join(repository, 'src/data/gzip.ts')}`)});
    found.gzip = [];
    for (const [name, base64] of gzipFiles) {
      await platform.writeFile('/out/' + name, Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
      let unpacked = '';
      try {
        for await (const bytes of fileChunks(platform, '/out/' + name)) unpacked += text(bytes);
      } catch (error) {
        unpacked = error.name + ': ' + error.message;
      }
      found.gzip.push(unpacked);
    }
    const bytesOf = (text) => new TextEncoder().encode(text);
    const log = await platform.openAppend('/out/log');
    for (const piece of ['a', 'b']) await log.append(bytesOf(piece));
    await log.close();
    const later = await platform.openAppend('/out/log');
    found.grown = [later.size];
    await later.append(bytesOf('c'));
    found.grown.push(text(await platform.readFile('/out/log')));
    found.blobs = await Promise.all(['/out/log', '/given/a/one.txt', '/given/two.txt'].map(async (path) => (await platform.blob(path)).text()));
    await later.truncate();
    found.grown.push(later.size, (await platform.readFile('/out/log')).length);
    found.hasRoom = (await platform.freeBytes()) > 1e6;
    const holder = await platform.lock('/out/.lock');
    const told = [];
    found.inUse = await refusal(platform.lock('/out/.lock', { onWait: ({ words }) => { throw new Error(words); } }));
    found.stopped = await refusal(platform.lock('/out/.lock', { signal: AbortSignal.timeout(20) }));
    const waiting = platform.lock('/out//.lock', { onWait: ({ isAlive }) => told.push(isAlive) }).then((lock) => (told.push('held'), lock));
    await new Promise((done) => setTimeout(done, 50));
    told.push('freed');
    await holder.release();
    const next = await waiting;
    await next.check();
    await next.release();
    await (await platform.lock('/out/.lock')).release();
    found.told = told;
    const { TensorBoardTracker } = await import(${JSON.stringify(`/@fs${join(repository, 'src/track/tensorboard.ts')}`)});
    const tracker = new TensorBoardTracker(platform, '/out/runs');
    await tracker.start({ firstStep: 0, config: {} });
    await tracker.log({ loss: 1 }, 1);
    await tracker.finish({ outcome: 'finished', figures: {}, files: [] });
    const [events] = await platform.listDir('/out/runs');
    found.events = events.slice(0, 20) + ((await platform.readFile('/out/runs/' + events)).length > 100);
    found.absolute = platform.absolutePath('given/./a/../two.txt');
    await platform.remove('/out');
    found.removed = await platform.exists('/out');
    const decoded = {};
    for (const [name, base64] of images) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      decoded[name] = await platform.decodeImage(bytes, name).then(
        ({ width, height, data }) => ({ width, height, data: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join('')) }),
        (error) => ({ refused: error.name + ': ' + error.message }));
    }
    const raster = Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => i * 4);
    const again = await platform.decodeImage(await platform.encodePng(raster, 5, 4, 3), 'png');
    found.roundTrip = again.data.every((value, i) => value === raster[i]);
    return { found, decoded };
  })(${JSON.stringify(images.map(({ name, bytes }) => [name, bytes.toString('base64')]))}, ${JSON.stringify(gzipFiles)})`;
  const { found, decoded } = (await page.evaluate(inPage)) as {
    found: Record<string, unknown>;
    decoded: Record<string, { refused?: string; width: number; height: number; data: string }>;
  };
  expect(found).toMatchObject({
    text: 'first and more', out: ['moved'], gone: false, given: ['a', 'two.txt'], isFolder: [true, false, true], two: 'two', range: '3456',
    removed: false, roundTrip: true,
    grown: [2, 'abc', 0, 0], blobs: ['abc', '0123456789', 'two'], hasRoom: true, told: [true, 'freed', 'held'], events: 'events.out.tfevents.true', absolute: '/given/two.txt',
  });
  expect(found['inUse']).toBe('Error: another tab of this page');
  expect(found['stopped']).toMatch(/^TimeoutError/);
  const unpacked = found['gzip'] as string[];
  expect(unpacked.slice(0, 5)).toEqual(['head', 'head', 'head', 'headtail', 'headtail']);
  expect(unpacked[5]).toMatch(/^UserError: \/out\/5\.gz: the gzip data is truncated or corrupt/);
  expect(found['beyond']).toContain('UserError: /given/a/one.txt: bytes 8 to 12 were expected, the file has 10');
  expect(found['missing']).toContain('UserError: Cannot read /out/none: there is no such file');
  expect(found['overMounted']).toContain('UserError: Cannot write /given/two.txt');
  const outcome = Object.fromEntries(
    images.map(({ name, digest: { width, height, sha256 } }) => {
      const image = decoded[name]!;
      if (image.refused !== undefined) return [name, image.refused.split(' ')[0]];
      const isSame = image.width === width && image.height === height && createHash('sha256').update(Buffer.from(image.data, 'base64')).digest('hex') === sha256;
      return [name, isSame ? 'same' : 'different'];
    }),
  );
  // TIFF, CMYK, and what is transparent and no PNG; the rest as in Node, by test/data/pictures.test.ts.
  const refused = [/\.tif$/, /^(refused|bmp|ppm)\//, /cmyk|ycck/i, /^gif\/(transparent|offset)/, /^webp\/(RGBA|LA|animated_alpha)/];
  expect(outcome).toEqual(Object.fromEntries(images.map(({ name }) => [name, refused.some((pattern) => pattern.test(name)) ? 'UserError:' : 'same'])));
});

test.skipIf(isSkipped)('a run in a worker is what it is elsewhere: hub, checkpoints, resume, locks, TensorBoard, W&B', { timeout: 900_000 }, async () => {
  const hub = await TestHub.start({ lfsBytes: 1e9 });
  const wandb = new WandbServer('k'.repeat(40));
  closing.push(
    () => hub.close(),
    () => wandb.close(),
  );
  const base = join(repository, 'node/base');
  const names = ['chat_template.jinja', 'config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'];
  hub.add('model', 'org/base', Object.fromEntries(names.map((name) => [name, readFileSync(join(base, name))])));
  hub.faults = [{ on: /GET \/objects/, fault: { kind: 'drop', afterBytes: 1_000_000 } }];
  const variables = { HF_ENDPOINT: hub.endpoint, WANDB_BASE_URL: await wandb.listen(), WANDB_API_KEY: wandb.key };
  const page = await emptyPage();
  const inPage = `(async (variables) => {
    const { connectWorker } = await import('/client.ts');
    const vernier = connectWorker(new Worker('/worker.ts', { type: 'module' }));
    await vernier.setVariables(variables);
    const data = Uint8Array.from({ length: 28 * 28 * 3 }, (_, i) => (i * 7) % 256);
    const content = [{ type: 'image' }, { type: 'text', text: 'Size?' }];
    const rows = ['0.125', '0.250', '0.500'].map((answer) => ({ messages: [{ role: 'user', content }, { role: 'assistant', content: answer }], images: [{ width: 28, height: 28, data }] }));
    const request = { base: 'org/base', rows, max_steps: 8, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, logging_steps: 1, save_steps: 1, lora_dropout: 0.1 };
    const bytes = async (dir) => Array.from(await vernier.readFile(dir + '/adapter_model.safetensors'));
    const whole = await vernier.fineTune({ ...request, output: '/whole' });
    const logged = { ...request, output: '/kept', report_to: ['jsonl', 'tensorboard', 'wandb'], wandb_run_id: 'r1' };
    const run = vernier.fineTune(logged);
    let inUse = '';
    for await (const event of run) {
      if (event.kind !== 'figures' || !('loss' in event.figures)) continue;
      if (inUse === '') inUse = await vernier.fineTune({ ...request, output: '/kept' }).then(() => 'none', (error) => error.name + ': ' + error.message);
      run.stop();
    }
    const stopped = await run;
    const resumed = await vernier.fineTune({ ...logged, resume_from_checkpoint: true });
    const model = await vernier.loadModel({ base: 'org/base', adapter: '/kept' });
    const { text } = await model.ask({ width: 28, height: 28, data }, 'Size?', { max_new_tokens: 4 });
    await model.close();
    const one = await bytes('/whole');
    const other = await bytes('/kept');
    const found = {
      inUse, text, stopped: stopped.outcome, stoppedAt: stopped.steps, whole: whole.outcome, resumed: [resumed.outcome, resumed.steps],
      isSame: one.length === other.length && one.every((byte, i) => byte === other[i]),
      losses: [whole, resumed].map(({ history }) => history.flatMap(({ loss }) => loss ?? [])),
      kept: await vernier.listDir('/kept'), events: await vernier.listDir('/kept/runs'), hub: await vernier.listDir('/huggingface/hub'),
    };
    for (const dir of ['/whole', '/kept', '/huggingface']) await vernier.remove(dir);
    return found;
  })(${JSON.stringify(variables)})`;
  const found = (await page.evaluate(inPage)) as Record<string, unknown> & { losses: number[][]; kept: string[]; stoppedAt: number };
  expect(found).toMatchObject({ stopped: 'stopped', whole: 'finished', resumed: ['finished', 8], isSame: true, hub: expect.arrayContaining(['models--org--base']) as string[] });
  expect(found['inUse']).toMatch(/^UserError: .*\/kept is in use by another tab of this page/);
  expect(found.stoppedAt).toBeLessThan(8);
  expect(found.losses[1]).toEqual(found.losses[0]);
  expect(found.kept).toEqual(expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'checkpoint-8', 'report.html', 'runs', 'trainer_log.jsonl']));
  expect(found['events']).not.toHaveLength(0);
  const { history, exitCode } = wandb.runs.get('r1')!;
  expect(history.flatMap((row) => row['train/loss'] ?? [])).toHaveLength(8);
  expect(exitCode).toBe(0);
  // The weights come from where the hub sends one for them; what had come before the connection broke is not fetched again, nor anything a second time.
  const fetched = hub.requests.filter(({ origin, method }) => origin === 'cdn' && method === 'GET');
  expect(fetched.map(({ headers }) => headers['range'] ?? 'all')).toEqual(['all', expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
});
