/**
 * What several ranks cost, on this machine and outside of CI, since a busy machine says nothing. Builds costRank.ts; needs gcc, and both MPI libraries of Debian.
 *   node test/mpi/cost.mjs sum [ROUNDS]     World.sum of 42 million values between two ranks, beside MPI_Allreduce called from C through the same library, job about job
 *   node test/mpi/cost.mjs step [MB/s]      a step whose 31.7 million gradients are summed, beside one whose are not; with MB/s, by one process and a network that is a clock
 *   node test/mpi/cost.mjs clock            the same of two ranks whose GPU is a clock (clockGpu.ts): what a step takes longer where the GPU is not the processor
 *   node test/mpi/cost.mjs memory           most host memory of a process that trains as many by itself, and of a rank; dist/ as it is built
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { MPIRUN, ranksEnv } from './mpirun.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-cost-'));
const [what = 'sum', given] = process.argv.slice(2);
const LIBRARIES = { openmpi: ['-DOPENMPI', 'libmpi.so.40'], mpich: ['-DMPICH', 'libmpich.so.12'] };
const VALUES = 42_000_000;
const SLICE = 2 * 2 ** 20; // 8 MiB, as in src/train/gradientSum.ts
const TURNS = 8;

function run(program, words, more) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd: root, env: ranksEnv(more), stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, error] = ['', ''];
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (error += text));
    child.on('close', (code) => (code === 0 ? resolve(output + error) : reject(new Error(`${program} ${words.join(' ')} ended with ${code}\n${output}${error}`))));
  });
}
const two = (library, words, more) => run(MPIRUN[library][0], [...MPIRUN[library].slice(1), '-n', '2', ...words], more);
const rank = (...words) => [process.execPath, join(root, 'dist/benchRanks.js'), ...words.map(String)];
const numbersOf = (text) => text.trim().split('\n').map((line) => line.split(' ').map(Number)).filter((line) => line.every((value) => !Number.isNaN(value)));
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
/** Of the columns that a rank has printed. */
const medians = (text) => {
  const turns = numbersOf(text).filter((line) => line.length > 1);
  return turns[0].map((_, at) => median(turns.map((turn) => turn[at])));
};
const buildRank = () => execFileSync(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--mode', 'bench', '--logLevel', 'warn'], { cwd: root, stdio: 'inherit' });

/** Where the dynamic linker finds it. */
function pathOf(name) {
  const line = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).split('\n').find((text) => text.trim().startsWith(`${name} `));
  if (!line) throw new Error(`${name} is not installed`);
  return line.split('=> ')[1];
}

async function sums(rounds) {
  buildRank();
  console.log('library | values at once | C: least, median, ms | World.sum: least, median, ms | ratio: least, median');
  for (const [library, [flag, name]] of Object.entries(LIBRARIES)) {
    const program = join(scratch, library);
    execFileSync('gcc', ['-O2', flag, join(root, 'test/mpi/allreduce.c'), pathOf(name), '-o', program]);
    for (const slice of [VALUES, SLICE]) {
      const times = { c: [], ours: [] };
      for (let round = 0; round < rounds; round++) {
        // The first turn of a job touches its memory for the first time.
        times.c.push(...numbersOf(await two(library, [program, VALUES, slice, TURNS].map(String))).flat().slice(1));
        times.ours.push(...numbersOf(await two(library, rank('sum', VALUES, slice, TURNS))).flat().slice(1));
      }
      const [least, middle] = [Math.min, (...values) => median(values)].map((figure) => [figure(...times.c), figure(...times.ours)]);
      const both = (at) => `${least[at].toFixed(0)}, ${middle[at].toFixed(0)}`;
      console.log([library, slice, both(0), both(1), [least, middle].map(([c, ours]) => (ours / c).toFixed(2)).join(', ')].join(' | '));
    }
  }
}

async function steps(megabytes) {
  buildRank();
  console.log('ms, medians | step alone | of the processor | step summed | of the processor | wait after backward | in sums');
  const report = (name, text) => console.log([name, ...medians(text).map((ms) => ms.toFixed(0))].join(' | '));
  if (megabytes !== undefined) return report(`${megabytes} MB/s`, await run(process.execPath, rank('step', 8, megabytes).slice(1)));
  report('one process', await run(process.execPath, rank('step', 8, 0).slice(1)));
  for (const library of Object.keys(LIBRARIES)) report(`two ranks, ${library}`, await two(library, rank('step', 8, 0)));
}

async function clock() {
  buildRank();
  console.log('ms, medians | step alone | of the processor | step summed | of the processor | wait after backward | in sums | added');
  const report = (name, text) => {
    const middle = medians(text);
    console.log([name, ...middle.map((ms) => ms.toFixed(0)), `${((100 * (middle[2] - middle[0])) / middle[0]).toFixed(1)} %`].join(' | '));
  };
  report('one process', await run(process.execPath, rank('clock', 8, 0).slice(1)));
  for (const library of Object.keys(LIBRARIES)) report(`two ranks, ${library}`, await two(library, rank('clock', 8, 0)));
}

async function memory() {
  const says = join(scratch, 'says.mjs');
  writeFileSync(says, `import { readFileSync } from 'node:fs';
process.on('exit', () => console.error('peak ' + Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024));`);
  const rows = join(scratch, 'rows.jsonl');
  const row = (i) => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: `About ${i}.5 mm.` }], images: [] });
  writeFileSync(rows, Array.from({ length: 17 }, (_, i) => row(i)).join('\n'));
  const base = join(process.env.VERNIER_GOLDEN_DIR ?? join(root, 'test/golden/data'), 'models/qwen2_5_vl-tiny');
  const words = (name, more) => {
    const flags = {
      base_model_hf: base, train_file: rows, output_dir: join(scratch, name), max_steps: 20, per_device_train_batch_size: 1, gradient_accumulation_steps: 2, lora_r: 4096,
      report_to: 'none', dataloader_num_workers: 0, eval_strategy: 'no', save_steps: -1, ...more,
    };
    return [join(root, 'dist/train.js'), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
  };
  const env = { NODE_OPTIONS: `--import=${says}` };
  const peaks = (text) => [...text.matchAll(/^peak (.*)$/gm)].map(([, value]) => Number(value).toFixed(0)).join(', ');
  console.log(`by itself | ${peaks(await run(process.execPath, words('alone', {}), env))} MiB`);
  for (const library of Object.keys(LIBRARIES))
    for (const reduce of ['library', 'ordered'])
      console.log(`two ranks, ${library}, --reduce ${reduce} | ${peaks(await two(library, [process.execPath, ...words(library + reduce, { reduce })], env))} MiB`);
}

try {
  if (what === 'sum') await sums(Number(given ?? 5));
  else if (what === 'step') await steps(given);
  else if (what === 'clock') await clock();
  else if (what === 'memory') await memory();
  else throw new Error('node test/mpi/cost.mjs sum|step|clock|memory');
  console.log(`load: ${loadavg().map((value) => value.toFixed(1)).join(', ')}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
