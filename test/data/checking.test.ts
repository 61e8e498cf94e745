/**
 * The pass before the first step: every kind of broken row at random places is named, and no other; lengths to the token; pictures that are
 * known from an earlier start are known only while they are the same.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { checkRows, FEW_PICTURES } from '../../src/data/checking/checkRows.ts';
import type { CheckedRows, CheckSettings } from '../../src/data/checking/checkRows.ts';
import { LengthChecker } from '../../src/data/checking/lengths.ts';
import { problemsText } from '../../src/data/checking/problems.ts';
import type { Reason } from '../../src/data/checking/problems.ts';
import { RememberedPictures } from '../../src/data/checking/remembered.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import type { ScannedRow } from '../../src/data/conversations/rowFile.ts';
import type { Conversation, Processor } from '../../src/data/example.ts';
import { contextLength } from '../../src/models/contextLength.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { goldenPath } from '../io/goldenFolder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-checking-'));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const base = goldenPath('models', 'qwen2_5_vl-tiny');
let processor: Processor;
let png: Uint8Array;
beforeAll(async () => {
  processor = await loadProcessor(nodePlatform, base);
  png = await nodePlatform.encodePng(new Uint8Array(60 * 56 * 3).fill(90), 60, 56, 3);
  writeFileSync(at('good.png'), png);
  writeFileSync(at('wide.png'), await nodePlatform.encodePng(new Uint8Array(1010 * 4), 1010, 4, 1));
  writeFileSync(at('cut.png'), png.subarray(0, png.length - 30));
  writeFileSync(at('short.png'), png.subarray(0, 20));
  const huge = Uint8Array.from(png);
  new DataView(huge.buffer).setUint32(16, 20_000);
  new DataView(huge.buffer).setUint32(20, 10_000);
  writeFileSync(at('huge.png'), huge);
  writeFileSync(at('page.png'), '<!doctype html><html>404</html>');
  writeFileSync(at('empty.png'), '');
  mkdirSync(at('folder.png'));
  execFileSync('mkfifo', [at('pipe.png')]);
});

async function* scanFile(platform: Platform, path: string): AsyncGenerator<ScannedRow, void, undefined> {
  const file = await openRowFile(platform, path);
  try {
    yield* file.scan();
  } finally {
    await file.close();
  }
}

const MAX_TOKENS = 160;
const settings = (more: Partial<CheckSettings> = {}): CheckSettings => ({
  level: 'small', processor, mask: 'completion', maxTokens: MAX_TOKENS, isForTraining: true, ...more,
});

/** A row of the file, and what is wrong with it. */
type Kind = [line: string, reason: Reason | undefined, words: string];
const row = (images: string[], text = 'How long?', answer = '12 mm', more: object = {}): string =>
  JSON.stringify({
    messages: [
      { role: 'user', content: [...images.map(() => ({ type: 'image' })), { type: 'text', text }] },
      { role: 'assistant', content: answer },
    ],
    images,
    ...more,
  });

const KINDS: Kind[] = [
  [row(['good.png']), undefined, ''],
  [row([]), undefined, ''],
  [row(['good.png', 'good.png']), undefined, ''],
  ['{"messages": [', 'row', 'not valid JSON'],
  ['7', 'row', 'a JSON object'],
  [JSON.stringify({ messages: [{ role: 'user', content: 'a' }] }), 'row', 'no message has the role "assistant"'],
  [row(['good.png'], 'a', 'b', { images: [] }), 'row', '1 image part in the messages, 0 in "images"'],
  [row(['gone.png']), 'picture', 'gone.png does not exist'],
  [row(['good.png', 'gone.png']), 'picture', 'gone.png does not exist'],
  [row(['folder.png']), 'picture', 'folder.png is a folder'],
  [row(['pipe.png']), 'picture', 'no ordinary file'],
  [row(['empty.png']), 'picture', 'the file is empty'],
  [row(['short.png']), 'picture', 'ends within its header'],
  [row(['page.png']), 'picture', 'a page of HTML'],
  [row(['huge.png']), 'picture', '20000×10000 pixels, more than'],
  [row(['cut.png']), 'picture', 'cannot be decoded'],
  [row(['wide.png']), 'refused', 'at most 200 times the shorter one, it is 252.5 times'],
  [row(['good.png'], 'what is <|image_pad|> here?'), 'refused', 'A text may not contain'],
  [row([], 'word '.repeat(MAX_TOKENS)), 'long', `the model takes ${MAX_TOKENS}`],
];

