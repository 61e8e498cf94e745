/**
 * A folder of 2 000 DICOM slices to prepared rows, each program as a whole process on one core, in turns with the same done by pydicom,
 * numpy and Pillow (dicom_pydicom.py); then whether both made the same: pixels of every 50th picture, every question and answer.
 *
 *   python test/bench/dicom_pydicom.py make DATA
 *   npm run build && node test/bench/dicomRows.mjs DATA [--python PYTHON] [--turns 3] [--level N]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: 'string', default: 'python3' }, turns: { type: 'string', default: '3' }, level: { type: 'string' } },
});
const [data = ''] = positionals;
const work = mkdtempSync(join(tmpdir(), 'vernier-dicom-rows-'));

/** Processor time and peak memory of a whole process. @param {string[]} command */
function timed(command) {
  const run = spawnSync('/usr/bin/env', ['time', '-f', 'used %U %S %M', 'taskset', '-c', '0', ...command], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  const [, user, system, peak] = /used (\S+) (\S+) (\d+)\n*$/.exec(run.stderr) ?? [];
  if (run.status !== 0 || peak === undefined) throw new Error(`${command.join(' ')}\n${run.stdout}\n${run.stderr}`);
  return { seconds: Number(user) + Number(system), megabytes: Number(peak) / 1024 };
}

const ours = join(work, 'ours');
const theirs = join(work, 'theirs');
const prepare = () => {
  rmSync(ours, { recursive: true, force: true });
  return timed([
    process.execPath, join(root, 'dist/train.js'), '--process_dataset_only', 'true', '--base_model_hf', join(root, 'node/base'), '--data_dir', data,
    '--tasks_list_json_path_detect', join(data, 'list.json'), '--prepared_ds_dir', ours, '--process_img', 'true', '--intensity', 'window',
    '--val_sample_limit', '0', '--num_workers_format_dataset', '0',
  ]);
};
const twin = () => {
  rmSync(theirs, { recursive: true, force: true });
  return timed([values.python, join(root, 'test/bench/dicom_pydicom.py'), 'rows', data, theirs, ...(values.level === undefined ? [] : [values.level])]);
};

/** @param {Uint8Array | string} picture */
const pixels = (picture) => sharp(picture).raw().toBuffer();

async function compare() {
  const wanted = readFileSync(join(theirs, 'rows.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  let at = 0;
  for (const file of readdirSync(ours).filter((name) => name.endsWith('.parquet')).sort()) {
    const bytes = readFileSync(join(ours, file));
    const rows = await parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), utf8: false });
    for (const { image, prompt, target, slice_idx: slice } of rows) {
      const other = wanted[at];
      if (prompt !== other.prompt || target !== other.target || Number(slice) !== other.slice_idx) throw new Error(`row ${at} differs: ${prompt} ${target}`);
      if (at % 50 === 0 && !(await pixels(image.bytes)).equals(await pixels(join(theirs, other.image)))) throw new Error(`the picture of row ${at} differs`);
      at++;
    }
  }
  if (at !== wanted.length) throw new Error(`${at} rows, ${wanted.length} of the other`);
  return at;
}

/** @param {string} dir */
const megabytes = (dir) => readdirSync(dir, { recursive: true }).reduce((sum, name) => sum + statSync(join(dir, String(name))).size, 0) / 2 ** 20;

try {
  console.log('| turn | Vernier, CPU s | MB | pydicom, CPU s | MB | times |\n|---:|---:|---:|---:|---:|---:|');
  for (let turn = 1; turn <= Number(values.turns); turn++) {
    const [own, other] = [prepare(), twin()];
    const figures = [own.seconds.toFixed(1), own.megabytes.toFixed(0), other.seconds.toFixed(1), other.megabytes.toFixed(0), (other.seconds / own.seconds).toFixed(1)];
    console.log(`| ${turn} | ${figures.join(' | ')} |`);
  }
  console.log(`${await compare()} rows alike; written ${megabytes(ours).toFixed(0)} and ${megabytes(theirs).toFixed(0)} MB`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
