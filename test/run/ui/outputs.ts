/** A folder of runs as they leave it, an app over it, and programs that only note what they are asked for. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sameAs } from '../../../node/localServer.ts';
import { thisProcess } from '../../../node/locks/thisProcess.ts';
import { nodePlatform } from '../../../node/platform.ts';
import type { Identity } from '../../../src/io/locks/owner.ts';
import { Actions } from '../../../src/run/ui/actions.ts';
import { createApp } from '../../../src/run/ui/app.ts';
import { OutputsFolder, uiPlatform } from '../../../src/run/ui/folder.ts';
import { JobFiles } from '../../../src/run/ui/jobFiles.ts';
import { Pages } from '../../../src/run/ui/pages.ts';
import type { Programs } from '../../../src/run/ui/programs.ts';
import { Runs } from '../../../src/run/ui/runs.ts';

export const TOKEN = '0123456789abcdef0123456789abcdef';
export const HOST = '127.0.0.1:4711';

export interface Scene {
  dir: string;
  /** Writes a file below the folder. */
  put(path: string, text: string): void;
  append(path: string, text: string): void;
  /** As a page of the server asks. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Without any header but those. */
  raw(path: string, init?: RequestInit): Promise<Response>;
  /** "train outputs/.vernier-ui/….yaml", and "interrupt PID". */
  asked: string[];
  living: Set<number>;
  failures: unknown[];
  runs: Runs;
  close(): void;
}

export async function openScene(): Promise<Scene> {
  const top = mkdtempSync(join(tmpdir(), 'vernier-ui-'));
  const dir = join(top, 'outputs');
  mkdirSync(join(top, 'web/assets'), { recursive: true });
  writeFileSync(join(top, 'web/ui.html'), '<!doctype html><title>runs</title>');
  writeFileSync(join(top, 'web/index.html'), '<!doctype html><title>Studio</title>');
  writeFileSync(join(top, 'web/assets/ui-1.js'), 'export {};');
  mkdirSync(join(top, 'node/base'), { recursive: true });
  writeFileSync(join(top, 'node/base/config.json'), '{}');
  writeFileSync(join(top, 'node/secret.txt'), 'secret');
  writeFileSync(join(top, 'secret.txt'), 'secret');
  const asked: string[] = [];
  const living = new Set<number>();
  const me = await thisProcess();
  let pid = 2 ** 22 + 1;
  const programs: Programs = {
    start: (name, words) => {
      asked.push([name, ...words].join(' '));
      living.add(++pid);
      return Promise.resolve<Identity>({ ...me, pid, born: '1' });
    },
    interrupt: (program) => void asked.push(`interrupt ${program.pid}`),
    isLiving: ({ pid: one, host }) => Promise.resolve(one === undefined || host !== me.host ? undefined : living.has(one)),
  };
  const platform = uiPlatform(nodePlatform);
  const folder = await OutputsFolder.open(platform, dir);
  const runs = new Runs(folder, new JobFiles(folder, programs), programs);
  const failures: unknown[] = [];
  const app = createApp({
    runs,
    actions: new Actions(runs, programs),
    pages: await Pages.open(platform, join(top, 'web'), join(top, 'node')),
    hosts: [HOST, 'localhost:4711'],
    isToken: sameAs(TOKEN),
    opensStudio: false,
    onFailure: (error) => failures.push(error),
  });
  const raw = async (path: string, init: RequestInit = {}): Promise<Response> => app.fetch(new Request(`http://${HOST}${path}`, init));
  const own = { host: HOST, cookie: `vernier_ui_4711=${TOKEN}` };
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  return {
    dir,
    put,
    append: (path, text) => appendFileSync(join(dir, path), text),
    get: (path, headers = {}) => raw(path, { headers: { ...own, ...headers } }),
    post: (path, body, headers = {}) =>
      raw(path, {
        method: 'POST',
        headers: { ...own, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    raw,
    asked,
    living,
    failures,
    runs,
    close() {
      runs.close();
      rmSync(top, { recursive: true, force: true });
    },
  };
}

export const line = (entry: Record<string, unknown>): string => `${JSON.stringify(entry)}\n`;

export const START = line({
  event: 'start',
  time: '2026-01-02T00:00:00.000Z',
  name: 'first',
  total_steps: 10,
  first_step: 0,
  facts: { model: 'tiny', rows: 8 },
  config: { base_model_hf: 'tiny', lora_r: 4, seed: 1 },
});

export const row = (step: number, more: Record<string, unknown> = {}): string =>
  line({ step, epoch: step / 8, loss: 10 - step, learning_rate: 1e-4, num_tokens: 100 * step, elapsed_seconds: 3 + 2 * step, ...more });

/** A lock as a process of that number would have left it. */
export async function lockOf(pid: number, more: Partial<Identity> = {}, beat = 0): Promise<string> {
  const me = await thisProcess();
  return `${JSON.stringify({ id: 'x', ...me, pid, program: 'train', started: 'now', ...more })}\n${String(beat).padStart(12, '0')}\n`;
}

/** What an event stream has told when `until` is content, or it ended. */
export async function readEvents(response: Response, until: (text: string) => boolean, ms = 20_000): Promise<string> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  const timer = setTimeout(() => void reader.cancel(), ms);
  while (!until(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  clearTimeout(timer);
  await reader.cancel();
  return text;
}

export interface Event {
  id: string | undefined;
  event: string;
  data: Record<string, unknown>;
}

export function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => ({
      id: /^id: (.*)$/m.exec(block)?.[1],
      event: /^event: (.*)$/m.exec(block)?.[1] ?? '',
      data: JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as Record<string, unknown>,
    }));
}
