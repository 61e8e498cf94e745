/**
 * The package as it is installed from its tarball: its size, its types from outside, the command, a training step on every Node that it
 * supports and on Deno and Bun, its examples, and the page of its example built by Vite.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Platform } from '../../src/platform.ts';
import type { WorkerClient } from '../../web/client.ts';
import { CHROMIUM_FLAGS } from '../runtimes/browser.ts';
import { INSTALL_CHROMIUM, commandLine, findChromium, repository } from '../runtimes/runIn.ts';
import { install, npm, run, sizeOf } from './installed.ts';
import type { Installed } from './installed.ts';

const MB = 1e6;
const objects = unzipSync(readFileSync(join(repository, 'test/golden/dicom_objects.zip')));

/** In the page. */
async function decodeBoth([name, bytes]: [string, number[]]): Promise<{ data: number[]; answer: string }> {
  const { platform, vernier } = globalThis as unknown as { platform: Platform; vernier: WorkerClient };
  const { data } = await platform.decodeImage(Uint8Array.from(bytes), name);
  const model = await vernier.loadModel({ base: '/base' });
  const { text } = await model.ask({ bytes: Uint8Array.from(bytes), path: name }, 'Grey?', { max_new_tokens: 1 });
  await model.close();
  return { data: [...data], answer: typeof text };
}

let installed: Installed;
const at = (...parts: string[]): string => join(installed.folder, ...parts);
const own = (...parts: string[]): string => at('node_modules', 'vernier', ...parts);

beforeAll(() => {
  installed = install();
}, 600_000);

afterAll(() => {
  if (installed) rmSync(installed.folder, { recursive: true });
});

describe('what is installed', () => {
  test('is small, and only what is needed', () => {
    expect(sizeOf(installed.tarball) / MB).toBeLessThan(8);
    expect(sizeOf(at('node_modules')) / MB).toBeLessThan(190);
    expect(readdirSync(own()).sort()).toEqual(['LICENSE', 'README.md', 'SECURITY.md', 'dist', 'node', 'package.json', 'web']);
    expect(readdirSync(own('dist')).filter((name) => /^(vernier|bench|prepareBase)/.test(name))).toEqual([]);
    // The pages are there, and the models once: where `npm start` has them.
    for (const page of ['index.html', 'ui.html', 'sw.js']) expect(existsSync(own('dist', 'web', page)), page).toBe(true);
    expect(existsSync(own('dist', 'web', 'own'))).toBe(false);
    expect(existsSync(own('node', 'base', 'model.safetensors'))).toBe(true);
    expect(existsSync(at('node_modules', '@huggingface', 'transformers'))).toBe(false);
    expect(existsSync(at('node_modules', 'onnxruntime-node'))).toBe(false);
  });

  test('every program and entry is there', () => {
    const { exports, bin } = JSON.parse(readFileSync(own('package.json'), 'utf8')) as {
      exports: Record<string, string | { types: string; default: string }>;
      bin: Record<string, string>;
    };
    for (const entry of [...Object.values(exports), ...Object.values(bin)]) {
      for (const path of typeof entry === 'string' ? [entry] : [entry.types, entry.default]) expect(existsSync(own(path)), path).toBe(true);
    }
    for (const name of ['train', 'evaluate', 'ask', 'inspect', 'setup', 'report', 'quickstart', 'volume', 'ui', 'dataWorker']) expect(existsSync(own('dist', `${name}.js`))).toBe(true);
  });
});

