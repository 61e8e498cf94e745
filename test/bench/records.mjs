/**
 * A million annotations: time and memory of `--process_dataset_only` on synthetic plans of growing size, each in a process of its own.
 * `npm run bench -- records [--plan detection|sizes] [--records 250000,500000,1000000] [--ranks N] [--dist DIR]`. `detection`: boxes as in
 * plans 1.0.0, without volumes. `sizes`: ellipses in the shape of 1.4.0, in all three planes, slices of several clusters among them, with
 * volumes whose voxels are holes in the file. What must hold: time per record does not grow, and the million stays below 600 MB; N ranks
 * (Open MPI) make the bytes of one process.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { MPIRUN, ranksEnv } from '../mpi/mpirun.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    plan: { type: 'string', default: 'detection' },
    records: { type: 'string', default: '250000,500000,1000000' },
    ranks: { type: 'string' },
    dist: { type: 'string', default: join(root, 'dist') },
  },
});

const SLICES = 125;
const LABELS = 8;
const PER_CASE = SLICES * LABELS;

/** A T/L case of plan 1.4.0: a lesion on each of 160 axial slices, on every fifth two clusters, which are left out; fewer in the other planes. */
const LESION_SLICES = 200;
const LESIONS_A_CASE = 160;
const SHAPE = [64, 64, LESION_SLICES];

/** @param {number} cases */
function* sizesText(cases) {
  const names = { 'L-1-2': ['P1', 'P2'], 'L-3-4': ['P3', 'P4'] };
  const lines = Object.fromEntries(Object.entries(names).map(([key, ends]) => [key, { name: key, element_keys: ends, element_map_name: 'landmarks_map' }]));
  yield `{"dataset_info":{"dataset":"Synthetic"},"tasks_number":1,"tasks":[{"task_ID":"01","image_modality":"CT","image_description":"a computed tomography (CT) scan","labels_map":{"1":"kidney","2":"kidney tumor"},"target_label":2,"cluster_size_threshold":0,"lines_map":${JSON.stringify(lines)},"train_cases_number":${cases},"train_cases":[`;
  /** @param {string} key @param {number} value @param {number} dim */
  const metric = (key, value, dim) => ({ metric_type: 'distance', metric_map_name: 'lines_map', metric_key: key, metric_value: value, metric_unit: 'mm', slice_dim: dim });
  for (let n = 0; n < cases; n++) {
    /** @param {number} count @param {number} dim */
    const slices = (count, dim) =>
      Array.from({ length: count }, (_, slice) => {
        const clusters = slice % 5 === 4 ? 2 : 1;
        const size = 2 + ((n * 7 + slice * 13 + dim) % 4000) / 97.3;
        const profile = Array.from({ length: clusters }, (__, i) => [metric('L-1-2', size + 1.337 + i, dim), metric('L-3-4', size, dim)]);
        return { slice_idx: slice, n_total_clusters: clusters, slice_profile: profile };
      });
    const one = {
      case_ID: `case_${n}`,
      image_file: `Images/case_${n}.nii`,
      mask_file: `Masks/case_${n}.nii.gz`,
      landmark_file: `Landmarks/case_${n}.json.gz`,
      image_file_info: { voxel_size: [0.8, 0.8, 2.5], affine: [], orientation: ['R', 'A', 'S'], array_size: SHAPE },
      slice_profiles_x: slices(48, 0),
      slice_profiles_y: slices(48, 1),
      slice_profiles_z: slices(LESION_SLICES, 2),
    };
    yield (n === 0 ? '' : ',') + JSON.stringify(one);
  }
  yield '],"test_cases_number":0,"test_cases":[]}]}';
}

/** A volume of zeros that takes a block of the disk. @param {string} path */
function writeVolume(path) {
  const header = new DataView(new ArrayBuffer(352));
  header.setInt32(0, 348, true);
  [3, ...SHAPE].forEach((size, i) => header.setInt16(40 + 2 * i, size, true));
  header.setInt16(70, 16, true);
  header.setInt16(72, 32, true);
  [1, 0.8, 0.8, 2.5].forEach((zoom, i) => header.setFloat32(76 + 4 * i, zoom, true));
  header.setFloat32(108, 352, true);
  header.setUint8(123, 2);
  header.setUint8(344, 0x6e);
  header.setUint8(345, 0x2b);
  header.setUint8(346, 0x31);
  writeFileSync(path, new Uint8Array(header.buffer));
  truncateSync(path, 352 + 4 * SHAPE.reduce((product, size) => product * size, 1));
}

