/** `node dist/ask.js` as a user starts it: pictures, slices of volumes, tasks by name, what it writes, what it says of what is wrong. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { askProgram } from '../../src/options/ask.ts';
import { parseFor } from '../../src/options/program.ts';
import { buildCommandLine, repository, runProgram } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-ask-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const base = join(repository, 'node/base');
const sample = join(repository, 'node/sample');
const volume = join(sample, 'Datasets/Colin27Mini/Images/k01-bet-1mm-deep_T1w.nii.gz');
const ask = (flags: Flags): Promise<Ended> => runProgram('ask', { base_model_hf: base, max_new_tokens: 32, ...flags });

interface Answer {
  prompt: string;
  answer: string;
  pictures: { name: string; slice?: number }[];
  numbers: { name?: string; value: number; unit?: string }[];
  truth?: number[];
  target?: string;
  overlay?: { file: string; legend: string };
  doc?: { slice_idx: number; case_ID: string };
  absolute_error?: number | null;
}
const answersOf = (output: string): Answer[] =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);

async function sizeOf(path: string): Promise<{ width: number; height: number }> {
  const { width, height } = await nodePlatform.decodeImage(readFileSync(path), path);
  return { width, height };
}

beforeAll(async () => {
  buildCommandLine();
  const grey = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (i * 7) % 256);
  writeFileSync(at('a picture.png'), await nodePlatform.encodePng(grey, 60, 40, 3));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('asked', () => {
  it("about pictures in one's own words", async () => {
    const { code, error, output } = await ask({
      image: `${at('a picture.png')},${join(repository, 'node/quickstart/report.png')}`,
      question: 'Which one is larger?',
      json: true,
    });
    expect(code, error).toBe(0);
    const [answer] = answersOf(output);
    expect(answer).toMatchObject({ pictures: [{ name: 'a picture.png' }, { name: 'report.png' }], prompt: 'Which one is larger?' });
    expect(output).not.toContain(scratch);
  });

  it('about a slice of a volume, as MedVision asks, with a picture of the answer', async () => {
    const flags = { image: volume, slice: 'axial:20', task: 'TL', of: 'thalamus' };
    const { code, error, output } = await ask({ ...flags, output_dir: at('slice') });
    expect(code, error).toBe(0);
    expect(output).toMatch(
      /TL, thalamus: k01-\S+ \(axial slice 20\)\n.+\nRead: major axis [\d.]+ mm, minor axis [\d.]+ mm\noverlay_1.png: orange: /,
    );
    const [answer] = JSON.parse(readFileSync(at('slice/answers.json'), 'utf8')) as Answer[];
    expect(answer!.numbers.map(({ name, unit }) => [name, unit])).toEqual([
      ['major axis', 'mm'],
      ['minor axis', 'mm'],
    ]);
    // The words of a task's own prompt, with the pixel size of the volume (1 mm, 62 pixels shown as 84).
    expect(answer!.prompt).toContain(
      'Given the input medical image, estimate the major and minor axis lengths of the ellipse enclosing the thalamus, in mm.',
    );
    expect(answer!.prompt).toContain('The pixel size for this image is 0.738 mm (width) x 0.679 mm (height).');
    expect(await sizeOf(at('slice/overlay_1.png'))).toEqual({ width: 7 * 62 + 12, height: 7 * 76 + 12 });
    expect(statSync(at('slice/answers.json')).mode & 0o77).toBe(0);
    const again = await ask({ ...flags, output_dir: at('slice') });
    expect([again.code, again.error]).toEqual([1, expect.stringContaining('--overwrite true to replace it')]);
    expect(
      (await ask({ ...flags, task: 'Detection', image_description: 'an MRI of the head', output_dir: at('slice'), overwrite: true })).code,
    ).toBe(0);
    const [boxed] = JSON.parse(readFileSync(at('slice/answers.json'), 'utf8')) as Answer[];
    expect(boxed!.prompt).toContain('Given the input medical image: an MRI of the head, return the coordinates');
    expect(boxed!.numbers.map(({ name }) => name)).toEqual(['x1', 'y1', 'x2', 'y2']);
  });

  const shaped: Flags = { new_shape_hw: '96 128', pad_to_shape: true, disable_sample_filtering: true };
  it.each<[string, Flags]>([
    ['plain', {}],
    ['shaped', shaped],
  ])('about samples of a task by its name, as evaluation asks it (%s)', async (name, more) => {
    const task = 'Colin27Mini_BiometricsFromLandmarks_Task02_Axial';
    const { code, error, output } = await ask({ data_dir: sample, task, limit: 2, json: true, output_dir: at(name), ...more });
    expect(code, error).toBe(0);
    const answers = answersOf(output);
    expect(answers).toHaveLength(2);
    expect(
      readdirSync(at(name))
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(['answers.json', 'overlay_1.png', 'overlay_2.png']);
    const list = at('list.json');
    writeFileSync(list, JSON.stringify({ [task]: 1 }));
    const evaluated = await runProgram('evaluate', {
      base_model_hf: base,
      max_new_tokens: 32,
      data_dir: sample,
      tasks_list_json_path_AD: list,
      limit: 2,
      output_dir: at(`${name} evaluated`),
      dataloader_num_workers: 0,
      ...more,
    });
    expect(evaluated.code, evaluated.error).toBe(0);
    const rows = readFileSync(at(`${name} evaluated/samples.jsonl`), 'utf8')
      .trim()
      .split('\n')
      .map(
        (line) => JSON.parse(line) as { prompt: string; resps: [[string]]; target_text: string; values: number[]; avgMAE: { MAE: number } },
      );
    expect(answers.map(({ prompt, answer, target }) => ({ prompt, answer, target }))).toEqual(
      rows.map(({ prompt, resps, target_text: target }) => ({ prompt, answer: resps[0][0], target })),
    );
    expect(answers.map(({ numbers }) => numbers.map(({ value }) => value))).toEqual(rows.map(({ values }) => values));
    expect(answers.map((answer) => answer.absolute_error)).toEqual(rows.map(({ avgMAE }) => avgMAE.MAE));
    const { doc } = answers[0]!;
    const one = await ask({ data_dir: sample, task, case: doc!.case_ID, slice: doc!.slice_idx, json: true, ...more });
    expect(answersOf(one.output)[0]!.prompt).toBe(answers[0]!.prompt);
  });
});

describe('told in words', () => {
  it.each<[Flags, string]>([
    [{ question: 'x', image: '/no/such.png' }, 'Cannot open /no/such.png'],
    [{ question: 'x', image: volume }, 'say which slice, --slice sagittal:0 to 75, coronal:0 to 61 or axial:0 to 43'],
    [{ question: 'x', image: volume, slice: 'axial:44' }, 'its last axial slice is 43'],
    [{ question: 'x', image: join(repository, 'README.md') }, 'README.md'],
    [{ question: 'x', image: at('a picture.png'), slice: 'axial:1' }, 'names no volume'],
    [{ task: 'TL', of: 'cyst', image: at('a picture.png') }, 'give --pixel_size, mm a pixel'],
    [{ task: 'Colin27Mini_BoxSize_Task01_Axial', data_dir: sample, case: 'nobody' }, 'has no test samples with --case nobody'],
    [{ task: 'Colin27Mini_BoxSize_Task09_Axial', data_dir: sample }, 'task 9 of Colin27Mini'],
    [{ question: 'x', base_model_hf: at() }, 'config.json'],
  ])('%o', async (flags, words) => {
    const { code, error } = await ask(flags);
    expect(error).toContain(words);
    expect(error).not.toContain('defect of Vernier');
    expect(code).toBe(1);
  });

  it.each<[Record<string, string>, string]>([
    [{}, 'Nothing is asked'],
    [{ question: 'x', task: 'TL' }, 'both say what is asked'],
    [{ task: 'AD', image: 'a.png', of: 'x' }, 'AD is both angles and distances'],
    [{ task: 'Detection', of: 'x' }, '--image names none'],
    [{ task: 'Detection', of: 'x', image: 'a.png b.png,c.png' }, '--image names 2'],
    [{ task: 'Detection', image: 'a.png' }, '--of of a Detection question names a structure'],
    [{ task: 'Distance', image: 'a.png', of: 'A' }, 'two landmarks'],
    [{ task: 'Angle', image: 'a.png', of: 'A; B; C' }, 'four landmarks'],
    [{ question: 'x', image: 'a.nii', slice: 'axial' }, '--slice is sagittal:N'],
    [{ question: 'x', pixel_size: '-1' }, '--pixel_size takes mm above 0'],
    [{ task: 'X_BoxSize_Task01_Axial' }, 'needs --data_dir'],
    [{ task: 'X_BoxSize_Task01_Axial', data_dir: 'd', image: 'a.png' }, 'takes its pictures from --data_dir'],
    [{ task: 'X_Task01', data_dir: 'd' }, 'is not a MedVision task'],
    [{ serve: 'true', question: 'x' }, 'leave out --question'],
    [{ serve: 'true', serve_key: 'short' }, '--serve_key is 16 to 512'],
    [{ question: 'x', overwrite: 'true' }, '--overwrite true needs --output_dir'],
  ])('%o', (flags, words) => {
    expect(() => parseFor(askProgram, { base_model_hf: 'm', ...flags })).toThrow(words);
  });

  it('a model is missing, an option does nothing, a name is misspelt', () => {
    expect(() => parseFor(askProgram, { question: 'x' })).toThrow('No model');
    expect(parseFor(askProgram, { base_model_hf: 'm', question: 'x', port: '80', pad_to_shape: 'true' }).notes).toEqual([
      '--port: no effect without --serve.',
      '--pad_to_shape: no effect without the full name of a task.',
    ]);
    expect(parseFor(askProgram, { base_model_hf: 'm', task: 'Angle', image: 'a b.png', of: 'tilt; A; B; C; D' }).options.image).toEqual([
      'a b.png',
    ]);
    expect(
      parseFor(askProgram, { base_model_hf: 'm', serve: 'true' }, {}, { MedVision_DATA_DIR: '/data', VERNIER_SERVE_KEY: 'k'.repeat(16) })
        .options.serve_key,
    ).toBe('k'.repeat(16));
  });

  it('the folder holds what is not to be lost', async () => {
    mkdirSync(at('mine'));
    writeFileSync(at('mine/overlay_7.png'), 'mine');
    const { code, error } = await ask({ question: 'x', output_dir: at('mine') });
    expect(code).toBe(1);
    expect(error).toContain('holds overlay_7.png');
    expect(readFileSync(at('mine/overlay_7.png'), 'utf8')).toBe('mine');
  });
});
