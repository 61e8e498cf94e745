/**
 * Phantom examples in order, made ahead of time by threads: drawing and tokenizing one takes a few milliseconds, which a fast GPU would spend
 * waiting. The threads run this program's own file; which one made an example makes no difference.
 */
import { Worker, parentPort, workerData } from 'node:worker_threads';
import { modelFamily } from '../../src/models/families.ts';
import type { Example, Processor } from '../../src/data/example.ts';
import type { Platform } from '../../src/platform.ts';
import { phantomSample } from './phantom.ts';

export interface PhantomWork {
  /** Model folder whose processor makes the examples. */
  dir: string;
  seed: number;
}

interface Made {
  index: number;
  example: Example;
}

export function phantomExample(processor: Processor, seed: number, index: number): Example {
  const { image, prompt, target } = phantomSample(seed, index, (height, width) => processor.resizedSize(height, width));
  const messages = [
    { role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: prompt }] },
    { role: 'assistant' as const, content: target },
  ];
  return processor.encode({ messages, images: ['phantom'] }, [image], { mask: 'completion' });
}

/** What a thread does: makes the examples it is asked for. */
export async function servePhantoms(platform: Platform): Promise<void> {
  const { dir, seed } = workerData as PhantomWork;
  const processor = await modelFamily('qwen2_5_vl', dir).processor(platform, dir, {});
  parentPort?.on('message', (index: number) => {
    const example = phantomExample(processor, seed, index);
    const { inputIds, labels, positionIds, pixelValues } = example;
    parentPort?.postMessage({ index, example }, [inputIds.buffer, labels.buffer, positionIds.buffer, pixelValues.buffer] as ArrayBuffer[]);
  });
}

export class PhantomSource {
  readonly length: number;
  private readonly workers: Worker[];
  private readonly first: number;
  private readonly ahead: number;
  private readonly waiting = new Map<number, { promise: Promise<Example>; resolve: (example: Example) => void; reject: (error: Error) => void }>();
  private asked = 0;

  /** Rows are the phantoms `first` to `first + length`. `program` is the file that a thread runs; `ahead` how many are made before they are asked for. */
  constructor(program: URL, work: PhantomWork, rows: { first: number; length: number }, threads: number, ahead: number) {
    this.first = rows.first;
    this.length = rows.length;
    this.ahead = ahead;
    this.workers = Array.from({ length: threads }, () => {
      const worker = new Worker(program, { workerData: work });
      worker.on('message', ({ index, example }: Made) => {
        this.waiting.get(index)?.resolve(example);
      });
      worker.on('error', (error: Error) => {
        for (const { reject } of this.waiting.values()) reject(error);
      });
      return worker;
    });
  }

  async get(row: number): Promise<Example> {
    for (; this.asked < Math.min(this.length, row + this.ahead); this.asked++) this.request(this.first + this.asked);
    const index = this.first + row;
    const made = this.waiting.get(index) ?? this.request(index);
    const example = await made.promise;
    this.waiting.delete(index);
    return example;
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private request(index: number): { promise: Promise<Example> } {
    let resolve: (example: Example) => void = () => undefined;
    let reject: (error: Error) => void = () => undefined;
    const promise = new Promise<Example>((done, fail) => ([resolve, reject] = [done, fail]));
    // A failure is told to whoever waits; rows asked for ahead have nobody yet.
    promise.catch(() => undefined);
    const made = { promise, resolve, reject };
    this.waiting.set(index, made);
    this.workers[index % this.workers.length]?.postMessage(index);
    return made;
  }
}
