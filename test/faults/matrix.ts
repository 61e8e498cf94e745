/** The matrix of run.mjs: each fault at each point where it means something, what came of it, and the table. */
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestHub } from '../hub/testHub.ts';
import { repository, tinyModel } from '../node/trainProcess.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { runFaulty } from './faultyProcess.ts';
import type { Fault, FaultyEnd } from './faultyProcess.ts';
import { jobsOf, POINTS } from './jobs.ts';
import type { Job, Point, Results } from './jobs.ts';

const TOKEN = 'hf_testHubOwnerToken0123456789';
const KEY = '89abcdef0123456789abcdef0123456789abcdef';
const scratch = mkdtempSync(join(tmpdir(), 'vernier-faults-'));
const inputs = join(scratch, 'inputs');
const hub = await TestHub.start({ token: TOKEN });
const wandb = new WandbServer(KEY);
const wandbUrl = await wandb.listen();
const jobs = jobsOf(inputs, { adapter: join(scratch, 'whole-train/out'), prepared: join(scratch, 'whole-prepare/prepared'), hubRepo: 'team/faults' });
cpSync(join(repository, 'node/sample'), join(inputs, 'sample'), { recursive: true });
cpSync(tinyModel, join(inputs, 'base'), { recursive: true });

interface Disaster {
  name: string;
  /** Where the result folder must be a disk of its own. */
  disk?: true;
  does?: string;
  /** Names of phases where it means something; default all. */
  in?: RegExp;
  act?: (around: { child: ChildProcess; dir: string; input: string }) => void;
  /** Before the job is gone on with. */
  undo?: (around: { dir: string; input: string }) => void;
}

const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0;
const signals = (signal: NodeJS.Signals, times: number): Disaster => ({
  name: times === 1 ? signal : `${signal} twice`,
  act({ child }) {
    child.kill(signal);
    if (times > 1) setTimeout(() => child.kill(signal), 300);
  },
});

const DISASTERS: readonly Disaster[] = [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const).flatMap((signal) => [signals(signal, 1), signals(signal, 2)]),
  {
    name: 'closed console',
    act({ child }) {
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
  },
  {
    name: 'ENOSPC',
    disk: true,
    act({ dir }) {
      // Until not a byte more fits.
      for (let bytes = 2 ** 20; bytes >= 1; bytes = Math.floor(bytes / 4)) {
        for (let n = 0; n < 64; n++) {
          try {
            writeFileSync(join(dir, `filler-${bytes}-${n}`), Buffer.alloc(bytes));
          } catch {
            break;
          }
        }
      }
    },
    undo({ dir }) {
      for (const name of readdirSync(dir).filter((one) => one.startsWith('filler'))) rmSync(join(dir, name));
    },
  },
  {
    name: 'EROFS',
    disk: true,
    act({ dir }) {
      for (let tried = 0; tried < 100 && !mount('-o', 'remount,ro', dir); tried++) spawnSync('sleep', ['0.01']);
    },
    undo: ({ dir }) => void mount('-o', 'remount,rw', dir),
  },
  {
    name: 'vanished file',
    in: /plans|pictures|loading|first compile|^training|^evaluating$|merging/,
    act: ({ input }) => renameSync(input, `${input}.away`),
    undo: ({ input }) => void (existsSync(`${input}.away`) && renameSync(`${input}.away`, input)),
  },
  { name: 'lost GPU', does: 'lose-gpu', in: /loading|compile|training|saving|evaluating/ },
  { name: 'no GPU memory', does: 'no-gpu-memory', in: /loading|compile|training|saving$|evaluating/ },
  { name: 'W&B down', in: /tracking/, act: () => void (wandb.fault = () => 'drop'), undo: () => void (wandb.fault = () => 'none') },
  { name: 'W&B hanging', in: /tracking/, act: () => void (wandb.fault = () => 'hang'), undo: () => void (wandb.fault = () => 'none') },
  { name: 'hub down', in: /pushing/, act: () => void (hub.isDown = true), undo: () => void (hub.isDown = false) },
];

