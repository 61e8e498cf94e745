/** The matrix of run.mjs: each fault at each point where it means something, what came of it, and the table. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestHub } from '../hub/testHub.ts';
import { repository, tinyModel } from '../node/trainProcess.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { disastersOf } from './disasters.ts';
import type { Around, Disaster, Proof } from './disasters.ts';
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

const DISASTERS = disastersOf(hub, wandb);

/** The commit is begun, and takes a while. */
function hubIsAt({ at, nth }: Point): () => boolean {
  const title = new RegExp(at.slice('hub '.length));
  hub.repos.delete('model/team/faults');
  hub.faults = [{ on: /\/commit\//, fault: { kind: 'late', ms: 1500 }, times: 99 }];
  const before = hub.requests.length;
  return () => hub.requests.slice(before).filter((request) => request.title !== undefined && title.test(request.title)).length >= nth;
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
  proof: string;
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

interface Struck {
  ended: FaultyEnd;
  proof: Proof;
}

/** The job, in `dir`, until it is gone, and what befell it. */
async function strike(point: Point, disaster: Disaster, between: number, around: Omit<Around, 'child'>): Promise<Struck> {
  const act = (child: Around['child']): void => disaster.act?.({ ...around, child }, between);
  const isAtHub = point.at.startsWith('hub ');
  const fault: Fault = { at: isAtHub ? 'never' : point.at, nth: disaster.nth?.[point.phase] ?? point.nth, does: disaster.does ?? 'tell', within: `${around.dir}/` };
  const ended = await start(jobs[point.job]!, around.dir, { fault, act, ...(isAtHub && { when: hubIsAt(point) }) });
  hub.faults = [];
  const isOver = /^training|in training/.test(point.phase) && existsSync(join(around.dir, 'out/checkpoint-8'));
  return { ended, proof: ended.wasMet ? disaster.proof({ ...ended, isOver }) : { isReal: false, words: 'the point was not reached' } };
}

async function cell(point: Point, disaster: Disaster, between: readonly number[] = disaster.between ?? [0]): Promise<Figures> {
  const job = jobs[point.job]!;
  const wanted = await whole(point.job);
  const dir = mkdtempSync(join(scratch, 'cell-'));
  const around = { dir, input: point.input === undefined ? job.input : join(inputs, point.input), disk: disaster.disk?.(dir, `${dir}.image`) };
  try {
    const { ended, proof } = await strike(point, disaster, between[0]!, around);
    if (!proof.isReal && between.length > 1) return await cell(point, disaster, between.slice(1));
    disaster.undo?.(around);
    const whatIsDamaged = damaged(dir);
    const kept = existsSync(join(dir, 'out')) ? readdirSync(join(dir, 'out')).filter((name) => name.startsWith('checkpoint')).map((name) => name.slice(11)) : [];
    // A job that came to its end in spite of the fault is not started again: its results are there.
    const again = ended.code === 0 ? undefined : await runFaulty({ program: job.program, flags: { ...job.flags(dir), ...job.goOn }, env: environment() });
    const differences = different(job.results(dir), wanted);
    const pushed = point.job === 'pushed' ? hub.files('model', 'team/faults').get('adapter_model.safetensors')?.toString('base64') : undefined;
    if (point.job === 'pushed' && pushed !== wanted.get('adapter_model.safetensors')) differences.push('what is on the hub');
    const isSaid = ended.error.split('\n').filter((line) => line !== '');
    const isDefect = /defect of Vernier|\n {4}at /.test(ended.error);
    const isSlow = ended.seconds > 10 && disaster.name.startsWith('SIG');
    const endsRight = !ended.isHung && !isDefect && !isSlow && (disaster.isSurvived !== true || ended.code === 0);
    const isRight = proof.isReal && endsRight && whatIsDamaged.length === 0 && (again?.code ?? 0) === 0 && differences.length === 0;
    const name = `${point.phase} × ${disaster.name}`;
    // To look at, where something is wrong.
    if (!isRight) console.log(`--- ${name}\n${ended.output.slice(-600)}\n${isSaid.join('\n').slice(-1500)}\n${again ? `go on: ${again.code} ${again.error.slice(-800)}` : ''}`);
    return {
      cell: name,
      proof: `${proof.isReal ? '' : 'NOT REAL: '}${proof.words}`,
      end: ended.isHung ? 'HANG' : isDefect ? 'DEFECT' : (ended.signal ?? `exit ${ended.code}`),
      seconds: ended.seconds.toFixed(1),
      left: `${kept.join(' ')}${whatIsDamaged.length > 0 ? ` DAMAGED ${whatIsDamaged.join(' ')}` : ''}`,
      goesOn: `${again === undefined ? 'came to its end' : again.code === 0 ? 'goes on' : `FAILS ${again.code}`}, ${differences.length === 0 ? 'same bytes' : `DIFFERENT ${differences.join(' ')}`}`,
      isRight,
    };
  } finally {
    disaster.undo?.(around);
    around.disk?.remove();
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
    table.push(figures);
    console.log(`${figures.isRight ? 'ok  ' : 'FAIL'} ${figures.cell}: ${figures.proof}; ${figures.end}, ${figures.seconds} s; left ${figures.left || 'none'}; ${figures.goesOn}`);
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
  const lines = table.map(({ cell: name, proof, end, seconds, left, goesOn }) => `| ${name} | ${proof} | ${end} | ${seconds} | ${left || '–'} | ${goesOn} |`);
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: repository, encoding: 'utf8' }).stdout.trim();
  const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' and changes to it'}`;
  return `${[
    '# Every way a run ends, in every phase', '',
    `\`node test/faults/run.mjs\`, one run, on commit ${commit}, ${cpus().length} cores and a software GPU, Node ${process.versions.node}: ${table.length - wrong} of ${table.length} cells as they should be. Told are what`,
    'shows that the fault was real; the end; seconds from the fault to the end of the process (of a run that goes on in spite of it, to its own end); the checkpoints that were left, each checked',
    'against its checksums; what the same command made of it. The full disk is a tmpfs without a free byte, the read-only one an ext4 that met an error: what is open cannot be written either.',
    'A lost GPU is a destroyed device; memory that a GPU lacks is injected, at the next buffer that is made.',
    '', '| phase × fault | proof | end | seconds | checkpoints | afterwards |', '|---|---|---|---|---|---|', ...lines,
  ].join('\n')}\n`;
}
