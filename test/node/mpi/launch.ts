/** Ranks as a user starts them: `mpirun -n N node dist/train.js`, with Open MPI's mpirun and with MPICH's; and what such a run leaves. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { MPIRUN, RANKS_ENV } from '../../mpi/mpirun.mjs';
import type { TrainerState } from '../../../src/train/checkpointFolder.ts';
import { dist, repository } from '../trainProcess.ts';
import type { Ended, Flags } from '../trainProcess.ts';

export type Library = 'openmpi' | 'mpich';
export const libraries: readonly Library[] = ['openmpi', 'mpich'];

/** In place of the library that a program finds by itself: the one of the standard ABI, which each of the two brings too (test/mpi/newer.mjs). */
const NAMED: Readonly<Record<Library, string | undefined>> = { openmpi: process.env['VERNIER_TEST_OPENMPI_LIBRARY'], mpich: process.env['VERNIER_TEST_MPICH_LIBRARY'] };

/** How a run names the library that joins its ranks. */
export const saidOf = (library: Library): RegExp =>
  new RegExp(`^${library === 'openmpi' ? 'Open MPI v' : 'MPICH '}[^ ]+${NAMED[library]?.startsWith('libmpi_abi') ? " by MPI 5's ABI" : ''}: \\d ranks on `, 'm');

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
  /** Open MPI's own way, where nobody asks for another: two ranks have a core each. */
  isBound?: boolean;
}

const wordsOf = (flags: Flags): string[] => Object.entries(flags).map(([name, value]) => `--${name}=${value}`);

/**
 * So many ranks of `dist/train.js`. The launcher does not take its output's end for that of its processes, so neither do we. Where ranks are not alike a shell looks which one
 * it is: Debian's mpirun of Open MPI 5.0 cannot be given several programs (open-mpi/ompi#13303).
 */
export function launch(library: Library, size: number, flags: Flags, { own = {}, folders = {}, ...how }: Launch = {}): Job {
  const program = (rank: number): string[] => [process.execPath, join(dist, 'train.js'), ...wordsOf({ ...flags, ...own[rank] })];
  if (Object.keys(own).length + Object.keys(folders).length === 0) return launchWords(library, ['-n', String(size), ...program(0)], how);
  const cases = Array.from({ length: size }, (_, rank) => {
    const words = withLibrary(library, program(rank)).map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    return `${rank}) cd '${folders[rank] ?? repository}' && exec ${words.join(' ')};;`;
  });
  return launchWords(library, ['-n', String(size), 'sh', '-c', `case "\${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" in ${cases.join(' ')} esac`, `--output_dir=${flags['output_dir']!}`], how);
}

/** `mpirun.<library>` with any words. */
export function launchWords(library: Library, words: readonly string[], { env = {}, limitMs = 100_000, isBound = false }: Omit<Launch, 'own' | 'folders'> = {}): Job {
  const [program, ...before] = MPIRUN[library].map((word) => (word === 'none' && isBound ? 'core' : word)) as [string, ...string[]];
  const launcher = spawn(program, [...before, ...withLibrary(library, words)], { cwd: repository, env: { ...ENV, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
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

/** The program is told of the library, if it was not. */
function withLibrary(library: Library, words: readonly string[]): string[] {
  const named = NAMED[library];
  const isTold = named === undefined || words.some((word) => word.startsWith('--mpi_library='));
  return words.flatMap((word) => (!isTold && word.startsWith(dist) ? [word, `--mpi_library=${named}`] : [word]));
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
