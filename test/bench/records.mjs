/**
 * A million annotations: time and memory of `--process_dataset_only` on synthetic detection plans of growing size, without volumes, each in a process of
 * its own. `npm run bench -- records [--records 250000,500000,1000000] [--dist DIR] [--keep DIR]`. What must hold: time per record does not
 * grow, and the million stays below 600 MB.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { records: { type: 'string', default: '250000,500000,1000000' }, dist: { type: 'string', default: join(root, 'dist') } } });

const SLICES = 125;
const LABELS = 8;
const PER_CASE = SLICES * LABELS;

/** The text of a plan, case by case, as the planner writes it. @param {number} cases */
function* planText(cases) {
  const labels = Object.fromEntries(Array.from({ length: LABELS }, (_, i) => [String(i + 1), `structure number ${i + 1}`]));
  yield `{"dataset_info":{"dataset":"Synthetic"},"tasks_number":1,"tasks":[{"task_ID":"01","image_modality":"CT","image_description":"a computed tomography (CT) scan","labels_map":${JSON.stringify(labels)},"train_cases_number":${cases},"train_cases":[`;
  for (let n = 0; n < cases; n++) {
    const slices = Array.from({ length: SLICES }, (_, slice) => ({
      slice_idx: slice,
      slice_profile: Array.from({ length: LABELS }, (_, i) => {
        const top = (n * 7 + slice * 3 + i * 11) % 300;
        const left = (n * 5 + slice * 13 + i * 17) % 300;
        const box = { min_coords: [top, left], max_coords: [top + 40 + i, left + 60 + i], center_coords: [top + 20, left + 30], dimensions: [41 + i, 61 + i], sizes: [32.8 + i * 0.8, 48.8 + i * 0.8] };
        return { label: i + 1, bboxes: [box] };
      }),
    }));
    const one = {
      case_ID: `case_${n}`,
      image_file: `Images/case_${n}.nii.gz`,
      mask_file: `Masks/case_${n}.nii.gz`,
      image_file_info: { voxel_size: [0.8, 0.8, 2.5], affine: [], orientation: ['R', 'A', 'S'], array_size: [512, 512, SLICES] },
      slice_profiles_x: [],
      slice_profiles_y: [],
      slice_profiles_z: slices,
    };
    yield (n === 0 ? '' : ',') + JSON.stringify(one);
  }
  yield '],"test_cases_number":0,"test_cases":[]}]}';
}

/** @param {string} dir @param {number} records @returns {Promise<number>} bytes of the plan as text */
async function writeData(dir, records) {
  mkdirSync(join(dir, 'Datasets/Synthetic'), { recursive: true });
  writeFileSync(join(dir, 'list.json'), '{"Synthetic_BoxSize_Task01_Axial": 1}');
  let bytes = 0;
  const counted = (function* () {
    for (const text of planText(Math.ceil(records / PER_CASE))) {
      bytes += text.length;
      yield text;
    }
  })();
  await pipeline(Readable.from(counted), createGzip({ level: 1 }), createWriteStream(join(dir, 'Datasets/Synthetic/benchmark_plan_detection_v1.0.0.json.gz')));
  return bytes;
}

/** @param {string} dir */
function prepare(dir) {
  const tell = `process.on('exit', () => { const use = process.resourceUsage(); console.error('used ' + use.maxRSS + ' ' + (use.userCPUTime + use.systemCPUTime)); })`;
  const startedAt = performance.now();
  const run = spawnSync(
    process.execPath,
    [
      '--import', `data:text/javascript,${encodeURIComponent(tell)}`, join(resolve(values.dist), 'train.js'),
      '--process_dataset_only', 'true', '--base_model_hf', join(root, 'node/base'), '--data_dir', dir, '--tasks_list_json_path_detect', join(dir, 'list.json'),
      '--prepared_ds_dir', join(dir, 'prepared'),
    ],
    { encoding: 'utf8' },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  if (run.status !== 0) throw new Error(`${run.stdout}\n${run.stderr}`);
  const [, peak, cpu] = /used (\d+) (\d+)\n*$/.exec(run.stderr) ?? []; // the main thread ends last
  return { seconds, cpuSeconds: Number(cpu) / 1e6, peakBytes: Number(peak) * 1024, said: run.stdout.trim().split('\n').at(-1) ?? '' };
}

const MB = 2 ** 20;
console.log('| records | plan, MB | seconds | CPU seconds | CPU µs a record | peak RSS, MB |\n|---:|---:|---:|---:|---:|---:|');
let isGood = true;
for (const records of values.records.split(',').map(Number)) {
  const dir = mkdtempSync(join(tmpdir(), 'vernier-records-'));
  try {
    const planBytes = await writeData(dir, records);
    const { seconds, cpuSeconds, peakBytes, said } = prepare(dir);
    console.log(
      `| ${records} | ${(planBytes / MB).toFixed(0)} (${(statSync(join(dir, 'Datasets/Synthetic/benchmark_plan_detection_v1.0.0.json.gz')).size / MB).toFixed(0)} compressed) ` +
        `| ${seconds.toFixed(1)} | ${cpuSeconds.toFixed(1)} | ${((cpuSeconds * 1e6) / records).toFixed(1)} | ${(peakBytes / MB).toFixed(0)} |`,
    );
    process.stderr.write(`${said}\n`);
    if (records <= 1_000_000 && peakBytes > 600e6) isGood = false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
if (!isGood) console.log('More than 600 MB for a million records.');
process.exitCode = isGood ? 0 : 1;
