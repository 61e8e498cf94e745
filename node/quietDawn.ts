/**
 * Dawn tells at its start that it lowers two limits, which software GPUs state as a million. Nobody can do anything about it, and it is
 * told from C++, on the process's own stderr, past `process.stderr`. So what is written there while Dawn starts goes into a file, and all
 * of it but those two lines is handed on. Needs dup2, which Node lacks: where the optional package koffi is not there, the lines stay.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { nativeCalls } from './nativeCalls.ts';

const STDERR = 2;
const NOTICE = new RegExp(
  String.raw`^Warning: maxDynamic(?:Uniform|Storage)BuffersPerPipelineLayout artificially reduced from \d+ to \d+ ` +
    String.raw`to fit dynamic offset allocation limit\.\r?\n`,
  'gm',
);

/** What Dawn wrote, without the two lines. */
export function withoutNotice(text: string): string {
  return text.replace(NOTICE, '');
}

/** @param start Dawn's start, synchronous: other threads' messages of that moment come with it */
export async function quietly<T>(start: () => T): Promise<T> {
  const swap = await stderrSwap();
  if (swap === undefined) return start();
  const folder = mkdtempSync(join(tmpdir(), 'vernier-start-'));
  const file = openSync(join(folder, 'stderr'), 'w+', 0o600);
  try {
    rmSync(folder, { recursive: true }); // the open file is all that is needed
    const back = swap(file);
    try {
      return start();
    } finally {
      back();
    }
  } finally {
    const text = Buffer.alloc(fstatSync(file).size);
    readSync(file, text, 0, text.length, 0);
    closeSync(file);
    const rest = withoutNotice(text.toString());
    if (rest !== '') process.stderr.write(rest);
  }
}

/**
 * A function that leads stderr to another file descriptor at once, without a moment in which it leads nowhere, and returns the way back.
 */
async function stderrSwap(): Promise<((to: number) => () => void) | undefined> {
  if (process.platform === 'win32') return undefined;
  try {
    const libc = (await nativeCalls()).load(null);
    const dup = libc.func('int dup(int)') as (file: number) => number;
    const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
    return (to) => {
      const own = dup(STDERR);
      if (own < 0) return () => undefined; // closed: there is nobody to spare the lines
      dup2(to, STDERR);
      return () => {
        dup2(own, STDERR);
        closeSync(own);
      };
    };
  } catch {
    return undefined;
  }
}
