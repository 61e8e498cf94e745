/**
 * Locks between processes of which one knows nothing but the file: other tables of processes under one host name, clocks that disagree,
 * owners that die, sleep or leave something broken. Times are short here; test/node/namespaces/run.mjs does the same with real namespaces and the
 * real times.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { LockFiles } from '../../node/locks/lockFile.ts';
import type { LockParameters } from '../../src/io/locks/locks.ts';
import { isLiving, thisProcess } from '../../node/locks/thisProcess.ts';
import { ownerInWords, parseOwner } from '../../src/io/locks/owner.ts';
import type { Identity } from '../../src/io/locks/owner.ts';
import { nodePlatform } from '../../node/platform.ts';
import { whileHeld } from '../../src/io/heldPlatform.ts';
import { writeWholeFolder } from '../../src/io/wholeFolder.ts';
import { UserError } from '../../src/platform.ts';
import type { FileLock, LockHolder } from '../../src/platform.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-locks-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let dir = '';
let file = '';
let rounds = 0;
beforeEach(() => {
  dir = join(scratch, String(rounds++));
  mkdirSync(dir);
  file = join(dir, '.vernier.lock');
});

/** For locks that nobody holds; and for those of the living, whose beats may be late on a busy machine. */
const STALE_MS = 600;
const PATIENT_MS = 2_500;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A process of a container: its own table of processes, the host name of all others, and an id that may be anybody's here. */
const container = (number: number): Identity => ({ host: hostname(), pid: 7, boot: 'one machine', namespaces: `pid:[${number}] time:[1]`, born: '100' });
const locksOf = (me: Identity, more: Partial<LockParameters> = {}): LockFiles =>
  new LockFiles((cause, action, name) => new UserError(`Cannot ${action} ${name}: ${String(cause)}`), () =>
    Promise.resolve({ me, beatMs: 50, staleMs: STALE_MS, pollMs: 20, now: () => performance.now(), ...more }),
  );

/** The lock, or 'refused' when its owner is seen to live. */
async function tryFor(locks: LockFiles): Promise<FileLock | 'refused'> {
  const refused = new Error('refused');
  try {
    return await locks.take(file, {
      onWait({ isAlive }) {
        if (isAlive) throw refused;
      },
    });
  } catch (error) {
    if (error === refused) return 'refused';
    throw error;
  }
}

const lockText = (owner: object, beat = 0): string => `${JSON.stringify({ id: 'x'.repeat(32), ...owner, program: 'train', started: '2026-01-01T00:00:00Z' })}\n${String(beat).padStart(12, '0')}\n`;

