/** `--process_dataset_only`, `--skip_process_dataset` and `--prepared_ds_dir` as processes: any number of workers, kill −9 at any moment, and training on the result. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, existsSync, cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, repository, runTrain, tinyModel } from './trainProcess.ts';
import type { Flags } from './trainProcess.ts';

const sampleDir = join(repository, 'node/sample');
const lists = readdirSync(join(sampleDir, 'tasks_list'));
const list = (family: RegExp): string => join(sampleDir, 'tasks_list', lists.find((name) => family.test(name)) ?? '');
const flags: Flags = {
  base_model_hf: tinyModel,
  data_dir: sampleDir,
  tasks_list_json_path_detect: list(/detect.*SFT/i),
  tasks_list_json_path_TL: list(/TL.*SFT/),
  tasks_list_json_path_AD: list(/AD.*SFT/),
  val_sample_limit: 20,
  split: 'slice', // two volumes are too few to hold one out
};
const prepare: Flags = { ...flags, process_dataset_only: true, save_processed_img_to_disk: true };

let root = '';
beforeAll(() => {
  buildCommandLine();
  root = mkdtempSync(join(tmpdir(), 'vernier-prepare-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function tree(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true }).map(String).filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.sort().map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));
}

/** Starts the preparation and kills it after so many milliseconds. @returns whether it was still running */
function killed(command: Flags, afterMs: number): Promise<boolean> {
  const argv = Object.entries(command).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [join(repository, 'dist/train.js'), ...argv], { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  return new Promise((resolve) => {
    child.on('exit', (_, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

describe('--process_dataset_only', () => {
  it('gives the same bytes with 0, 1, 2 and 4 workers, without weights', async () => {
    const base = join(root, 'no weights');
    cpSync(tinyModel, base, { recursive: true, filter: (path) => !path.endsWith('.safetensors') });
    const trees: Map<string, string>[] = [];
    for (const workers of [0, 1, 2, 4]) {
      const dir = join(root, `workers ${workers}`);
      const ended = await runTrain({ ...prepare, base_model_hf: base, prepared_ds_dir: dir, num_workers_format_dataset: workers });
      expect(ended.error).toBe('');
      expect(ended.code).toBe(0);
      trees.push(tree(dir));
      // Pictures of patients, written by threads too: for their user alone.
      expect(statSync(dir).mode & 0o777).toBe(0o700);
      for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((one) => /\.(parquet|png)$/.test(one))) {
        expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
      }
    }
    const [first = new Map<string, string>()] = trees;
    expect([...first.keys()].filter((name) => name.endsWith('.png')).length).toBeGreaterThan(50);
    for (const other of trees) expect(other).toEqual(first);
  });

  it('ends at the bytes of an uninterrupted run, killed at whatever moment', async () => {
    const whole = join(root, 'whole');
    const startedAt = Date.now();
    await runTrain({ ...prepare, prepared_ds_dir: whole });
    const tookMs = Date.now() - startedAt;
    const dir = join(root, 'killed');
    let kills = 0;
    for (const share of [0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.95]) if (await killed({ ...prepare, prepared_ds_dir: dir }, tookMs * share)) kills++;
    expect(kills).toBeGreaterThan(1);
    const ended = await runTrain({ ...prepare, prepared_ds_dir: dir });
    expect(ended.error).toBe('');
    expect(tree(dir)).toEqual(tree(whole));
    expect(existsSync(`${dir}.lock`)).toBe(false);
  });

  it('makes a folder once when two processes ask for it', async () => {
    const dir = join(root, 'two');
    const both = await Promise.all([runTrain({ ...prepare, prepared_ds_dir: dir }), runTrain({ ...prepare, prepared_ds_dir: dir })]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(tree(dir)).toEqual(tree(join(root, 'whole')));
  });

  it('finds its own folder again, named after the settings', async () => {
    const data = join(root, 'data');
    cpSync(sampleDir, data, { recursive: true });
    const command = { ...prepare, save_processed_img_to_disk: false, data_dir: data };
    await runTrain(command);
    const [name = ''] = readdirSync(join(data, 'SFT_datasets/qwen2_5_vl'));
    expect(name).toMatch(/^ds__ADfull_Dfull_TLfull_allfull__val_AD100_D100_TL100_all20__corrected__none__[0-9a-f]{16}$/);
    expect((await runTrain(command)).output).toContain('is complete');
    await runTrain({ ...command, train_sample_limit: 10 });
    expect(readdirSync(join(data, 'SFT_datasets/qwen2_5_vl')).filter((entry) => entry.startsWith('ds__'))).toHaveLength(2);
  });
});

describe('training on prepared data', () => {
  const training: Flags = { ...flags, max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, max_pixels: 6272, eval_steps: 50, logging_steps: 1 };
  const losses = (out: string): unknown[] =>
    readFileSync(join(out, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as { loss?: number }).loss).filter((loss) => loss !== undefined);

  it('is training on the volumes, to the bit, with and without workers', async () => {
    const dir = join(root, 'for training');
    const fromVolumes = await runTrain({ ...training, dataloader_num_workers: 0, lora_checkpoint_dir: join(root, 'a') });
    expect(fromVolumes.code, fromVolumes.error).toBe(0);
    expect((await runTrain({ ...training, process_img: true, process_dataset_only: true, prepared_ds_dir: dir })).code).toBe(0);
    const skipped = { ...training, skip_process_dataset: true, prepared_ds_dir: dir };
    const fromFolder = await runTrain({ ...skipped, lora_checkpoint_dir: join(root, 'b') });
    expect(fromFolder.code, fromFolder.error).toBe(0);
    expect(fromFolder.output).toContain('Prepared data');
    expect(losses(join(root, 'b'))).toEqual(losses(join(root, 'a')));
    expect(losses(join(root, 'a'))).toHaveLength(2);
  });

  it('names what differs from what was prepared, and what is not there', async () => {
    const dir = join(root, 'for training');
    const other = await runTrain({ ...training, skip_process_dataset: true, prepared_ds_dir: dir, prompt_style: 'reference', lora_checkpoint_dir: join(root, 'c') });
    expect(other.code).toBe(1);
    expect(other.error).toContain('prompt_style: corrected there, reference asked');
    const none = await runTrain({ ...training, skip_process_dataset: true, prepared_ds_dir: join(root, 'nothing'), lora_checkpoint_dir: join(root, 'c') });
    expect(none.error).toContain('there is no prepared data');
    expect(existsSync(join(root, 'c'))).toBe(false);
  });
});

describe('Python', () => {
  it.skipIf(process.env['VERNIER_PYTHON'] === undefined)("'s datasets opens a prepared folder", () => {
    const { status, stderr, stdout } = spawnSync(
      process.env['VERNIER_PYTHON'] ?? '',
      [join(repository, 'test/golden/prepared_datasets.py'), join(root, 'whole'), join(root, 'python cache')],
      { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' } },
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('ok');
  });
});
