/** A program of dist/ that meets a fault at a known point of its work (inject.mjs), and how long it takes to be gone after that. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { dist, repository } from '../node/trainProcess.ts';
import type { Ended, Flags } from '../node/trainProcess.ts';

/** What inject.mjs is told. */
export interface Fault {
  at: string;
  nth?: number;
  does: string;
  within?: string;
}

export interface FaultyRun {
  program: string;
  flags: Flags;
  env?: Readonly<Record<string, string>>;
  fault?: Fault;
  /** In place of the call that `fault` names: the point of the fault is where this becomes true; the process does not stand still then. */
  when?: () => boolean;
  /** While the process stands still at the point of the fault. */
  act?: (child: ChildProcess) => void;
  /** For a hang; the process is killed then. */
  limitMs?: number;
}

export interface FaultyEnd extends Ended {
  signal: string | null;
  /** The point of the fault was reached. */
  wasMet: boolean;
  /** From the fault (or what `act` returned from) to the end of the process; NaN where it was not met. */
  seconds: number;
  isHung: boolean;
  /** From the point of the fault until what inject.mjs does met the program; undefined where it never did. */
  struckAfter?: number;
  /** Calls after the point of the fault that make, write or rename files of the fault's `within`. */
  changes: number;
}

const NO_HUB: Readonly<Record<string, string>> = { HF_HUB_OFFLINE: '1', HF_HOME: join(tmpdir(), 'vernier-no-hub') };
const inject = join(repository, 'test/faults/inject.mjs');

export function runFaulty({ program, flags, env = NO_HUB, fault, when, act, limitMs = 120_000 }: FaultyRun): Promise<FaultyEnd> {
  const argv = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HF_|HUGGING|TRANSFORMERS|WANDB|VERNIER_FAULT)/.test(name)));
  const child = spawn(process.execPath, ['--import', inject, join(dist, `${program}.js`), ...argv], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...inherited, ...env, ...(fault && { VERNIER_FAULT: JSON.stringify(fault) }) },
  });
  const ended: FaultyEnd = { code: null, signal: null, output: '', error: '', wasMet: false, seconds: NaN, isHung: false, changes: 0 };
  const [, stdout, stderr, told, answer] = child.stdio as [null, Readable, Readable, Readable, Writable];
  stdout.on('data', (text: Buffer) => (ended.output += text.toString()));
  stderr.on('data', (text: Buffer) => (ended.error += text.toString()));
  for (const stream of [stdout, stderr, told, answer]) stream.on('error', () => undefined);
  let metAt = NaN;
  const meet = (): void => {
    ended.wasMet = true;
    metAt = performance.now();
    act?.(child);
  };
  told.on('data', (text: Buffer) => {
    for (const word of text.toString().split('\n')) {
      if (word === 'changed' && ended.wasMet) ended.changes++;
      if (word === 'struck') ended.struckAfter = (performance.now() - metAt) / 1000;
      if (word !== 'fault') continue;
      meet();
      answer.write('.');
    }
  });
  const watch = setInterval(() => {
    if (when?.() !== true) return;
    clearInterval(watch);
    meet();
  }, 2);
  return new Promise((resolve) => {
    const limit = setTimeout(() => {
      ended.isHung = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.on('exit', (code, signal) => {
      ended.seconds = (performance.now() - metAt) / 1000;
      Object.assign(ended, { code, signal });
    });
    child.on('close', () => {
      clearTimeout(limit);
      clearInterval(watch);
      resolve(ended);
    });
  });
}
