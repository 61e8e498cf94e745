/**
 * TensorBoard event files, one to a process, with the tags of Hugging Face's callback: train/loss, eval/loss, … Each begins with a session
 * start at its first step, at which TensorBoard purges the figures of an earlier process that come again. Records: length, its masked CRC,
 * data, its masked CRC (tensorflow/core/lib/io/record_writer.h); messages: tensorboard/compat/proto/event.proto and summary.proto.
 */
import { joinArrays } from '../io/joinArrays.ts';
import { joinPath, UserError } from '../platform.ts';
import type { AppendFile, Platform } from '../platform.ts';
import { bytesField, doubleField, floatField, integerField, messageField, stringField } from './protobuf.ts';
import type { Field } from './protobuf.ts';
import { tagOf } from './tags.ts';
import { redact, redactConfig } from './secrets.ts';
import type { Picture, Row, RunInfo, Summary, Tracker } from './tracker.ts';

const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC32C[(crc ^ byte) & 255]!;
  return ~crc >>> 0;
}

function maskedCrc(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes);
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, true);
  return out;
}

/** One record of an event file. */
export function eventRecord(event: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(event.length), true);
  return joinArrays(Uint8Array, [length, maskedCrc(length), event, maskedCrc(event)]);
}

const SUMMARY = 5;
const SESSION_LOG = 7;
const DT_STRING = 7;
const RGB = 3;

function scalar(key: string, value: number): Field {
  return messageField(1, [stringField(1, tagOf(key)), floatField(2, value)]);
}

/** As torch's `add_text`: a string tensor of one element for the text plugin, which renders Markdown. */
function text(tag: string, markdown: string): Field {
  const tensor = [integerField(1, DT_STRING), messageField(2, [messageField(2, [integerField(1, 1)])]), stringField(8, markdown)];
  return messageField(1, [
    stringField(1, `${tag}/text_summary`),
    messageField(8, tensor),
    messageField(9, [messageField(1, [stringField(1, 'text')])]),
  ]);
}

function image(tag: string, { png, width, height }: Picture): Field {
  return messageField(1, [
    stringField(1, tag),
    messageField(4, [integerField(1, height), integerField(2, width), integerField(3, RGB), bytesField(4, png)]),
  ]);
}

/** Records that wait at most for a disk that has space again; the figures are in the checkpoints too. */
const WAITING_AT_MOST = 1000;

export class TensorBoardTracker implements Tracker {
  readonly #platform: Platform;
  readonly #dir: string;
  readonly #now: () => number;
  #file: AppendFile | undefined;
  /** Records that could not be written, a full disk's. */
  #waiting: Uint8Array[] = [];
  #queue: Promise<void> = Promise.resolve();
  #lastStep = 0;
  #pictures: Field[] = [];

  /** Files go to `dir`, which TensorBoard is pointed at; `now` in milliseconds since 1970. */
  constructor(platform: Platform, dir: string, now: () => number = Date.now) {
    this.#platform = platform;
    this.#dir = dir;
    this.#now = now;
  }

  async start(run: RunInfo): Promise<void> {
    if (!this.#platform.openAppend)
      throw new UserError('TensorBoard files need a disk, and there is none here; leave tensorboard out of report_to.');
    await this.#platform.makeDir(this.#dir);
    this.#file = await this.#open();
    this.#lastStep = run.firstStep;
    // In the first process too: TensorBoard takes the first session start it sees for no restart, and purges at the later ones.
    await this.#write(run.firstStep === 0 ? 0 : run.firstStep + 1, messageField(SESSION_LOG, [integerField(1, 1)]));
    const config = JSON.stringify(redactConfig({ ...run.config }), null, 2);
    await this.#write(run.firstStep, messageField(SUMMARY, [text('args', `\`\`\`json\n${config}\n\`\`\``)]));
  }

  progress(): void {}

  /** The image, and its caption as a text under the same tag: TensorBoard shows none below an image. */
  picture(key: string, picture: Picture): void {
    this.#pictures.push(image(tagOf(key), picture), text(tagOf(key), redact(picture.caption)));
  }

  log(row: Row, step: number): Promise<void> {
    this.#lastStep = Math.max(this.#lastStep, step);
    const figures = Object.entries(row).flatMap(([key, value]) =>
      typeof value === 'number' && key !== 'step' ? [scalar(key, value)] : [],
    );
    const values = [...figures, ...this.#pictures];
    this.#pictures = [];
    return values.length === 0 ? Promise.resolve() : this.#write(step, messageField(SUMMARY, values));
  }

  event(): Promise<void> {
    return Promise.resolve();
  }

  async finish({ figures }: Summary): Promise<void> {
    try {
      await this.log(figures, this.#lastStep);
    } finally {
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
    }
  }

  /** A new event file, which begins with its version. */
  async #open(): Promise<AppendFile> {
    const host = this.#platform.env('HOSTNAME') ?? this.#platform.name;
    const seconds = Math.floor(this.#now() / 1000);
    let path = '';
    for (let n = 0; path === '' || (await this.#platform.exists(path)); n++)
      path = joinPath(this.#dir, `events.out.tfevents.${seconds}.${host}.${n}`);
    const file = await this.#platform.openAppend!(path);
    try {
      await file.append(this.#record(0, stringField(3, 'brain.Event:2')));
    } catch (error) {
      await file.close().catch(() => undefined); // the first error is the one to report
      await this.#platform.remove(path).catch(() => undefined);
      throw error;
    }
    return file;
  }

  #record(step: number, what: Field): Uint8Array {
    return eventRecord(joinArrays(Uint8Array, [doubleField(1, this.#now() / 1000), integerField(2, step), what]));
  }

  /** One record after the other, in the order told, even where the caller does not wait. */
  #write(step: number, what: Field): Promise<void> {
    const record = this.#record(step, what);
    const written = this.#queue.then(() => this.#writeAll(record));
    this.#queue = written.catch(() => undefined); // the caller hears of it; the record waits
    return written;
  }

  /** Readers go no further in a file than a record that was cut short: after one, what waits goes into a new file, which they read next. */
  async #writeAll(record: Uint8Array): Promise<void> {
    this.#waiting.push(record);
    if (this.#waiting.length > WAITING_AT_MOST) this.#waiting.shift();
    try {
      this.#file ??= await this.#open();
      for (; this.#waiting.length > 0; this.#waiting.shift()) await this.#file.append(this.#waiting[0]!);
    } catch (error) {
      await this.#file?.close().catch(() => undefined); // the first error is the one to report
      this.#file = undefined;
      throw error;
    }
  }
}