/** The commit is begun, and takes a while. */
function hubIsAt({ at, nth }: Point): () => boolean {
  const pattern = new RegExp(at.slice('hub '.length));
  hub.repos.delete('model/team/faults');
  hub.faults = [{ on: pattern, fault: { kind: 'late', ms: 1500 }, times: 99 }];
  const before = hub.requests.length;
  return () => hub.requests.slice(before).filter(({ method, url }) => pattern.test(`${method} ${url}`)).length >= nth;
}

const environment = (): Record<string, string> => ({
  HF_ENDPOINT: hub.endpoint, HF_HOME: join(scratch, 'hub'), HF_TOKEN: TOKEN, WANDB_API_KEY: KEY, WANDB_BASE_URL: wandbUrl,
});
const start = (job: Job, dir: string, more: object): Promise<FaultyEnd> => runFaulty({ program: job.program, flags: job.flags(dir), env: environment(), ...more });

/** Names of checkpoints whose files are not those of their checksums. */
function damaged(dir: string): string[] {
  const out = join(dir, 'out');
  const names = existsSync(out) ? readdirSync(out).filter((name) => /^checkpoint-\d+$/.test(name)) : [];
  return names.filter((name) => {
    const sums = join(out, name, 'checksums.json');
    if (!existsSync(sums)) return true;
    const { files } = JSON.parse(readFileSync(sums, 'utf8')) as { files: Record<string, { bytes: number; sha256: string[] }> };
    return Object.entries(files).some(([file, { sha256 }]) => createHash('sha256').update(readFileSync(join(out, name, file))).digest('hex') !== sha256[0]);
  });
}

function different(found: Results, wanted: Results): string[] {
  // A run that was broken off has a checkpoint more, where it was.
  return [...new Set([...found.keys(), ...wanted.keys()])].filter((name) => found.get(name) !== wanted.get(name) && !(name.startsWith('checkpoint-') && !wanted.has(name)));
}

interface Figures {
  cell: string;
  end: string;
  seconds: string;
  left: string;
  goesOn: string;
  isRight: boolean;
}

const wholes = new Map<string, Results>();
async function whole(name: string): Promise<Results> {
  const known = wholes.get(name);
  if (known) return known;
  const dir = join(scratch, `whole-${name}`);
  mkdirSync(dir);
  const { code, error } = await start(jobs[name]!, dir, {});
  if (code !== 0) throw new Error(`${name} fails without a fault: ${error}`);
  const results = jobs[name]!.results(dir);
  wholes.set(name, results);
  return results;
}

