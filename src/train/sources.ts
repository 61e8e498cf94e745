/** Where training rows come from: a JSONL file of conversations, MedVision task lists over volumes, or a prepared folder. They become Examples when asked for. */
import type { ConversationRow } from '../data/conversations.ts';
import type { Conversation, Example, LabelMask, Processor } from '../data/example.ts';
import { ExampleMaker } from '../data/exampleMaker.ts';
import type { RowRequest } from '../data/exampleMaker.ts';
import type { MedvisionSample } from '../data/medvision/sample.ts';
import { sha256Hex } from '../data/prepared/identity.ts';
import type { PreparedSet } from '../data/prepared/preparedSet.ts';
import { estimateLength } from '../data/prepared/row.ts';
import type { PreparedSplit } from '../data/prepared/row.ts';
import type { Platform } from '../platform.ts';
import type { MeasuredSource } from './rowOrder.ts';
import type { ExampleSource } from './trainer.ts';

/** Encoded rows kept for the next epoch, at most. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Rows as requests, which a worker can be sent. */
export interface RowList {
  readonly length: number;
  request(index: number): RowRequest;
  /** What a row is read from: rows of one place are best made by one worker. */
  place(index: number): string;
  /** Rough numbers of tokens, one a row. */
  lengths?(): Promise<ArrayLike<number>>;
  /** Changes with the rows, not with the folder they lie in. Absent: taken from the requests. */
  fingerprint?(): Promise<string>;
}

export function conversationRows(rows: readonly ConversationRow[]): RowList {
  const row = (index: number): ConversationRow => {
    const found = rows[index];
    if (found === undefined) throw new RangeError(`row ${index} of ${rows.length}`);
    return found;
  };
  return {
    length: rows.length,
    request: (index) => ({ kind: 'conversation', ...row(index) }),
    place: (index) => row(index).where,
    lengths: () => Promise.resolve(rows.map(({ conversation }) => conversationLength(conversation))),
  };
}

/** Of the texts alone and a fixed part for each image: its size is known only when it is decoded. */
function conversationLength({ messages, images }: Conversation): number {
  const texts = messages.flatMap(({ content }) => (typeof content === 'string' ? [content] : content.map((part) => (part.type === 'text' ? part.text : ''))));
  return texts.reduce((sum, { length }) => sum + length / 3.5, 256 * images.length);
}

/** @param resizedSize of the processor, for the lengths */
export function sampleRows(samples: { readonly length: number; at(index: number): MedvisionSample }, resizedSize: Processor['resizedSize']): RowList {
  return {
    length: samples.length,
    request: (index) => ({ kind: 'sample', sample: samples.at(index) }),
    place: (index) => samples.at(index).imageFile,
    lengths: () =>
      Promise.resolve(
        Float64Array.from({ length: samples.length }, (_, index) => {
          const sample = samples.at(index);
          return estimateLength(sample, resizedSize(sample.height, sample.width));
        }),
      ),
  };
}

export function preparedRows(set: PreparedSet, split: PreparedSplit): RowList {
  return {
    length: set.rows(split),
    request: (index) => ({ kind: 'prepared', split, index }),
    place: (index) => set.locate(split, index).path,
    lengths: () => set.lengths(split),
    fingerprint: () => sha256Hex(new TextEncoder().encode(JSON.stringify([set.manifest.identity, set.manifest.splits[split]]))),
  };
}

/** Rows become examples when they are asked for. @param make in this thread or in a worker */
export function exampleSource(rows: RowList, make: (request: RowRequest, place: string) => Promise<Example>): MeasuredSource {
  const source = cached(rows.length, (index) => make(rows.request(index), rows.place(index)));
  const fingerprint = (): Promise<string> => rows.fingerprint?.() ?? fingerprintOf(rows);
  return { ...source, fingerprint, ...(rows.lengths && { lengths: () => rows.lengths?.() ?? Promise.resolve([]) }) };
}

/** Rows hashed at a time. */
const FINGERPRINT_ROWS = 512;

/** SHA-256 over all rows in their order: texts, answers, names of images, but neither folders nor pixels. */
async function fingerprintOf(rows: RowList): Promise<string> {
  let hash = '';
  for (let start = 0; start < rows.length; start += FINGERPRINT_ROWS) {
    const texts = Array.from({ length: Math.min(FINGERPRINT_ROWS, rows.length - start) }, (_, i) => {
      const request = rows.request(start + i);
      if (request.kind !== 'conversation') return JSON.stringify(request);
      const { messages, images } = request.conversation;
      return JSON.stringify([messages, images.map((path) => path.slice(path.lastIndexOf('/') + 1))]);
    });
    hash = await sha256Hex(new TextEncoder().encode(`${hash}\n${texts.join('\n')}`));
  }
  return hash;
}

/** Conversations in this thread; errors begin with the row's file:line. `vocabSize` is the model's: ids must lie below it. */
export function conversationSource(
  platform: Platform,
  processor: Processor,
  rows: readonly ConversationRow[],
  { mask, vocabSize }: { mask: LabelMask; vocabSize: number },
): ExampleSource {
  const maker = new ExampleMaker(platform, processor, { mask, vocabSize });
  return exampleSource(conversationRows(rows), (request) => maker.make(request));
}

/** Keeps encoded rows while they fit; a row asked for twice at once is made once. */
function cached(length: number, make: (index: number) => Promise<Example>): ExampleSource {
  const kept = new Map<number, Promise<Example>>();
  let bytes = 0;
  return {
    length,
    async get(index) {
      const known = kept.get(index);
      if (known) return known;
      const making = make(index);
      kept.set(index, making);
      try {
        const example = await making;
        bytes += example.pixelValues.byteLength + 5 * example.inputIds.byteLength;
        if (bytes > CACHE_BYTES) {
          // Simplest bound that helps both cases: a set that fits stays whole, a larger one starts over.
          kept.clear();
          bytes = 0;
        }
        return example;
      } catch (error) {
        kept.delete(index);
        throw error;
      }
    },
  };
}
