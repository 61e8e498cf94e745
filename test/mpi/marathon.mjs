/**
 * Kills of a random rank at random moments, by both MPI libraries: while it loads, computes, sums, evaluates or saves. After each the job is gone, and the same command with
 * `--resume_from_checkpoint true` goes on; what the last comes to has, to the byte, the adapter of a run of as many ranks that was left alone. Outside of CI, since it takes
 * minutes. Needs a build.
 *
 * Run: node test/mpi/marathon.mjs [kills of each library] [ranks] [seed]
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MPIRUN, ranksEnv } from './mpirun.mjs';

const [kills, ranks, seed] = [10, 3, 1].map((standard, at) => Number(process.argv[2 + at] ?? standard));
const repository = fileURLToPath(new URL('../..', import.meta.url));
const dist = process.env.VERNIER_DIST ?? join(repository, 'dist');
const scratch = mkdtempSync(join(tmpdir(), 'vernier-marathon-'));
const at = (...parts) => join(scratch, ...parts);
const STEPS = 60;

/** mulberry32. */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const row = (i) => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: `About ${i}.5 mm.` }], images: [] });
writeFileSync(at('rows.jsonl'), `${Array.from({ length: 17 }, (_, i) => row(i)).join('\n')}\n`);
const flags = {
  base_model_hf: join(process.env.VERNIER_GOLDEN_DIR ?? join(repository, 'test/golden/data'), 'models/qwen2_5_vl-tiny'), train_file: at('rows.jsonl'), val_file: at('rows.jsonl'),
  max_steps: STEPS, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.002, lora_r: 4, logging_steps: 5, save_steps: 3, save_total_limit: 3,
  eval_steps: 10, report_to: 'none', dataloader_num_workers: 0,
};
/**
 * In each rank, in place of a debugger: the rank asked for is killed within its n-th sum, which is then under way at all. The call is found in the built text; where it is not,
 * nothing of this marathon would be true, and the process ends.
 */
writeFileSync(at('withinSum.mjs'), `
import { register } from 'node:module';
const { VERNIER_TEST_RANK: rank, VERNIER_TEST_SUM: sum } = process.env;
let count = 0;
globalThis.vernierSum = () => { if (++count === Number(sum)) setImmediate(() => process.kill(process.pid, 'SIGKILL')); };
if (sum && (process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === rank) register('./sums.mjs', import.meta.url);
`);
writeFileSync(at('sums.mjs'), `
import { readFileSync } from 'node:fs';
export async function load(url, context, next) {
  if (!/mpiWorld-[^/]*\\.js$/.test(url)) return next(url, context);
  const text = readFileSync(new URL(url), 'utf8');
  const source = text.replace('return onThread(mpi, "MPI_Allreduce"', 'return globalThis.vernierSum(), onThread(mpi, "MPI_Allreduce"');
  if (source === text) throw new Error('the call is not found');
  return { format: 'module', source, shortCircuit: true };
}
`);

const env = ranksEnv({ NODE_OPTIONS: `--import=${at('withinSum.mjs')}` });

function start(library, dir, more = {}, ownEnv = {}) {
  const words = Object.entries({ ...flags, output_dir: dir, ...more }).map(([name, value]) => `--${name}=${value}`);
  const [program, ...before] = MPIRUN[library];
  const child = spawn(program, [...before, '-n', String(ranks), process.execPath, join(dist, 'train.js'), ...words], { env: { ...env, ...ownEnv }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const job = { isOver: false, said: () => said };
  job.ended = new Promise((resolve) => child.on('close', (code) => ((job.isOver = true), resolve(code))));
  return job;
}

function processesOf(dir) {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')[0] === process.execPath && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`--output_dir=${dir}\0`);
    } catch {
      return false;
    }
  });
}
const namesIn = (dir) => (existsSync(dir) ? readdirSync(dir) : []);
const newest = (dir) => Math.max(0, ...namesIn(dir).filter((name) => /^checkpoint-\d+$/.test(name)).map((name) => Number(name.slice(11))));

function isSince(path, time) {
  try {
    return statSync(path).birthtimeMs > time;
  } catch {
    return false;
  }
}

function must(isTrue, what) {
  if (isTrue) return;
  console.log(`FAIL ${what}`);
  process.exitCode = 1;
}

/** Runs until the moment drawn; in words, when that was. */
async function killedOnce(library, dir, kill, wholeMs) {
  const rank = Math.floor(random() * ranks);
  const way = ['at a moment', 'within a save', 'within a sum'][kill % 3];
  const before = newest(dir);
  const sum = 1 + Math.floor(random() * 40);
  const afterMs = random() * wholeMs * 0.8;
  const job = start(library, dir, { resume_from_checkpoint: true }, way === 'within a sum' ? { VERNIER_TEST_RANK: String(rank), VERNIER_TEST_SUM: String(sum) } : {});
  const began = Date.now();
  let phase = way === 'within a sum' ? way : 'had ended before';
  while (!job.isOver) {
    const saving = namesIn(dir).find((name) => name.endsWith('.tmp') && isSince(join(dir, name), began)); // not what the kill before has left
    if (way === 'within a save' ? saving !== undefined : way === 'at a moment' && Date.now() - began > afterMs) {
      phase = saving ?? (newest(dir) === before ? 'before its first checkpoint' : `after step ${newest(dir)}`);
      const own = processesOf(dir).find((pid) => new RegExp(`(OMPI_COMM_WORLD_RANK|PMI_RANK)=${rank}\0`).test(readFileSync(`/proc/${pid}/environ`, 'utf8')));
      if (own) {
        process.kill(Number(own), 'SIGKILL');
        break;
      }
    }
    await pause(2);
  }
  const killedAt = Date.now();
  const code = await job.ended;
  const seconds = (Date.now() - killedAt) / 1000;
  await pause(100);
  const left = processesOf(dir);
  must(code !== 0 || newest(dir) === STEPS, `${library}: killed, and ended with ${code}\n${job.said()}`);
  must(!/the call is not found|damaged|cannot be used/.test(job.said()), `${library}: ${code}\n${job.said()}`);
  must(left.length === 0, `${library}: ${left.length} processes are left`);
  must(seconds < 60, `${library}: the job went on for ${seconds} s`);
  console.log(`${library} kill ${kill + 1}: rank ${rank}, ${phase}${way === 'within a sum' ? ` (sum ${sum})` : ''}; from step ${before}; over in ${seconds.toFixed(1)} s with ${code}`);
  return seconds;
}

try {
  for (const library of ['openmpi', 'mpich']) {
    const [whole, dir] = [at(`${library}-whole`), at(library)];
    const began = Date.now();
    const first = start(library, whole);
    must((await first.ended) === 0, first.said());
    const wholeMs = Date.now() - began;
    const ends = [];
    for (let kill = 0; kill < kills; kill++) {
      if (newest(dir) > STEPS - 12) rmSync(dir, { recursive: true }); // there is little left to kill
      ends.push(await killedOnce(library, dir, kill, wholeMs));
    }
    const last = start(library, dir, { resume_from_checkpoint: true });
    must((await last.ended) === 0, last.said());
    const adapters = [whole, dir].map((folder) => readFileSync(join(folder, 'adapter_model.safetensors')));
    must(adapters[0].equals(adapters[1]), `${library}: the adapter is not that of a run that was left alone`);
    console.log(`${library}: ${kills} kills of ${ranks} ranks, over in ${Math.max(...ends).toFixed(1)} s at most; the adapter ${adapters[0].equals(adapters[1]) ? 'has the same bytes' : 'DIFFERS'}`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
