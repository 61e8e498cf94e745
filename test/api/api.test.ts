/** Training, asking and evaluating from a script, on the tiny base that comes with the repository. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fineTune, loadModel, nodePlatform, UserError } from '../../node/index.ts';
import type { AskRequest, ConversationInput, FineTuneRequest, LoadedModel, RunEvent } from '../../node/index.ts';
import { fineTune as fineTuneOn } from '../../src/api/fineTune.ts';
import type { Row, Tracker } from '../../src/track/tracker.ts';
import { repository } from '../runtimes/runIn.ts';

const base = join(repository, 'node/base');
const picture = join(repository, 'test/golden/images/rgb.png');
const png = new Uint8Array(readFileSync(picture));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-api-'));

afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** The same conversation, its picture given in another way each time. */
function row(image: ConversationInput['images']): ConversationInput {
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'Size?' }];
  return { messages: [{ role: 'user', content }, { role: 'assistant', content: '0.125, 0.250' }], images: image ?? [] };
}

const short = {
  base,
  max_steps: 3,
  learning_rate: 3e-3,
  lr_scheduler_type: 'constant',
  warmup_ratio: 0,
  logging_steps: 1,
  per_device_train_batch_size: 1,
  gradient_accumulation_steps: 1,
  dataloader_num_workers: 0,
} as const satisfies Partial<FineTuneRequest>;

/** Files that this process has open below a folder; unknown where the system does not list them. */
function openFiles(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return [];
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return []; // closed meanwhile
    }
  });
}

const losses = (events: readonly RunEvent[]): number[] =>
  events.flatMap((event) => (event.kind === 'figures' && 'loss' in event.figures ? [Number(event.figures['loss'])] : []));

