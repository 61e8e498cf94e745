/**
 * The `.wandb` file that the official client keeps of every run and `wandb sync` sends: a header, then records in LevelDB's log framing
 * (blocks of 32 KiB; checksum over type and data, length, type: whole, first, middle, last), each a protobuf Record (wandb_internal.proto,
 * wandb 0.30).
 */
import { joinArrays } from '../../io/joinArrays.ts';
import type { AppendFile } from '../../platform.ts';
import { bytesField, integerField, messageField, stringField } from '../protobuf.ts';
import type { Field } from '../protobuf.ts';

const BLOCK = 32768;
const HEADER = 7;
const CRC32 = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/** zlib's. */
export function crc32(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = (crc >>> 8) ^ CRC32[(crc ^ byte) & 255]!;
  return ~crc >>> 0;
}

const FRAME = { whole: 1, first: 2, middle: 3, last: 4 } as const;

/** `record` framed for a file that has `at` bytes. */
export function framed(record: Uint8Array, at: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let position = at;
  let from = 0;
  do {
    const left = BLOCK - (position % BLOCK);
    if (left < HEADER) {
      parts.push(new Uint8Array(left));
      position += left;
      continue;
    }
    const data = record.subarray(from, from + left - HEADER);
    const isLast = from + data.length === record.length;
    const type = from === 0 ? (isLast ? FRAME.whole : FRAME.first) : isLast ? FRAME.last : FRAME.middle;
    const head = new DataView(new ArrayBuffer(HEADER));
    head.setUint32(0, crc32(Uint8Array.of(type), data), true);
    head.setUint16(4, data.length, true);
    head.setUint8(6, type);
    parts.push(new Uint8Array(head.buffer), data);
    position += HEADER + data.length;
    from += data.length;
    if (isLast) break;
  } while (from <= record.length);
  return joinArrays(Uint8Array, parts);
}

/** ":W&B", the magic number, version 0. */
const FILE_HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);

const items = (field: number, values: Readonly<Record<string, unknown>>): Field[] =>
  Object.entries(values).map(([key, value]) => messageField(field, [stringField(1, key), stringField(16, JSON.stringify(value))]));

export interface LoggedRun {
  id: string;
  entity?: string;
  project: string;
  name: string;
  tags: readonly string[];
  config: Readonly<Record<string, unknown>>;
  /** Seconds since 1970. */
  startedAt: number;
  /** Key every chart is drawn over. */
  stepMetric: string;
}

/** Writes one run. Calls are made one after the other. */
export class TransactionLog {
  readonly #file: AppendFile;
  #size = 0;
  #records = 0;

  constructor(file: AppendFile) {
    this.#file = file;
  }

  async begin(run: LoggedRun): Promise<void> {
    await this.#file.append(FILE_HEADER);
    this.#size = FILE_HEADER.length;
    await this.#write(21, [messageField(1, [stringField(1, '0.30.0')])]);
    await this.#write(17, [
      stringField(1, run.id),
      ...(run.entity === undefined ? [] : [stringField(2, run.entity)]),
      stringField(3, run.project),
      messageField(4, items(1, run.config)),
      stringField(8, run.name),
      ...run.tags.map((tag) => stringField(10, tag)),
      messageField(17, [integerField(1, Math.floor(run.startedAt))]),
    ]);
    await this.#write(12, [stringField(1, run.stepMetric), messageField(6, [integerField(3, 1)])]);
    await this.#write(12, [stringField(2, '*'), stringField(4, run.stepMetric), messageField(6, [integerField(1, 1)])]);
  }

  history(line: Readonly<Record<string, unknown>>, step: number): Promise<void> {
    return this.#write(2, [...items(1, line), messageField(2, [integerField(1, step)])]);
  }

  summary(values: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#write(3, items(1, values));
  }

  /** Files beside the log, paths relative to its folder `files`. */
  files(paths: readonly string[]): Promise<void> {
    return this.#write(
      6,
      paths.map((path) => messageField(1, [stringField(1, path)])),
    );
  }

  async end(exitCode: number, runtimeSeconds: number): Promise<void> {
    await this.#write(18, [integerField(1, exitCode), integerField(2, Math.floor(runtimeSeconds))]);
    await this.#write(22, []);
    await this.#file.close();
  }

  async #write(field: number, message: readonly Field[]): Promise<void> {
    this.#records++;
    const bytes = framed(
      joinArrays(Uint8Array, [integerField(1, this.#records), bytesField(field, joinArrays(Uint8Array, message))]),
      this.#size,
    );
    this.#size += bytes.length;
    await this.#file.append(bytes);
  }
}