async function cell(point: Point, disaster: Disaster): Promise<Figures | undefined> {
  const job = jobs[point.job]!;
  const wanted = await whole(point.job);
  const dir = mkdtempSync(join(scratch, 'cell-'));
  const input = point.input === undefined ? job.input : join(inputs, point.input);
  if (disaster.disk && !mount('-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir)) throw new Error('mounting a small disk needs root');
  try {
    // A disk on which a file is open to be written, as those of TensorBoard and W&B are, cannot be made read-only.
    const isInjected = disaster.name === 'EROFS' && point.job === 'tracked';
    const fault: Fault = { at: point.at, nth: point.nth, does: isInjected ? 'EROFS' : (disaster.does ?? 'tell'), within: '/out/' };
    const act = (child: ChildProcess): void => disaster.act?.({ child, dir, input });
    const ended = await start(job, dir, point.at.startsWith('hub ') ? { when: hubIsAt(point), act } : { fault, act });
    hub.faults = [];
    if (!ended.wasMet) return { cell: `${point.phase} × ${disaster.name}`, end: 'not met', seconds: '', left: '', goesOn: ended.error.slice(-300), isRight: false };
    const whatIsDamaged = damaged(dir);
    const kept = existsSync(join(dir, 'out')) ? readdirSync(join(dir, 'out')).filter((name) => name.startsWith('checkpoint')).map((name) => name.slice(11)) : [];
    disaster.undo?.({ dir, input });
    // A job that came to its end in spite of the fault is not started again: its results are there.
    const again = ended.code === 0 ? undefined : await runFaulty({ program: job.program, flags: { ...job.flags(dir), ...job.goOn }, env: environment() });
    const differences = different(job.results(dir), wanted);
    const pushed = point.job === 'pushed' ? hub.files('model', 'team/faults').get('adapter_model.safetensors')?.toString('base64') : undefined;
    if (point.job === 'pushed' && pushed !== wanted.get('adapter_model.safetensors')) differences.push('what is on the hub');
    const isSaid = ended.error.split('\n').filter((line) => line !== '');
    const isDefect = /defect of Vernier|\n {4}at /.test(ended.error);
    const isRight = !ended.isHung && !isDefect && whatIsDamaged.length === 0 && (again?.code ?? 0) === 0 && differences.length === 0 && !(ended.seconds > 10 && disaster.name.startsWith('SIG'));
    // To look at, where something is wrong.
    if (!isRight) console.log(`--- ${point.phase} × ${disaster.name}\n${ended.output.slice(-600)}\n${isSaid.join('\n').slice(-1500)}\n${again ? `go on: ${again.code} ${again.error.slice(-800)}` : ''}`);
    return {
      cell: `${point.phase} × ${disaster.name}`,
      end: ended.isHung ? 'HANG' : isDefect ? 'DEFECT' : (ended.signal ?? `exit ${ended.code}`),
      seconds: ended.seconds.toFixed(1),
      left: `${kept.join(' ')}${whatIsDamaged.length > 0 ? ` DAMAGED ${whatIsDamaged.join(' ')}` : ''}`,
      goesOn: `${again === undefined ? 'came to its end' : again.code === 0 ? 'goes on' : `FAILS ${again.code}`}, ${differences.length === 0 ? 'same bytes' : `DIFFERENT ${differences.join(' ')}`}`,
      isRight,
    };
  } finally {
    disaster.undo?.({ dir, input });
    if (disaster.disk) spawnSync('umount', [dir]);
    if (!statSync(dir).isDirectory()) throw new Error(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

const words = process.argv.slice(2);
const cells = POINTS.flatMap((point) => DISASTERS.map((disaster) => ({ point, disaster, name: `${point.phase} × ${disaster.name}` }))).filter(
  ({ point, disaster, name }) => (disaster.in?.test(point.phase) ?? true) && (words.length === 0 || words.some((word) => name === word || new RegExp(word).test(name))),
);
const table: Figures[] = [];
try {
  await whole('train');
  await whole('prepare');
  for (const { point, disaster } of cells) {
    const figures = await cell(point, disaster);
    if (!figures) continue;
    table.push(figures);
    console.log(`${figures.isRight ? 'ok  ' : 'FAIL'} ${figures.cell}: ${figures.end}, ${figures.seconds} s; left ${figures.left || 'none'}; ${figures.goesOn}`);
  }
} finally {
  await hub.close();
  await wandb.close();
  rmSync(scratch, { recursive: true, force: true });
}
const wrong = table.filter(({ isRight }) => !isRight).length;
console.log(`${table.length - wrong} of ${table.length} cells are as they should be.`);
if (wrong > 0) process.exitCode = 1;
if (words.length === 0) writeFileSync(fileURLToPath(new URL('../../test/faults/RESULTS.md', import.meta.url)), report());

function report(): string {
  const lines = table.map(({ cell: name, end, seconds, left, goesOn }) => `| ${name} | ${end} | ${seconds} | ${left || '–'} | ${goesOn} |`);
  return `${[
    '# Every way a run ends, in every phase', '',
    `\`node test/faults/run.mjs\` on ${cpus().length} cores and a software GPU, Node ${process.versions.node}: ${table.length - wrong} of ${table.length} cells as they should be. Seconds run from the`,
    'fault to the end of the process (of a run that goes on in spite of it, to its own end); then the checkpoints that were left, each checked against its checksums; then what the same command made of it.',
    '', '| phase × fault | end | seconds | checkpoints | afterwards |', '|---|---|---|---|---|', ...lines,
  ].join('\n')}\n`;
}