describe('fineTune', () => {
  test('tells of pictures of predictions where it is asked for them', async () => {
    const val = [{ ...row([picture]), task: 'Detection' }];
    val[0]!.messages = [val[0]!.messages[0]!, { role: 'assistant', content: '0.125, 0.250, 0.500, 0.750' }];
    const keysOf = async (pictures: boolean): Promise<string[]> => {
      const output = join(scratch, `pictures-${pictures}`);
      const request = { ...short, rows: [row([png])], val, output, max_steps: 1, eval_generate: 1, eval_max_new_tokens: 2, pictures };
      const keys: string[] = [];
      for await (const event of fineTune(request)) {
        if (event.kind !== 'picture') continue;
        expect(event.picture.png.slice(1, 4)).toEqual(new TextEncoder().encode('PNG'));
        keys.push(`${event.step} ${event.key}`);
      }
      return keys;
    };
    expect(await keysOf(true)).toEqual(['0 eval_predictions/Detection/1', '1 eval_predictions/Detection/1']);
    expect(await keysOf(false)).toEqual([]);
  });

  test('tells what it does, and leaves what the command line leaves', async () => {
    const output = join(scratch, 'told');
    const heard: string[] = [];
    const tracker: Tracker = {
      start: ({ name }) => Promise.resolve(void heard.push(`start ${name}`)),
      progress: () => undefined,
      log: (figures: Row, step) => Promise.resolve(void heard.push(`${step} ${'loss' in figures ? 'loss' : 'eval'}`)),
      event: () => Promise.resolve(),
      finish: ({ outcome }) => Promise.resolve(void heard.push(outcome)),
    };
    const run = fineTune({ ...short, rows: [row([png])], val: [row([picture])], output, trackers: [tracker], run_name: 'told' });
    const events: RunEvent[] = [];
    for await (const event of run) events.push(event);
    const result = await run;
    expect(events.map(({ kind }) => kind).filter((kind) => kind === 'start' || kind === 'finish')).toEqual(['start', 'finish']);
    expect(events.filter(({ kind }) => kind === 'progress').map((event) => 'step' in event && event.step)).toEqual([1, 2, 3]);
    const [first, , last] = losses(events);
    expect(last).toBeLessThan(first ?? 0);
    expect(heard).toEqual(['start told', '0 eval', '1 loss', '2 loss', '3 loss', '3 eval', 'finished']);
    expect(result).toMatchObject({ outcome: 'finished', steps: 3, output, checkpoint: join(output, 'checkpoint-3') });
    expect(result.history.filter((figures) => 'loss' in figures).map((figures) => figures['loss'])).toEqual(losses(events));
    expect(result.bought?.figures.find(({ name }) => name === 'eval_loss')?.after).toBeLessThan(first ?? 0);
    expect(result.figures['train_loss']).toBeCloseTo(losses(events).reduce((sum, loss) => sum + loss) / 3, 6);
    for (const name of ['adapter_model.safetensors', 'adapter_config.json', 'trainer_log.jsonl']) expect(existsSync(join(output, name))).toBe(true);
  });

  test('a picture is the same as path, bytes, data URL, Blob, pixels, and from a file of rows', async () => {
    const decoded = await nodePlatform.decodeImage(png, 'rgb.png');
    const file = join(scratch, 'train.jsonl');
    writeFileSync(file, `${JSON.stringify(row([picture]))}\n`);
    const ways: [string, Partial<FineTuneRequest>][] = [
      ['file', { train: file }],
      ['path', { rows: [row([picture])] }],
      ['bytes', { rows: [row([png])] }],
      ['data URL', { rows: [row([`data:image/png;base64,${Buffer.from(png).toString('base64')}`])] }],
      ['Blob', { rows: [row([new Blob([png])])] }],
      ['pixels', { rows: [row([decoded])] }],
    ];
    const found: [string, number][] = [];
    for (const [name, rows] of ways) {
      const { history } = await fineTune({ ...short, ...rows, max_steps: 1, output: join(scratch, name) });
      found.push([name, Number(history.find((figures) => 'loss' in figures)?.['loss'])]);
    }
    expect(openFiles(scratch)).toEqual([]);
    expect(found[0]?.[1]).toBeGreaterThan(1);
    expect(found).toEqual(ways.map(([name]) => [name, found[0]?.[1]]));
  });

  test('stopped by a signal, it is saved and goes on to the same result', async () => {
    const rows = [row([png]), { messages: [{ role: 'user', content: 'Hm?' }, { role: 'assistant', content: '1.5' }] } as const];
    const whole = await fineTune({ ...short, rows, max_steps: 4, output: join(scratch, 'whole') });
    const request = { ...short, rows, max_steps: 4, output: join(scratch, 'parts') };
    const stop = new AbortController();
    const run = fineTune({ ...request, signal: stop.signal });
    for await (const event of run) if (event.kind === 'progress' && event.step === 1) stop.abort();
    const part = await run;
    expect(part.outcome).toBe('stopped');
    expect(part.steps).toBeGreaterThan(0);
    expect(part.steps).toBeLessThan(4);
    expect(part.checkpoint).toBe(join(request.output, `checkpoint-${part.steps}`));
    const rest = await fineTune({ ...request, resume_from_checkpoint: true });
    expect(rest).toMatchObject({ outcome: 'finished', steps: 4 });
    const weights = (dir: string): Buffer => readFileSync(join(dir, 'adapter_model.safetensors'));
    expect(weights(rest.output).equals(weights(whole.output))).toBe(true);
  });

  test('stopped before it began, it writes nothing', async () => {
    const output = join(scratch, 'never');
    const result = await fineTune({ ...short, rows: [row([png])], output, signal: AbortSignal.abort() });
    expect(result).toEqual({ outcome: 'stopped', steps: 0, skippedSteps: 0, output, figures: {}, history: [] });
    expect(existsSync(output)).toBe(false);
  });

  test.each([
    ['an unknown option', { lorar: 4 }, 'Unknown option --lorar. Did you mean --lora_r?'],
    ['a value of another type', { lora_r: 'four' }, '--lora_r takes a whole number, from 1 to 4096, found "four".'],
    ['a value out of range', { lora_r: 0 }, '--lora_r is out of range'],
    ['no choice', { lr_scheduler_type: 'cosin' }, 'Did you mean cosine?'],
    ['a contradiction', { finetune: 'full', merge_model: true }, '--finetune full leaves a whole model'],
    ['another job', { merge_only: true }, 'merge_only is no option of this function'],
    ['two sources', { train: 'a.jsonl' }, 'train and rows both say what is trained on'],
    ['no rows', { rows: [] }, 'rows: there are none'],
    ['nothing to train on', { rows: undefined }, 'Nothing to train on'],
    ['no base', { base: undefined }, 'base should be the folder of the base model or its hub id; nothing found.'],
    ['no output, for which there is a default elsewhere', { output: undefined }, 'output should be the folder for what the run leaves; nothing found.'],
    ['a value that JSON has no word for', { lora_r: 8n }, '--lora_r takes a whole number, from 1 to 4096, found 8.'],
    ['no number', { lora_r: NaN }, 'found NaN.'],
    ['a tracker without its functions', { trackers: [{}] }, 'trackers should be an array of objects with the functions start, progress'],
    ['a controller in the place of its signal', { signal: new AbortController() }, 'signal should be an AbortSignal'],
  ])('%s is refused at the call', (_, wrong, message) => {
    const request = { ...short, rows: [row([png])], output: join(scratch, 'refused'), ...wrong } as FineTuneRequest;
    expect(() => fineTune(request)).toThrow(UserError);
    expect(() => fineTune(request)).toThrow(message);
  });

  test('rows that cannot be used are told by their place', async () => {
    const rows = [row([png]), row([join(scratch, 'missing.png')])];
    await expect(fineTune({ ...short, rows, output: join(scratch, 'bad') })).rejects.toThrow(/^rows\[1\].*missing\.png/s);
  });

  test('pixels of another size or form, and a row that holds itself, are told by their place', async () => {
    const pixels = (data: Uint8Array | Uint8ClampedArray, width = 2): ConversationInput[] =>
      [row([png]), row([{ data, width, height: 2 } as never])];
    const loop: Record<string, unknown> = { ...row([png]) };
    loop['itself'] = [loop, loop];
    const refused: [ConversationInput[], RegExp][] = [
      [pixels(new Uint8Array(16)), /rows\[1\]: pixels are a Uint8Array of RGB, 12 bytes for 2×2; Uint8Array of 16 found/],
      [pixels(new Uint8ClampedArray(16)), /rows\[1\]: .*Uint8ClampedArray of 16 found/],
      [pixels(new Uint8Array(0), 0), /rows\[1\]: pixels of 0×2/],
      [[loop as unknown as ConversationInput], /rows\[0\]: an object in it holds itself/],
    ];
    for (const [rows, message] of refused) {
      const run = fineTune({ ...short, rows, output: join(scratch, 'no pixels') });
      await expect(run).rejects.toThrow(message);
      await expect(run).rejects.toThrow(UserError);
    }
  });

  test('offline: true connects to nothing, in this run alone', async () => {
    let asked = 0;
    const env = (name: string): string | undefined => (name === 'HF_HOME' ? join(scratch, 'hub') : undefined);
    const fetch = (): Promise<Response> => {
      asked++;
      return Promise.reject(new TypeError('fetch failed'));
    };
    const platform = { ...nodePlatform, env, network: { fetch } };
    const request = { ...short, base: 'org/model', rows: [row([png])], output: join(scratch, 'offline'), platform };
    await expect(fineTuneOn({ ...request, offline: true })).rejects.toThrow(/is not in the cache .* this run is offline/);
    expect(asked).toBe(0);
  });
});

