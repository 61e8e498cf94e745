/** `node dist/train.js` as a user starts it: built where stale, flags as an object, everything it says, and a time limit that makes a hang a failure. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from '../built.ts';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
export const golden = process.env['VERNIER_GOLDEN_DIR'] ?? join(repository, 'test/golden/data');
export const tinyModel = join(golden, 'models/qwen2_5_vl-tiny');

export type Flags = Record<string, string | number | boolean>;

export interface Ended {
  code: number | null;
  output: string;
  error: string;
}

const LIMIT_MS = 90_000;

/** A build of one's own in place of dist/, for work beside others. */
export const dist = process.env['VERNIER_DIST'] ?? join(repository, 'dist');

export function buildCommandLine(): void {
  if (process.env['VERNIER_DIST'] !== undefined) return;
  ensureBuilt('node');
}

/** `atStart` gets a function that sends the process a signal. No test asks the hub. */
export function runTrain(flags: Flags, atStart?: (send: (signal: NodeJS.Signals) => void) => void): Promise<Ended> {
  return runProgram('train', flags, atStart);
}

const NO_HUB: Readonly<Record<string, string>> = { HF_HUB_OFFLINE: '1', HF_HOME: join(tmpdir(), 'vernier-no-hub'), XDG_CACHE_HOME: join(tmpdir(), 'vernier-test-cache') };

/** `node dist/<program>.js`; `env` stands in place of whatever this process is told of a hub. */
export function runProgram(
  program: string,
  flags: Flags,
  atStart?: (send: (signal: NodeJS.Signals) => void) => void,
  env = NO_HUB,
  words: readonly string[] = [],
): Promise<Ended> {
  const argv = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HF_|HUGGING|TRANSFORMERS)/.test(name)));
  const child = spawn(process.execPath, [join(dist, `${program}.js`), ...words, ...argv], { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...env } });
  const ended: Ended = { code: null, output: '', error: '' };
  child.stdout.on('data', (text: Buffer) => (ended.output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (ended.error += text.toString()));
  atStart?.((signal) => child.kill(signal));
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`still running after ${LIMIT_MS / 1000} s: ${argv.join(' ')}\n${ended.error}`));
    }, LIMIT_MS);
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve({ ...ended, code });
    });
  });
}

/** Rows of the golden data set by id, as lines of JSONL with absolute image paths. */
export function goldenRows(...ids: string[]): string[] {
  const all = readFileSync(join(golden, 'data/dataset.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { id: string; images: string[] });
  return ids.map((id) => {
    const row = all.find((one) => one.id === id);
    if (row === undefined) throw new Error(`the golden data set has no row ${id}`);
    return JSON.stringify({ ...row, images: row.images.map((image) => join(golden, 'data', image)) });
  });
}

/** A copy of the tiny model to damage. */
export function modelCopy(dir: string): string {
  mkdirSync(dir, { recursive: true });
  cpSync(tinyModel, dir, { recursive: true });
  return dir;
}

/** A file with its text changed; Latin-1 keeps every byte of a binary file. */
export function edit(path: string, change: (text: string) => string): void {
  const before = readFileSync(path, 'latin1');
  const after = change(before);
  if (after === before) throw new Error(`${path}: the edit changes nothing`);
  writeFileSync(path, after, 'latin1');
}
