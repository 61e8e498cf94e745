/** The programs of dist/ as a user of the test hub starts them, and the search for the token in all that they leave. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runProgram } from '../node/trainProcess.ts';
import type { Ended, Flags } from '../node/trainProcess.ts';
import type { TestHub } from './testHub.ts';

/** A token that no pattern knows, so that it is the code that keeps it to itself. */
export const TOKEN = 'veryPrivateTokenOfTheTest';

export interface Around {
  env?: Record<string, string>;
  /** Default train. */
  program?: string;
  /** Gets a function that kills the process without warning, and one that tells whether it is over. */
  meanwhile?: (kill: () => void, hasEnded: () => boolean) => Promise<void>;
}

/** @param home folder of the download cache */
export async function runWithHub(hub: TestHub, home: string, flags: Flags, { env = {}, program = 'train', meanwhile }: Around = {}): Promise<Ended> {
  let watching: Promise<void> | undefined;
  let hasEnded = false;
  const atStart = (send: (signal: NodeJS.Signals) => void): void => {
    watching = meanwhile?.(() => send('SIGKILL'), () => hasEnded);
  };
  const ended = await runProgram(program, flags, atStart, { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_TOKEN: TOKEN, ...env });
  hasEnded = true;
  await watching;
  return ended;
}

/** Every file below a folder, by its path. */
export function folderOf(dir: string): Record<string, Buffer> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => lstatSync(join(dir, name)).isFile());
  return Object.fromEntries(names.map((name) => [name.replaceAll('\\', '/'), readFileSync(join(dir, name))]));
}

/** Neither in a file below a folder, nor in what was printed, nor in an address. */
export function expectNoToken(hub: TestHub, { output, error }: Pick<Ended, 'output' | 'error'>, ...dirs: string[]): void {
  expect(output + error).not.toContain(TOKEN);
  for (const dir of dirs) {
    const files = Object.entries(folderOf(dir));
    expect(files.length).toBeGreaterThan(0);
    for (const [name, bytes] of files) expect(name.includes(TOKEN) || bytes.includes(TOKEN), name).toBe(false);
  }
  expect(hub.requests.some(({ url }) => url.includes(TOKEN))).toBe(false);
}
