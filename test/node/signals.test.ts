/** What ends a process: each signal once (a request) and twice (at once, even where a thread hangs), and a console that goes away under a run. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StopSignal } from '../../src/run/main.ts';
import { buildCommandLine, goldenRows, repository, tinyModel } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-signals-'));
const at = (name: string): string => join(scratch, name);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  signal: string | null;
  output: string;
}

/** A program of two lines around `main`'s own parts: it listens, says so, and hangs in the way asked for. */
const PROGRAM = `
import { open } from 'node:fs';
import { endBySignal, onStopSignal } from './signals.js';
import { Turns } from './turns.js';
const release = onStopSignal((signal) => {
  if (globalThis.asked) endBySignal(signal);
  globalThis.asked = true;
  process.stdout.write('asked by ' + signal + '\\n');
});
// A call that never returns, as on a network file system whose server is away: a pipe without a writer.
open(process.argv[2], 'r', () => {});
if (process.argv[3] === 'exit') {
  release();
  process.stdout.write('leaving\\n');
  setTimeout(() => process.exit(0), 100);
} else process.stdout.write('listening\\n');
// Rows that each take seconds in this thread, made together: nothing but the turns between them lets a signal in.
if (process.argv[3] === 'rows') {
  const turns = new Turns();
  const work = () => {
    for (const end = performance.now() + 2000; performance.now() < end; );
  };
  setTimeout(() => void Promise.all(Array.from({ length: 32 }, () => turns.run(work))), 100);
}
// A thread that hears of nothing more, as one in a driver that compiles.
if (process.argv[3] === 'busy') process.once('SIGUSR2', () => { for (;;); });
`;

const numbers: Record<StopSignal, number> = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

describe.runIf(process.platform !== 'win32')('signals', () => {
  beforeAll(async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const input = [join(repository, 'node/signals.ts'), join(repository, 'src/io/turns.ts')];
    const output = { entryFileNames: '[name].js' };
    await build({ configFile: false, logLevel: 'silent', build: { ssr: true, outDir: scratch, emptyOutDir: false, rollupOptions: { input, output } } });
    writeFileSync(at('program.mjs'), PROGRAM);
  });

  function start(mode: 'stay' | 'exit' | 'busy' | 'rows', onLine: (line: string, send: (signal: NodeJS.Signals) => void) => void): Promise<Ended> {
    const child = spawn(process.execPath, [at('program.mjs'), at('pipe'), mode], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = { output: '' };
    child.stdout.on('data', (text: Buffer) => {
      ended.output += text.toString();
      for (const line of text.toString().trim().split('\n')) onLine(line, (signal) => child.kill(signal));
    });
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`still there after 10 s: ${ended.output}`));
      }, 10_000);
      child.on('close', (code, signal) => {
        clearTimeout(limit);
        resolve({ code, signal, output: ended.output });
      });
    });
  }

  it.each(Object.keys(numbers) as StopSignal[])('%s twice ends a process in which a file call hangs', async (signal) => {
    const ended = await start('stay', (line, send) => {
      if (line === 'listening' || line.startsWith('asked')) send(signal);
    });
    expect(ended.output).toContain(`asked by ${signal}`);
    expect(ended.signal ?? ended.code).toBe(signal);
  });

  it.each(Object.keys(numbers) as StopSignal[])('%s after a first signal ends a process whose thread is busy for ever', async (signal) => {
    const ended = await start('busy', (line, send) => {
      if (line === 'listening') send('SIGTERM');
      if (!line.startsWith('asked')) return;
      setTimeout(() => send('SIGUSR2'), 1000);
      setTimeout(() => send(signal), 2000);
    });
    expect(ended.signal).toBe(signal);
  });

  it('twice while rows are made that each take seconds: the first is heard after one of them, and the second ends it', async () => {
    const ended = await start('rows', (line, send) => {
      if (line === 'listening') setTimeout(() => send('SIGTERM'), 1000);
      if (line.startsWith('asked')) send('SIGTERM');
    });
    expect(ended.output).toContain('asked by SIGTERM');
    expect(ended.signal).toBe('SIGTERM');
  });

  it('a signal ends a process that hangs in its own exit', async () => {
    const ended = await start('exit', (line, send) => {
      if (line === 'leaving') setTimeout(() => send('SIGINT'), 1000);
    });
    expect(ended.signal).toBe('SIGINT');
  });
});

describe.runIf(process.platform !== 'win32')('a run whose console or terminal goes away', () => {
  const flags = (dir: string): string[] =>
    Object.entries({
      base_model_hf: tinyModel, train_file: at('rows.jsonl'), max_steps: 12, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, save_steps: 100, logging_steps: 1,
      lora_r: 4, report_to: 'console,jsonl', dataloader_num_workers: 0, lora_checkpoint_dir: dir,
    }).map(([name, value]) => `--${name}=${value}`);
  beforeAll(() => {
    buildCommandLine();
    writeFileSync(at('rows.jsonl'), `${goldenRows('s09_textonly', 's12_string_content').join('\n')}\n`);
  });
  const train = pathToFileURL(join(repository, 'dist/train.js')).pathname;
  const steps = (dir: string): number => readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').split('\n').filter((line) => line.includes('"loss"')).length;

  it('goes on to its end when the reader of its output has ended', async () => {
    const dir = at('epipe');
    const child = spawn(process.execPath, [train, ...flags(dir)], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.once('data', () => {
      child.stdout.destroy();
      child.stderr.destroy();
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    expect(steps(dir)).toBe(12);
    expect(existsSync(join(dir, 'adapter_model.safetensors'))).toBe(true);
  });

  it.runIf(existsSync('/dev/full'))('goes on to its end when its output goes to a full disk', async () => {
    const dir = at('full');
    const child = spawn('sh', ['-c', 'exec "$@" >/dev/full 2>/dev/full', 'sh', process.execPath, train, ...flags(dir)], { stdio: 'ignore' });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(steps(dir)).toBe(12);
  });

  it('saves at SIGHUP, as at Ctrl-C', async () => {
    const dir = at('hangup');
    const child = spawn(process.execPath, [train, ...flags(dir)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const watch = setInterval(() => {
      if (!existsSync(join(dir, 'trainer_log.jsonl')) || steps(dir) < 2) return;
      clearInterval(watch);
      child.stdout.destroy();
      child.stderr.destroy();
      child.kill('SIGHUP');
    }, 5);
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearInterval(watch);
    expect(code).toBe(130);
    expect(existsSync(join(dir, 'adapter_model.safetensors'))).toBe(true);
  });
});
