/** `node dist/ui.js`: shows the runs of a folder, and starts some, until it is stopped. */
import type { UiOptions } from '../../options/ui.ts';
import type { Platform } from '../../platform.ts';
import { keepSecret, redact } from '../../track/secrets.ts';
import { atPort, hostsOf, until } from '../localServer.ts';
import { Actions } from './actions.ts';
import { createApp } from './app.ts';
import { OutputsFolder, uiPlatform } from './folder.ts';
import { JobFiles } from './jobFiles.ts';
import { Pages } from './pages.ts';
import type { Programs } from './programs.ts';
import { Runs } from './runs.ts';

/** Listens at the port of 127.0.0.1, and hands requests to `fetch`: the runtime's own. */
export type Listen = (
  port: number,
  fetch: (request: Request) => Response | Promise<Response>,
) => Promise<{ port: number; close(): Promise<void> }>;

export interface UiContext {
  readonly platform: Platform;
  readonly options: UiOptions;
  readonly stop: AbortSignal;
  readonly say: (text: string) => void;
  /** Past everything that masks secrets: the token is told once. */
  readonly sayAddress: (text: string) => void;
  readonly programs: Programs;
  readonly listen: Listen;
  /** A test of a text against this one that takes as long whatever it is. */
  readonly sameAs: (secret: string) => (text: string) => boolean;
  /** Folder of the built pages, where it is known. */
  readonly pages: string | undefined;
  /** Folder of the tiny bases and the sample. */
  readonly own: string | undefined;
  readonly openBrowser: (address: string) => void;
}

/** @throws UserError where the folder cannot be used, or the port not be had */
export async function runUi(context: UiContext): Promise<void> {
  const { options, programs, stop } = context;
  const platform = uiPlatform(context.platform);
  const folder = await OutputsFolder.open(platform, options.outputs);
  const runs = new Runs(folder, new JobFiles(folder, programs), programs);
  const token = newToken();
  keepSecret(token);
  const hosts: string[] = [];
  const app = createApp({
    runs,
    actions: new Actions(runs, programs),
    pages: await Pages.open(platform, context.pages, context.own),
    hosts,
    isToken: context.sameAs(token),
    opensStudio: options.studio,
    onFailure: (error) =>
      context.say(`A request failed: ${redact(error instanceof Error ? (error.stack ?? error.message) : String(error))}`),
  });
  const { port, close } = await atPort(
    options.port,
    context.listen(options.port, (request) => app.fetch(request)),
  );
  try {
    hosts.push(...hostsOf(port, ['127.0.0.1', 'localhost']));
    const address = `http://127.0.0.1:${port}/?token=${token}`;
    context.sayAddress(`${address}\n`);
    if (options.open) context.openBrowser(address);
    await until(stop);
  } finally {
    runs.close();
    await close();
  }
}

/** 128 random bits. */
function newToken(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
