/**
 * What `vernier scale` predicts, against ranks that are run here: outside of CI, since a busy machine says nothing. Ranks of one machine share its cores, so what
 * a micro-batch takes at N ranks is measured with N runs at once that know nothing of each other; the prediction then has to find what summing and waiting add.
 *   node test/mpi/scaling.mjs     with dist/ as it is built; prints what test/bench/RESULTS.md has
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { MPIRUN, ranksEnv } from './mpirun.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const golden = process.env.VERNIER_GOLDEN_DIR ?? join(root, 'test/golden/data');
const scratch = mkdtempSync(join(tmpdir(), 'vernier-scaling-'));
const COUNTS = [1, 2, 3];
const ACCUMULATION = 4;
const STEPS = 14;
// Twelve rows twice, so that every step of every count is whole; their pictures lie beside them.
const rows = join(scratch, 'rows.jsonl');
const twelve = readFileSync(join(golden, 'data/dataset.jsonl'), 'utf8').split('\n').slice(0, 12);
writeFileSync(rows, `${[...twelve, ...twelve].join('\n')}\n`);
symlinkSync(join(golden, 'data/images'), join(scratch, 'images'));
const flags = {
  base_model_hf: join(golden, 'models/qwen2_5_vl-tiny'), train_file: rows, max_steps: STEPS, per_device_train_batch_size: 1, gradient_accumulation_steps: ACCUMULATION,
  logging_steps: 1, save_steps: -1, lora_r: 16, target_modules: 'all-linear', eval_strategy: 'no', report_to: 'jsonl', tune: 'off', dataloader_num_workers: 0, overwrite: true,
};
const ENV = ranksEnv();

const trainWords = (dir) => [join(root, 'dist/train.js'), ...Object.entries({ ...flags, output_dir: dir }).map(([name, value]) => `--${name}=${value}`)];
const run = (program, words) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd: root, env: ENV, stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Seconds of the steps after the first three, in the log of a run. */
function stepsOf(dir) {
  const at = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter((entry) => entry.loss !== undefined);
  return at.slice(3).map((entry, i) => entry.elapsed_seconds - at[i + 2].elapsed_seconds);
}

console.log('ranks | a step of as many single runs at once, s | predicted, s | with MPICH, s | with Open MPI, s');
for (const count of COUNTS) {
  const dirs = Array.from({ length: count }, (_, i) => join(scratch, `alone-${count}-${i}`));
  await Promise.all(dirs.map((dir) => run(process.execPath, trainWords(dir))));
  const own = median(dirs.flatMap(stepsOf));
  const json = join(scratch, 'scale.json');
  const trainable = JSON.parse(readFileSync(join(dirs[0], 'trainer_log.jsonl'), 'utf8').split('\n')[0]).facts.trainable;
  const given = { micro_batch_seconds: own / ACCUMULATION, values: trainable, gradient_accumulation_steps: ACCUMULATION, ranks: count, json };
  await run(process.execPath, [join(root, 'dist/scale.js'), ...Object.entries(given).map(([name, value]) => `--${name}=${value}`)]);
  const [{ step: predicted }] = JSON.parse(readFileSync(json, 'utf8')).weak;
  const measured = [];
  for (const library of ['mpich', 'openmpi']) {
    const dir = join(scratch, `${library}-${count}`);
    if (count > 1) await run(MPIRUN[library][0], [...MPIRUN[library].slice(1), '-n', String(count), process.execPath, ...trainWords(dir)]);
    measured.push(count > 1 ? median(stepsOf(dir)) : own);
  }
  const text = (seconds) => `${seconds.toFixed(3)} (${(seconds / predicted).toFixed(2)} ×)`;
  console.log(`${count} | ${own.toFixed(3)} | ${predicted.toFixed(3)} | ${measured.map(text).join(' | ')}`);
}
rmSync(scratch, { recursive: true, force: true });
