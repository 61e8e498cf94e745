import { describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/io/peft.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { UserError } from '../../src/platform.ts';
import {
  listCheckpoints,
  readTrainerState,
  saveCheckpoint,
  tidyRunFolder,
  trainerState,
  type CheckpointContents,
  type WrittenCheckpoint,
} from '../../src/train/checkpointFolder.ts';
import { damageIn } from '../../src/train/checksums.ts';
import { memoryPlatform, type MemoryPlatform } from '../io/memoryPlatform.ts';

const RUN = '/runs/a';

/** The keys of transformers' TrainerState (4.57 and 5.18), as its save_to_json sorts them. */
const HF_KEYS = [
  'best_global_step', 'best_metric', 'best_model_checkpoint', 'epoch', 'eval_steps', 'global_step', 'is_hyper_param_search', 'is_local_process_zero',
  'is_world_process_zero', 'log_history', 'logging_steps', 'max_steps', 'num_input_tokens_seen', 'num_train_epochs', 'save_steps', 'stateful_callbacks',
  'total_flos', 'train_batch_size', 'trial_name', 'trial_params',
];

function contents(step: number, more: Partial<CheckpointContents> = {}): CheckpointContents {
  return {
    trainerState: trainerState({ global_step: step, log_history: [{ step, loss: 1 / step, grad_norm: 2, learning_rate: 1e-4, epoch: step / 10 }] }),
    writeAdapter: (dir, to) => {
      const tensors = new Map([['q_proj.lora_A.weight', { shape: [2, 3], data: new Float32Array(6).fill(step) }]]);
      return writeAdapter(to, dir, loraConfig({ target_modules: ['q_proj'] }), tensors);
    },
    ...more,
  };
}

const save = (platform: MemoryPlatform, step: number, more?: Partial<CheckpointContents>): Promise<WrittenCheckpoint> =>
  saveCheckpoint(platform, RUN, step, contents(step, more));

const names = async (platform: MemoryPlatform): Promise<string[]> => (await platform.listDir(RUN)).sort();

describe('saving', () => {
  it('writes adapter, state and further files; nothing else is left in the run folder', async () => {
    const platform = memoryPlatform();
    const saved = await save(platform, 4, {
      files: {
        'optimizer.safetensors': (path, to) => to.writeFile(path, Uint8Array.of(1, 2)),
        'chat_template.jinja': 'text',
        'rng.bin': Uint8Array.of(3),
      },
    });
    expect(saved).toEqual({ path: `${RUN}/checkpoint-4`, removed: [], warnings: [] });
    expect(await names(platform)).toEqual(['checkpoint-4']);
    expect(await platform.listDir(`${RUN}/checkpoint-4`)).toEqual([
      'README.md', 'adapter_config.json', 'adapter_model.safetensors', 'chat_template.jinja', 'checksums.json', 'optimizer.safetensors', 'rng.bin',
      'trainer_state.json',
    ]);
    expect(platform.files.get(`${RUN}/checkpoint-4/optimizer.safetensors`)).toEqual(Uint8Array.of(1, 2));
  });

  it('trainer_state.json has the keys of transformers, sorted, and is read back', async () => {
    const platform = memoryPlatform();
    const { path } = await save(platform, 4);
    const json = new TextDecoder().decode(platform.files.get(`${path}/trainer_state.json`));
    expect(Object.keys(JSON.parse(json) as object)).toEqual(HF_KEYS);
    expect(json.endsWith('}\n')).toBe(true);
    const state = await readTrainerState(platform, path);
    expect(state).toEqual(contents(4).trainerState);
    expect(Object.keys(state.log_history[0]!).sort()).toEqual(['epoch', 'grad_norm', 'learning_rate', 'loss', 'step']);
  });

  it('replaces a checkpoint of the same step and clears what a killed run left', async () => {
    const platform = memoryPlatform();
    await save(platform, 4, { files: { old: 'x' } });
    await platform.makeDir(`${RUN}/checkpoint-4.tmp`);
    await platform.writeFile(`${RUN}/checkpoint-4.tmp/rest`, 'x');
    await save(platform, 4, { files: { fresh: 'y' } });
    expect(await names(platform)).toEqual(['checkpoint-4']);
    const files = await platform.listDir(`${RUN}/checkpoint-4`);
    expect(files).toContain('fresh');
    expect(files).not.toContain('old');
    expect(files).not.toContain('rest');
  });
});

describe('the limit', () => {
  it('removes none while there are fewer', async () => {
    const platform = memoryPlatform();
    for (const step of [1, 2, 3, 4, 5, 6]) expect((await save(platform, step, { saveTotalLimit: 10 })).removed).toEqual([]);
    expect(await listCheckpoints(platform, RUN)).toHaveLength(6);
  });

  it('keeps the newest by step number, not by name', async () => {
    const platform = memoryPlatform();
    for (const step of [2, 9, 10]) await save(platform, step);
    const { removed } = await save(platform, 11, { saveTotalLimit: 2 });
    expect(removed).toEqual([`${RUN}/checkpoint-2`, `${RUN}/checkpoint-9`]);
    expect(await names(platform)).toEqual(['checkpoint-10', 'checkpoint-11']);
  });

  it('never removes the one just saved, even when higher steps are there', async () => {
    const platform = memoryPlatform();
    for (const step of [20, 30]) await save(platform, step);
    await save(platform, 10, { saveTotalLimit: 1 });
    expect(await names(platform)).toEqual(['checkpoint-10']);
  });

  it('leaves the protected checkpoint, which counts, and folders that are no checkpoints', async () => {
    const platform = memoryPlatform();
    for (const step of [1, 2, 3]) await save(platform, step);
    for (const other of ['checkpoint-best', 'checkpoint-1-copy', 'logs']) await platform.makeDir(`${RUN}/${other}`);
    await save(platform, 4, { saveTotalLimit: 2, protect: new Set(['checkpoint-1']) });
    expect((await listCheckpoints(platform, RUN)).map(({ step }) => step)).toEqual([1, 4]);
    await save(platform, 5, { saveTotalLimit: 1, protect: new Set(['checkpoint-1']) });
    expect((await listCheckpoints(platform, RUN)).map(({ step }) => step)).toEqual([1, 5]);
    await save(platform, 6, { saveTotalLimit: 2, protect: new Set(['checkpoint-77']) });
    expect((await listCheckpoints(platform, RUN)).map(({ step }) => step)).toEqual([5, 6]);
    expect(await names(platform)).toEqual(['checkpoint-1-copy', 'checkpoint-5', 'checkpoint-6', 'checkpoint-best', 'logs']);
  });

  it('a checkpoint that cannot be removed is a warning, the new one is saved', async () => {
    const platform = memoryPlatform();
    await save(platform, 1);
    platform.broken.add('remove');
    const { warnings } = await save(platform, 2, { saveTotalLimit: 1 });
    expect(warnings).toEqual([`${RUN}/checkpoint-1 could not be removed: Cannot remove ${RUN}/checkpoint-1.`]);
    expect(await names(platform)).toEqual(['checkpoint-1', 'checkpoint-2']);
  });

  it.each([0, -1, 1.5])('refuses %d before anything is written', async (saveTotalLimit) => {
    const platform = memoryPlatform();
    await expect(save(platform, 1, { saveTotalLimit })).rejects.toThrow(/save_total_limit is/);
    expect(platform.files.size).toBe(0);
  });
});

describe('a save that fails', () => {
  it('for lack of space, at any byte, leaves the earlier checkpoints whole and nothing of its own', async () => {
    const reference = memoryPlatform();
    await save(reference, 1);
    const size = [...reference.files.values()].reduce((sum, file) => sum + file.length, 0);
    for (let space = 0; space < size; space += 37) {
      const platform = memoryPlatform();
      await save(platform, 1, { saveTotalLimit: 1 });
      const before = new Map(platform.files);
      platform.space = space;
      const failing = save(platform, 2, { saveTotalLimit: 1 });
      await expect(failing).rejects.toThrow(UserError);
      await expect(failing).rejects.toThrow(/checkpoint-2 was not saved: .*no space is left.*Earlier checkpoints in \/runs\/a are as they were/);
      expect(platform.files).toEqual(before);
      expect(await names(platform)).toEqual(['checkpoint-1']);
    }
  });

  it('in the last rename keeps the checkpoint of the same step', async () => {
    const platform = memoryPlatform();
    await save(platform, 3, { files: { kept: 'x' } });
    platform.broken.add('rename');
    await expect(save(platform, 3)).rejects.toThrow(/checkpoint-3 was not saved/);
    expect(await names(platform)).toEqual(['checkpoint-3']);
    expect(await platform.listDir(`${RUN}/checkpoint-3`)).toContain('kept');
  });

  it('between the two renames of a replacement puts the old one back', async () => {
    const platform = memoryPlatform();
    await save(platform, 3, { files: { kept: 'x' } });
    const rename = platform.rename.bind(platform);
    platform.rename = async (from, to) => {
      if (from.endsWith('.tmp')) throw new UserError('Cannot rename.');
      await rename(from, to);
    };
    await expect(save(platform, 3)).rejects.toThrow(/checkpoint-3 was not saved/);
    expect(await names(platform)).toEqual(['checkpoint-3']);
    expect(await platform.listDir(`${RUN}/checkpoint-3`)).toContain('kept');
  });

  it('by a defect is cleared away and passed on as it is', async () => {
    const platform = memoryPlatform();
    await save(platform, 1);
    const defect = new TypeError('device lost');
    await expect(save(platform, 2, { writeAdapter: () => Promise.reject(defect) })).rejects.toBe(defect);
    expect(await names(platform)).toEqual(['checkpoint-1']);
  });
});

describe('a folder that a killed run left', () => {
  it('is tidied: half a checkpoint goes, one that had stepped aside comes back unless its successor is there', async () => {
    const platform = memoryPlatform();
    for (const step of [1, 2, 3]) await save(platform, step);
    await platform.rename(`${RUN}/checkpoint-2`, `${RUN}/checkpoint-2.old`);
    for (const left of ['checkpoint-2.tmp', 'checkpoint-3.old', 'checkpoint-4.tmp', 'checkpoint-9.superseded', 'notes.tmp']) {
      await platform.makeDir(`${RUN}/${left}`);
      await platform.writeFile(`${RUN}/${left}/part`, 'x');
    }
    await tidyRunFolder(platform, RUN);
    expect(await names(platform)).toEqual(['checkpoint-1', 'checkpoint-2', 'checkpoint-3', 'checkpoint-9.superseded', 'notes.tmp']);
    expect(await damageIn(platform, `${RUN}/checkpoint-2`)).toEqual([]);
    await tidyRunFolder(platform, '/nowhere');
  });
});

describe('checksums', () => {
  const chunk = 16 * 2 ** 20;
  const large = Uint8Array.from({ length: chunk + 5 }, (_, i) => i * 31);

  it('find every damage, and name the file and the place', async () => {
    const platform = memoryPlatform();
    const { path } = await save(platform, 4, { files: { 'large.bin': large, empty: '' } });
    expect(await damageIn(platform, path)).toEqual([]);
    for (const [file, bytes] of new Map(platform.files)) {
      if (bytes.length === 0 || file.endsWith('checksums.json')) continue;
      for (const damaged of [bytes.slice(0, -1), Uint8Array.of(...bytes.subarray(0, 9), 0), ...[0, bytes.length >> 1, bytes.length - 1].map((at) => flipped(bytes, at))]) {
        platform.files.set(file, damaged);
        expect((await damageIn(platform, path)).join()).toContain(file);
      }
      platform.files.delete(file);
      expect(await damageIn(platform, path)).toEqual([`${file} is missing`]);
      platform.files.set(file, bytes);
    }
    platform.files.set(`${path}/large.bin`, flipped(large, chunk + 2));
    expect(await damageIn(platform, path)).toEqual([`${path}/large.bin is not as it was written: the checksum of bytes ${chunk} to ${chunk + 5} differs`]);
  });

  it('are wrong themselves when their own file is damaged', async () => {
    const platform = memoryPlatform();
    const { path } = await save(platform, 4);
    const list = `${path}/checksums.json`;
    const text = new TextDecoder().decode(platform.files.get(list));
    const changes: ((whole: string) => string)[] = [
      (whole) => whole.slice(0, -3),
      (whole) => whole.replace(/"bytes": \d/, '"bytes": 7'),
      (whole) => whole.replace(/"sha256": \[\s*"./, '"sha256": ["x'),
      (whole) => whole.replace('README.md', 'README.mf'),
      (whole) => whole.replace('"sha256"', '"sha255"'),
      (whole) => whole.replace('16777216', '0'),
    ];
    for (const change of changes) {
      await platform.writeFile(list, change(text));
      expect(await damageIn(platform, path)).not.toEqual([]);
    }
    await platform.remove(list);
    expect(await damageIn(platform, path)).toEqual([`${list} is missing; a checkpoint that can be resumed has it`]);
  });

  it('of a small file are what sha256sum prints', async () => {
    const platform = memoryPlatform();
    const { path } = await save(platform, 4, { files: { abc: 'abc' } });
    const { files } = JSON.parse(new TextDecoder().decode(platform.files.get(`${path}/checksums.json`))) as { files: Record<string, unknown> };
    expect(files['abc']).toEqual({ bytes: 3, sha256: ['ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'] });
  });

  function flipped(bytes: Uint8Array, at: number): Uint8Array {
    const copy = bytes.slice();
    copy[at]! ^= 1;
    return copy;
  }
});

describe('reading a state', () => {
  it.each<[string, string | undefined, RegExp]>([
    ['no file', undefined, /trainer_state\.json is missing; \/c is not a checkpoint folder/],
    ['no JSON', '{', /not valid JSON/],
    ['no step', '{"log_history": []}', /global_step is undefined/],
    ['no rows', '{"global_step": 3, "log_history": [{"loss": 1}]}', /log_history is not a list of rows/],
    ['a text for a number', '{"global_step": 3, "log_history": [], "epoch": "two"}', /epoch is "two"; a number was expected/],
  ])('refuses %s', async (_, text, message) => {
    const platform = memoryPlatform();
    if (text !== undefined) await platform.writeFile('/c/trainer_state.json', text);
    await expect(readTrainerState(platform, '/c')).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) as string });
  });

  it('lists no checkpoints where there is no run', async () => {
    expect(await listCheckpoints(memoryPlatform(), RUN)).toEqual([]);
  });
});
