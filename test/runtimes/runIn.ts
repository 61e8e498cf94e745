/**
 * Runs one script in Node, Deno, Bun or headless Chromium and returns what it returns, so that a test can hold the same figure against all four.
 * A script is a plain ES module (Node 20 and the browser load it as it stands) whose default export is `async (host) => result`, result being JSON.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInBrowser } from './browser.ts';

export const RUNTIMES = ['node', 'deno', 'bun', 'chromium'] as const;
export type Runtime = (typeof RUNTIMES)[number];

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

/** Deno's and Bun's programs come in an npm package per system. They are called there directly, so that no install script has to run. */
function packagedProgram(packages: string[], program: string): string {
  for (const name of packages) {
    try {
      const path = join(dirname(require.resolve(`${name}/package.json`)), program);
      if (existsSync(path)) return path;
    } catch {
      // another system's package
    }
  }
  throw new Error(`none of ${packages.join(', ')} is installed; run npm ci with optional packages on a system that has them`);
}

const exe = process.platform === 'win32' ? '.exe' : '';
const denoCpu = process.arch === 'arm64' ? 'arm64' : 'x64';
const bunCpu = process.arch === 'arm64' ? 'aarch64' : 'x64';
const denoPackages = { linux: `@deno/linux-${denoCpu}-glibc`, darwin: `@deno/darwin-${denoCpu}`, win32: `@deno/win32-${denoCpu}` };
const bunPackages = { linux: `@oven/bun-linux-${bunCpu}`, darwin: `@oven/bun-darwin-${bunCpu}`, win32: `@oven/bun-windows-${bunCpu}` };
const system = process.platform as keyof typeof denoPackages;

export function commandLine(runtime: Exclude<Runtime, 'chromium'>): [program: string, ...args: string[]] {
  if (runtime === 'deno') return [packagedProgram([denoPackages[system]], `deno${exe}`), 'run', '-A', '--no-lock', '--unstable-webgpu'];
  if (runtime === 'bun') return [packagedProgram([bunPackages[system]], `bin/bun${exe}`), 'run'];
  return [process.execPath];
}

/** The Chromium to test with: VERNIER_CHROMIUM, or the system's. */
export function findChromium(): string | undefined {
  const named = process.env.VERNIER_CHROMIUM;
  if (named !== undefined && named !== '') return named;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find((path) => existsSync(path));
}

export const INSTALL_CHROMIUM = 'no Chromium on this machine: apt install chromium, or set VERNIER_CHROMIUM to the program';

/**
 * What `script` (a path in the repository) returns in `runtime` for `args`. Rejects with the script's own error output.
 * The script's host: `{runtime, gpu, args, readFile(path): Promise<Uint8Array>, library(): Promise<dist/vernier.js>}`.
 */
export async function runIn(runtime: Runtime, script: string, args: unknown = null, timeoutMs = 110_000): Promise<unknown> {
  const path = resolve(repository, script);
  if (runtime === 'chromium') {
    const chromium = findChromium();
    if (chromium === undefined) throw new Error(INSTALL_CHROMIUM);
    return runInBrowser(chromium, repository, path, args, timeoutMs);
  }
  const [program, ...flags] = commandLine(runtime);
  const host = join(repository, 'test/runtimes/hostNative.mjs');
  const child = spawn(program, [...flags, host, path, JSON.stringify(args)], { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const ending = await new Promise<string>((done, failed) => {
    child.on('error', failed);
    child.on('close', (code, signal) => done(signal ?? `status ${code}`));
  });
  clearTimeout(timer);
  const result = /^@result (.*)$/m.exec(out)?.[1];
  // A result counts even if the driver falls over on the way out, after the script's end.
  if (result === undefined) throw new Error(`${runtime} ended with ${ending} and no result\n${errors}\n${out}`);
  return JSON.parse(result) as unknown;
}
