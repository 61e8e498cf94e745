/**
 * As leaks.test.ts, for what comes of volumes and task lists, of the quick start, the bench and of caches. The folder of the data lies in a home folder and is
 * called after a patient: that is found nowhere. Within the data set another patient has a folder, which the plan names: what has to find the volume
 * again names it too, in the members that are listed here and nowhere else.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findPython } from '../../node/bench/pytorch.ts';
import { reportText } from '../../src/run/bench/reportFile.ts';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { quickstart } from '../../src/run/quickstart/run.ts';
import type { Platform } from '../../src/platform.ts';
import { keepChoices, NO_CHOICES } from '../../src/tune/choices.ts';
import { planKey } from '../../src/tune/planKey.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { buildCommandLine, goldenRows, modelCopy, repository, runProgram } from '../node/trainProcess.ts';
import type { Ended, Flags } from '../node/trainProcess.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { folderOf, TOKEN } from './hubProcess.ts';
import { found, KEY, parquetRows, PROXY, SECRETS } from './leakSearch.ts';

/** A user, a ward with a space, a patient whose folder the data's folder is; and one whose folder lies in the data set. */
const AROUND = ['jane_doe', 'ward seven', 'DOE_JANE_19600101'];
const WITHIN = 'ROE RICHARD';
const EVERYTHING = [...SECRETS, ...AROUND, WITHIN];

const scratch = mkdtempSync(join(tmpdir(), 'vernier-leaks-volumes-'));
const home = join(scratch, 'home/jane_doe');
const patient = join(home, 'ward seven/DOE_JANE_19600101');
const data = join(patient, 'Data');
const base = join(home, 'models/tiny');
const cache = join(scratch, 'cache');
let wandb: WandbServer;
let env: Record<string, string>;

