/** `node dist/train.js` with the hub in place of folders: a base model and a data set by name, faults on the way, the adapter pushed; no token anywhere. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readAdapter } from '../../src/io/peft.ts';
import { buildCommandLine, goldenRows, repository, tinyModel } from '../node/trainProcess.ts';
import type { Ended, Flags } from '../node/trainProcess.ts';
import { expectNoToken, folderOf, runWithHub, TOKEN } from './hubProcess.ts';
import { TestHub } from './testHub.ts';
import { namingOf } from '../../src/models/families.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-hub-cli-'));
const at = (...parts: string[]): string => join(scratch, ...parts);

let hub: TestHub;
let count = 0;
let home = '';
beforeAll(async () => {
  buildCommandLine();
  hub = await TestHub.start({ token: TOKEN, lfsBytes: 50_000 });
  hub.add('model', 'org/tiny', folderOf(tinyModel), { isPrivate: true });
  hub.add('dataset', 'org/MedMini', folderOf(join(repository, 'node/sample')));
  writeFileSync(at('rows.jsonl'), goldenRows('s00_single').join('\n'));
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  home = at(`home-${count++}`);
  hub.faults = [];
  hub.isDown = false;
});

/** `meanwhile` gets a function that kills the process without warning. */
function run(flags: Flags, env: Record<string, string> = {}, program = 'train', meanwhile?: (kill: () => void) => Promise<void>): Promise<Ended> {
  return runWithHub(hub, home, flags, { env, program, ...(meanwhile && { meanwhile }) });
}

const LIST = join(repository, 'node/sample/tasks_list/tasks_MedVision-AD__train_SFT.json');

const SHORT: Flags = {
  base_model_hf: 'org/tiny', lora_r: 2, target_modules: 'q_proj', per_device_train_batch_size: 1, gradient_accumulation_steps: 1, max_steps: 2, save_steps: 1, logging_steps: 1,
  max_pixels: 3136,
};

