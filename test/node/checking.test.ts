/** Broken rows before training, as users meet them: all told at once, or left out, and then training is that of the other rows. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { buildCommandLine, goldenRows, runProgram, runTrain, tinyModel } from './trainProcess.ts';
import type { Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-checking-cli-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const flags: Flags = {
  base_model_hf: tinyModel, max_steps: 3, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.002, lr_scheduler_type: 'constant',
  lora_r: 2, lora_dropout: 0, target_modules: 'q_proj', shuffle: true, logging_steps: 1, save_steps: 2, report_to: 'jsonl',
};

const long = JSON.stringify({ messages: [{ role: 'user', content: 'word '.repeat(5000) }, { role: 'assistant', content: 'Yes.' }] });
const pictured = (image: string): string => {
  const content = [{ type: 'image' }, { type: 'text', text: 'What is this?' }];
  return JSON.stringify({ messages: [{ role: 'user', content }, { role: 'assistant', content: 'A head.' }], images: [image] });
};

beforeAll(async () => {
  buildCommandLine();
  mkdirSync(at('bad'));
  writeFileSync(at('bad', 'wide.png'), await nodePlatform.encodePng(new Uint8Array(1000 * 4), 1000, 4, 1));
  writeFileSync(at('bad', 'page.png'), '<html>404</html>');
  const [first, second, third] = goldenRows('s01_single', 's09_textonly', 's12_string_content');
  writeFileSync(at('good.jsonl'), [first, second, third].join('\n'));
  writeFileSync(at('bad', 'rows.jsonl'), [pictured('wide.png'), first, long, second, pictured('page.png'), 'no JSON', third].join('\n'));
  writeFileSync(at('bad', 'held.jsonl'), [second, pictured('gone.png')].join('\n'));
});

/** The adapter and the log of a finished run. */
function left(dir: string): { adapter: Buffer; log: Record<string, unknown>[] } {
  const log = readFileSync(join(dir, 'trainer_log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  return { adapter: readFileSync(join(dir, 'adapter_model.safetensors')), log };
}

describe('train', () => {
  it('stops before the first step and tells of all rows', async () => {
    const { code, error } = await runTrain({ ...flags, train_file: at('bad/rows.jsonl'), lora_checkpoint_dir: at('stopped') });
    expect(code).toBe(1);
    const rows = at('bad/rows.jsonl');
    expect(error).toContain(`Error: ${rows}: 4 of 7 rows cannot be used:\n  1 is not in a form that is known\n`);
    expect(error).toContain('  1 is longer than the model takes\n');
    expect(error).toMatch(/:1: Image of 1000×4 pixels: [^]*:3: \d+ tokens, [^]*the model takes 4096[^]*:5: Image .*page\.png: it is a page of HTML[^]*:6: not valid JSON/);
    expect(error).toContain('Mend them, or leave them out with --on_bad_row skip.');
    expect(readdirSync(scratch)).not.toContain('stopped');
  });

  it('leaves them out where it is asked to: the run is that of the other rows, and says so', async () => {
    const [skipped, without] = [at('skipped'), at('without')];
    const ran = await runTrain({ ...flags, train_file: at('bad/rows.jsonl'), val_file: at('bad/held.jsonl'), on_bad_row: 'skip', lora_checkpoint_dir: skipped });
    expect(ran.error).not.toMatch(/Error/);
    expect(ran.code).toBe(0);
    expect(ran.output).toContain('Left out, as --on_bad_row skip says; 3 rows remain.');
    expect(ran.output).toContain('It is the only one of 2 rows that cannot be used.\nLeft out, as --on_bad_row skip says; 1 row remains.');
    expect((await runTrain({ ...flags, train_file: at('good.jsonl'), lora_checkpoint_dir: without })).code).toBe(0);
    const [{ adapter, log }, other] = [left(skipped), left(without)];
    expect(adapter.equals(other.adapter)).toBe(true);
    expect(log[0]).toMatchObject({ event: 'start', facts: { rows: 3, rows_left_out: 4 } });
    expect(log.at(-1)).toMatchObject({ event: 'finish', rows_left_out: 4 });
    expect(JSON.stringify(other.log)).not.toContain('rows_left_out');
    const warnings = log.filter(({ event }) => event === 'warning').map(({ text }) => text);
    expect(warnings).toEqual([expect.stringMatching(/rows\.jsonl: 4 of 7 rows left out: 1 is not in/), expect.stringMatching(/held\.jsonl: 1 of 2 rows left out: 1 has a picture/)]);

    // A picture that is mended is another row: a run that left it out does not go on with it.
    writeFileSync(at('bad', 'page.png'), readFileSync(join(tinyModel, '../../data/images/ax_half_90x108.png')));
    const resumed = await runTrain({ ...flags, train_file: at('bad/rows.jsonl'), on_bad_row: 'skip', lora_checkpoint_dir: skipped, resume_from_checkpoint: true });
    expect(resumed.code).toBe(1);
    expect(resumed.error).toContain('the number of training rows was 3, now it is 4');
    writeFileSync(at('bad', 'page.png'), '<html>404</html>');
  });

  it('does not start where no row is left', async () => {
    writeFileSync(at('bad', 'none.jsonl'), long);
    const { code, error } = await runTrain({ ...flags, train_file: at('bad/none.jsonl'), on_bad_row: 'skip', lora_checkpoint_dir: at('none') });
    expect(code).toBe(1);
    expect(error).toMatch(/none\.jsonl:1: \d+ tokens[^]*No row is left\./);
  });
});

describe('the other programs', () => {
  it('inspect stops or shows the others; rows too long for the quick start’s own model are no mistake there', async () => {
    const stopped = await runProgram('inspect', { out: at('page.html') }, undefined, undefined, [at('bad/rows.jsonl')]);
    expect(stopped).toMatchObject({ code: 1, error: expect.stringContaining('3 of 7 rows cannot be used') as string });
    const { code, output } = await runProgram('inspect', { out: at('page.html'), on_bad_row: 'skip' }, undefined, undefined, [at('bad/rows.jsonl')]);
    expect(code).toBe(0);
    expect(output).toContain('4 rows of 1 task');
  });

  it('evaluate stops or leaves out as well', async () => {
    const own: Flags = { base_model_hf: tinyModel, eval_file: at('bad/rows.jsonl'), max_new_tokens: 1, output_dir: at('evaluated') };
    const stopped = await runProgram('evaluate', own);
    expect(stopped).toMatchObject({ code: 1, error: expect.stringContaining('4 of 7 rows cannot be used') as string });
    const { code, output, error } = await runProgram('evaluate', { ...own, on_bad_row: 'skip' });
    expect({ code, error }).toMatchObject({ code: 0 });
    expect(output).toContain('3 rows: ');
    expect(readFileSync(at('evaluated', 'samples.jsonl'), 'utf8').trim().split('\n')).toHaveLength(3);
  });
});
