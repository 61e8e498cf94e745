/** Reports as a user gets them: left by a training and an evaluation of the sample, also where they were stopped; made again; compared. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outside, parsePage } from '../run/report/wellFormed.ts';
import type { ParsedPage } from '../run/report/wellFormed.ts';
import { buildCommandLine, goldenRows, repository, runProgram, runTrain, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-reports-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const sample = join(repository, 'node/sample');
const list = (name: string): string => join(sample, 'tasks_list', `tasks_MedVision-${name}.json`);
const page = (...parts: string[]): ParsedPage => {
  const parsed = parsePage(readFileSync(at(...parts), 'utf8'));
  expect(outside(parsed)).toEqual([]);
  return parsed;
};
const count = ({ tags }: ParsedPage, name: string, kind?: string): number =>
  tags.filter((tag) => tag.name === name && (kind === undefined || tag.attributes['class']?.split(' ').includes(kind))).length;
const report = (runs: string[], flags: Flags = {}): Promise<Ended> => runProgram('report', flags, undefined, undefined, runs);

const training: Flags = {
  base_model_hf: join(repository, 'node/base'), data_dir: sample, tasks_list_json_path_AD: list('AD__train_SFT'), tasks_list_json_path_detect: list('detect__train_SFT'),
  tasks_list_json_path_TL: list('TL__train_SFT'), val_sample_limit: 30, eval_generate: 3, eval_max_new_tokens: 24, per_device_train_batch_size: 2,
  gradient_accumulation_steps: 1, learning_rate: 0.004, logging_steps: 1, max_steps: 6, eval_steps: 3, dataloader_num_workers: 0, report_to: 'jsonl',
};
const evaluation: Flags = {
  base_model_hf: join(repository, 'node/base'), data_dir: sample, limit: 2, max_new_tokens: 24, dataloader_num_workers: 0, tasks_list_json_path_AD: list('AD'),
  tasks_list_json_path_detect: list('detect'), tasks_list_json_path_TL: list('TL'),
};

beforeAll(() => {
  buildCommandLine();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('a training', () => {
  it('leaves its report, with answers before and after', async () => {
    const { code, error } = await runTrain({ ...training, output_dir: at('train'), run_name: 'first' });
    expect({ code, error: error.replace(/^(Note|Warning: max).*\n/gm, '') }).toEqual({ code: 0, error: '' });
    const parsed = page('train/report.html');
    expect(statSync(at('train/report.html')).mode & 0o777).toBe(0o600);
    expect(statSync(at('train/report.json')).mode & 0o777).toBe(0o600);
    for (const heading of ['Before and after', 'Over the steps', 'Predicted and true measures', 'Error by structure', 'Pictures', 'Data', 'Time and memory', 'Settings'])
      expect(parsed.text).toContain(heading);
    expect(parsed.text).toMatch(/Annotations: Colin27Mini detectionv[\d.]+, SHA-256 [0-9a-f]{64}/);
    expect(parsed.text).toMatch(/SHA-256 of the training rows[0-9a-f]{64}/);
    expect(parsed.text).toContain('n = 3.');
    expect(count(parsed, 'svg', 'slice')).toBeGreaterThanOrEqual(5);
    expect(count(parsed, 'rect', 'truth')).toBe(3);
    expect(count(parsed, 'line', 'truth')).toBeGreaterThanOrEqual(1);
    expect(parsed.text).not.toContain(scratch);
    expect(parsed.text).not.toContain(repository);
  }, 180_000);

  it('that was stopped has one too, and keeps its first answers when it goes on', async () => {
    const flags: Flags = { ...training, output_dir: at('stopped'), max_steps: 400, eval_steps: 200, save_steps: 200, warmup_ratio: 0 };
    const log = at('stopped/trainer_log.jsonl');
    const stopped = await runTrain(flags, (send) => {
      const watch = setInterval(() => {
        const text = ((): string => {
          try {
            return readFileSync(log, 'utf8');
          } catch {
            return '';
          }
        })();
        if (!text.includes('"step":2,')) return;
        clearInterval(watch);
        send('SIGINT');
      }, 20);
    });
    expect(stopped.code, stopped.error).toBe(130);
    expect(page('stopped/report.html').text).toContain('stopped early');
    const { pictures, answers } = JSON.parse(readFileSync(at('stopped/report.json'), 'utf8')) as { pictures: unknown[]; answers: { step: number }[] };
    expect(answers.map(({ step }) => step)).toEqual([0]);
    expect(pictures.length).toBeGreaterThan(0);
    const steps = (JSON.parse(readFileSync(at('stopped/trainer_state.json'), 'utf8')) as { global_step: number }).global_step;
    const { code, error } = await runTrain({ ...flags, max_steps: steps + 2, resume_from_checkpoint: true });
    expect(code, error).toBe(0);
    const after = JSON.parse(readFileSync(at('stopped/report.json'), 'utf8')) as { answers: { step: number; rows: unknown[] }[] };
    expect(after.answers.map(({ step }) => step)).toEqual([0, steps + 2]);
    expect(after.answers[0]!.rows.length).toBe(after.answers[1]!.rows.length);
    expect(count(page('stopped/report.html'), 'rect', 'before')).toBeGreaterThan(0);
  }, 180_000);

  it('on plain conversations has one without measures, and nothing hostile in it', async () => {
    const [row = ''] = goldenRows('s00_single');
    const hostile = row.replace(/"content": ?"([^"]*)"/, `"content":"<script>alert(1)</script> & 'x'"`);
    writeFileSync(at('rows.jsonl'), `${hostile}\n`);
    const { code, error } = await runTrain({
      base_model_hf: tinyModel, train_file: at('rows.jsonl'), output_dir: at('plain'), run_name: '<b>plain</b>', max_steps: 2, per_device_train_batch_size: 1,
      gradient_accumulation_steps: 1, report_to: 'none', dataloader_num_workers: 0,
    });
    expect(code, error).toBe(0);
    const { text } = page('plain/report.html');
    expect(text).toContain('Fine-tuning: &lt;b&gt;plain&lt;/b&gt;');
    for (const heading of ['Predicted and true', 'Error by structure', 'Pictures', 'Before and after']) expect(text).not.toContain(heading);
    expect(text).toContain('rows.jsonl');
  }, 120_000);

  it('does not fail for a page that is not its own, and leaves that alone', async () => {
    const flags = { base_model_hf: tinyModel, train_file: at('rows.jsonl'), max_steps: 1, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, report_to: 'none', dataloader_num_workers: 0 };
    await runTrain({ ...flags, output_dir: at('foreign') });
    writeFileSync(at('foreign/report.html'), '<p>mine</p>');
    const { code, error } = await runTrain({ ...flags, output_dir: at('foreign'), max_steps: 2, resume_from_checkpoint: true });
    expect(code).toBe(0);
    expect(error).toContain('its report was not written');
    expect(readFileSync(at('foreign/report.html'), 'utf8')).toBe('<p>mine</p>');
  }, 120_000);
});

describe('an evaluation', () => {
  it('leaves its report, and so does one that goes on', async () => {
    const { code, error } = await runProgram('evaluate', { ...evaluation, output_dir: at('evaluation') });
    expect(code, error).toBe(0);
    const parsed = page('evaluation/report.html');
    for (const words of ['Figures', 'Major axis (mm)', 'Distance (mm)', 'Error by structure', 'Pictures', 'Annotations: Colin27Mini']) expect(parsed.text).toContain(words);
    const pictures = count(parsed, 'svg', 'slice');
    expect(pictures).toBe(4 + 2 + 2);
    rmSync(at('evaluation/report.html'));
    rmSync(at('evaluation/report.json'));
    // Everything is answered; the page is made whole.
    const again = await runProgram('evaluate', { ...evaluation, output_dir: at('evaluation') });
    expect(again.code, again.error).toBe(0);
    expect(count(page('evaluation/report.html'), 'svg', 'slice')).toBe(pictures);
  }, 180_000);

  it('that scored answers again has one without pictures', async () => {
    const { code, error } = await runProgram('evaluate', { samples: at('evaluation/samples.jsonl'), parser: 'reference', output_dir: at('again') });
    expect(code, error).toBe(0);
    const parsed = page('again/report.html');
    expect(count(parsed, 'svg', 'slice')).toBe(0);
    expect(parsed.text).toContain('the images are not at hand');
    expect(parsed.text).toContain('Major axis (mm)');
  });
});

describe('dist/report.js', () => {
  it('makes the page of a run again, to the byte, and of one without a record as far as it goes', async () => {
    const before = readFileSync(at('train/report.html'), 'utf8');
    rmSync(at('train/report.html'));
    expect(await report([at('train')])).toMatchObject({ code: 0, error: '' });
    expect(readFileSync(at('train/report.html'), 'utf8')).toBe(before);
    rmSync(at('plain/report.json'));
    const refused = await report([at('plain')]);
    expect(refused.code).toBe(1);
    expect(refused.error).toContain('leaves no report.json');
    expect((await report([at('plain')], { out: at('older.html') })).code).toBe(0);
    expect(page('older.html').text).toContain('2 steps');
  });

  it('compares runs, on the terminal and as a page', async () => {
    const { code, error, output } = await report([at('train'), at('stopped'), at('evaluation')], { out: at('compared.html') });
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(output).toMatch(/^ +train +stopped +evaluation\n/);
    expect(output).toMatch(/max_steps +6 +\d+ +–/);
    const parsed = page('compared.html');
    expect(parsed.text).toContain('3 runs compared');
    expect(parsed.text).toContain('training loss');
    expect(count(parsed, 'polyline')).toBeGreaterThanOrEqual(4);
  });

  it('says what is wrong, and replaces nothing that is somebody else’s', async () => {
    expect((await report([])).error).toContain('Name the output folders of runs');
    expect((await report([at('nowhere')])).error).toContain('nowhere does not exist');
    expect((await report([scratch])).error).toContain('holds no run');
    expect((await report(['--run', at('train')])).error).toContain('Did you mean --runs?');
    writeFileSync(at('mine.html'), 'mine');
    const refused = await report([at('train'), at('plain')], { out: at('mine.html') });
    expect({ code: refused.code, file: readFileSync(at('mine.html'), 'utf8') }).toEqual({ code: 1, file: 'mine' });
    expect(refused.error).toContain('--overwrite true');
    expect((await report([at('train'), at('plain')], { out: at('mine.html'), overwrite: true })).code).toBe(0);
    expect(page('mine.html').text).toContain('2 runs compared');
  });
});