describe('its types', () => {
  test('satisfy a strict consumer of every entry, with their own files checked', () => {
    cpSync(join(repository, 'test/package/consumer.ts'), at('consumer.ts'));
    const compilerOptions = {
      target: 'ES2022', lib: ['ES2023', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'], types: [],
      strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false, noEmit: true,
    };
    const tsc = join(repository, 'node_modules/typescript/bin/tsc');
    for (const way of [{ module: 'NodeNext' }, { module: 'ESNext', moduleResolution: 'Bundler' }]) {
      writeFileSync(at('tsconfig.json'), JSON.stringify({ compilerOptions: { ...compilerOptions, ...way }, files: ['consumer.ts'] }));
      expect(run(process.execPath, [tsc, '-p', '.'], installed.folder)).toMatchObject({ status: 0, stdout: '' });
    }
  });

  test('satisfy Deno', () => {
    const [deno] = commandLine('deno');
    const checked = run(deno, ['check', '--node-modules-dir=manual', 'consumer.ts'], installed.folder);
    expect(checked.status, checked.stderr).toBe(0);
  });
});

/** The Node that runs this, and the others that are supported: npm has each as a package of its system. */
const NODES = [20, 22, 24];
const ownNode = Number(process.versions.node.split('.')[0]);
const losses = new Map<string, { loss: number; after: number }>();

function nodeOf(major: number): string | undefined {
  if (major === ownNode) return process.execPath;
  const folder = at(`node${major}`);
  if (!existsSync(folder)) {
    cpSync(at('package.json'), join(folder, 'package.json'));
    writeFileSync(join(folder, 'package.json'), '{"private": true}');
    const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
    npm(['install', `${name}@${major}`], folder);
  }
  const found = existsSync(join(folder, 'node_modules')) ? readdirSync(join(folder, 'node_modules')).find((name) => name.startsWith('node-')) : undefined;
  const program = found && join(folder, 'node_modules', found, 'bin', 'node');
  return program !== undefined && existsSync(program) ? program : undefined;
}

function step(runtime: string, [program, ...flags]: readonly string[]): void {
  cpSync(join(repository, 'test/package/step.mjs'), at('step.mjs'));
  const { stdout, stderr } = run(program ?? '', [...flags, 'step.mjs', own('node/base'), at('out', runtime)], installed.folder);
  const result = /^@result (.*)$/m.exec(stdout)?.[1];
  if (result === undefined) throw new Error(`${runtime}: ${stderr}${stdout}`);
  const found = JSON.parse(result) as { outcome: string; loss: number; after: number };
  expect(found.outcome).toBe('finished');
  expect(found.after).toBeLessThan(found.loss);
  losses.set(runtime, found);
  const first = [...losses.values()][0]!;
  expect(Math.abs(found.loss - first.loss)).toBeLessThan(1e-5);
  expect(Math.abs(found.after - first.after)).toBeLessThan(1e-5);
}

describe.each(NODES)('Node %d', (major) => {
  test('trains a step, and knows the command', ({ skip }) => {
    const node = nodeOf(major);
    skip(node === undefined, `Node ${major} cannot be installed from npm here`);
    step(`node${major}`, [node!]);
    const vernier = (...args: string[]): ReturnType<typeof run> => run(node!, [own('dist/bin/vernier.js'), ...args], installed.folder);
    const help = vernier('--help');
    expect(help.status).toBe(0);
    for (const name of ['train', 'evaluate', 'ask', 'inspect', 'prepare', 'setup', 'merge', 'report', 'start']) expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(vernier('--version').stdout).toBe('0.1.0\n');
    expect(vernier('train', '--help').stdout).toContain('--base_model_hf TEXT');
    for (const name of ['train', 'evaluate', 'ask', 'inspect', 'report', 'setup', 'start']) {
      const { stdout } = vernier(name, '--help');
      expect(stdout).toContain(`Usage: vernier ${name} `);
      expect(stdout).not.toMatch(/\bdist\/|npm start/); // which are not in the folder of who has installed it
    }
    expect(vernier('report').stderr).toContain('vernier report outputs/first outputs/second');
    expect(vernier('constructor')).toMatchObject({ status: 2, stderr: 'Error: there is no command constructor. vernier --help lists them.\n' });
    expect(vernier('trian')).toMatchObject({ status: 2, stderr: expect.stringContaining('Did you mean train?') as string });
    expect(vernier('merge', '--base_model_hf', own('node/base'), '--output_dir', at('none')).stderr).toContain('--merge_only true');
  });
});

test('npx finds the command', () => {
  const { status, stdout } = run('npx', ['--no-install', 'vernier', '--help'], installed.folder);
  expect(status).toBe(0);
  expect(stdout).toContain('Usage: vernier COMMAND');
});

test.each(['deno', 'bun'] as const)('%s trains the same step', (runtime) => {
  step(runtime, commandLine(runtime));
});

describe('examples', () => {
  beforeAll(() => {
    cpSync(own('node/examples'), at('examples'), { recursive: true });
  });

  test('are of thirty lines at most', () => {
    for (const folder of ['node/examples', 'web/examples']) {
      for (const name of readdirSync(own(folder))) expect(readFileSync(own(folder, name), 'utf8').split('\n').length, name).toBeLessThanOrEqual(31);
    }
  });

  test('Node', () => {
    const { status, stdout, stderr } = run(process.execPath, ['examples/node.mjs', at('squares')], installed.folder);
    expect(status, stderr).toBe(0);
    const found = [...stdout.matchAll(/^step \d: loss ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
    expect(found).toHaveLength(3);
    expect(found[2]).toBeLessThan(found[0]!);
    expect(existsSync(at('squares', 'adapter_model.safetensors'))).toBe(true);
  });

  test('Deno', () => {
    const [deno, ...flags] = commandLine('deno');
    const { status, stdout, stderr } = run(deno, [...flags, 'examples/deno.ts', join(repository, 'test/golden/images/rgb.png'), 'Size?'], installed.folder);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/\n\d+ numbers, [\d.]+ s\n$/);
  });

  test('Bun', () => {
    const messages = [{ role: 'user', content: 'How wide?' }, { role: 'assistant', content: '1.5' }];
    writeFileSync(at('rows.jsonl'), `${JSON.stringify({ messages, task: 'AD' })}\n`);
    const [bun, ...flags] = commandLine('bun');
    const { status, stdout, stderr } = run(bun, [...flags, 'examples/bun.ts', 'rows.jsonl'], installed.folder);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^0: .* \(right: 1\.5\)$/m);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ num_samples: 1, kinds: { AD: { num_samples: 1 } } });
  });

  const program = findChromium();
  const isSkipped = program === undefined && process.env.CI !== 'true';
  test.skipIf(isSkipped)('a Vite page with a worker trains in the browser', async () => {
    if (program === undefined) throw new Error(INSTALL_CHROMIUM);
    cpSync(own('web/examples'), at('page'), { recursive: true });
    const root = at('page');
    const main = at('page', 'main.ts');
    writeFileSync(main, `${readFileSync(main, 'utf8')}\nimport { platform } from 'vernier/web';\nObject.assign(window, { platform, vernier });\n`);
    await build({ root, logLevel: 'warn' });
    const server = await preview({ root, logLevel: 'warn', preview: { port: 0, host: 'localhost' } });
    const browser = await chromium.launch({ executablePath: program, headless: true, args: CHROMIUM_FLAGS });
    try {
      const address = server.httpServer.address();
      if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(`http://localhost:${address.port}/`);
      await page.setInputFiles('#base', own('node/base'));
      await page.waitForFunction("/answer:/.test(document.querySelector('#log').textContent)", undefined, { timeout: 200_000 }).catch(async (error: unknown) => {
        throw new Error(`${errors.join('\n')}\n${await page.textContent('#log')}`, { cause: error });
      });
      const log = (await page.textContent('#log')) ?? '';
      const found = [...log.matchAll(/^step \d: loss ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
      expect(found).toHaveLength(3);
      expect(found[2]).toBeLessThan(found[0]!);
      expect(log).toMatch(/finished; .*adapter_config\.json adapter_model\.safetensors.*; answer: /);
      // Compressed DICOM is decoded in the page, and in the worker, where a model is asked about it.
      for (const name of ['jls_12.dcm', 'htj2k_rpcl.dcm', 'jpeg_8.dcm', 'rle_16.dcm']) {
        const bytes = objects[name]!;
        const { data, width, height } = await nodePlatform.decodeImage(bytes, name);
        const decoded = await page.evaluate<{ data: number[]; answer: string }, [string, number[]]>(decodeBoth, [name, [...bytes]]);
        expect([name, decoded.data.length, decoded.data]).toEqual([name, width * height * 3, [...data]]);
        expect(decoded.answer).toBe('string');
      }
      expect(errors).toEqual([]);
    } finally {
      await browser.close();
      await server.close();
    }
  }, 280_000);
});