describe('train', () => {
  it('from a model of the hub, through faults, and pushes the adapter after each save', async () => {
    hub.faults = [
      { on: /GET \/objects/, fault: { kind: 'drop', afterBytes: 30_000 }, times: 2 },
      { on: /revision/, fault: { kind: 'status', status: 500 } },
      { on: /PUT/, fault: { kind: 'status', status: 503 } },
      { on: /commit/, fault: { kind: 'loseAnswer' } },
    ];
    const out = at('out-push');
    const ended = await run({ ...SHORT, train_file: at('rows.jsonl'), lora_checkpoint_dir: out, push_LoRA: true, lora_hub_repo: 'team/tiny-sft' });
    expect(ended.error).toBe('');
    expect(ended.code).toBe(0);
    expect(ended.output).toMatch(/Fetching org\/tiny: \d+ files, [\d.]+ [KM]iB/);
    expect(ended.output).toContain(`Pushed: ${hub.endpoint}/team/tiny-sft`);
    expect(hub.repo('model', 'team/tiny-sft').isPrivate).toBe(true);
    const files = hub.files('model', 'team/tiny-sft');
    expect(files.get('adapter_model.safetensors')?.equals(readFileSync(join(out, 'adapter_model.safetensors')))).toBe(true);
    const config = JSON.parse(files.get('adapter_config.json')?.toString() ?? '') as Record<string, unknown>;
    const commit = hub.repo('model', 'org/tiny').refs.get('main');
    expect(config).toMatchObject({ base_model_name_or_path: 'org/tiny', revision: commit });
    const card = files.get('README.md')?.toString() ?? '';
    for (const part of ['library_name: peft', 'pipeline_tag: image-text-to-text', 'AutoModelForImageTextToText', 'base_model: org/tiny', `revision="${commit}"`, '| learning_rate | 0.0002 |', 'rows.jsonl', 'training loss']) expect(card).toContain(part);
    expect(card).not.toContain(scratch);
    expect([...files.keys()].filter((name) => /optimizer|trainer_state|log/.test(name))).toEqual([]);
    expect(hub.commitLog.filter((line) => line.startsWith('team/tiny-sft')).length).toBeLessThanOrEqual(4);
    await readAdapter(nodePlatform, out, namingOf('qwen2_5_vl'));
    expectNoToken(hub, ended, out, home);
  });

  it('goes on from an adapter of the hub, offline from the cache', async () => {
    const flags: Flags = { ...SHORT, train_file: at('rows.jsonl'), init_adapter: 'team/tiny-sft', max_steps: 1 };
    const { lora_r: _, target_modules: __, ...rest } = flags;
    expect((await run({ ...rest, lora_checkpoint_dir: at('out-more') })).code).toBe(0);
    const before = hub.requests.length;
    const ended = await run({ ...rest, lora_checkpoint_dir: at('out-offline') }, { HF_HUB_OFFLINE: '1' });
    expect(ended.error).toBe('');
    expect(ended.code).toBe(0);
    expect(hub.requests.length).toBe(before);
  });

  it('with a data set of the hub: only the plans and volumes of its tasks', async () => {
    const list = join(repository, 'node/sample/tasks_list/tasks_MedVision-TL__train_SFT.json');
    const before = hub.requests.length;
    const flags = { ...SHORT, data_dir: 'org/MedMini', tasks_list_json_path_TL: list, split: 'slice', val_sample_limit: 2, eval_steps: 1, save_steps: -1, push_LoRA: true };
    const ended = await run({ ...flags, lora_checkpoint_dir: at('tl-adapter') });
    expect(ended.error).toBe('');
    expect(ended.code).toBe(0);
    // Named after the folder, in the account of the token; the card says which annotations and what the run has bought.
    const card = hub.files('model', 'tester/tl-adapter').get('README.md')?.toString() ?? '';
    const plan = hub.files('dataset', 'org/MedMini').get('Datasets/Colin27Mini/benchmark_plan_biometry_v1.0.0.json.gz') ?? Buffer.alloc(0);
    expect(card).toContain(createHash('sha256').update(plan).digest('hex'));
    expect(card).toMatch(/datasets:\n {2}- org\/MedMini/);
    expect(card).toMatch(/\| eval_loss \| \d\.\d+ \| \d\.\d+ \|/);
    const fetched = hub.requests.slice(before).filter(({ url }) => url.includes('/datasets/org/MedMini/resolve/')).map(({ url }) => url.split('/').slice(6).join('/'));
    expect(fetched.some((path) => path.includes('benchmark_plan_biometry'))).toBe(true);
    expect(fetched.some((path) => path.includes('/Images/'))).toBe(true);
    expect(fetched.filter((path) => /detection|Masks|Landmarks/.test(path))).toEqual([]);
    expect(ended.output).toMatch(/Fetching org\/MedMini/);
  });

  it('kill -9 while fetching: the next run goes on by range, and two runs at once fetch each file once', async () => {
    hub.faults = [{ on: /GET \/objects/, fault: { kind: 'slow', bytes: 20_000, ms: 150 }, times: 99 }];
    const flags = { ...SHORT, train_file: at('rows.jsonl'), max_steps: 1 };
    const killed = run({ ...flags, lora_checkpoint_dir: at('out-killed') }, {}, 'train', async (kill) => {
      const blobs = join(home, 'hub/models--org--tiny/blobs');
      const begun = (): boolean => existsSync(blobs) && readdirSync(blobs).some((name) => name.endsWith('.incomplete') && statSync(join(blobs, name)).size >= 60_000);
      while (!begun()) await new Promise((resolve) => setTimeout(resolve, 20));
      kill();
    });
    expect((await killed).code).toBe(null);
    expect(existsSync(at('out-killed'))).toBe(false);
    hub.faults = [{ on: /GET \/objects/, fault: { kind: 'slow', bytes: 50_000, ms: 50 }, times: 99 }];
    const before = hub.requests.length;
    const both = await Promise.all(['out-a', 'out-b'].map((out) => run({ ...flags, lora_checkpoint_dir: at(out) })));
    for (const { code, error } of both) expect([code, error]).toEqual([0, '']);
    const large = hub.requests.slice(before).filter(({ origin }) => origin === 'cdn');
    expect(new Set(large.map(({ url }) => url)).size).toBe(large.length);
    expect(large.some(({ headers }) => headers['range'] !== undefined)).toBe(true);
    const weights = (out: string): Buffer => readFileSync(at(out, 'adapter_model.safetensors'));
    expect(weights('out-a').equals(weights('out-b'))).toBe(true);
  });

  it('is told at the start what is wrong: no token, a wrong one, a name of someone else, a model that is not there', async () => {
    const flags: Flags = { ...SHORT, train_file: at('rows.jsonl'), lora_checkpoint_dir: at('out-wrong'), push_LoRA: true };
    const cases: [Flags, Record<string, string>, RegExp][] = [
      [{ base_model_hf: tinyModel }, { HF_TOKEN: '' }, /Pushing to .* needs an access token with write permission: put it in HF_TOKEN/],
      [{ base_model_hf: tinyModel }, { HF_TOKEN: 'anotherPrivateToken' }, /wants a valid token \(the token of HF_TOKEN is used\)/],
      [{ base_model_hf: tinyModel, lora_hub_repo: 'google/mine' }, {}, /Cannot create google\/mine: this account may not/],
      [{ base_model_hf: tinyModel, lora_hub_repo: 'a b' }, {}, /--lora_hub_repo: "a b" is no name for a hub repository/],
      [{ base_model_hf: 'org/nothing' }, {}, /--base_model_hf org\/nothing is no folder here, so it was looked for on the hub\. .*there is no model org\/nothing/],
      [{ base_model_hf: 'no-such-folder' }, {}, /--base_model_hf no-such-folder: there is no such folder; a Hugging Face model folder, or a hub id/],
    ];
    for (const [more, env, words] of cases) {
      const ended = await run({ ...flags, ...more }, env);
      expect(ended.code).toBe(1);
      expect(ended.error).toMatch(words);
      expect(ended.error).not.toMatch(/PrivateToken|\bat \S+\.js/);
    }
  });

  it('a hub that fails while training costs a warning; the run is complete, and says that the adapter is not pushed', async () => {
    hub.faults = [{ on: /preupload/, fault: { kind: 'status', status: 403 }, times: 99 }];
    const out = at('out-refused');
    const ended = await run({ ...SHORT, base_model_hf: tinyModel, train_file: at('rows.jsonl'), lora_checkpoint_dir: out, push_LoRA: true });
    expect(ended.code).toBe(1);
    expect(ended.error).toMatch(/The run is saved in .*out-refused, but its adapter was not pushed: /);
    await readAdapter(nodePlatform, out, namingOf('qwen2_5_vl'));
    expectNoToken(hub, ended, out);
  });

  it('a slow hub does not hold up training: saves go on, and of those that wait the newest is pushed', async () => {
    hub.faults = [{ on: /PUT/, fault: { kind: 'slow', bytes: 1, ms: 1500 }, times: 99 }];
    const out = at('out-slow');
    const flags = { ...SHORT, base_model_hf: tinyModel, train_file: at('rows.jsonl'), max_steps: 12, save_steps: 1, lora_checkpoint_dir: out, push_LoRA: true };
    const ended = await run({ ...flags, save_total_limit: 2, learning_rate: 0.01, lr_scheduler_type: 'constant' });
    expect(ended.error).toBe('');
    expect(ended.code).toBe(0);
    const pushed = hub.commitLog.filter((line) => line.startsWith('tester/out-slow') && !line.endsWith('initial commit'));
    // Were training to wait for its pushes, all 12 saves would be there.
    expect(pushed.length).toBeLessThan(8);
    expect(hub.files('model', 'tester/out-slow').get('adapter_model.safetensors')?.equals(readFileSync(join(out, 'adapter_model.safetensors')))).toBe(true);
    expect(ended.output).not.toMatch(/Warning: .*push/);
  });

  it('--push_merged_model merges and pushes the whole model', async () => {
    const ended = await run({ ...SHORT, train_file: at('rows.jsonl'), max_steps: 1, lora_checkpoint_dir: at('out-merge'), push_merged_model: true, merged_model_hf: 'tiny-merged' });
    expect(ended.error).toBe('');
    expect(ended.code).toBe(0);
    const files = hub.files('model', 'tester/tiny-merged');
    expect(files.get('README.md')?.toString()).toContain('AutoModelForImageTextToText.from_pretrained("tester/tiny-merged"');
    for (const name of readdirSync(at('out-merge_merged')).filter((one) => /\.(safetensors|json)$/.test(one))) {
      expect(files.get(name)?.equals(readFileSync(at('out-merge_merged', name))), name).toBe(true);
    }
  });
});

