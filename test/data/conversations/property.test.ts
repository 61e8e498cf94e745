/**
 * One conversation, written in every dialect that can say it, gives the same token ids, labels and pixels: through the real processors of
 * both families.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readRow } from '../../../src/data/conversations/row.ts';
import type { Conversation, Example, LabelMask, Processor } from '../../../src/data/example.ts';
import { ExampleMaker } from '../../../src/data/exampleMaker.ts';
import { loadProcessor } from '../../../src/models/processor.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-dialects-'));
afterAll(() => rmSync(folder, { recursive: true }));
const NAMES = ['a.png', 'b.png', 'c.png'] as const;
const base64 = new Map<string, string>();
beforeAll(async () => {
  for (const [i, name] of NAMES.entries()) {
    const png = await nodePlatform.encodePng(Uint8Array.from({ length: 3 * 56 * 28 }, (_, k) => (k * (i + 3)) % 251), 56, 28, 3);
    writeFileSync(join(folder, name), png);
    base64.set(name, Buffer.from(png).toString('base64'));
  }
});

/** A text, or the name of a picture. */
type Piece = { text: string } | { image: string };
interface Exchange {
  question: Piece[];
  answer: string;
  isLearnt: boolean;
}
interface Said {
  system: string | undefined;
  exchanges: Exchange[];
}