/** The sample's data set, with all that its plans name in a folder of a patient. */
function patientsData(): void {
  const from = join(repository, 'node/sample/Datasets/Colin27Mini');
  const set = join(data, 'Datasets/Colin27Mini');
  mkdirSync(join(set, WITHIN), { recursive: true });
  for (const name of readdirSync(from)) {
    if (!name.endsWith('.json.gz')) cpSync(join(from, name), join(set, WITHIN, name), { recursive: true });
    else {
      const moved = gunzipSync(readFileSync(join(from, name))).toString().replace(/("(?:image|mask|landmark)_file": ")/g, `$1${WITHIN}/`);
      writeFileSync(join(set, name), gzipSync(moved));
    }
  }
  mkdirSync(join(data, 'tasks_list'));
  for (const [kind, task, rows] of [['AD', 'BiometricsFromLandmarks_Task02_Axial', 14], ['detect', 'BoxSize_Task01_Coronal', 93], ['TL', 'TumorLesionSize_Task01_Coronal', 4]] as const) {
    writeFileSync(join(data, `tasks_list/tasks_MedVision-${kind}__train_SFT.json`), JSON.stringify({ [`Colin27Mini_${task}`]: rows }));
  }
}

const list = (kind: string): string => join(data, `tasks_list/tasks_MedVision-${kind}__train_SFT.json`);
const lists: Flags = { data_dir: data, tasks_list_json_path_AD: list('AD'), tasks_list_json_path_detect: list('detect'), tasks_list_json_path_TL: list('TL') };
const rows: Flags = { base_model_hf: base, ...lists, split: 'slice', train_sample_limit: 6, val_sample_limit: 4, max_pixels: 6272 };

beforeAll(async () => {
  buildCommandLine();
  wandb = new WandbServer(KEY);
  env = {
    HOME: home, XDG_CACHE_HOME: cache, TMPDIR: join(scratch, 'tmp'), HF_HUB_OFFLINE: '1', HF_HOME: join(scratch, 'hub'), HF_TOKEN: TOKEN, HTTPS_PROXY: PROXY,
    WANDB_API_KEY: KEY, WANDB_BASE_URL: await wandb.listen(), WANDB_MODE: 'online',
    // Compiled shaders are the system's, and take long.
    MESA_SHADER_CACHE_DIR: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  };
  mkdirSync(join(scratch, 'tmp'));
  modelCopy(base);
  patientsData();
});

afterAll(async () => {
  releaseGpu();
  await wandb.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Ended well, and printed no secret; paths it may print. */
async function run(program: string, flags: Flags, ...words: string[]): Promise<Ended> {
  const ended = await runProgram(program, flags, undefined, env, words);
  expect(ended.code, `${ended.error}\n${ended.output}`).toBe(0);
  expect(await found({ ...ended, code: '' }, SECRETS)).toEqual([]);
  return ended;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** Which members of JSON objects hold the patient of the data set, `image.path` for one within another. */
function membersWith(value: unknown, at = ''): string[] {
  if (typeof value === 'string') return value.includes(WITHIN) ? [at] : [];
  if (typeof value !== 'object' || value === null) return [];
  return [...new Set(Object.entries(value).flatMap(([key, item]) => membersWith(item, Array.isArray(value) ? at : `${at === '' ? '' : `${at}.`}${key}`)))];
}

const jsonl = (path: string): unknown[] => readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as unknown);

/** A prepared folder has its volumes' paths in these columns, below the data's folder, and its pictures' below itself. */
async function expectPrepared(dir: string): Promise<void> {
  const files = folderOf(dir);
  expect(Object.keys(files)).toEqual(expect.arrayContaining(['manifest.json', 'train-00000.parquet', 'validation-00000.parquet']));
  expect(await found(files, [...SECRETS, ...AROUND])).toEqual([]);
  for (const [name, bytes] of Object.entries(files)) {
    if (name.endsWith('.parquet')) {
      const read = await parquetRows(bytes);
      expect(read.length).toBeGreaterThan(0);
      expect(membersWith(read).sort()).toEqual(['image.path', 'image_file', 'landmark_file', 'mask_file']);
      for (const row of read) for (const column of ['image_file', 'mask_file']) expect(row[column] ?? 'Datasets/').toMatch(/^Datasets\//);
      for (const { image } of read as { image: { path: string } }[]) expect(image.path).toMatch(/^png\/Colin27Mini\//);
    } else expect(await found({ [name.replace(/^png\/Colin27Mini\/ROE RICHARD\//, '')]: bytes }, [WITHIN])).toEqual([]);
    expect([name, modeOf(join(dir, name))]).toEqual([name, name === 'manifest.json' ? expect.any(String) : '600']);
  }
  expect(modeOf(dir)).toBe('700');
}

describe('nothing leaks, but that a data set’s own paths are where volumes are looked up by them:', () => {
  const prepared = join(patient, 'prepared');
  // On another disk, where folders have the same names.
  const out = join(scratch, 'mnt/ward seven/DOE_JANE_19600101/runs/first');

  it('--process_dataset_only and --export_jsonl', async () => {
    const exported = join(patient, 'rows.jsonl');
    await run('train', { ...rows, process_dataset_only: true, save_processed_img_to_disk: true, prepared_ds_dir: prepared, export_jsonl: exported, num_workers_format_dataset: 1 });
    await expectPrepared(prepared);
    expect(Object.keys(folderOf(prepared)).some((name) => /^png\/.*\.png$/.test(name))).toBe(true);

    expect(await found({ exported: readFileSync(exported) }, [...SECRETS, ...AROUND])).toEqual([]);
    expect(membersWith(jsonl(exported))).toEqual(['image_file']);
    expect(modeOf(exported)).toBe('600');
  }, 120_000);

  it('a training on task lists that prepares its rows, with all trackers', async () => {
    const own = join(patient, 'prepared by training');
    await run('train', {
      ...rows, process_img: true, prepared_ds_dir: own, lora_checkpoint_dir: out, run_name: 'first', lora_r: 2, target_modules: 'q_proj', per_device_train_batch_size: 1,
      gradient_accumulation_steps: 1, max_steps: 2, save_steps: 1, logging_steps: 1, eval_steps: 1, eval_generate: 1, eval_max_new_tokens: 3, dataloader_num_workers: 0,
      report_to: 'console,jsonl,tensorboard,wandb', track_pictures: true, load_best_model_at_end: true,
    });
    await expectPrepared(own);
    const files = folderOf(out);
    for (const name of ['trainer_log.jsonl', 'checkpoint-2/trainer_state.json', 'adapter_config.json']) expect(Object.keys(files)).toContain(name);
    for (const kind of [/\.wandb$/, /tfevents/, /media\/images\/.*png$/]) expect(Object.keys(files).some((name) => kind.test(name)), String(kind)).toBe(true);
    expect(await found(files, EVERYTHING)).toEqual([]);
    expect(wandb.requests.length).toBeGreaterThan(0);
    expect(await found(Object.fromEntries(wandb.requests.map(({ path, body }, i) => [`${i} ${path}`, body])), EVERYTHING)).toEqual([]);
  }, 120_000);

  it('an evaluation', async () => {
    const answers = join(patient, 'answers');
    await run('evaluate', { base_model_hf: base, lora_checkpoint_dir: out, ...lists, output_dir: answers, limit: 1, max_new_tokens: 3, max_pixels: 6272, eval_split: 'test', dataloader_num_workers: 0 });
    const { 'samples.jsonl': samples, ...others } = folderOf(answers);
    expect(samples?.length).toBeGreaterThan(0);
    expect(Object.keys(others)).toEqual(expect.arrayContaining(['evaluation.json', 'summary.json']));
    expect(await found(others, EVERYTHING)).toEqual([]);
    expect(await found({ samples: samples! }, [...SECRETS, ...AROUND])).toEqual([]);
    expect(membersWith(jsonl(join(answers, 'samples.jsonl')))).toEqual(['doc.image_file']);
    expect(modeOf(join(answers, 'samples.jsonl'))).toBe('600');
  }, 120_000);

  it('pages of inspect', async () => {
    // A picture that it has something to say about.
    const conversations = join(patient, 'rows of pictures.jsonl');
    const [line = ''] = goldenRows('s00_single');
    mkdirSync(join(patient, WITHIN));
    writeFileSync(conversations, JSON.stringify({ ...(JSON.parse(line) as object), images: [`${WITHIN}/slice 0.png`] }));
    const grey = sharp(Uint16Array.from({ length: 64 * 64 }, (_, i) => i * 8), { raw: { width: 64, height: 64, channels: 1 } });
    await grey.toColourspace('grey16').png().toFile(join(patient, WITHIN, 'slice 0.png'));
    for (const [name, source, flags] of [['volumes', data, {}], ['prepared', prepared, {}], ['volumes again', prepared, { data_dir: data }], ['conversations', conversations, {}]] as const) {
      const page = join(patient, `${name}.html`);
      await run('inspect', { out: page, base_model_hf: base, samples: 6, max_pixels: 6272, ...(name === 'volumes' && { split: 'slice' }), ...flags }, source);
      expect(await found({ [name]: readFileSync(page) }, EVERYTHING)).toEqual([]);
      expect(modeOf(page)).toBe('600');
      if (name === 'conversations') expect(readFileSync(page, 'utf8').includes('slice 0.png is 16-bit grey')).toBe(true);
    }
  }, 120_000);

  it('the quick start’s adapter, log and report, of a repository in the home folder', async () => {
    const own = join(home, 'vernier/node');
    mkdirSync(own, { recursive: true });
    for (const name of ['base', 'sample']) cpSync(join(repository, 'node', name), join(own, name), { recursive: true });
    const dir = join(patient, 'quick');
    // Of an earlier run; that it cannot be removed is told, with its path.
    const stuck = join(dir, 'checkpoint-1');
    cpSync(join(out, 'checkpoint-1'), stuck, { recursive: true });
    copyFileSync(join(out, 'trainer_log.jsonl'), join(dir, 'trainer_log.jsonl'));
    const remove = (path: string): Promise<void> => (path === stuck ? Promise.reject(new Error(`EACCES: permission denied, rm '${path}'`)) : nodePlatform.remove(path));
    const platform: Platform = { ...nodePlatform, remove, env: (name) => env[name] ?? nodePlatform.env(name) };
    const terminal = { write: (): void => undefined, isTty: false, columns: 120 };
    const settings = {
      architecture: 'Qwen2.5-VL', base: join(own, 'base'), sample: join(own, 'sample'), out: dir, steps: 2, batchSize: 1, learningRate: 1e-3, seed: 1, quantization: 'none',
      questions: { box: 1, metric: 1, ellipse: 1 },
    } as const;
    await quickstart(platform, settings, terminal, new AbortController().signal);
    const files = folderOf(dir);
    expect(Object.keys(files)).toEqual(expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'checkpoint-2/trainer_state.json', 'report.html', 'trainer_log.jsonl']));
    expect(await found(files, EVERYTHING)).toEqual([]);
    expect(String(files['trainer_log.jsonl'])).toMatch(/checkpoint-1 could not be removed: EACCES: permission denied, rm 'checkpoint-1'/);
  }, 120_000);

  it('the bench’s file of figures, which is made to be passed on', async () => {
    vi.stubEnv('VERNIER_PYTHON', join(patient, 'venv/bin/python'));
    const asked = await findPython();
    vi.unstubAllEnvs();
    const why = 'why' in asked ? asked.why : '';
    expect(why).toContain(AROUND[2]);
    const text = await reportText({ ...nodePlatform, env: (name) => env[name] }, { notes: [`PyTorch: ${why}`], failures: [`Losses: ${join(data, WITHIN, 'x.nii.gz')} is cut off`] });
    expect(await found({ text }, EVERYTHING)).toEqual([]);
    expect(JSON.parse(text)).toEqual({ notes: ['PyTorch: python has no PyTorch (VERNIER_PYTHON names another Python)'], failures: ['Losses: x.nii.gz is cut off'] });
  });

  it('caches', async () => {
    const conversations = join(patient, 'old.jsonl');
    const picture = join(patient, WITHIN, 'slice.png');
    const [line = ''] = goldenRows('s00_single');
    const row = JSON.parse(line) as { images: string[] };
    copyFileSync(row.images[0]!, picture);
    writeFileSync(conversations, JSON.stringify({ ...row, images: [`${WITHIN}/slice.png`] }));
    // A picture of just now is not remembered.
    await new Promise((done) => setTimeout(done, 5_500));
    await run('train', { base_model_hf: base, train_file: conversations, lora_checkpoint_dir: join(patient, 'runs/old'), lora_r: 2, max_steps: 1, max_pixels: 3136, gradient_accumulation_steps: 1, report_to: 'none' });
    const device = await testDevice();
    const platform: Platform = { ...nodePlatform, env: (name) => env[name] };
    expect(await keepChoices(platform, await planKey(device, platform), device.capabilities, NO_CHOICES)).toEqual({ path: expect.stringContaining(cache) as string });
    const files = folderOf(cache);
    for (const kind of [/^vernier\/checked\/[0-9a-f]{32}\.txt$/, /^vernier\/plans\/[0-9a-f]{32}\.json$/]) expect(Object.keys(files).filter((name) => kind.test(name)).length).toBeGreaterThan(0);
    expect(await found(files, EVERYTHING)).toEqual([]);
  }, 60_000);

  it('anything else that is left anywhere', async () => {
    // What the user gave, and what may name the data set's own paths, which is searched above.
    const given = /^home\/jane_doe\/(models|vernier\/node|ward seven\/DOE_JANE_19600101\/(Data|ROE RICHARD|[^/]*\.jsonl)($|\/))/;
    const files = Object.entries(folderOf(scratch)).filter(([name]) => !given.test(name));
    expect(files.length).toBeGreaterThan(50);
    expect(await found(Object.fromEntries(files.map(([name, bytes]) => [name.replace(/^(home\/jane_doe|mnt)\/(ward seven\/DOE_JANE_19600101\/)?/, ''), bytes])), [...SECRETS, ...AROUND])).toEqual([]);
    expect(existsSync(join(data, 'SFT_datasets'))).toBe(false);
  });
});
