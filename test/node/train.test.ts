/** The command line as users run it: what a good run leaves, what a bad start says (and that it leaves nothing), and Ctrl-C. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../node/platform.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { readAdapter } from '../../src/io/peft.ts';
import { readTrainerState } from '../../src/train/checkpointFolder.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { buildCommandLine, edit, golden, goldenRows, modelCopy, repository, runTrain, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';
import { namingOf } from '../../src/models/families.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-train-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const tinyBf16 = join(golden, 'models/qwen2_5_vl-tiny-bf16');
const rowsFile = at('rows.jsonl');
const good: Flags = {
  base_model_hf: tinyModel, train_file: rowsFile, max_steps: 3, per_device_train_batch_size: 3, gradient_accumulation_steps: 1, learning_rate: 0.002,
  lr_scheduler_type: 'constant', lora_r: 4, lora_dropout: 0, target_modules: 'q_proj,v_proj', shuffle: false, logging_steps: 1, save_steps: 2, report_to: 'jsonl',
};

beforeAll(() => {
  buildCommandLine();
  writeFileSync(rowsFile, goldenRows('s01_single', 's09_textonly', 's12_string_content').join('\n') + '\n');
});

async function history(dir: string): Promise<LogRow[]> {
  return (await readTrainerState(platform, dir)).log_history;
}

async function trained(name: string, flags: Flags): Promise<string> {
  const dir = at(name);
  const { code, error } = await runTrain({ ...flags, lora_checkpoint_dir: dir });
  expect(error).not.toMatch(/Error/);
  expect(code).toBe(0);
  return dir;
}

describe('good runs', () => {
  it('LoRA: adapter at the root, checkpoints, log; a recipe says the same as flags; its own output goes on', async () => {
    const dir = await trained('lora', good);
    const files = ['README.md', 'adapter_config.json', 'adapter_model.safetensors', 'trainer_state.json'];
    expect(readdirSync(dir).sort()).toEqual([...files, 'checkpoint-2', 'checkpoint-3', 'report.html', 'report.json', 'trainer_log.jsonl'].sort());
    for (const name of ['checkpoint-2', 'checkpoint-3']) {
      expect(readdirSync(join(dir, name)).sort()).toEqual([...files, 'checksums.json', 'optimizer.safetensors', 'vernier_state.json'].sort());
    }
    const adapter = await readAdapter(platform, dir, namingOf('qwen2_5_vl'));
    expect(adapter.config).toMatchObject({ r: 4, lora_alpha: 16, base_model_name_or_path: tinyModel });
    expect([...adapter.tensors].some(([name, { data }]) => name.endsWith('lora_B.weight') && data.some((value) => value !== 0))).toBe(true);

    const rows = await history(dir);
    expect(rows.map(({ step, epoch, learning_rate }) => ({ step, epoch, learning_rate }))).toEqual([1, 2, 3].map((step) => ({ step, epoch: step, learning_rate: 0.002 })));
    for (const { loss, grad_norm } of rows) expect(Math.min(loss!, grad_norm!)).toBeGreaterThan(0);
    expect(rows[2]!.loss!).toBeLessThan(rows[0]!.loss!);
    expect(await history(join(dir, 'checkpoint-2'))).toEqual(rows.slice(0, 2));
    const log = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(log.map((entry) => entry['event'] ?? entry['loss'])).toEqual(['start', ...rows.map(({ loss }) => loss), 'finish']);

    const recipe = at('recipe.yaml');
    const { learning_rate, ...others } = good;
    writeFileSync(recipe, Object.entries({ ...others, learning_rate: 7 }).map(([name, value]) => `${name}: ${name === 'target_modules' ? '[q_proj, v_proj]' : value}\n`).join(''));
    expect(await history(await trained('recipe', { config: recipe, learning_rate: learning_rate! }))).toEqual(rows);

    const { lora_r: _, target_modules: __, ...plain } = good;
    const [next] = await history(await trained('lora-on', { ...plain, init_adapter: join(dir, 'checkpoint-2'), max_steps: 1 }));
    expect(next!.loss! / rows[2]!.loss!).toBeCloseTo(1, 6);

    // A folder that holds a run is not written into unasked, and one that is to be replaced survives a start that fails.
    const again = await runTrain({ ...good, lora_checkpoint_dir: dir });
    expect(again).toMatchObject({ code: 1, error: expect.stringContaining('holds checkpoint-3 of an earlier run') as string });
    const failed = await runTrain({ ...good, lora_checkpoint_dir: dir, overwrite: true, target_modules: 'no_such_module' });
    expect(failed).toMatchObject({ code: 1, error: expect.stringContaining('no_such_module') as string });
    expect(await history(join(dir, 'checkpoint-3'))).toEqual(rows);
    await trained('lora', { ...good, overwrite: true, max_steps: 1 });
    expect(readdirSync(dir).filter((name) => name.startsWith('checkpoint'))).toEqual(['checkpoint-1']);
  });

  it('full fine-tuning of a sharded bf16 model leaves a model folder in f32 that the next run goes on from', async () => {
    const { lora_r: _, lora_dropout: __, target_modules: ___, ...plain } = good;
    const dir = await trained('full', { ...plain, base_model_hf: tinyBf16, finetune: 'full' });
    const rows = await history(dir);
    expect(rows[2]!.loss!).toBeLessThan(rows[0]!.loss!);
    const folder = await openModelFolder(platform, dir, namingOf);
    const base = await openModelFolder(platform, tinyBf16, namingOf);
    try {
      expect(folder.naming.modelType).toBe('qwen2_5_vl');
      expect(folder.names().sort()).toEqual(base.names().sort());
      expect(new Set(folder.names().map((name) => folder.info(name).dtype))).toEqual(new Set(['F32']));
      expect(folder.config['dtype']).toBe('float32'); // else transformers would round the weights when it loads them
    } finally {
      await folder.close();
      await base.close();
    }
    const [next] = await history(await trained('full-on', { ...good, base_model_hf: join(dir, 'checkpoint-2'), max_steps: 1 }));
    expect(next!.loss! / rows[2]!.loss!).toBeCloseTo(1, 6);
  });

  it('task lists', async () => {
    const sample = join(repository, 'node/sample');
    const { train_file: _, ...plain } = good;
    const flags = { ...plain, data_dir: sample, tasks_list_json_path_detect: join(sample, 'tasks_list/tasks_MedVision-detect.json') };
    const dir = await trained('tasks', { ...flags, per_device_train_batch_size: 1, train_sample_limit: 4, max_steps: 1, max_pixels: 12544 });
    expect((await history(dir)).filter(({ loss }) => loss !== undefined)).toHaveLength(1);
  });
});

describe('Ctrl-C', () => {
  it('saves what was learnt and ends with 130', async () => {
    const dir = at('interrupted');
    const log = join(dir, 'trainer_log.jsonl');
    const flags = { ...good, lora_checkpoint_dir: dir, max_steps: 5000, save_steps: -1 };
    const { code, error } = await runTrain(flags, (send) => {
      const watch = setInterval(() => {
        if (!existsSync(log) || !readFileSync(log, 'utf8').includes('"step":2,')) return;
        clearInterval(watch);
        send('SIGINT');
      }, 50);
    });
    expect(error).toContain('Stopping, and saving what is done');
    expect(code).toBe(130);
    const state = await readTrainerState(platform, dir);
    expect(state.global_step).toBeGreaterThanOrEqual(2);
    expect(state.global_step).toBeLessThan(5000);
    expect(state.log_history.at(-1)!.step).toBe(state.global_step);
    expect(await readTrainerState(platform, join(dir, `checkpoint-${state.global_step}`))).toEqual(state);
    const root = await readAdapter(platform, dir, namingOf('qwen2_5_vl'));
    expect((await readAdapter(platform, join(dir, `checkpoint-${state.global_step}`), namingOf('qwen2_5_vl'))).tensors).toEqual(root.tensors);
    expect(readFileSync(log, 'utf8')).toContain('"outcome":"stopped"');
  });
});

/** What is wrong → the flags of a run that meets it, and what the message must hold. */
type BadStart = [string, () => Flags, RegExp];

