/** argv and recipes into options; messages, exit codes and Ctrl-C around a run. */
import { describe, expect, it } from 'vitest';
import { main } from '../../src/run/main.ts';
import { parseCommandLine, readFlags, readRecipe } from '../../src/options/commandLine.ts';
import { definitions, trainProgram } from '../../src/options.ts';
import type { Surroundings } from '../../src/run/main.ts';
import type { StopSignal } from '../../src/run/main.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

const BASE = ['--base_model_hf', 'tiny', '--train_file', 'rows.jsonl'];

function platformWith(files: Record<string, string>): Platform {
  const missing = (): never => {
    throw new Error('not part of this test');
  };
  return {
    name: 'node', gpu: missing, env: missing, listDir: missing, openFile: missing, makeDir: missing, writeFile: missing, createFile: missing, appendFile: missing,
    rename: missing, remove: missing, decodeImage: missing, encodePng: missing, absolutePath: missing,
    exists: (path) => Promise.resolve(path in files || path === 'folder'),
    isDirectory: (path) => Promise.resolve(path === 'folder'),
    readFile: (path) => Promise.resolve(new TextEncoder().encode(files[path])),
  };
}

describe('readFlags', () => {
  it('takes both spellings, negative numbers, and lists of several words', () => {
    expect(readFlags(['--max_steps', '-1', '--epoch=2', '--run_name=a=b', '--target_modules', 'q_proj', 'v_proj', '--shuffle', 'false'], definitions)).toEqual({
      max_steps: '-1', epoch: '2', run_name: 'a=b', target_modules: 'q_proj,v_proj', shuffle: 'false',
    });
  });

  it('takes a flag that asks for something else by itself, and with a value', () => {
    const bare = { ...definitions, plans: { group: 'Measuring', type: 'boolean', default: false, bare: true, help: '' } } as const;
    for (const argv of [['--plans'], ['--plans', '--epoch', '1'], ['--plans=true'], ['--plans', 'true']]) expect(readFlags(argv, bare)).toMatchObject({ plans: 'true' });
    expect(readFlags(['--plans', 'false'], bare)).toEqual({ plans: 'false' });
  });

  it.each([
    [['--shuffle'], '--shuffle needs a value. Write --shuffle true or --shuffle false.'],
    [['--shuffle', '--epoch', '1'], '--shuffle needs a value'],
    [['--epoch'], '--epoch needs a value. Write --epoch VALUE.'],
    [['--epoch', '1', '--epoch', '2'], '--epoch is given twice'],
    [['--epcoh', '1'], 'Unknown option --epcoh. Did you mean --epoch?'],
    [['train', ...BASE], 'Unexpected "train"'],
    [['--epoch', '1', '2'], 'Unexpected "2"'],
    [['-e', '1'], 'Unexpected "-e"'],
    [['--__proto__=1'], 'Unknown option --__proto__'],
  ])('refuses %o', (argv, words) => {
    expect(() => readFlags(argv, definitions)).toThrow(UserError);
    expect(() => readFlags(argv, definitions)).toThrow(words);
  });
});

describe('recipes', () => {
  const platform = platformWith({ 'r.yaml': 'learning_rate: 1e-5\nepoch: 3 # passes\ntarget_modules: [q_proj, v_proj]\ntrain_file: rows.jsonl\nshuffle: false\n', 'empty.yaml': '# nothing\n' });

  it('are overridden by flags', async () => {
    const { options } = await parseCommandLine(trainProgram, ['--config', 'r.yaml', '--epoch', '2', '--base_model_hf', 'tiny'], {}, platform);
    expect(options).toMatchObject({ config: 'r.yaml', learning_rate: 1e-5, epoch: 2, target_modules: ['q_proj', 'v_proj'], shuffle: false });
  });

  it('may be empty, and go by --recipe too', async () => {
    expect((await parseCommandLine(trainProgram, [...BASE, '--recipe=empty.yaml'], {}, platform)).options.config).toBe('empty.yaml');
  });

  it('must be there', async () => {
    await expect(parseCommandLine(trainProgram, ['--config', 'x.yaml'], {}, platform)).rejects.toThrow('--config x.yaml: there is no such file.');
    await expect(parseCommandLine(trainProgram, ['--config', 'folder'], {}, platform)).rejects.toThrow('is a folder');
  });

  it.each([
    ['a: 1\nb: [1\n', /^r\.yaml:[23]: not valid YAML: /],
    ['epoch: 1\nepoch: 2\n', /^r\.yaml:2: not valid YAML: Map keys must be unique/],
    ['- epoch\n', /a map of option names to values.*found a list/],
    ['epoch\n', /found "epoch"/],
  ])('%j is refused', (text, words) => {
    expect(() => readRecipe(text, 'r.yaml')).toThrow(UserError);
    expect(() => readRecipe(text, 'r.yaml')).toThrow(words);
  });

  it('takes the data folder from the environment', async () => {
    const { options } = await parseCommandLine(trainProgram, ['--base_model_hf', 'tiny', '--tasks_list_json_path_AD', 'ad.json'], { MedVision_DATA_DIR: '/d' }, platform);
    expect(options.data_dir).toBe('/d');
  });
});