describe('the lock of another container of the same host name', () => {
  it.each([
    ['90 s behind', -90],
    ['days ahead', 3 * 86_400],
  ])('that lives is never taken, with a clock %s', async (_, seconds) => {
    const held = await locksOf(container(1)).take(file);
    const shift = setInterval(() => {
      const then = Date.now() / 1000 + seconds;
      utimesSync(file, then, then);
    }, 400);
    try {
      const tries = Array.from({ length: 10 }, async (_, i) => tryFor(locksOf(container(2 + i), { staleMs: PATIENT_MS })));
      expect(await Promise.all(tries)).toEqual(tries.map(() => 'refused'));
      // Also by one who waits for as long as it takes.
      const stop = new AbortController();
      const waiting = locksOf(container(3), { staleMs: PATIENT_MS }).take(file, { signal: stop.signal });
      await Promise.race([waiting.catch(() => undefined), pause(1.5 * PATIENT_MS)]);
      stop.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      await held.check();
    } finally {
      clearInterval(shift);
      await held.release();
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([
    ['now', 0],
    ['90 s ago', -90],
    ['in three days', 3 * 86_400],
  ])('that is dead is taken once it was seen to stand still, whatever its time says: %s', async (_, seconds) => {
    writeFileSync(file, lockText(container(1)));
    utimesSync(file, Date.now() / 1000 + seconds, Date.now() / 1000 + seconds);
    const told: LockHolder[] = [];
    const began = performance.now();
    const held = await locksOf(container(2)).take(file, { onWait: (holder) => told.push(holder) });
    expect(performance.now() - began).toBeGreaterThanOrEqual(STALE_MS);
    expect(performance.now() - began).toBeLessThan(STALE_MS + 1000);
    expect(told).toEqual([{ words: 'process 7 (train), since 2026-01-01T00:00:00Z', isAlive: false }]);
    await held.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is not taken for dead by one that itself has not looked for an hour', async () => {
    let now = 0;
    writeFileSync(file, lockText(container(1)));
    const stop = new AbortController();
    const locks = locksOf(container(2), { now: () => (now += 3_600_000), staleMs: 75_000, pollMs: 1 });
    const waiting = locks.take(file, { signal: stop.signal });
    await pause(100);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(parseOwner(readFileSync(file, 'utf8'))).toMatchObject(container(1));
  });

  it('of a version that only touched it is held while it is touched, and taken when that ends', async () => {
    writeFileSync(file, `${JSON.stringify({ pid: 7, host: hostname(), started: '2026-01-01T00:00:00Z', born: '100' })}\n`);
    const touch = setInterval(() => utimesSync(file, new Date(), new Date()), 50);
    expect(await tryFor(locksOf(container(2)))).toBe('refused');
    clearInterval(touch);
    await ((await tryFor(locksOf(container(2)))) as FileLock).release();
  });
});

describe('several takers of a dead lock', () => {
  it('have it one after another, never two at once', async () => {
    let inside = 0;
    let most = 0;
    for (let round = 0; round < 3; round++) {
      writeFileSync(file, lockText(container(1), round));
      await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const held = await locksOf(container(2 + i), { staleMs: PATIENT_MS, pollMs: 5 }).take(file);
          most = Math.max(most, ++inside);
          await pause(5);
          await held.check();
          inside--;
          await held.release();
        }),
      );
      expect(readdirSync(dir)).toEqual([]);
    }
    expect(most).toBe(1);
  });

  it('of which one died on the way go on, and clear what it left', async () => {
    writeFileSync(file, lockText(container(1)));
    writeFileSync(`${file}.takeover`, lockText(container(3)));
    writeFileSync(`${file}.tmp-0123456789abcdef`, lockText(container(3)));
    writeFileSync(`${file}.takeover.tmp-0123456789abcdef`, '');
    writeFileSync(join(dir, 'mine.tmp-0123456789abcdef'), 'not of the lock');
    const held = (await tryFor(locksOf(container(2)))) as FileLock;
    await held.check();
    await held.release();
    expect(readdirSync(dir)).toEqual(['mine.tmp-0123456789abcdef']);
  });

  it('do not take one that beats once more at the last moment', async () => {
    writeFileSync(file, lockText(container(1)));
    let looks = 0;
    class Late extends LockFiles {
      override look(name: string): ReturnType<LockFiles['look']> {
        // The look between the removal of the others' files and the renaming: the only one while the lock on taking over is held.
        if (name === file && existsSync(`${file}.takeover`) && looks++ === 0) writeFileSync(file, lockText(container(1), 1));
        return super.look(name);
      }
    }
    const told: boolean[] = [];
    const late = new Late(
      (cause) => cause as Error,
      () => Promise.resolve({ me: container(2), beatMs: 50, staleMs: 200, pollMs: 10, now: () => performance.now() }),
    );
    const began = performance.now();
    const held = await late.take(file, { onWait: ({ isAlive }) => told.push(isAlive) });
    expect(told).toEqual([false, true]);
    expect(performance.now() - began).toBeGreaterThan(400);
    await held.release();
  });
});

describe('what lies where a lock belongs', () => {
  it.each<[string, () => void]>([
    ['a folder', () => mkdirSync(file)],
    ['a link to nothing', () => symlinkSync(join(dir, 'nothing'), file)],
    ['a link to a file', () => symlinkSync('/etc/hosts', file)],
    ...(process.platform === 'linux' ? [['a pipe', () => void execFileSync('mkfifo', [file])] as [string, () => void]] : []),
  ])('%s is an error that names it, at once', async (_, make) => {
    make();
    await expect(locksOf(container(1)).take(file)).rejects.toThrow(`${file} is not a file`);
    expect(readdirSync(dir)).toEqual(['.vernier.lock']);
  });

  it('unreadable, is an error that names it', async () => {
    class Unreadable extends LockFiles {
      override look(): never {
        throw new UserError(`Cannot read the lock ${file}: permission denied.`);
      }
    }
    await expect(new Unreadable((cause) => cause as Error).take(file)).rejects.toThrow(file);
  });

  it.each([
    ['an empty file', ''],
    ['half a lock', lockText(container(1)).slice(0, 40)],
    ['a list', '[1]'],
    ['nothing', 'null'],
    ['a process id that is none', '{"pid":-1,"host":5}'],
    ['much of something else', 'x'.repeat(1_000_000)],
    ['bytes', '\u0000\u0001\ufffd'],
  ])('%s counts as held until it was seen to stand still', async (_, text) => {
    writeFileSync(file, text);
    const told: LockHolder[] = [];
    const began = performance.now();
    const held = await locksOf(container(2)).take(file, { onWait: (holder) => told.push(holder) });
    expect(performance.now() - began).toBeGreaterThanOrEqual(STALE_MS);
    expect(told).toEqual([{ words: 'another process, which its lock does not name', isAlive: false }]);
    await held.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is said in words without what would move the cursor', () => {
    expect(ownerInWords({ pid: 3, host: '\u001b[2Jward', started: 'now\n' }, container(1))).toBe('process 3 on ?[2Jward, since now?');
  });
});