async function check(lines: readonly string[], more: Partial<CheckSettings> = {}): Promise<CheckedRows> {
  const file = at('rows.jsonl');
  writeFileSync(file, lines.join('\n') + '\n');
  return (await checkRows(nodePlatform, scanFile(nodePlatform, file), settings(more)))!;
}

describe('broken rows', () => {
  test.each(KINDS)('%s', async (line, reason, words) => {
    const { rows, problems } = await check([line, KINDS[1]![0]]);
    expect(rows).toBe(2);
    expect(problems.map((problem) => [problem.index, problem.reason])).toEqual(reason === undefined ? [] : [[0, reason]]);
    if (reason === undefined) return;
    expect(problems[0]!.message).toContain(`${at('rows.jsonl')}:1: `);
    expect(problems[0]!.message).toContain(words);
    expect(problems[0]!.message).not.toMatch(/rows\.jsonl:1:.*rows\.jsonl:1:/);
  });

  test('of every kind at random places: those are named, in order, and no other', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 90 }), async (drawn) => {
        const { rows, problems } = await check(drawn.map(([line]) => line));
        expect(rows).toBe(drawn.length);
        const expected = drawn.flatMap(([, reason], index) => (reason === undefined ? [] : [[index, reason]]));
        expect(problems.map(({ index, reason }) => [index, reason])).toEqual(expected);
        for (const { index, message } of problems) {
          expect(message).toContain(`:${index + 1}: `);
          expect(message).toContain(drawn[index]![2]);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('are told together: counts by reason, the first ten by place', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? row(['gone.png']) : i === 7 ? 'no JSON' : row(['good.png'])));
    const { rows, problems } = await check(lines);
    const text = problemsText('rows.jsonl', rows, problems).replaceAll(scratch, 'DIR').split('\n');
    expect(text.slice(0, 4)).toEqual([
      'rows.jsonl: 15 of 40 rows cannot be used:',
      '  1 is not in a form that is known',
      '  14 have a picture that is missing or cannot be read',
      'The first 10 are:',
    ]);
    expect(text.slice(4, 15).map((line) => /rows\.jsonl:(\d+):/.exec(line)?.[1] ?? line)).toEqual([
      '1', '4', '7', '8', '10', '13', '16', '19', '22', '25', '  … and 5 more.',
    ]);
  });

  test('headers finds all that headers show, none looks at form alone', async () => {
    const lines = KINDS.map(([line]) => line);
    const reasons = async (level: 'headers' | 'none'): Promise<unknown> => (await check(lines, { level })).problems.map(({ index }) => KINDS[index]![2]);
    const broken = KINDS.filter(([, reason]) => reason !== undefined);
    expect(await reasons('headers')).toEqual(broken.map(([, , words]) => words).filter((words) => words !== 'cannot be decoded'));
    expect(await reasons('none')).toEqual(broken.filter(([, reason]) => reason === 'row').map(([, , words]) => words));
  });

  test('a set of more than a few pictures is not decoded unless it is asked for', async () => {
    const names = Array.from({ length: FEW_PICTURES + 1 }, (_, i) => `many-${i}.png`);
    for (const name of names) writeFileSync(at(name), png);
    const lines = [row(['cut.png']), ...names.slice(2).map((name) => row([name]))];
    let decoded = 0;
    const counting: Platform = { ...nodePlatform, decodeImage: (bytes, name) => (decoded++, nodePlatform.decodeImage(bytes, name)) };
    const file = at('many.jsonl');
    const run = async (list: string[], level: 'small' | 'full'): Promise<[number | undefined, number]> => {
      decoded = 0;
      writeFileSync(file, list.join('\n'));
      const checked = await checkRows(counting, scanFile(counting, file), settings({ level }));
      return [checked?.problems.length, decoded];
    };
    expect(await run(lines, 'small')).toEqual([1, FEW_PICTURES]);
    expect(await run([...lines, row(['many-0.png'])], 'small')).toEqual([0, 0]);
    expect(await run([...lines, row(['many-0.png'])], 'full')).toEqual([1, FEW_PICTURES + 1]);
  });

  test('pictures that lie in the rows', async () => {
    const rows = async function* (): AsyncGenerator<ScannedRow> {
      for (const [index, bytes] of [png, png.subarray(0, 20), png.subarray(0, png.length - 30)].entries()) {
        const { messages } = JSON.parse(row(['a'])) as Conversation;
        const conversation = { messages, images: [{ bytes, name: `image ${index}` }] };
        const where = `rows:${index}`;
        yield { index, where, row: { conversation, where, dialect: 'messages' } };
      }
    };
    const checked = await checkRows(nodePlatform, rows(), settings());
    expect(checked!.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('rows:1: Image image 1: it ends within its header'),
      expect.stringContaining('rows:2: Image image 2: it cannot be decoded'),
    ]);
  });

  test('a signal ends the pass', async () => {
    const stop = new AbortController();
    const rows = async function* (): AsyncGenerator<ScannedRow> {
      for (let index = 0; ; index++) {
        if (index === 50) stop.abort();
        yield { index, where: String(index), problem: new UserError('bad') };
      }
    };
    expect(await checkRows(nodePlatform, rows(), settings({ signal: stop.signal }))).toBeUndefined();
  });
});

