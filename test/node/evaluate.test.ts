/** `node dist/evaluate.js` as a user starts it: files and figures of the reference's own answers, an evaluation of the sample, interrupted and gone on with. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, golden, goldenRows, repository, runProgram, runTrain, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-evaluate-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const evaluate = (flags: Flags, atStart?: Parameters<typeof runProgram>[2]): Promise<Ended> => runProgram('evaluate', flags, atStart);
const json = <T>(...parts: string[]): T => JSON.parse(readFileSync(at(...parts), 'utf8')) as T;
const lines = <T>(path: string): T[] => readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as T);

interface Row {
  doc_id: number;
  task?: string;
  task_type?: string;
  group?: string;
  prompt: string;
  target: string;
  resps: [[string]];
  filtered_resps?: [string];
  values?: number[];
  [metric: string]: unknown;
}

beforeAll(() => {
  buildCommandLine();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const answers = join(repository, 'test/golden/medvision/expected_metrics.jsonl');

describe('answers that exist', () => {
  it('are read and measured as the reference does with --parser reference, field by field', async () => {
    const { code, error } = await evaluate({ samples: answers, parser: 'reference', output_dir: at('reference') });
    expect(error).toBe('');
    expect(code).toBe(0);
    const expected = lines<{ task: string; parsed: string; cal_metrics: Record<string, Record<string, unknown>>; cal_metrics_detection_task?: Record<string, unknown> }>(answers);
    const rows = lines<Row>(at('reference/samples.jsonl'));
    expect(rows).toHaveLength(expected.length);
    rows.forEach((row, i) => {
      const { parsed, cal_metrics, cal_metrics_detection_task } = expected[i]!;
      expect(row.filtered_resps).toEqual([parsed]);
      for (const [name, figure] of Object.entries(cal_metrics_detection_task ?? cal_metrics)) expect(row[name], `${i} ${name}`).toEqual(figure);
    });
    const parseOutputs = JSON.parse(readFileSync(answers.replace('metrics.jsonl', 'parse_outputs_summary.json'), 'utf8')) as Record<string, Record<string, unknown>>;
    const { kinds } = json<{ kinds: Record<string, Record<string, unknown>> }>('reference/summary.json');
    for (const kind of ['AD', 'TL']) {
      expect(String(kinds[kind]!['avgMAE'])).toBe(parseOutputs[kind]!['avgMAE,none']);
      expect(kinds[kind]!['MRE<0.1']).toBe(parseOutputs[kind]!['MRE<0.1']);
      expect(kinds[kind]!['SuccessRate']).toBe(parseOutputs[kind]!['SuccessRate,none']);
    }
    expect(readdirSync(at('reference')).sort()).toEqual([
      'evaluation.json', 'report.html', 'report.json', 'samples.jsonl', 'summary.json', 'summary_AD_task.txt', 'summary_TL_task.txt', 'summary_detection_task.txt', 'summary_metrics_AD_Task.json',
      'summary_metrics_TL_Task.json', 'summary_metrics_anatomy_vs_lesion_detect_Task.json', 'summary_metrics_detect_Task.json', 'summary_values_AD_Task.json',
      'summary_values_TL_Task.json', 'summary_values_detect_Task.json',
    ]);
  });

  it('are read again from our own samples.jsonl, and from the files of lmms-eval', async () => {
    expect((await evaluate({ samples: at('reference/samples.jsonl'), output_dir: at('robust') })).code).toBe(0);
    const first = lines<Row>(at('robust/samples.jsonl')).find(({ resps }) => resps[0][0] === '3.52e-1');
    expect(first?.values).toEqual([0.352]);
    const doc = { dataset_name: 'KiTS23', taskID: '01', taskType: 'TumorLesionSize', slice_dim: 2 };
    writeFileSync(at('20251201_x_samples_KiTS23_TumorLesionSize_Task01_Axial.jsonl'), `${JSON.stringify({ doc_id: 7, doc, target: '[29.0, 22.0]', resps: [['30, 20']] })}\n`);
    expect((await evaluate({ samples: at('20251201_x_samples_KiTS23_TumorLesionSize_Task01_Axial.jsonl'), output_dir: at('lmms') })).code).toBe(0);
    expect(lines<Row>(at('lmms/samples.jsonl'))[0]).toMatchObject({ task: 'KiTS23_TumorLesionSize_Task01_Axial', task_type: 'TL', avgMAE: { MAE: 1.5, success: true } });
  });

  it.each([
    ['{"task":"AD","target":"1"}', 'no answer'],
    ['{"task":"TL","target":"1","response":"2, 3"}', 'target: 2 number'],
    ['{"task":', 'not valid JSON'],
  ])('%s is refused with its line', async (line, words) => {
    writeFileSync(at('bad.jsonl'), `{"task":"AD","target":"1","response":"2"}\n${line}\n`);
    const { code, error } = await evaluate({ samples: at('bad.jsonl'), output_dir: at('bad') });
    expect(code).toBe(1);
    expect(error).toContain('bad.jsonl:2: ');
    expect(error).toContain(words);
    expect(existsSync(at('bad'))).toBe(false);
  });
});

const sample = join(repository, 'node/sample');
const lists: Flags = {
  base_model_hf: join(repository, 'node/base'), data_dir: sample, limit: 2, max_new_tokens: 32, per_device_eval_batch_size: 3, dataloader_num_workers: 0,
  tasks_list_json_path_AD: join(sample, 'tasks_list/tasks_MedVision-AD.json'), tasks_list_json_path_detect: join(sample, 'tasks_list/tasks_MedVision-detect.json'),
  tasks_list_json_path_TL: join(sample, 'tasks_list/tasks_MedVision-TL.json'),
};

describe('the sample', () => {
  it('is answered and scored by task and by group', async () => {
    const { code, error } = await evaluate({ ...lists, output_dir: at('whole') });
    expect(code, error).toBe(0);
    const rows = lines<Row>(at('whole/samples.jsonl'));
    expect(rows.map(({ doc_id: id }) => id)).toEqual(rows.map((_, i) => i));
    expect(new Set(rows.map(({ task_type: type }) => type))).toEqual(new Set(['AD', 'Detection', 'TL']));
    expect(rows.find(({ task_type: type }) => type === 'TL')?.group).toMatch(/^thalamus @ MR \([SCA]\)$/);
    const { tasks, num_samples: count } = json<{ tasks: Record<string, { num_samples: number }>; num_samples: number }>('whole/summary.json');
    expect(Object.values(tasks).reduce((sum, { num_samples: own }) => sum + own, 0)).toBe(count);
    expect(Math.max(...Object.values(tasks).map(({ num_samples: own }) => own))).toBe(2);
    expect(readFileSync(at('whole/summary_TL_task.txt'), 'utf8')).toMatch(/Weighted Average MAE: .*thalamus @ MR \(A\) .*\| 2/s);
  });

  it('is answered the same with its weights in their files, in floats and in 4 bits', async () => {
    const { code, error } = await evaluate({ ...lists, offload: 'weights', output_dir: at('offloaded') });
    expect(code, error).toBe(0);
    expect(readFileSync(at('offloaded/samples.jsonl'), 'utf8')).toBe(readFileSync(at('whole/samples.jsonl'), 'utf8'));
    const inFourBits = { ...lists, limit: 1, quantization: 'nf4' };
    for (const offload of ['none', 'weights']) expect((await evaluate({ ...inFourBits, offload, output_dir: at(`nf4-${offload}`) })).code).toBe(0);
    expect(readFileSync(at('nf4-weights/samples.jsonl'), 'utf8')).toBe(readFileSync(at('nf4-none/samples.jsonl'), 'utf8'));
  });

  it('is gone on with after a kill, a torn line and Ctrl-C, to the same bytes', async () => {
    const dir = at('killed');
    const path = join(dir, 'samples.jsonl');
    const size = (): number => (existsSync(path) ? statSync(path).size : 0);
    /** Once there are more answers than before. */
    const interrupted = (signal: NodeJS.Signals): Promise<Ended> => {
      const before = size();
      return evaluate({ ...lists, output_dir: dir }, (send) => {
        const watch = setInterval(() => {
          if (size() <= before) return;
          clearInterval(watch);
          send(signal);
        }, 1);
      });
    };
    await interrupted('SIGKILL');
    const there = lines(path).length;
    expect(there).toBeGreaterThan(0);
    truncateSync(path, size() - 40);
    const stopped = await interrupted('SIGINT');
    expect(stopped.code).toBe(130);
    expect(stopped.output).toContain(`${there - 1} of them were answered before`);
    expect(stopped.output).toContain('the same command goes on from there');
    const { code } = await evaluate({ ...lists, output_dir: dir });
    expect(code).toBe(0);
    // Reports have times in them.
    for (const name of readdirSync(at('whole')).filter((one) => !one.startsWith('report.'))) expect(readFileSync(join(dir, name), 'utf8'), name).toBe(readFileSync(at('whole', name), 'utf8'));
  });

  it('does not mix two evaluations', async () => {
    const { code, error } = await evaluate({ ...lists, max_new_tokens: 31, output_dir: at('whole') });
    expect(code).toBe(1);
    expect(error).toContain('max_new_tokens: 32 there, 31 asked');
    const again = await evaluate({ ...lists, output_dir: at('whole') });
    expect(again.code).toBe(0);
    expect(again.output).not.toContain('GPU:'); // everything is answered
  });

  it('is asked in parts, with other pixel sizes, and what another evaluation was answered is not asked again', async () => {
    const { tasks_list_json_path_AD: _, tasks_list_json_path_detect: __, ...sizes } = lists;
    const flags: Flags = { ...sizes, answer_cache: at('cache'), sample_indices: '1', scaled_ps_low: 0.5, scaled_ps_high: 3, bootstrap: 50 };
    const first = await evaluate({ ...flags, output_dir: at('probe') });
    expect(first.code, first.error).toBe(0);
    const rows = lines<Row & { doc: { pixel_size_factor: number } }>(at('probe/samples.jsonl'));
    const whole = lines<Row>(at('whole/samples.jsonl')).filter(({ task_type }) => task_type === 'TL');
    for (const row of rows) {
      const factor = row.doc.pixel_size_factor;
      const original = whole.filter(({ task }) => task === row.task)[1];
      expect(factor).toBeGreaterThan(0.5);
      const [truth, scaled] = [original, row].map((one) => JSON.parse(one?.target ?? '[]') as number[]);
      truth?.forEach((value, i) => expect(scaled?.[i]).toBeCloseTo(value * factor, 9));
    }
    const { pixel_size_use: use, annotations } = json<{ pixel_size_use: object; annotations: { version: string }[] }>('probe/summary.json');
    expect(use).toHaveProperty('slope');
    expect(annotations.map(({ version }) => version)).toEqual(['1.0.0']);

    const cache = at('cache/answers.jsonl');
    expect(lines(cache)).toHaveLength(rows.length);
    writeFileSync(cache, readFileSync(cache, 'utf8').replaceAll(/"response":"[^"]*"/g, '"response":"31, 17"'));
    expect((await evaluate({ ...flags, output_dir: at('probe-again') })).code).toBe(0);
    expect(new Set(lines<Row>(at('probe-again/samples.jsonl')).map(({ resps }) => resps[0][0]))).toEqual(new Set(['31, 17']));
    // Other options are other questions.
    expect((await evaluate({ ...flags, max_new_tokens: 3, output_dir: at('probe-short') })).code).toBe(0);
    expect(lines<Row>(at('probe-short/samples.jsonl')).some(({ resps }) => resps[0][0] === '31, 17')).toBe(false);
  });

});