describe('an owner', () => {
  it('whose lock was taken while it slept hears of it at its next beat, and writes nothing more', async () => {
    const held = await locksOf(container(1)).take(file);
    const target = join(dir, 'checkpoint-2');
    writeFileSync(target, 'of the other');
    const work = whileHeld(nodePlatform, held, undefined, async ({ platform, stop }) => {
      const open = await platform.createFile(join(dir, 'half'));
      await open.write(new Uint8Array(3));
      writeFileSync(file, lockText(container(2)));
      const words = /no longer this program's: process 7 \(train\), since .* has taken it over/;
      await expect(platform.remove(target)).rejects.toThrow(words);
      await expect(platform.rename(target, join(dir, 'x'))).rejects.toThrow(words);
      await expect(platform.writeFile(target, 'mine')).rejects.toThrow(words);
      await expect(platform.appendFile(target, 'mine')).rejects.toThrow(words);
      await expect(platform.makeDir(join(dir, 'y'))).rejects.toThrow(words);
      await expect(open.commit()).rejects.toThrow(words);
      expect(stop.aborted).toBe(true);
      throw new Error('what followed from it');
    });
    await expect(work).rejects.toThrow(UserError);
    await expect(work).rejects.toThrow("no longer this program's");
    await held.release();
    expect(parseOwner(readFileSync(file, 'utf8')).namespaces).toBe(container(2).namespaces);
    expect(readFileSync(target, 'utf8')).toBe('of the other');
    expect(readdirSync(dir).sort()).toEqual(['.vernier.lock', 'checkpoint-2']);
  });

  it('hears of it without asking', async () => {
    const held = await locksOf(container(1)).take(file);
    writeFileSync(file, lockText(container(2)));
    await vi.waitFor(() => expect(held.lost.aborted).toBe(true));
    await held.release();
    expect(existsSync(file)).toBe(true);
  });

  it('puts a lock back that someone removed by hand', async () => {
    const held = await locksOf(container(1), { staleMs: 5_000 }).take(file);
    rmSync(file);
    await vi.waitFor(() => expect(existsSync(file)).toBe(true));
    await held.check();
    await held.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('beats while its main thread is busy', async () => {
    const held = await locksOf(container(1)).take(file);
    await vi.waitFor(() => expect(readFileSync(file, 'utf8')).not.toContain(`\n${'0'.repeat(12)}\n`));
    const count = (): number => Number(readFileSync(file, 'utf8').trim().split('\n').at(-1));
    const before = count();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    expect(count() - before).toBeGreaterThan(8);
    await held.release();
  });

  it('that holds a lock for a moment starts no thread for it', async () => {
    const began = performance.now();
    for (let i = 0; i < 50; i++) await (await nodePlatform.lock(file)).release();
    expect(performance.now() - began).toBeLessThan(1500);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('what is known of an owner by its process id', () => {
  it('is something only where table, start of the system and host are the same', async () => {
    const me = await thisProcess();
    const field = (own: string | undefined) => fc.constantFrom(own, 'other', undefined);
    await fc.assert(
      fc.asyncProperty(field(me.boot), field(me.namespaces), field(me.host), fc.constantFrom(process.pid, 2 ** 22 + 1, 1), async (boot, namespaces, host, pid) => {
        const owner = { pid, ...(boot !== undefined && { boot }), ...(namespaces !== undefined && { namespaces }), ...(host !== undefined && { host }), ...(me.born !== undefined && { born: me.born }) };
        const isSame = me.boot !== undefined && boot === me.boot && namespaces === me.namespaces && host === me.host;
        const known = await isLiving(owner, me);
        expect(known).toBe(isSame ? pid === process.pid : undefined);
      }),
      { numRuns: 200 },
    );
  });
});

describe('writeWholeFolder', () => {
  it('brings back what had stepped aside, and clears what killed attempts have left', async () => {
    const out = join(dir, 'merged');
    mkdirSync(`${out}.replaced.tmp-0123456789abcdef`);
    writeFileSync(`${out}.replaced.tmp-0123456789abcdef/weights`, 'old');
    mkdirSync(`${out}.tmp-0123456789abcdef`);
    mkdirSync(`${out}.unfinished`);
    const failing = writeWholeFolder(nodePlatform, out, () => Promise.reject(new Error('the work')));
    await expect(failing).rejects.toThrow('the work');
    expect(readdirSync(dir).sort()).toEqual(['merged', 'merged.unfinished']);
    expect(readFileSync(join(out, 'weights'), 'utf8')).toBe('old');
    await writeWholeFolder(nodePlatform, out, (unfinished, held) => held.writeFile(join(unfinished, 'weights'), 'new'));
    expect(readFileSync(join(out, 'weights'), 'utf8')).toBe('new');
    expect(readdirSync(dir).sort()).toEqual(['merged', 'merged.unfinished']);
    expect(statSync(out).isDirectory()).toBe(true);
  });

  it('is refused while another process writes the same folder', async () => {
    await writeWholeFolder(nodePlatform, join(dir, 'out'), async (unfinished) => {
      writeFileSync(join(unfinished, 'x'), '');
      await expect(writeWholeFolder(nodePlatform, join(dir, 'out'), () => Promise.resolve())).rejects.toThrow(/out is being written by process \d+/);
    });
    expect(readdirSync(join(dir, 'out'))).toEqual(['x']);
  });
});
