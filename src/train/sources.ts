/**
 * Where training rows come from: a JSONL file of conversations, MedVision task lists over volumes, or a prepared folder. They become
 * Examples when asked for.
 */
import { conversationFacts, Fingerprint } from '../data/conversations/fingerprint.ts';
import type { RowFile } from '../data/conversations/rowFile.ts';
import type { Example, Processor } from '../data/example.ts';
import type { RowRequest } from '../data/exampleMaker.ts';
import type { MedvisionSample } from '../data/medvision/sample.ts';
import { sha256Hex } from '../data/prepared/identity.ts';
import type { PreparedSet } from '../data/prepared/preparedSet.ts';
import { estimateLength } from '../data/prepared/row.ts';
import type { PreparedSplit } from '../data/prepared/row.ts';
import type { MeasuredSource } from './rowOrder.ts';
import { seenRows } from './seenRows.ts';
import type { ExampleSource } from './exampleSource.ts';

/** Encoded rows kept for the next epoch, at most. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Rows as requests, which a worker can be sent. */
export interface RowList {
  readonly kind: RowRequest['kind'];
  readonly length: number;
  request(index: number): Promise<RowRequest>;
  /** What a row is read from: rows of one place are best made by one worker. */
  place(index: number): string;
  /** Rough numbers of tokens, one a row. */
  lengths?(): Promise<ArrayLike<number>>;
  /** How many conversations are of each form. */
  dialects?(): Promise<ReadonlyMap<string, number>>;
  /** Changes with the rows, not with the folder they lie in. Absent: taken from the requests. */
  fingerprint?(): Promise<string>;
}

/** @param chosen the rows to take, in this order; all of them where absent */
export function conversationRows(file: RowFile, chosen?: Uint32Array): RowList {
  const at = (index: number): number => (chosen === undefined ? index : (chosen[index] ?? -1));
  let figures: ReturnType<RowFile['figures']> | undefined;
  return {
    kind: 'conversation',
    length: chosen?.length ?? file.length,
    async request(index) {
      const { conversation, where } = await file.row(at(index));
      return { kind: 'conversation', conversation, where };
    },
    place: (index) => file.where(at(index)),
    lengths: async () => (await (figures ??= file.figures(chosen))).lengths,
    dialects: async () => (await (figures ??= file.figures(chosen))).dialects,
    fingerprint: async () => (await (figures ??= file.figures(chosen))).fingerprint,
  };
}

/** @param resizedSize of the processor, for the lengths */
export function sampleRows(
  samples: { readonly length: number; at(index: number): MedvisionSample },
  resizedSize: Processor['resizedSize'],
): RowList {
  return {
    kind: 'sample',
    length: samples.length,
    request: (index) => Promise.resolve({ kind: 'sample', sample: samples.at(index) }),
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
    kind: 'prepared',
    length: set.rows(split),
    request: (index) => Promise.resolve({ kind: 'prepared', split, index }),
    place: (index) => set.locate(split, index).path,
    lengths: () => set.lengths(split),
    fingerprint: () => sha256Hex(new TextEncoder().encode(JSON.stringify([set.manifest.identity, set.manifest.splits[split]]))),
  };
}

/** Rows become examples when they are asked for. @param make in this thread or in a worker */
export function exampleSource(rows: RowList, make: (request: RowRequest, place: string) => Promise<Example>): MeasuredSource {
  const source = cached(rows.length, async (index) => make(await rows.request(index), rows.place(index)));
  let known: Promise<string> | undefined;
  const fingerprint = (): Promise<string> => (known ??= rows.fingerprint?.() ?? fingerprintOf(rows));
  return { ...source, fingerprint, ...(rows.lengths && { lengths: () => rows.lengths?.() ?? Promise.resolve([]) }) };
}

/** SHA-256 over all rows in their order: texts, answers, names of images, but neither folders nor pixels. */
async function fingerprintOf(rows: RowList): Promise<string> {
  const fingerprint = new Fingerprint();
  for (let index = 0; index < rows.length; index++) {
    const request = await rows.request(index);
    await fingerprint.add(request.kind === 'conversation' ? conversationFacts(request.conversation) : JSON.stringify(request));
  }
  return fingerprint.hex();
}

/** Keeps encoded rows while they fit; a row asked for twice at once is made once. */
function cached(length: number, make: (index: number) => Promise<Example>): ExampleSource {
  const kept = new Map<number, { making: Promise<Example>; bytes: number }>();
  let bytes = 0;
  const forget = (index: number): void => {
    bytes -= kept.get(index)?.bytes ?? 0;
    kept.delete(index);
  };
  const get = async (index: number): Promise<Example> => {
    const known = kept.get(index);
    if (known) return known.making;
    const row = { making: make(index), bytes: 0 };
    kept.set(index, row);
    try {
      const example = await row.making;
      if (kept.get(index) !== row) return example;
      row.bytes = example.pixelValues.byteLength + 5 * example.inputIds.byteLength;
      bytes += row.bytes;
      if (bytes > CACHE_BYTES) {
        // Simplest bound that helps both cases: a set that fits stays whole, a larger one starts over.
        kept.clear();
        bytes = 0;
      }
      return example;
    } catch (error) {
      forget(index);
      throw error;
    }
  };
  return { length, get: seenRows(get, forget) };
}