describe('conversations', () => {
  it('are answered by an adapter; those that name a task are scored, of the others the loss is told', async () => {
    const trained = await runTrain({
      base_model_hf: tinyModel, train_file: rowsFile('train.jsonl', goldenRows('s09_textonly')), max_steps: 2, learning_rate: 0.01, lora_checkpoint_dir: at('adapter'),
      per_device_train_batch_size: 1, gradient_accumulation_steps: 1, report_to: 'none', dataloader_num_workers: 0,
    });
    expect(trained.code, trained.error).toBe(0);
    const task = { ...(JSON.parse(goldenRows('s00_single')[0]!) as object), task: 'Detection' };
    const file = rowsFile('asked.jsonl', [JSON.stringify(task), ...goldenRows('s09_textonly')]);
    const flags: Flags = { base_model_hf: tinyModel, eval_file: file, max_new_tokens: 6, dataloader_num_workers: 0 };
    const { code, error } = await evaluate({ ...flags, adapter: at('adapter'), output_dir: at('asked') });
    expect(code, error).toBe(0);
    const [detection, text] = lines<Row>(at('asked/samples.jsonl'));
    expect(detection).toMatchObject({ task: 'Detection', SuccessRate: { success: false }, avgIoU: { IoU: 0 }, target: '[0.549, 0.138, 0.804, 0.484]' });
    expect(text?.task).toBeUndefined();
    const summary = json<{ loss: number; loss_samples: number; kinds: object }>('asked/summary.json');
    expect(summary).toMatchObject({ loss_samples: 1, num_samples: 2 });
    expect(Object.keys(summary.kinds)).toEqual(['Detection']);
    const base = await evaluate({ ...flags, output_dir: at('asked-base') });
    expect(base.code).toBe(0);
    // The base model writes what transformers writes, and its loss is higher than that of what was trained on the row.
    const cases = JSON.parse(readFileSync(join(golden, 'golden/qwen2_5_vl-tiny/cases/cases.json'), 'utf8')) as Record<string, { generated: { text: string }; loss_completion: { f64: number } }>;
    const answer = lines<Row>(at('asked-base/samples.jsonl'))[1]!.resps[0][0];
    expect(answer.length).toBeGreaterThan(0);
    expect(cases['s09_textonly']!.generated.text.startsWith(answer)).toBe(true);
    const baseLoss = json<{ loss: number }>('asked-base/summary.json').loss;
    expect(baseLoss).toBeCloseTo(cases['s09_textonly']!.loss_completion.f64, 4);
    expect(summary.loss).toBeLessThan(baseLoss);
  });
});

describe('the command line', () => {
  it.each<[Flags, string]>([
    [{ base_model_hf: 'm' }, 'Nothing to evaluate on'],
    [{ samples: 'a', eval_file: 'b' }, 'two sources|2 sources'],
    [{ eval_file: 'b' }, 'No model'],
    [{ base_model_hf: 'm', prepared_ds_dir: 'p' }, '--eval_split validation'],
    [{ base_model_hf: 'm', tasks_list_json_path_AD: 'x' }, '--data_dir'],
    [{ learning_rate: 1 }, 'Unknown option --learning_rate'],
  ])('%o', async (flags, words) => {
    const { code, error } = await evaluate(flags);
    expect(code).toBe(2);
    expect(error).toMatch(new RegExp(words));
  });
});

function rowsFile(name: string, rows: readonly string[]): string {
  writeFileSync(at(name), `${rows.join('\n')}\n`);
  return at(name);
}
