/** `node dist/ui.js`: flags are in src/options/ui.ts, the work in src/run/ui/ui.ts. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { uiProgram } from '../src/options/ui.ts';
import { browserCommand } from '../src/run/localServer.ts';
import { runUi } from '../src/run/ui/ui.ts';
import type { Listen } from '../src/run/ui/ui.ts';
import { runProgram } from './cli.ts';
import { lastingOutput } from './lastingOutput.ts';
import { listenLocally, sameAs } from './localServer.ts';
import { nodePlatform } from './platform.ts';
import { programs } from './programs.ts';

const listen: Listen = (port, fetch) => {
  const answer = getRequestListener(fetch, { overrideGlobalObjects: false });
  return listenLocally(port, (request, response) => void answer(request, response));
};

/** That it does not work is no reason to end: the address is printed. */
function openBrowser(address: string): void {
  const [program, ...words] = browserCommand(process.platform, address);
  const child = spawn(program, words, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined).unref();
}

await runProgram(uiProgram, async ({ options }, stop, terminal) => {
  const pages = ['./web', '../web', '../dist/web'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  await runUi({
    platform: nodePlatform,
    options,
    stop,
    say: (text) => terminal.write(`${text}\n`),
    sayAddress: lastingOutput(process.stdout),
    programs,
    listen,
    sameAs,
    pages: pages.find((path) => existsSync(`${path}/index.html`)),
    own: fileURLToPath(new URL('../node', import.meta.url)),
    openBrowser,
  });
});
