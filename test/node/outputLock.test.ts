/** One program at a time in an output folder: a second one is refused at once, and a lock that a dead process has left holds up nobody. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LockFiles } from '../../node/locks/lockFile.ts';
import { thisProcess } from '../../node/locks/thisProcess.ts';
import { inOutputFolder } from '../../src/run/outputFolder.ts';
import { nodePlatform } from '../../node/platform.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { buildCommandLine, goldenRows, repository, runProgram, runTrain, tinyModel } from './trainProcess.ts';
import type { Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-lock-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const LOCK = '.vernier.lock';
async function enter<T>(dir: string, work: () => T | Promise<T>): Promise<T | undefined> {
  let result: T | undefined;
  await inOutputFolder({ platform: nodePlatform }, dir, '--output_dir', async () => {
    result = await work();
  });
  return result;
}

describe('inOutputFolder', () => {
  it('holds the folder while it works, and leaves nothing', async () => {
    expect(await enter(at('a/b'), () => readdirSync(at('a/b')))).toEqual([LOCK]);
    await expect(enter(at('a/b'), () => Promise.reject(new Error('the work')))).rejects.toThrow('the work');
    expect(existsSync(at('a'))).toBe(false);
    await enter(at('kept'), () => {
      writeFileSync(at('kept/result'), '');
    });
    expect(readdirSync(at('kept'))).toEqual(['result']);
  });

  it('refuses a folder that a living process holds, at once, and leaves it its lock', async () => {
    await enter(at('held'), async () => {
      const began = Date.now();
      const second = enter(at('held'), () => undefined);
      await expect(second).rejects.toThrow(UserError);
      await expect(second).rejects.toThrow(new RegExp(`--output_dir .*held is in use by process ${process.pid} \\(.+\\), since 2.*wait for that one or stop it, or give another --output_dir`));
      expect(Date.now() - began).toBeLessThan(2000);
      expect(readdirSync(at('held'))).toEqual([LOCK]);
    });
  });

  it.each([
    ['a dead process', { pid: 2 ** 22 + 1 }],
    ['an earlier process of the same id', { pid: process.pid, born: '1' }],
  ])('takes over the lock of %s at once', async (_, owner) => {
    mkdirSync(at('stale'), { recursive: true });
    writeFileSync(at('stale', LOCK), JSON.stringify({ ...(await thisProcess()), ...owner, started: '2026-01-01T00:00:00Z' }));
    expect(await enter(at('stale'), () => readFileSync(at('stale', LOCK), 'utf8'))).toContain(`"pid":${process.pid},`);
    expect(readdirSync(at('stale'))).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('takes over the lock of a process that is killed and not yet waited for', async () => {
    // `sleep` takes the shell's place and never asks for the end of its child.
    const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const pid = Number(await new Promise<string>((resolve) => parent.stdout.once('data', (text: Buffer) => resolve(text.toString()))));
      const stat = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8');
      while (!stat().includes(') Z ')) await new Promise((resolve) => setTimeout(resolve, 5));
      mkdirSync(at('zombie'));
      const born = stat().split(' ')[21];
      writeFileSync(at('zombie', LOCK), JSON.stringify({ ...(await thisProcess()), pid, started: '2026-01-01T00:00:00Z', born }));
      expect(await enter(at('zombie'), () => 'worked')).toBe('worked');
    } finally {
      parent.kill();
    }
  });

  it('waits before the lock of another machine, says on whom, and can be interrupted at once', async () => {
    mkdirSync(at('elsewhere'));
    const text = JSON.stringify({ pid: 7, host: 'another-machine', started: '2026-01-01T00:00:00Z' });
    writeFileSync(at('elsewhere', LOCK), text);
    const stop = new AbortController();
    const said: string[] = [];
    let stoppedAt = 0;
    const say = (words: string): void => {
      said.push(words);
      setTimeout(() => {
        stoppedAt = Date.now();
        stop.abort();
      }, 50);
    };
    let isDone = false;
    await inOutputFolder({ platform: nodePlatform, stop: stop.signal, say }, at('elsewhere'), '--output_dir', () => {
      isDone = true;
      return Promise.resolve();
    });
    expect(Date.now() - stoppedAt).toBeLessThan(100);
    expect(isDone).toBe(false);
    expect(said).toEqual([expect.stringMatching(/--output_dir .*elsewhere was in use by process 7 on another-machine, since 2026-01-01T00:00:00Z\. Waiting.*Ctrl-C/)]);
    expect(readFileSync(at('elsewhere', LOCK), 'utf8')).toBe(text);
  });

  it('clears what a killed run has left half-written, and nothing else', async () => {
    mkdirSync(at('killed/adapter.tmp-0123456789abcdef'), { recursive: true });
    for (const name of ['log.jsonl.tmp-00000000000000ff', 'notes.tmp-2026-01-02', 'notes.tmp', 'x.tmp-0123456789ABCDEF']) writeFileSync(at('killed', name), '');
    await enter(at('killed'), () => undefined);
    expect(readdirSync(at('killed')).sort()).toEqual(['notes.tmp', 'notes.tmp-2026-01-02', 'x.tmp-0123456789ABCDEF']);
  });

  it('says that a folder cannot be written', async () => {
    const readOnly: Platform = { ...nodePlatform, makeDir: (path) => Promise.reject(new UserError(`Cannot write ${path}: permission denied.`)) };
    const refused = inOutputFolder({ platform: readOnly }, at('none/run'), '--lora_checkpoint_dir', () => Promise.resolve());
    await expect(refused).rejects.toThrow(`--lora_checkpoint_dir ${at('none/run')} cannot be written. Cannot write`);
    expect(existsSync(at('none'))).toBe(false);
  });
});

describe('programs', () => {
  beforeAll(() => {
    buildCommandLine();
    writeFileSync(at('rows.jsonl'), `${goldenRows('s09_textonly', 's12_string_content').join('\n')}\n`);
  });

  const flagsOf = (out: string): Flags => ({
    base_model_hf: tinyModel, train_file: at('rows.jsonl'), lora_checkpoint_dir: out, max_steps: 1000, per_device_train_batch_size: 1, gradient_accumulation_steps: 1,
    lora_r: 2, target_modules: 'q_proj', logging_steps: 1, save_steps: 2, save_total_limit: 2, report_to: 'jsonl', dataloader_num_workers: 0,
  });
  /** A process of another container under this host name; the id is nobody's here, and its clock is 90 s behind. */
  const elsewhere = (beatMs: number, staleMs: number): LockFiles => {
    const me = { host: hostname(), pid: 2 ** 22 + 1, boot: 'the same', namespaces: 'pid:[1] time:[1]', born: '1' };
    return new LockFiles((cause) => cause as Error, () => Promise.resolve({ me, beatMs, staleMs, pollMs: 20, now: () => performance.now() }));
  };
  const behind = (file: string): void => utimesSync(file, Date.now() / 1000 - 90, Date.now() / 1000 - 90);

  it('a second training in the folder of a running one is refused, with either way to begin; a killed one can be gone on with at once', async () => {
    const out = at('run');
    const flags = flagsOf(out);
    const begun = (): boolean => existsSync(out) && readdirSync(out).some((name) => /^checkpoint-\d+$/.test(name));
    const seconds: { code: number | null; error: string }[] = [];
    let pid = '';
    const first = await runTrain(flags, (send) => {
      void (async () => {
        while (!begun()) await new Promise((resolve) => setTimeout(resolve, 10));
        pid = /"pid":(\d+)/.exec(readFileSync(join(out, LOCK), 'utf8'))?.[1] ?? '';
        seconds.push(await runTrain({ ...flags, overwrite: true }), await runTrain({ ...flags, resume_from_checkpoint: true }));
      })().finally(() => send('SIGKILL'));
    });
    expect(first.code).toBe(null);
    expect(pid).not.toBe('');
    for (const { code, error } of seconds) {
      expect(error).toMatch(new RegExp(`^Error: --output_dir .*/run is in use by process ${pid} \\(train\\), since`, 'm'));
      expect(code).toBe(1);
    }
    expect(seconds).toHaveLength(2);
    const last = Math.max(...readdirSync(out).map((name) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1] ?? 0)));
    const { code, error } = await runTrain({ ...flags, max_steps: last + 2, resume_from_checkpoint: true });
    expect(error).not.toContain('in use');
    expect(code).toBe(0);
    expect(readdirSync(out)).not.toContain(LOCK);
  });

  it.each<Flags>([{ overwrite: true }, { resume_from_checkpoint: true }])('a training of another container of the same host name keeps its checkpoints (%o)', async (more) => {
    const out = at('container');
    mkdirSync(join(out, 'checkpoint-2'), { recursive: true });
    writeFileSync(join(out, 'checkpoint-2/adapter_model.safetensors'), 'of the living run');
    const held = await elsewhere(2_000, 75_000).take(join(out, LOCK));
    behind(join(out, LOCK));
    try {
      const { code, output, error } = await runTrain({ ...flagsOf(out), ...more });
      expect(output).toMatch(/container was in use by process \d+ .*Waiting to see whether that one still lives/);
      expect(error).toMatch(/^Error: --output_dir .*container is in use by process \d+/m);
      expect(code).toBe(1);
      await held.check();
      expect(readdirSync(out).sort()).toEqual([LOCK, 'checkpoint-2']);
      expect(readFileSync(join(out, 'checkpoint-2/adapter_model.safetensors'), 'utf8')).toBe('of the living run');
    } finally {
      await held.release();
    }
  });

  it.runIf(process.platform !== 'win32')('a training that slept while another took its folder ends, and writes nothing more', async () => {
    const out = at('slept');
    const names: string[][] = [];
    const state = (): string[] => readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => name !== LOCK).map((name) => `${name} ${statSync(join(out, name)).mtimeMs}`).sort();
    const { code, error } = await runTrain(flagsOf(out), (send) => {
      void (async () => {
        while (!existsSync(out) || !readdirSync(out).includes('checkpoint-2')) await new Promise((resolve) => setTimeout(resolve, 10));
        send('SIGSTOP');
        await elsewhere(500, 1_000).take(join(out, LOCK));
        names.push(state());
        send('SIGCONT');
      })();
    });
    names.push(state());
    expect(error).toMatch(/^Error: .*slept is no longer this program's: process \d+ .* has taken it over/m);
    expect(error).not.toContain('defect');
    expect(code).toBe(1);
    // What was half-written when it fell asleep it may clear away, and the system may end a row of the log that it was given before; nothing else changes.
    const settled = (list: string[] = []): string[] => list.filter((name) => !/\.tmp|trainer_log/.test(name));
    expect(settled(names[0]).length).toBeGreaterThan(5);
    expect(settled(names[1])).toEqual(settled(names[0]));
    expect(readFileSync(join(out, LOCK), 'utf8')).toContain('pid:[1]');
  });

  it('a second evaluation is refused', async () => {
    const flags = { samples: join(repository, 'test/golden/medvision/expected_metrics.jsonl'), output_dir: at('evaluated') };
    await enter(at('evaluated'), async () => {
      const { code, error } = await runProgram('evaluate', flags);
      expect(error).toMatch(new RegExp(`^Error: --output_dir .*/evaluated is in use by process ${process.pid} \\(.+\\), since`, 'm'));
      expect(code).toBe(1);
      expect(readdirSync(at('evaluated'))).toEqual([LOCK]);
    });
    expect((await runProgram('evaluate', flags)).code).toBe(0);
    expect(readdirSync(at('evaluated'))).not.toContain(LOCK);
  });
});
