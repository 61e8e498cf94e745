/**
 * Everything that a training, an evaluation and a page leave or send, searched to the last byte for tokens, keys, the home folder, and the
 * patients' names in the paths of the data. What is printed is for the user alone: it may show his paths, and never a secret.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, dist, goldenRows, modelCopy, runProgram } from '../node/trainProcess.ts';
import type { Ended, Flags } from '../node/trainProcess.ts';
import { WandbServer } from '../track/wandbServer.ts';
import { folderOf, TOKEN } from './hubProcess.ts';
import { found, KEY, PROXY, SECRETS } from './leakSearch.ts';
import { TestHub } from './testHub.ts';

/** A user, a ward with a space, and two patients. */
const NAMES = ['jane_doe', 'MUSTERMANN_ERIKA', 'ROE RICHARD', 'ward seven'];

const scratch = mkdtempSync(join(tmpdir(), 'vernier-leaks-'));
const home = join(scratch, 'home/jane_doe');
const data = join(home, 'ward seven/MUSTERMANN_ERIKA');
let hub: TestHub;
let wandb: WandbServer;
let env: Record<string, string>;

beforeAll(async () => {
  buildCommandLine();
  hub = await TestHub.start({ token: TOKEN, lfsBytes: 50_000 });
  wandb = new WandbServer(KEY);
  // The system's cache of compiled shaders stays where it is.
  env = {
    HOME: home, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), HF_HOME: join(scratch, 'hub'), HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN, HTTPS_PROXY: PROXY, WANDB_API_KEY: KEY, WANDB_BASE_URL: await wandb.listen(), WANDB_MODE: 'online',
  };
  modelCopy(join(home, 'models/tiny'));
  mkdirSync(join(data, 'ROE RICHARD'), { recursive: true });
  const rows = goldenRows('s00_single', 's01_single').map((line) => {
    const row = JSON.parse(line) as { images: string[]; task?: string };
    row.images = row.images.map((image, i) => {
      const name = `ROE RICHARD/slice_${i}.png`;
      copyFileSync(image, join(data, name));
      return name;
    });
    return JSON.stringify({ ...row, task: 'Detection' });
  });
  for (const name of ['train.jsonl', 'held.jsonl']) writeFileSync(join(data, name), rows.join('\n'));
});

afterAll(async () => {
  await hub.close();
  await wandb.close();
  rmSync(scratch, { recursive: true, force: true });
});

const SHORT: Flags = {
  lora_r: 2, target_modules: 'q_proj', per_device_train_batch_size: 1, gradient_accumulation_steps: 1, max_steps: 2, save_steps: 1, logging_steps: 1, max_pixels: 3136, eval_steps: 1,
  eval_generate: 2, eval_max_new_tokens: 3,
};

function start(program: string, flags: Flags, more: Record<string, string> = {}): Promise<Ended> {
  return runProgram(program, flags, undefined, { ...env, ...more });
}

const inFolder = (dir: string): Record<string, Buffer> => folderOf(dir);

async function expectNoSecret({ output, error }: Ended): Promise<void> {
  expect(await found({ output, error }, SECRETS)).toEqual([]);
}