describe('loadModel', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    const rows = [row([png])];
    const { output } = await fineTune({ ...short, rows, max_steps: 8, output: join(scratch, 'asked') });
    model = await loadModel({ base, adapter: output });
  });
  afterAll(() => model.close());

  test('answers what it has learnt, piece by piece', async () => {
    const job = model.ask(picture, 'Size?', { max_new_tokens: 16 });
    const pieces: string[] = [];
    for await (const piece of job) pieces.push(piece);
    const answer = await job;
    expect(answer.text).toBe('0.125, 0.250');
    expect(pieces.join('')).toBe(answer.text);
    expect(answer).toMatchObject({ finish: 'end', prompt: 'Size?', numbers: [{ value: 0.125 }, { value: 0.25 }] });
    expect(await model.ask([png], 'Size?', { max_new_tokens: 16 })).toMatchObject({ text: answer.text });
    expect(await model.ask(png, 'Size?', { max_new_tokens: 3 })).toMatchObject({ text: '0.1', finish: 'length', answerTokens: 3 });
  });

  test("asks MedVision's questions by their kind, and draws the answer", async () => {
    const { prompt, overlay } = await model.ask(png, null, { task: 'Detection', of: 'left kidney', max_new_tokens: 2, overlay: true });
    expect(prompt).toContain('bounding box for the left kidney');
    expect(prompt).toContain('112 pixels (width) x 84 pixels (height)');
    expect([...(overlay?.png.subarray(1, 4) ?? [])]).toEqual([...Buffer.from('PNG')]);
  });

  test('evaluates rows in memory and of a file alike, with and without a folder', async () => {
    const rows = [{ ...row([picture]), task: 'TL' }, row([picture])];
    const file = join(scratch, 'held.jsonl');
    writeFileSync(file, rows.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const job = model.evaluate(rows, { max_new_tokens: 16, per_device_eval_batch_size: 1 });
    const answered: number[] = [];
    for await (const event of job) if (event.kind === 'answered') answered.push(...event.rows.map(({ id }) => id));
    const inMemory = await job;
    expect(answered).toEqual([0, 1]);
    expect(inMemory.outcome).toBe('finished');
    expect(inMemory.rows.map(({ response }) => response)).toEqual(['0.125, 0.250', '0.125, 0.250']);
    expect(inMemory.rows[0]?.score?.mae).toBe(0);
    expect(inMemory.summary).toMatchObject({ num_samples: 2, kinds: { TL: { avgMAE: 0, num_samples: 1 } }, loss_samples: 1 });
    const output = join(scratch, 'evaluated');
    const kept = await model.evaluate(file, { max_new_tokens: 16, output });
    expect(kept.rows.map(({ response }) => response)).toEqual(inMemory.rows.map(({ response }) => response));
    const summary = JSON.parse(readFileSync(join(output, 'summary.json'), 'utf8')) as unknown;
    expect(summary).toEqual(kept.summary);
    expect(openFiles(file)).toEqual([]);
  });

  test.each([
    ['no question', [png, null, {}], 'Nothing is asked'],
    ['two questions', [png, 'Size?', { task: 'Detection', of: 'liver' }], '--question and --task both say what is asked'],
    ['an unknown option', [png, 'Size?', { max_tokens: 3 }], 'Unknown option --max_tokens'],
  ] as const)('%s is refused at the call', (_, [image, question, options], message) => {
    expect(() => model.ask(image, question, options as AskRequest)).toThrow(message);
  });

  test('what is no picture, and a picture that is not there, are told by name', async () => {
    await expect(model.ask(join(scratch, 'none.png'), 'Size?')).rejects.toThrow(/none\.png/);
    await expect(model.ask(new TextEncoder().encode('hello'), 'Size?')).rejects.toThrow(/picture 1/);
    await expect(model.ask(null as never, 'Size?')).rejects.toThrow('picture 1 should be a file path, null found');
    await expect(model.ask({ data: new Uint8Array(3), width: 2, height: 2 }, 'Size?')).rejects.toThrow(/^picture 1: pixels are .* 12 bytes/);
  });

  test('one that is stopped gives what is written by then; one that was stopped before fails', async () => {
    const stop = new AbortController();
    const job = model.ask(picture, 'Size?', { max_new_tokens: 64, signal: stop.signal });
    for await (const _ of job) stop.abort();
    const { finish, text } = await job;
    expect(finish).toBe('stopped');
    expect('0.125, 0.250'.startsWith(text)).toBe(true);
    await expect(model.ask(picture, 'Size?', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });

  test('questions at once are answered in turn, a run beside them, and none after the end', async () => {
    const own = await loadModel({ base });
    const output = join(scratch, 'beside');
    const [first, second, run] = await Promise.all([
      own.ask(png, 'Size?', { max_new_tokens: 4 }),
      own.ask([], 'Hm?', { max_new_tokens: 4 }),
      fineTune({ ...short, rows: [row([png])], max_steps: 1, output }),
    ]);
    expect([first.answerTokens, second.answerTokens, run.outcome]).toEqual([4, 4, 'finished']);
    // The run has let go of the GPU, and the model still has it.
    expect(await own.ask(png, 'Size?', { max_new_tokens: 4 })).toMatchObject({ text: first.text });
    // What was asked before the end is answered, and whoever closes waits for it.
    const last = own.ask(png, 'Size?', { max_new_tokens: 4 });
    const isAnswered = (): Promise<unknown> =>
      Promise.race([last.then(() => true), new Promise((resolve) => setImmediate(resolve, false))]);
    const closings = [own.close(), own.close()].map((closing) => closing.then(isAnswered));
    expect(() => own.ask(png, 'Size?')).toThrow('The model is closed');
    expect(await last).toMatchObject({ text: first.text });
    expect(await Promise.all(closings)).toEqual([true, true]);
    await own.close();
    expect(() => own.evaluate([row([png])])).toThrow(UserError);
    await expect(loadModel({ base: '' })).rejects.toThrow('base should be the folder of the model or its hub id; "" found.');
    await expect(loadModel({ base, signal: new AbortController() as never })).rejects.toThrow('signal should be an AbortSignal');
  });
});