describe('setup', () => {
  const sample = join(repository, 'node/sample');
  it('says that all is there, for a model and a data set of the hub, and writes no token', async () => {
    hub.add('model', 'org/adapter', { 'adapter_config.json': '{}', 'adapter_model.safetensors': 'x' });
    const flags = { base_model_hf: 'org/tiny', data_dir: 'org/MedMini', init_adapter: 'org/adapter', tasks_list_json_path_AD: LIST, per_device_train_batch_size: 1 };
    const ended = await run({ ...flags, lora_checkpoint_dir: at('out-setup') }, {}, 'setup');
    expect(ended.code).toBe(0);
    for (const part of [/✓ Model +org\/tiny: qwen2_5_vl, \d+k parameters.* to fetch from/, /Memory +[\d.]+ MiB by the plan for 1 row/, /hub data set org\/MedMini/, /✓ Adapter +hub adapter org\/adapter at/, /HF_TOKEN is of tester/, /Ready to train\./]) {
      expect(ended.output).toMatch(part);
    }
    expect(readdirSync(join(home, 'hub/models--org--tiny/blobs')).length).toBe(1);
    expectNoToken(hub, ended, home);
  });

  it('says what is missing in the order of its importance, with exit status 1', async () => {
    hub.add('model', 'org/gated', folderOf(tinyModel), { isGated: true });
    const flags = { base_model_hf: 'org/gated', data_dir: at('no-data'), push_LoRA: true, report_to: 'console,wandb' };
    const ended = await run(flags, { HF_TOKEN: '', WANDB_API_KEY: '', NETRC: at('none') }, 'setup');
    expect(ended.code).toBe(1);
    const missing = ended.output.split(/Missing, the most important first:|Worth a look:/)[1] ?? '';
    expect([...missing.matchAll(/^ {2}\d+\. (\S+):/gm)].map(([, about]) => about)).toEqual(['Model', 'Data', 'Hub', 'W&B']);
    expect(missing).toMatch(/gated: its owner asks you to accept a licence/);
    expect(missing).toMatch(/WANDB_API_KEY/);
    const lists = await run({ data_dir: at('rows.jsonl'), tasks_list_json_path_AD: join(sample, 'none.json') }, {}, 'setup');
    expect(lists.code).toBe(1);
    const adapter = await run({ base_model_hf: 'org/tiny', train_file: at('rows.jsonl'), init_adapter: 'org/tiny' }, {}, 'setup');
    expect(adapter.output).toMatch(/Adapter: org\/tiny has no adapter_config\.json/);
    expect(adapter.code).toBe(1);
  });

  it('never ends in "Ready" while model or data are not named', async () => {
    const rows = { train_file: at('rows.jsonl') };
    const model = { base_model_hf: 'org/tiny' };
    const told: [Flags, RegExp][] = [
      [{}, /Still to be named:\n {2}1\. Model: Give --base_model_hf.*\n {2}2\. Data: Give --train_file.*[^]*This machine can train\. .*: name the model and the data, and/],
      [rows, /name the model, and/],
      [model, /name the data, and/],
      [{ ...model, data_dir: 'org/MedMini' }, /Data: Name the tasks to learn by --tasks_list[^]*name the data, and/],
      [{ ...model, tasks_list_json_path_AD: LIST }, /Data: Give --data_dir[^]*Not ready yet/],
      [{ ...model, skip_process_dataset: true, prepared_ds_dir: at('none') }, /no prepared folder[^]*Not ready yet/],
    ];
    for (const [flags, words] of told) {
      const ended = await run(flags, {}, 'setup');
      expect(ended.output).toMatch(words);
      expect(ended.output).not.toContain('Ready');
      expect(ended.code).toBe(1);
    }
    const ready = await run({ ...model, ...rows, per_device_train_batch_size: 1 }, {}, 'setup');
    expect(ready.output).toMatch(/Ready to train\.\n$/);
    expect(ready.code).toBe(0);
  });
});

