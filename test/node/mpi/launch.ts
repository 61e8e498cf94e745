/** Ranks as a user starts them: `mpirun -n N node dist/train.js`, with Open MPI's mpirun and with MPICH's; and what such a run leaves. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { RANKS_ENV } from '../../mpi/mpirun.mjs';
import type { TrainerState } from '../../../src/train/checkpointFolder.ts';
import { dist, repository } from '../trainProcess.ts';
import type { Ended, Flags } from '../trainProcess.ts';

export type Library = 'openmpi' | 'mpich';
export const libraries: readonly Library[] = ['openmpi', 'mpich'];

/**
 * Whether the library's launcher is here. .ci/run installs both; elsewhere a test of one that is not there is skipped, and says so.
 * @throws in CI, where a proof that is left out must not look like one that holds
 */
export function isHere(library: Library): boolean {
  const is = spawnSync(`mpirun.${library}`, ['--version']).status === 0;
  if (!is && process.env['CI'] !== undefined) throw new Error(`mpirun.${library} is missing; .ci/run installs openmpi-bin libopenmpi3 mpich libmpich12`);
  if (!is) console.warn(`mpirun.${library} is not installed (Debian: openmpi-bin libopenmpi3, mpich libmpich12): its tests are skipped.`);
  return is;
}

const ENV: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HF_|HUGGING|TRANSFORMERS|OMPI_|PMI)/.test(name))),
  ...RANKS_ENV,
};

export interface Job {
  /** The launcher; the first of its process group. */
  launcher: ChildProcess;
  /** What has been said so far, by anybody. */
  said: () => string;
  ended: Promise<Ended>;
}

export interface Launch {
  /** Flags of single ranks beside those of all. */
  own?: Readonly<Record<number, Flags>>;
  /** Where single ranks are started, so that one name means other files. */
  folders?: Readonly<Record<number, string>>;
  env?: Readonly<Record<string, string>>;
  limitMs?: number;
}

const wordsOf = (flags: Flags): string[] => Object.entries(flags).map(([name, value]) => `--${name}=${value}`);

/** So many ranks of `dist/train.js`. The launcher does not take its output's end for that of its processes, so neither do we. */
export function launch(library: Library, size: number, flags: Flags, { own = {}, folders = {}, env = {}, limitMs = 100_000 }: Launch = {}): Job {
  const program = (rank: number): string[] => [process.execPath, join(dist, 'train.js'), ...wordsOf({ ...flags, ...own[rank] })];
  const single = (rank: number): string[] => [...(rank > 0 ? [':'] : []), '-n', '1', ...(folders[rank] === undefined ? [] : ['-wdir', folders[rank]]), ...program(rank)];
  const alike = Object.keys(own).length + Object.keys(folders).length === 0;
  const words = alike ? ['-n', String(size), ...program(0)] : Array.from({ length: size }, (_, rank) => single(rank)).flat();
  return launchWords(library, words, { env, limitMs });
}

/** `mpirun.<library>` with any words. */
export function launchWords(library: Library, words: readonly string[], { env = {}, limitMs = 100_000 }: Omit<Launch, 'own' | 'folders'> = {}): Job {
  const launcher = spawn(`mpirun.${library}`, words, { cwd: repository, env: { ...ENV, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended: Ended = { code: null, output: '', error: '' };
  launcher.stdout.on('data', (text: Buffer) => (ended.output += text.toString()));
  launcher.stderr.on('data', (text: Buffer) => (ended.error += text.toString()));
  return {
    launcher,
    said: () => ended.output + ended.error,
    ended: new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        for (const pid of ranksOf(words.at(-1)!)) process.kill(pid, 'SIGKILL');
        launcher.kill('SIGKILL');
        reject(new Error(`still running after ${limitMs / 1000} s: ${words.join(' ')}\n${ended.output}${ended.error}`));
      }, limitMs);
      launcher.on('close', (code) => {
        clearTimeout(limit);
        resolve({ ...ended, code });
      });
    }),
  };
}

/** Processes of this machine, the launcher left out, that have this word in their command line, the first rank first. */
export function ranksOf(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words[0] === process.execPath && words.includes(word);
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .sort((a, b) => rankOf(a) - rankOf(b));
}

function rankOf(pid: number): number {
  try {
    const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return Number(env.find((line) => /^(OMPI_COMM_WORLD_RANK|PMI_RANK)=/.test(line))?.split('=')[1]);
  } catch {
    return -1;
  }
}

export async function until(what: () => boolean, limitMs = 60_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!what()) {
    if (Date.now() > end) throw new Error(`did not come about in ${limitMs / 1000} s: ${String(what)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const adapterBytes = (dir: string): Buffer => readFileSync(join(dir, 'adapter_model.safetensors'));

/** The losses of every logged step and of every evaluation, in order. */
export function lossesOf(dir: string): number[] {
  const { log_history: rows } = JSON.parse(readFileSync(join(dir, 'trainer_state.json'), 'utf8')) as TrainerState;
  return rows.flatMap((row) => [row['loss'], row['eval_loss']].filter((value) => typeof value === 'number'));
}

/** An adapter's tensors by name, all of them f32. */
export function adapterOf(dir: string): Map<string, Float32Array> {
  const bytes = adapterBytes(dir);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, { dtype, data_offsets: [from, to] }]) => {
        if (dtype !== 'F32') throw new Error(`${name} is ${dtype}`);
        return [name, new Float32Array(bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to) as ArrayBuffer)];
      }),
  );
}

/** The norm of the difference of two adapters. */
export function apart(one: Map<string, Float32Array>, other: Map<string, Float32Array>): number {
  let sum = 0;
  for (const [name, values] of one) values.forEach((value, at) => (sum += (value - other.get(name)![at]!) ** 2));
  return Math.sqrt(sum);
}