describe('lengths', () => {
  const conversation = (text: string, images = 0, answer = 'Two.'): Conversation => ({
    messages: [
      { role: 'user', content: [...Array.from({ length: images }, () => ({ type: 'image' as const })), { type: 'text', text }] },
      { role: 'assistant', content: answer },
    ],
    images: Array.from({ length: images }, () => 'a.png'),
  });
  const size = { width: 60, height: 56 };

  test('a row of exactly the limit is fine, one token more is too long; the first row of a shape and later ones', () => {
    const row = conversation('word '.repeat(50), 1);
    const { tokens } = processor.measure(row, [size], { mask: 'completion' });
    for (const warm of [false, true]) {
      const lengths = (maxTokens: number): LengthChecker => {
        const checker = new LengthChecker(processor, { mask: 'completion', maxTokens, isForTraining: true });
        if (warm) expect(checker.check(conversation('a', 1), [size])).toBeUndefined();
        return checker;
      };
      expect(lengths(tokens).check(row, [size])).toBeUndefined();
      expect(lengths(tokens - 1).check(row, [size])).toMatchObject({ reason: 'long', error: { message: expect.stringContaining(`${tokens} tokens, of which`) as string } });
    }
  });

  test.each(['qwen2_5_vl-tiny', 'gemma3-tiny'])('%s: what is not counted is never too long', { timeout: 60_000 }, async (name) => {
    const own = await loadProcessor(nodePlatform, goldenPath('models', name));
    const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('\u0958'.repeat(30), '  \n\n', '½ﬁ𝔸한'));
    const limits = fc.constantFrom(40, 80, 300, 700);
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, fc.nat(1)), { minLength: 1, maxLength: 6 }), limits, (rows, maxTokens) => {
        const checker = new LengthChecker(own, { mask: 'completion', maxTokens, isForTraining: true });
        for (const [question, answer, images] of rows) {
          const one = conversation(question, images, answer);
          const sizes = one.images.map(() => size);
          let expected: Reason | undefined;
          try {
            const { tokens, learnt } = own.measure(one, sizes, { mask: 'completion' });
            expected = tokens > maxTokens ? 'long' : learnt === 0 ? 'label' : undefined;
          } catch {
            expected = 'refused';
          }
          expect(checker.check(one, sizes)?.reason).toBe(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a row without a learnt token', () => {
    const silent = { ...processor, reserved: [], imageTokens: () => 0, measure: () => ({ tokens: 9, learnt: 0, characters: 9 }) } as unknown as Processor;
    const lengths = (isForTraining: boolean): LengthChecker => new LengthChecker(silent, { mask: 'completion', maxTokens: 100, isForTraining });
    expect(lengths(true).check(conversation('a'), [])).toMatchObject({ reason: 'label' });
    expect(lengths(false).check(conversation('a'), [])).toBeUndefined();
  });

  test.each<[object, number | RegExp]>([
    [{ model_type: 'qwen2', max_position_embeddings: 100 }, 100],
    [{ model_type: 'qwen2' }, 32768],
    [{ model_type: 'qwen2_5_vl', max_position_embeddings: 100, text_config: { max_position_embeddings: 200 } }, 200],
    [{ model_type: 'gemma3', text_config: {} }, 131072],
    [{ model_type: 'gemma3_text' }, 131072],
    [{ model_type: 'qwen2', max_position_embeddings: '9' }, /max_position_embeddings is "9"/],
  ])('%j: the limit', async (config, limit) => {
    writeFileSync(at('config.json'), JSON.stringify(config));
    if (typeof limit === 'number') expect(await contextLength(nodePlatform, scratch)).toBe(limit);
    else await expect(contextLength(nodePlatform, scratch)).rejects.toThrow(limit);
  });
});