describe('inspect', () => {
  const inspect = (words: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> =>
    new Promise((done) => {
      const own = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_TOKEN: TOKEN, ...env };
      execFile(process.execPath, [join(repository, 'dist/inspect.js'), ...words], { env: own }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
      });
    });

  it('takes model and data set of the hub, as training does', async () => {
    const page = at('hub.html');
    const ended = await inspect(['org/MedMini', '--tasks_list_json_path_AD', LIST, '--base_model_hf', 'org/tiny', '--samples', '2', '--out', page]);
    expect(ended.output).toMatch(/hub\.html: 6 rows of 6 tasks/);
    expect(ended.code).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('org/tiny');
    expect((await inspect([at('rows.jsonl'), '--base_model_hf', 'org/tiny', '--samples', '1', '--out', at('hub2.html')])).code).toBe(0);
  });

  it('says what a hub data set needs, and what is neither', async () => {
    expect(await inspect(['org/MedMini'])).toMatchObject({ code: 2, output: expect.stringMatching(/give task lists by --tasks_list_json_path_AD/) as string });
    expect(await inspect(['./no/such'])).toMatchObject({ code: 2, output: expect.stringMatching(/there is no such file or folder/) as string });
    const none = await inspect([at('rows.jsonl'), '--base_model_hf', 'org/none', '--out', at('hub3.html')]);
    expect(none).toMatchObject({ code: 1, output: expect.stringMatching(/--base_model_hf org\/none is no folder here, so it was looked for on the hub/) as string });
  });
});

