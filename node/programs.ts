/** Programs that are started beside this process, and go on without it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import process from 'node:process';
import { UserError } from '../src/platform.ts';
import type { Programs } from '../src/run/ui/programs.ts';
import { identityOf, isLiving, thisProcess } from './locks/thisProcess.ts';
import { ownFile } from './ownFile.ts';

/** In Deno a program has the permissions of its own command line. */
const DENO = ['run', '--allow-read', '--allow-write', '--allow-env', '--allow-ffi', '--allow-sys', '--allow-net', '--allow-run'];

/** dist/NAME.js, which lies beside this program as it is built. */
function builtProgram(name: string): string {
  const found = ownFile(`${name}.js`, `dist/${name}.js`);
  if (found === undefined) throw new UserError(`dist/${name}.js is not built: run \`npm run build\` in the folder of Vernier.`);
  return found;
}

export const programs: Programs = {
  async start(name, words, log) {
    const output = openSync(log, 'a', 0o600);
    try {
      const flags = 'Deno' in globalThis ? DENO : [];
      // A group of its own: Ctrl-C in our terminal is not meant for it.
      const child = spawn(process.execPath, [...flags, builtProgram(name), ...words], {
        stdio: ['ignore', output, output],
        detached: true,
      });
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
      child.unref();
      return await identityOf(child.pid ?? 0);
    } finally {
      closeSync(output);
    }
  },
  interrupt({ pid }) {
    if (process.platform === 'win32')
      throw new UserError(`Windows cannot ask a program to end: press Ctrl-C where process ${pid} was started, or end it there.`);
    process.kill(pid, 'SIGINT');
  },
  isLiving: async (program) => isLiving(program, await thisProcess()),
};