const words = fc.string({ unit: fc.constantFrom('a', 'B', ' ', '\n', 'é', '漢', '🙂', '<', '>', '"', '\\', '{', '1', '.'), minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== '');
const question = fc
  .array(fc.oneof({ weight: 2, arbitrary: words.map((text): Piece => ({ text })) }, fc.constantFrom(...NAMES).map((image): Piece => ({ image }))), { minLength: 1, maxLength: 4 })
  // Two texts side by side cannot be told apart from one.
  .map((pieces) => pieces.filter((piece, i) => !('text' in piece && 'text' in (pieces[i - 1] ?? { image: '' }))));
const said: fc.Arbitrary<Said> = fc.record({
  system: fc.option(words, { nil: undefined }),
  exchanges: fc.array(fc.record({ question, answer: words, isLearnt: fc.boolean() }), { minLength: 1, maxLength: 3 }).filter((list) => list.some(({ isLearnt }) => isLearnt)),
});

const partsOf = (pieces: Piece[], image: (name: string) => object, text: (words: string) => object = (one) => ({ type: 'text', text: one })): object[] =>
  pieces.map((piece) => ('text' in piece ? text(piece.text) : image(piece.image)));
const marked = (pieces: Piece[]): string => pieces.map((piece) => ('text' in piece ? piece.text : '<image>')).join('');
const imagesOf = ({ exchanges }: Said): string[] => exchanges.flatMap(({ question: pieces }) => pieces.flatMap((piece) => ('image' in piece ? [piece.image] : [])));
const isOnlyLastLearnt = ({ exchanges }: Said): boolean => exchanges.every(({ isLearnt }, i) => isLearnt === (i === exchanges.length - 1));

function turns(
  { system, exchanges }: Said,
  content: (pieces: Piece[]) => unknown,
  { mark = 'train', role = 'role', key = 'content', user = 'user', assistant = 'assistant' } = {},
): object[] {
  const no = mark === 'weight' ? 0 : false;
  const yes = mark === 'weight' ? 1 : true;
  return [
    ...(system === undefined ? [] : [{ [role]: 'system', [key]: system }]),
    ...exchanges.flatMap(({ question: pieces, answer, isLearnt }) => [{ [role]: user, [key]: content(pieces) }, { [role]: assistant, [key]: answer, [mark]: isLearnt ? yes : no }]),
  ];
}

const dataUri = (name: string): string => `data:image/png;base64,${base64.get(name)}`;
/** Each undefined where it cannot say it. */
const DIALECTS: Readonly<Record<string, (one: Said) => object | undefined>> = {
  'parts and images': (one) => ({ messages: turns(one, (pieces) => partsOf(pieces, () => ({ type: 'image' }))), images: imagesOf(one) }),
  'null-filled parts and image structs': (one) => ({
    messages: turns(one, (pieces) => partsOf(pieces, () => ({ type: 'image', text: null, image: null }), (text) => ({ type: 'text', text, image: null })), { mark: 'loss' }),
    images: imagesOf(one).map((path) => ({ bytes: null, path })), videos: null, tools: [],
  }),
  'images named in parts': (one) => ({ messages: turns(one, (pieces) => partsOf(pieces, (image) => ({ type: 'image', image }))) }),
  'image without a list, marks': (one) => ({ messages: turns(one, marked, { mark: 'weight' }), image: imagesOf(one) }),
  'OpenAI': (one) => ({
    messages: turns(one, (pieces) => partsOf(pieces, (name) => ({ type: 'image_url', image_url: { url: dataUri(name), detail: 'auto' } })), { mark: 'weight' }),
  }),
  'OpenAI responses': (one) => ({
    messages: turns(one, (pieces) => partsOf(pieces, (name) => ({ type: 'input_image', image_url: dataUri(name) }), (text) => ({ type: 'input_text', text }))),
  }),
  'base64 in parts': (one) => ({ messages: turns(one, (pieces) => partsOf(pieces, (name) => ({ type: 'image', base64: base64.get(name) }))) }),
  'ShareGPT': (one) => ({
    conversations: turns({ ...one, system: undefined }, marked, { role: 'from', key: 'value', user: 'human', assistant: 'gpt' }), system: one.system ?? null, images: imagesOf(one),
  }),
  'ShareGPT with other roles': (one) => ({ conversations: turns(one, marked, { role: 'from', key: 'value', user: 'User', assistant: 'model', mark: 'trainable' }), image: imagesOf(one) }),
  'system beside messages': (one) => ({ messages: turns({ ...one, system: undefined }, marked), ...(one.system !== undefined && { system: one.system }), images: imagesOf(one).map(dataUri) }),
  'prompt and completion': (one) => {
    if (!isOnlyLastLearnt(one)) return undefined;
    const all = turns({ ...one, exchanges: one.exchanges.map((exchange) => ({ ...exchange, isLearnt: true })) }, (pieces) => partsOf(pieces, () => ({ type: 'image' })));
    return { prompt: all.slice(0, -1), completion: all.slice(-1), images: imagesOf(one) };
  },
  'prompt and completion as texts': (one) => {
    const [first] = one.exchanges;
    return one.exchanges.length === 1 && first ? { prompt: marked(first.question), completion: first.answer, system: one.system, images: imagesOf(one) } : undefined;
  },
  'Alpaca': (one) => ofTexts(one, 'instruction', 'output'),
  'ms-swift': (one) => ofTexts(one, 'query', 'response'),
  'no place named': (one) => {
    const [first, ...others] = one.exchanges;
    const images = imagesOf(one);
    const text = first?.question.at(-1);
    if (text === undefined || !('text' in text) || first?.question.length !== images.length + 1 || others.some(({ question: pieces }) => pieces.some((piece) => 'image' in piece))) return undefined;
    return { messages: turns(one, (pieces) => pieces.map((piece) => ('text' in piece ? piece.text : '')).join('')), images };
  },
};

function ofTexts({ system, exchanges }: Said, ask: string, answer: string): object | undefined {
  const last = exchanges.at(-1);
  if (last === undefined || exchanges.some(({ isLearnt }) => !isLearnt)) return undefined;
  return {
    [ask]: marked(last.question), [answer]: last.answer, system, images: imagesOf({ system, exchanges }),
    history: exchanges.slice(0, -1).map((exchange) => [marked(exchange.question), exchange.answer]),
  };
}

function canonical(one: Said): Conversation {
  return {
    messages: [
      ...(one.system === undefined ? [] : [{ role: 'system', content: one.system } as const]),
      ...one.exchanges.flatMap(({ question: pieces, answer, isLearnt }) => [
        { role: 'user', content: pieces.map((piece) => ('text' in piece ? ({ type: 'text', text: piece.text } as const) : ({ type: 'image' } as const))) } as const,
        { role: 'assistant', content: answer, ...(!isLearnt && { isLearnt: false as const }) } as const,
      ]),
    ],
    images: imagesOf(one).map((name) => join(folder, name)),
  };
}

/** Pixels as their checksum: comparing a million numbers one by one takes minutes. */
function digest({ inputIds, labels, pixelValues, imageGrids }: Example): unknown {
  const { buffer, byteOffset, byteLength } = pixelValues;
  return { ids: inputIds.join(), labels: labels.join(), imageGrids, pixels: createHash('sha256').update(new Uint8Array(buffer, byteOffset, byteLength)).digest('hex') };
}

describe.each(['node/base', 'node/base-medgemma', 'node/base-smolvlm'])('%s', (base) => {
  let processor: Processor;
  beforeAll(async () => {
    processor = await loadProcessor(nodePlatform, fileURLToPath(new URL(`../../../${base}`, import.meta.url)));
  });
  const made = (conversation: Conversation, mask: LabelMask): Promise<Example> =>
    new ExampleMaker(nodePlatform, processor, { mask, vocabSize: Infinity }).make({ kind: 'conversation', conversation, where: 'row' });

  it('every dialect gives the same example', { timeout: 240_000 }, async () => {
    const tried = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(said, fc.constantFrom<LabelMask>('completion', 'reference'), async (one, mask) => {
        const expected = digest(await made(canonical(one), mask));
        for (const [name, write] of Object.entries(DIALECTS)) {
          const row = write(one);
          if (row === undefined) continue;
          tried.set(name, (tried.get(name) ?? 0) + 1);
          const { conversation } = readRow(JSON.parse(JSON.stringify(row)), { where: name, folder });
          expect(digest(await made(conversation, mask)), name).toEqual(expected);
        }
      }),
      { numRuns: 40 },
    );
    // The rarer ones take a shape of conversation that few draws have.
    expect(tried.size).toBeGreaterThanOrEqual(10);
  });

  it('an answer taken out carries no label in either mask, its neighbours theirs', async () => {
    const one: Said = { system: undefined, exchanges: [{ question: [{ text: 'q' }], answer: 'bad', isLearnt: false }, { question: [{ text: 'again' }], answer: 'good', isLearnt: true }] };
    const learnt = async (mask: LabelMask): Promise<string> => {
      const { labels } = await made(canonical(one), mask);
      return processor.decode(labels.filter((id) => id >= 0));
    };
    const completion = await learnt('completion');
    expect(completion).toContain('good');
    expect(completion).not.toMatch(/bad|again/);
    const reference = await learnt('reference');
    expect(reference).toMatch(/q[^]*again[^]*good/);
    expect(reference).not.toContain('bad');
  });
});