describe.runIf(process.env['VERNIER_PYTHON'])("Python's huggingface_hub", () => {
  it('reads the cache that we wrote, and we reuse the one that it wrote', async () => {
    // Not spawnSync: the hub that Python asks lives in this process.
    const python = async (code: string, env: Record<string, string>): Promise<string> => {
      const own = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_TOKEN: TOKEN, HF_HUB_DISABLE_XET: '1' };
      const { stdout } = await promisify(execFile)(process.env['VERNIER_PYTHON'] ?? '', ['-c', code], { env: { ...process.env, ...own, ...env }, timeout: 60_000 });
      return stdout.trim();
    };
    expect((await run({ ...SHORT, train_file: at('rows.jsonl'), max_steps: 1, lora_checkpoint_dir: at('out-python') })).code).toBe(0);
    const code = [
      'from huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir',
      'print(snapshot_download("org/tiny", local_files_only=True))',
      'print(hf_hub_download("org/tiny", "model.safetensors", revision="main"))',
      'print(len(scan_cache_dir().warnings))',
    ].join('\n');
    const [dir = '', file = '', warnings] = (await python(code, { HF_HUB_OFFLINE: '1' })).split('\n');
    expect(readFileSync(join(dir, 'config.json'), 'utf8')).toBe(readFileSync(join(tinyModel, 'config.json'), 'utf8'));
    expect(readFileSync(file).equals(readFileSync(join(tinyModel, 'model.safetensors')))).toBe(true);
    expect(warnings).toBe('0');

    home = at('home-python');
    await python('from huggingface_hub import snapshot_download\nsnapshot_download("org/tiny", ignore_patterns=["*.md"])', {});
    const before = hub.requests.length;
    const ended = await run({ ...SHORT, train_file: at('rows.jsonl'), max_steps: 1, lora_checkpoint_dir: at('out-reuse') });
    expect(ended.code).toBe(0);
    expect(ended.output).not.toContain('Fetching');
    expect(hub.requests.slice(before).filter(({ url }) => /resolve|objects/.test(url))).toEqual([]);
  });
});