describe('nothing leaks', () => {
  const out = join(home, 'runs/first');

  it('from a training with pictures, all trackers and a push', async () => {
    const flags: Flags = {
      ...SHORT, base_model_hf: join(home, 'models/tiny'), train_file: join(data, 'train.jsonl'), val_file: join(data, 'held.jsonl'), lora_checkpoint_dir: out, run_name: 'first',
      report_to: 'console,jsonl,tensorboard,wandb', track_pictures: true, push_LoRA: true, lora_hub_repo: 'team/first', merge_model: true, load_best_model_at_end: true,
    };
    const ended = await start('train', flags);
    expect(ended.code, ended.error).toBe(0);
    await expectNoSecret(ended);
    const files = { ...inFolder(out), ...inFolder(`${out}_merged`) };
    for (const name of ['trainer_log.jsonl', 'checkpoint-2/trainer_state.json', 'adapter_config.json', 'README.md']) expect(Object.keys(files)).toContain(name);
    for (const kind of [/\.wandb$/, /tfevents/, /media\/images\/.*png$/]) expect(Object.keys(files).some((name) => kind.test(name)), String(kind)).toBe(true);
    expect(await found(files, [...SECRETS, ...NAMES])).toEqual([]);

    const sent = Object.fromEntries([...hub.files('model', 'team/first')]);
    expect(Object.keys(sent)).toContain('adapter_config.json');
    expect(await found(sent, [...SECRETS, ...NAMES])).toEqual([]);
    const [run] = [...wandb.runs.values()];
    expect(run!.history.length).toBeGreaterThan(1);
    expect([...run!.files.keys()].length).toBeGreaterThan(0);
    expect(await found(Object.fromEntries(wandb.requests.map(({ path, body }, i) => [`${i} ${path}`, body])), [...SECRETS, ...NAMES])).toEqual([]);
    // What tells runs apart is there.
    expect(JSON.stringify(run!.config)).toContain('"train_file":{"value":"train.jsonl"}');

    const resumed = await start('train', { ...flags, max_steps: 3, resume_from_checkpoint: true, merge_model: false });
    expect(resumed.code, resumed.error).toBe(0);
    await expectNoSecret(resumed);
    expect(await found({ ...inFolder(out), ...inFolder(`${out}_merged`) }, [...SECRETS, ...NAMES])).toEqual([]);
  }, 240_000);

  it('from an evaluation and a page, which are for their user alone', async () => {
    const answers = join(scratch, 'answers');
    const evaluated = await start('evaluate', {
      base_model_hf: join(home, 'models/tiny'), lora_checkpoint_dir: out, eval_file: join(data, 'held.jsonl'), output_dir: answers, max_new_tokens: 3, max_pixels: 3136,
    });
    expect(evaluated.code, evaluated.error).toBe(0);
    await expectNoSecret(evaluated);
    expect(await found(inFolder(answers), [...SECRETS, ...NAMES])).toEqual([]);
    expect(statSync(join(answers, 'samples.jsonl')).mode & 0o777).toBe(0o600);

    const page = join(scratch, 'page.html');
    const { status, stderr } = spawnSync(process.execPath, [join(dist, 'inspect.js'), join(data, 'train.jsonl'), '--out', page, '--base_model_hf', join(home, 'models/tiny')], {
      encoding: 'utf8', env: { ...process.env, ...env },
    });
    expect(status, stderr).toBe(0);
    expect(await found({ page: readFileSync(page) }, [...SECRETS, ...NAMES])).toEqual([]);
    expect(statSync(page).mode & 0o777).toBe(0o600);
  }, 120_000);

  it('without --track_pictures no picture is made, and that is told', async () => {
    const own = join(home, 'runs/second');
    wandb.runs.clear();
    const ended = await start('train', {
      ...SHORT, base_model_hf: join(home, 'models/tiny'), train_file: join(data, 'train.jsonl'), val_file: join(data, 'held.jsonl'), lora_checkpoint_dir: own, run_name: 'second',
      report_to: 'console,jsonl,tensorboard,wandb',
    });
    expect(ended.code, ended.error).toBe(0);
    expect(ended.output.match(/Pictures of predictions stay here; --track_pictures true gives them to W&B and TensorBoard\./g)).toHaveLength(1);
    const [run] = [...wandb.runs.values()];
    expect([...run!.files.keys()]).toEqual([]);
    expect(JSON.stringify(run!.history)).not.toContain('predictions');
    for (const [name, bytes] of Object.entries(inFolder(own))) expect(bytes.includes('\x89PNG'), name).toBe(false);
    expect(await found(inFolder(own), [...SECRETS, ...NAMES])).toEqual([]);
  }, 120_000);

  it('from servers that echo what they are sent', async () => {
    const echo = createServer((request, response) => {
      const { authorization = '' } = request.headers;
      const decoded = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString('latin1');
      const told = `you sent ${authorization}, that is ${JSON.stringify(decoded)} for ${encodeURIComponent(decoded)}, by ${PROXY}`;
      response.writeHead(400, { 'x-error-message': told.replace(/[^ -~]/g, '?') }).end(JSON.stringify({ error: told, errors: [{ message: told }] }));
    });
    await new Promise<void>((done) => echo.listen(0, '127.0.0.1', done));
    try {
      const address = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
      const own = join(home, 'runs/echo');
      const flags: Flags = { ...SHORT, train_file: join(data, 'train.jsonl'), lora_checkpoint_dir: own, report_to: 'console,jsonl,tensorboard,wandb' };
      for (const [program, more] of [
        ['train', { base_model_hf: 'org/tiny' }],
        ['train', { base_model_hf: join(home, 'models/tiny') }],
        ['train', { base_model_hf: join(home, 'models/tiny'), push_LoRA: true, report_to: 'console' }],
        ['setup', { base_model_hf: 'org/tiny' }],
      ] as const) {
        const ended = await start(program, { ...flags, ...more }, { HF_ENDPOINT: address, WANDB_BASE_URL: address });
        expect(ended.code, JSON.stringify(more)).toBe(1);
        expect(`${ended.output}${ended.error}`).toMatch(/you sent/);
        await expectNoSecret(ended);
      }
      expect(await found(inFolder(scratch), SECRETS)).toEqual([]);
    } finally {
      echo.closeAllConnections();
      echo.close();
    }
  }, 120_000);
});