describe('main', () => {
  function around(argv: string[]) {
    const seen = { out: '', error: '', ends: [] as StopSignal[], interrupt: (_signal: StopSignal) => {}, released: false };
    const surroundings: Surroundings = {
      argv, env: {}, platform: platformWith({}),
      stdout: { write: (text) => void (seen.out += text), isTty: false, columns: 80 },
      writeError: (text) => void (seen.error += text),
      goOffline: () => undefined,
      faultInWords: () => undefined,
      onInterrupt(act) {
        seen.interrupt = act;
        return () => void (seen.released = true);
      },
      withCalledNames: (text) => text,
      endBy: (signal) => void seen.ends.push(signal),
    };
    return { seen, surroundings };
  }

  it('runs, with notes said once', async () => {
    const { seen, surroundings } = around([...BASE, '--max_steps', '2', '--epoch', '1']);
    expect(await main(trainProgram, ({ options }) => Promise.resolve(expect(options.max_steps).toBe(2)), surroundings)).toBe(0);
    expect(seen).toMatchObject({ error: 'Note: --max_steps overrides --epoch.\n', released: true, ends: [] });
  });

  it.each([['--help'], ['-h']])('%s shows the options and does not run', async (flag) => {
    const { seen, surroundings } = around([...BASE, flag]);
    expect(await main(trainProgram, () => Promise.reject(new Error('ran')), surroundings)).toBe(0);
    expect(seen.out).toContain('--learning_rate');
  });

  it('tells a wrong command line with exit code 2, and does not run', async () => {
    const { seen, surroundings } = around(['--lerning_rate', '1']);
    expect(await main(trainProgram, () => Promise.reject(new Error('ran')), surroundings)).toBe(2);
    expect(seen.error).toBe('Error: Unknown option --lerning_rate. Did you mean --learning_rate? --help lists all options.\n');
  });

  it("tells the user's mistake without a stack, and ours with one", async () => {
    const user = around(BASE);
    expect(await main(trainProgram, () => Promise.reject(new UserError('rows.jsonl:3: not JSON')), user.surroundings)).toBe(1);
    expect(user.seen.error).toBe('Error: rows.jsonl:3: not JSON\n');
    const ours = around(BASE);
    expect(await main(trainProgram, () => Promise.reject(new TypeError('x is undefined')), ours.surroundings)).toBe(1);
    expect(ours.seen.error).toMatch(/TypeError: x is undefined\n\s+at .*\n[^]*Please report it/);
    expect(ours.seen.released).toBe(true);
  });

  it('stops at the first Ctrl-C after saving, at the second at once', async () => {
    const { seen, surroundings } = around(BASE);
    const code = await main(trainProgram, (_command, stop) => {
      expect(stop.aborted).toBe(false);
      seen.interrupt('SIGTERM');
      expect(stop.aborted).toBe(true);
      expect(seen.ends).toEqual([]);
      seen.interrupt('SIGINT');
      expect(seen.ends).toEqual(['SIGINT']);
      return Promise.resolve();
    }, surroundings);
    expect(code).toBe(130);
    expect(seen.error).toContain('Stopping, and saving what is done.');
  });

  it('that was stopped while it read what there is to do says so, and is no failure', async () => {
    for (const wrapped of [false, true]) {
      const { seen, surroundings } = around(BASE);
      const code = await main(trainProgram, (_command, stop) => {
        seen.interrupt('SIGINT');
        return Promise.reject(wrapped ? new UserError('Stopped while fetching.', { cause: new Error('lost', { cause: stop.reason }) }) : (stop.reason as Error));
      }, surroundings);
      expect(code).toBe(130);
      expect(seen.out).toBe(wrapped ? 'Stopped while fetching.\n' : 'Stopped before the work itself had begun; nothing is lost.\n');
      expect(seen.error).not.toContain('defect');
    }
    const { seen, surroundings } = around(BASE);
    expect(await main(trainProgram, () => (seen.interrupt('SIGINT'), Promise.reject(new UserError('the disk is full'))), surroundings)).toBe(1);
    expect(seen.error).toContain('Error: the disk is full');
  });
});