const PLANS = {
  detection: { list: 'Synthetic_BoxSize_Task01_Axial', option: 'tasks_list_json_path_detect', file: 'benchmark_plan_detection_v1.0.0.json.gz', perCase: PER_CASE, text: planText, hasVolumes: false },
  sizes: { list: 'Synthetic_TumorLesionSize_Task01_Axial', option: 'tasks_list_json_path_TL', file: 'benchmark_plan_biometry_v1.4.0.json.gz', perCase: LESIONS_A_CASE, text: sizesText, hasVolumes: true },
};
const plan = PLANS[/** @type {keyof typeof PLANS} */ (values.plan)];
if (plan === undefined) throw new Error(`--plan is one of ${Object.keys(PLANS).join(', ')}; found ${values.plan}`);

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
  mkdirSync(join(dir, 'Datasets/Synthetic/Images'), { recursive: true });
  writeFileSync(join(dir, 'list.json'), JSON.stringify({ [plan.list]: 1 }));
  const cases = Math.ceil(records / plan.perCase);
  if (plan.hasVolumes) for (let n = 0; n < cases; n++) writeVolume(join(dir, `Datasets/Synthetic/Images/case_${n}.nii`));
  let bytes = 0;
  const counted = (function* () {
    for (const text of plan.text(cases)) {
      bytes += text.length;
      yield text;
    }
  })();
  await pipeline(Readable.from(counted), createGzip({ level: 1 }), createWriteStream(join(dir, 'Datasets/Synthetic', plan.file)));
  return bytes;
}

/** @param {string} dir @param {string} out name of the folder that is made @param {readonly string[]} launcher in front of node */
function prepare(dir, out = 'prepared', launcher = []) {
  const tell = `process.on('exit', () => { const use = process.resourceUsage(); console.error('used ' + (process.env.OMPI_COMM_WORLD_RANK ?? 0) + ' ' + use.maxRSS + ' ' + (use.userCPUTime + use.systemCPUTime)); })`;
  const startedAt = performance.now();
  const [command, ...words] = [...launcher, process.execPath];
  const run = spawnSync(
    command,
    [
      ...words,
      '--import', `data:text/javascript,${encodeURIComponent(tell)}`, join(resolve(values.dist), 'train.js'),
      '--process_dataset_only', 'true', '--base_model_hf', join(root, 'node/base'), '--data_dir', dir, `--${plan.option}`, join(dir, 'list.json'),
      '--prepared_ds_dir', join(dir, out),
    ],
    { encoding: 'utf8', env: ranksEnv({}) },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  if (run.status !== 0) throw new Error(`${run.stdout}\n${run.stderr}`);
  /** @type {{ cpuSeconds: number, peakBytes: number }[]} */
  const used = [];
  // By rank; the main thread ends after its workers.
  for (const [, rank, peak, cpu] of run.stderr.matchAll(/^used (\d+) (\d+) (\d+)$/gm)) used[Number(rank)] = { cpuSeconds: Number(cpu) / 1e6, peakBytes: Number(peak) * 1024 };
  return { seconds, used, said: run.stdout.trim().split('\n').at(-1) ?? '' };
}

/** Names and bytes of all files. @param {string} one @param {string} other */
function sameFiles(one, other) {
  const names = (/** @type {string} */ dir) => readdirSync(dir, { recursive: true }).map(String).filter((name) => statSync(join(dir, name)).isFile()).sort();
  return names(one).join() === names(other).join() && names(one).every((name) => readFileSync(join(one, name)).equals(readFileSync(join(other, name))));
}

const MB = 2 ** 20;
console.log('| records | plan, MB | seconds | CPU seconds | CPU µs a record | peak RSS, MB |\n|---:|---:|---:|---:|---:|---:|');
let isGood = true;
for (const records of values.records.split(',').map(Number)) {
  const dir = mkdtempSync(join(tmpdir(), 'vernier-records-'));
  try {
    const planBytes = await writeData(dir, records);
    const { seconds, used, said } = prepare(dir);
    const { cpuSeconds, peakBytes } = used[0];
    console.log(
      `| ${records} | ${(planBytes / MB).toFixed(0)} (${(statSync(join(dir, 'Datasets/Synthetic', plan.file)).size / MB).toFixed(0)} compressed) ` +
        `| ${seconds.toFixed(1)} | ${cpuSeconds.toFixed(1)} | ${((cpuSeconds * 1e6) / records).toFixed(1)} | ${(peakBytes / MB).toFixed(0)} |`,
    );
    process.stderr.write(`${said}\n`);
    if (values.ranks !== undefined) {
      const shared = prepare(dir, 'shared', [...MPIRUN.openmpi, '-n', values.ranks]);
      const isSame = sameFiles(join(dir, 'prepared'), join(dir, 'shared'));
      const cpu = shared.used.map((one) => one.cpuSeconds.toFixed(1)).join(' + ');
      console.log(`| ${records}, ${values.ranks} ranks: ${isSame ? 'the same bytes' : 'OTHER BYTES'} | | ${shared.seconds.toFixed(1)} | ${cpu} | | |`);
      isGood &&= isSame;
    }
    if (records <= 1_000_000 && peakBytes > 600e6) isGood = false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
if (!isGood) console.log('More than 600 MB for a million records, or ranks that make other bytes.');
process.exitCode = isGood ? 0 : 1;