describe('pictures that are remembered', () => {
  const later = (): number => Date.now() + 60_000;
  let opened = 0;
  const platform: Platform = {
    ...nodePlatform,
    env: (name) => (name === 'XDG_CACHE_HOME' ? at('cache') : nodePlatform.env(name)),
    openFile: (path) => {
      if (path.endsWith('.png')) opened++;
      return nodePlatform.openFile(path);
    },
  };
  const run = async (now = later): Promise<{ opened: number; problems: number }> => {
    opened = 0;
    const file = at('known.jsonl');
    const remembered = (await RememberedPictures.open(platform, file, now))!;
    const checked = await checkRows(platform, scanFile(platform, file), settings({ level: 'headers', remembered }));
    return { opened, problems: checked!.problems.length };
  };

  test('are not read again until they change, even to as many bytes with the old time; broken ones are always read', async () => {
    const picture = at('known.png');
    writeFileSync(picture, png);
    writeFileSync(at('known.jsonl'), `${row(['known.png'])}\n${row(['short.png'])}\n`);
    expect(await run(Date.now)).toEqual({ opened: 2, problems: 1 });
    expect(await run()).toEqual({ opened: 2, problems: 1 }); // the run before was too close to the picture's last change
    expect(await run()).toEqual({ opened: 1, problems: 1 });
    const { atime, mtime } = statSync(picture);
    const broken = Uint8Array.from(png);
    broken.fill(0, 0, 8);
    writeFileSync(picture, broken);
    utimesSync(picture, atime, mtime);
    expect(statSync(picture).mtimeMs).toBeCloseTo(mtime.getTime(), 0);
    expect(await run()).toEqual({ opened: 2, problems: 2 });
    writeFileSync(picture, png);
    expect(await run()).toEqual({ opened: 2, problems: 1 });
    rmSync(picture);
    expect(await run()).toEqual({ opened: 1, problems: 2 });
  });

  test('by their header only are decoded when that is asked for', async () => {
    writeFileSync(at('known.jsonl'), `${row(['cut.png'])}\n`);
    expect(await run()).toMatchObject({ problems: 0 });
    expect(await run()).toMatchObject({ opened: 0, problems: 0 });
    const remembered = (await RememberedPictures.open(platform, at('known.jsonl'), later))!;
    const checked = await checkRows(platform, scanFile(platform, at('known.jsonl')), settings({ level: 'full', remembered }));
    expect(checked!.problems).toHaveLength(1);
  });

  test('a record that is damaged or cannot be written is no reason to stop', async () => {
    writeFileSync(at('blocked'), '');
    const blocked = { ...platform, env: () => at('blocked') };
    const remembered = await RememberedPictures.open(blocked, at('good.png'), later);
    await remembered!.save();
    expect(await RememberedPictures.open({ ...platform, env: () => undefined }, at('good.png'))).toBeUndefined();
    expect(readFileSync(at('blocked'), 'utf8')).toBe('');
  });
});