function badModel(name: string, damage: (dir: string) => void): () => Flags {
  return () => {
    const dir = modelCopy(at('models', name));
    damage(dir);
    return { base_model_hf: dir };
  };
}

function badRow(name: string, line: string | ((dir: string) => string)): () => Flags {
  return () => {
    const dir = at('rows', name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'bad.jsonl'), [...goldenRows('s12_string_content'), '', typeof line === 'string' ? line : line(dir)].join('\n'));
    return { train_file: join(dir, 'bad.jsonl') };
  };
}

function withImage(image: string, text = 'What is this?'): string {
  const content = [{ type: 'image' }, { type: 'text', text }];
  return JSON.stringify({ messages: [{ role: 'user', content }, { role: 'assistant', content: 'A head.' }], images: [image] });
}

const WEIGHTS = 'model.safetensors';
const png = join(golden, 'data/images/ax_half_90x108.png');
const taskFlags = (list: string): Flags => ({ train_file: '', data_dir: join(repository, 'node/sample'), tasks_list_json_path_detect: list });

const BAD_STARTS: BadStart[] = [
  ['weights missing', badModel('none', (dir) => rmSync(join(dir, WEIGHTS))), /none has neither model\.safetensors nor/],
  ['weights cut off', badModel('cut', (dir) => edit(join(dir, WEIGHTS), (text) => text.slice(0, -1000))), /cut\/model\.safetensors is not a valid safetensors file: .*cut off/],
  ['weights with a damaged header', badModel('header', (dir) => edit(join(dir, WEIGHTS), (text) => text.replace('{"__metadata', '{"__meta}ata'.replace('"', '')))), /header\/model\.safetensors is not a valid safetensors file: its header is not JSON/],
  ['weights with a damaged length', badModel('length', (dir) => edit(join(dir, WEIGHTS), (text) => `\xff${text.slice(1, 4)}\xff${text.slice(5)}`)), /length\/model\.safetensors .*its header claims \d+ bytes/],
  ['weights of a wrong dtype', badModel('dtype', (dir) => edit(join(dir, WEIGHTS), (text) => text.replace('"F32","shape":[640,64]', '"I32","shape":[640,64]'))), /embed_tokens\.weight' is I32; F32, F16 or BF16 was expected/],
  ['weights of another size', badModel('size', (dir) => edit(join(dir, 'config.json'), (text) => text.replace(/"vocab_size": \d+/g, '"vocab_size": 700'))), /has shape \[640, 64\], config\.json calls for \[700, 64\]/],
  ['config missing', badModel('noconfig', (dir) => rmSync(join(dir, 'config.json'))), /noconfig\/config\.json: missing/],
  ['config not JSON', badModel('badconfig', (dir) => edit(join(dir, 'config.json'), (text) => text.slice(0, -20))), /badconfig\/config\.json: it is not valid JSON/],
  ['config of an unknown model', badModel('unknown', (dir) => edit(join(dir, 'config.json'), (text) => text.replace('"model_type": "qwen2_5_vl"', '"model_type": "moondream1"'))), /unknown\/config\.json: model_type "moondream1" is not known; .*qwen2_5_vl.* can be trained/],
  ['tokenizer missing', badModel('notokenizer', (dir) => rmSync(join(dir, 'tokenizer.json'))), /notokenizer\/tokenizer\.json: not found/],
  ['tokenizer cut off', badModel('badtokenizer', (dir) => edit(join(dir, 'tokenizer.json'), (text) => text.slice(0, 500))), /badtokenizer\/tokenizer\.json.*JSON/],
  [
    'a token beyond the vocabulary',
    () => {
      const dir = modelCopy(at('models', 'token'));
      edit(join(dir, 'tokenizer.json'), (text) => {
        const json = JSON.parse(text) as { added_tokens: unknown[] };
        json.added_tokens.push({ id: 99_999, content: '<|odd|>', special: true, lstrip: false, rstrip: false, normalized: false, single_word: false });
        return JSON.stringify(json);
      });
      return { base_model_hf: dir, ...badRow('token', withImage(png, 'An <|odd|> one'))() };
    },
    /bad\.jsonl:3: token 99999 .*vocabulary of 640/,
  ],
  ['no such model folder', () => ({ base_model_hf: at('nowhere') }), /--base_model_hf .*nowhere: there is no such folder/],
  ['a hub id', () => ({ base_model_hf: 'Qwen/Qwen2.5-VL-3B-Instruct' }), /Qwen\/Qwen2\.5-VL-3B-Instruct is no folder here, so it was looked for on the hub\. .*not in the cache .*HF_HUB_OFFLINE/],
  ['rows missing', () => ({ train_file: at('nothing.jsonl') }), /nothing\.jsonl: there is no such file/],
  ['a row that is not JSON', badRow('json', '{"messages": ['), /bad\.jsonl:3: not valid JSON/],
  ['a row of another form', badRow('form', '{"messages": [{"role": "wizard", "content": "x"}]}'), /bad\.jsonl:3: messages\[0\]: the role "wizard" is unknown/],
  ['a row with nothing to learn', badRow('question', '{"messages": [{"role": "user", "content": "x"}]}'), /bad\.jsonl:3: .*nothing to learn/],
  ['a row whose text holds the image token', badRow('token-text', withImage(png, 'An <|image_pad|>')), /bad\.jsonl:3: .*2 places \(<\|image_pad\|>\) for 1 image\./],
  ['an image missing', badRow('noimage', withImage('none.png')), /bad\.jsonl:3: the image .*none\.png does not exist/],
  [
    'an image cut off',
    badRow('cutimage', (dir) => {
      copyFileSync(png, join(dir, 'cut.png'));
      edit(join(dir, 'cut.png'), (text) => text.slice(0, text.length / 2));
      return withImage('cut.png');
    }),
    /bad\.jsonl:3: Image .*cut\.png: it cannot be decoded/,
  ],
  [
    'held-out rows that are bad',
    () => ({ val_file: badRow('held', '[]')()['train_file']! }),
    /held\/bad\.jsonl:3: a JSON object with "messages" expected/,
  ],
  ['no such adapter', () => ({ init_adapter: at('no-adapter') }), /--init_adapter .*no-adapter: there is no such folder/],
  [
    'an adapter cut off',
    () => {
      const dir = at('cut-adapter');
      mkdirSync(dir);
      for (const name of ['adapter_config.json', 'adapter_model.safetensors']) copyFileSync(at('base-adapter', name), join(dir, name));
      edit(join(dir, 'adapter_model.safetensors'), (text) => text.slice(0, -100));
      return { init_adapter: dir };
    },
    /cut-adapter\/adapter_model\.safetensors is not a valid safetensors file/,
  ],
  [
    'an adapter of another model',
    () => {
      const dir = at('other-adapter');
      mkdirSync(dir);
      for (const name of ['adapter_config.json', 'adapter_model.safetensors']) copyFileSync(at('base-adapter', name), join(dir, name));
      edit(join(dir, 'adapter_config.json'), (text) => text.replace('"r": 4', '"r": 8'));
      return { init_adapter: dir };
    },
    /other-adapter does not fit the base model[^]*is \[4, 64\], \[8, 64\] was expected/,
  ],
  ['modules that are not there', () => ({ target_modules: 'q_prog' }), /q_prog/],
  ['a rank out of range', () => ({ lora_r: 0 }), /--lora_r is out of range: .*from 1 to \d+, found "0"/],
  ['a best model without evaluations', () => ({ load_best_model_at_end: true }), /--load_best_model_at_end needs evaluations, and there are no held-out rows\. Give --val_file/],
  ['a learning rate out of range', () => ({ learning_rate: -1 }), /--learning_rate is out of range: .*found "-1"/],
  ['a task list missing', () => taskFlags(at('no-list.json')), /no-list\.json/],
  [
    'a task that is not in the data',
    () => {
      writeFileSync(at('list.json'), '{"Colin27Mini_BoxCoordinate_Task99_Axial": 3}');
      return taskFlags(at('list.json'));
    },
    /task 99 of Colin27Mini is asked for, the detection plan has 2/,
  ],
  ['a file in place of the output folder', () => ({ lora_checkpoint_dir: join(rowsFile, 'out') }), /--output_dir .*rows\.jsonl\/out cannot be written/],
];

describe('a bad start is told in words and leaves nothing', () => {
  const ended = new Map<string, Ended & { out: string }>();

  beforeAll(async () => {
    const made = await runTrain({ ...good, lora_checkpoint_dir: at('base-adapter'), max_steps: 1 });
    if (made.code !== 0) throw new Error(made.error);
    const waiting = [...BAD_STARTS.entries()];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, [name, prepare]] = next;
        const out = at(`bad-${index}`);
        const flags: Flags = { ...good, lora_checkpoint_dir: join(out, 'run'), ...prepare() };
        if (flags['train_file'] === '') delete flags['train_file'];
        ended.set(name, { ...(await runTrain(flags)), out });
      }
    };
    await Promise.all([worker(), worker(), worker()]);
  }, 300_000);

  it.each(BAD_STARTS)('%s', (name, _, words) => {
    const { code, error, output, out } = ended.get(name)!;
    expect(error).toMatch(words);
    expect(error).toMatch(/^Error: /m);
    expect(error + output).not.toMatch(/^\s+at |defect|undefined/m);
    expect(code).toBe(/^Error: --(?!base_model_hf|output_dir|init_adapter|load_best)/m.test(error) ? 2 : 1);
    expect(existsSync(out)).toBe(false);
  });
});