describe('--offline true', () => {
  it('trains without a connection, with W&B in files for this user alone', async () => {
    const [before, own] = [hub.requests.length + wandb.requests.length, join(scratch, 'offline')];
    const ended = await start('train', {
      ...SHORT, offline: true, base_model_hf: join(home, 'models/tiny'), train_file: join(data, 'train.jsonl'), lora_checkpoint_dir: own, report_to: 'wandb,tensorboard', max_steps: 1,
    });
    expect(ended.code, ended.error).toBe(0);
    expect(hub.requests.length + wandb.requests.length).toBe(before);
    const kept = Object.keys(inFolder(own)).filter((name) => /offline-run.*\.wandb$|history\.jsonl$|tfevents/.test(name));
    expect(kept.length).toBe(3);
    for (const name of kept) expect([name, statSync(join(own, name)).mode & 0o777]).toEqual([name, 0o600]);
  }, 120_000);

  it.each([
    ['train', { base_model_hf: 'org/tiny' }, /list|look|fetch|find/i], ['train', { push_LoRA: true }, /--push_LoRA contradict/], ['train', { wandb_mode: 'online' }, /--wandb_mode online contradict/],
    ['evaluate', { base_model_hf: 'org/tiny' }, /offline \(--offline true/], ['setup', { base_model_hf: 'org/tiny' }, /offline \(--offline true/],
  ] as const)('%s %j is refused, in words', async (program, more, words) => {
    const before = hub.requests.length + wandb.requests.length;
    const source: Flags = program === 'evaluate' ? { eval_file: join(data, 'held.jsonl') } : { train_file: join(data, 'train.jsonl') };
    const ended = await start(program, { base_model_hf: join(home, 'models/tiny'), ...source, offline: true, ...more });
    expect([1, 2]).toContain(ended.code);
    expect(ended.error + ended.output).toMatch(words);
    expect(hub.requests.length + wandb.requests.length).toBe(before);
  }, 60_000);
});

it('a token and a key over plain http are told, once each', async () => {
  // Names that no server has, so nothing is sent.
  const { output } = await start('setup', { base_model_hf: 'org/tiny', train_file: join(data, 'train.jsonl'), report_to: 'wandb' }, {
    HF_ENDPOINT: 'http://hub.invalid', WANDB_BASE_URL: 'http://wandb.invalid',
  });
  expect(output.match(/^Warning: HF_ENDPOINT is http:\/\/hub\.invalid, without encryption/gm)).toHaveLength(1);
  expect(output.match(/^Warning: WANDB_BASE_URL is http:\/\/wandb\.invalid, without encryption/gm)).toHaveLength(1);
}, 60_000);

it.each(['throw', 'reject'])('a crash prints its stack without the token: %s', async (how) => {
  // A defect of ours that falls while a program runs.
  const crash = how === 'throw' ? 'throw error' : 'void Promise.reject(error)';
  const preload = `const wait = setInterval(() => { if (process.listenerCount('uncaughtException') === 0) return; clearInterval(wait);
    const error = new Error('the server said ' + process.env.HF_TOKEN); ${crash}; }, 5);`;
  const ended = await start('train', { base_model_hf: join(home, 'models/tiny'), train_file: join(data, 'train.jsonl'), lora_checkpoint_dir: join(scratch, 'crash'), max_steps: 1 }, {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
  });
  expect(ended.code).toBe(1);
  expect(ended.error).toMatch(/the server said \*\*\*[^]*defect of Vernier/);
  await expectNoSecret(ended);
}, 60_000);
