/** Which process this is, and whether another one lives, as far as the system's table of processes tells without waiting. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { hostname } from 'node:os';
import * as path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import type { Identity, Owner } from '../../src/io/locks/owner.ts';

let mine: Promise<Identity> | undefined;

export function thisProcess(): Promise<Identity> {
  mine ??= (async () => {
    const [boot, namespaces, self] = await Promise.all([bootOf(), namespacesOf(), statOf(process.pid)]);
    const born = self.born ?? (await bornByPs(process.pid));
    return {
      host: hostname(),
      pid: process.pid,
      ...(boot !== undefined && { boot }),
      ...(namespaces !== undefined && { namespaces }),
      ...(born !== undefined && { born }),
    };
  })();
  return mine;
}

/** A process that this one has just started. */
export async function identityOf(pid: number): Promise<Identity> {
  const { born: _, ...here } = await thisProcess();
  const born = (await statOf(pid)).born ?? (await bornByPs(pid));
  return { ...here, pid, ...(born !== undefined && { born }) };
}

/** The name of the program that runs, for messages. */
export function programName(): string {
  return path.basename(process.argv[1] ?? 'node').replace(/\.[cm]?[jt]s$/, '');
}

/** Whether the owner lives, where `me` can know that; undefined where only its heartbeat can tell. */
export async function isLiving(owner: Partial<Owner>, me: Identity): Promise<boolean | undefined> {
  const { pid, born } = owner;
  // The host too: copies of one virtual machine share the rest.
  const isSameTable = me.boot !== undefined && owner.boot === me.boot && owner.namespaces === me.namespaces && owner.host === me.host;
  if (pid === undefined || !isSameTable) return undefined;
  if (!isInTable(pid)) return false;
  const { state = '', born: found = await bornByPs(pid) } = await statOf(pid);
  // A zombie, whose parent has not asked for its end, takes signals.
  if (/[ZX]/.test(state)) return false;
  return born === undefined || found === undefined ? undefined : born === found;
}

function isInTable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return !(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH');
  }
}

async function bootOf(): Promise<string | undefined> {
  if (process.platform === 'darwin') return output('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid']);
  return (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim() || undefined;
}

async function namespacesOf(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const of = (name: string): Promise<string> => fs.readlink(`/proc/self/ns/${name}`).catch(() => '');
  return `${await of('pid')} ${await of('time')}`;
}

/**
 * Fields 3 and 22 of Linux's /proc/<pid>/stat; the name before them may hold anything. Nothing where /proc is of another table than ours.
 */
async function statOf(pid: number): Promise<{ state?: string; born?: string }> {
  const read = (name: string): Promise<string> => fs.readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
  if (parseInt(await read('self')) !== process.pid) return {};
  const stat = await read(String(pid));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, born] = [fields[0], fields[19]];
  return state === undefined || born === undefined ? {} : { state, born };
}

/** macOS has no /proc. In UTC and English, so that the same moment is the same text. */
async function bornByPs(pid: number): Promise<string | undefined> {
  return process.platform === 'darwin' ? output('/bin/ps', ['-o', 'lstart=', '-p', String(pid)]) : undefined;
}

async function output(program: string, words: string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, words, { timeout: 5_000, env: { TZ: 'UTC', LC_ALL: 'C' } });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}
