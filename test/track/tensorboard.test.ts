/** Event files: the framing by known checksums, the tags, and (where VERNIER_PYTHON names a Python with tensorboard) what TensorBoard itself reads. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { AppendFile } from '../../src/platform.ts';
import { crc32c, eventRecord, TensorBoardTracker } from '../../src/track/tensorboard.ts';

const python = process.env['VERNIER_PYTHON'];
const script = fileURLToPath(new URL('../golden/tensorboard_events.py', import.meta.url));
const RUN = { name: 'sft', totalSteps: 4, firstStep: 0, facts: {}, config: { seed: 1, hf_token: 'secret' } };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vernier-tensorboard-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

function rawEvents(file: string): Uint8Array[] {
  const bytes = readFileSync(join(dir, file));
  const events: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const event = bytes.subarray(at + 12, at + 12 + length);
    expect(Buffer.compare(bytes.subarray(at, at + 16 + length), Buffer.from(eventRecord(event)))).toBe(0);
    events.push(event);
    at += 16 + length;
  }
  return events;
}

describe('event files', () => {
  it("have Castagnoli's checksum (RFC 3720, B.4)", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it('hold whole records in the order told, scalars as protobuf floats, and no secret', async () => {
    const tracker = new TensorBoardTracker(nodePlatform, dir, () => 1_700_000_000_500);
    await tracker.start(RUN);
    await Promise.all([tracker.log({ loss: 0.5, step: 1, note: 'words' }, 1), tracker.log({ eval_loss: 0.25 }, 300)]);
    await tracker.finish({ outcome: 'finished', figures: { train_runtime: 2 }, files: [] });
    const [file] = readdirSync(dir);
    expect(file).toMatch(/^events\.out\.tfevents\.1700000000\./);
    const [version, start, config, loss, evaluation, end] = rawEvents(file!).map((event) => Buffer.from(event));
    expect(version!.toString('latin1')).toContain('brain.Event:2');
    expect(start!.subarray(-6)).toEqual(Buffer.from([0x10, 0, 0x3a, 2, 0x08, 1])); // step 0; session_log: field 7; status: 1, START
    expect(config!.toString('latin1')).toContain('args/text_summary');
    expect(config!.toString('latin1')).not.toContain('secret');
    // wall_time: field 1, double; step: field 2, varint; summary: field 5; value: 1; tag: 1; simple_value: 2, float
    const head = Buffer.from([0x09, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeDoubleLE(1_700_000_000.5, 1);
    const value = Buffer.from([0x15, 0, 0, 0, 0x3f]);
    const name = Buffer.from('train/loss');
    const scalar = Buffer.concat([Buffer.from([0x0a, name.length]), name, value]);
    const summary = Buffer.concat([Buffer.from([0x0a, scalar.length]), scalar]);
    expect(loss).toEqual(Buffer.concat([head, Buffer.from([0x10, 1, 0x2a, summary.length]), summary]));
    expect(evaluation!.subarray(9, 12)).toEqual(Buffer.from([0x10, 0xac, 0x02]));
    expect(evaluation!.toString('latin1')).toContain('eval/loss');
    expect(end!.toString('latin1')).toContain('train/train_runtime');
  });

  it('hold a picture once, with the next row', async () => {
    const tracker = new TensorBoardTracker(nodePlatform, dir, () => 0);
    await tracker.start(RUN);
    tracker.picture('eval_predictions/AD/1', { png: Uint8Array.of(7, 8, 9), width: 5, height: 6, caption: 'angle' });
    await tracker.log({ eval_loss: 1 }, 2);
    await tracker.log({ loss: 1 }, 3);
    await tracker.finish({ outcome: 'finished', figures: {}, files: [] });
    const [, , , evaluation, later] = rawEvents(readdirSync(dir)[0]!).map((event) => Buffer.from(event));
    // Summary.Value: tag 1, image 4 { height 1, width 2, colorspace 3, encoded_image_string 4 }
    const tag = Buffer.from('eval/predictions/AD/1');
    const image = Buffer.from([0x22, 11, 0x08, 6, 0x10, 5, 0x18, 3, 0x22, 3, 7, 8, 9]);
    expect(evaluation!.includes(Buffer.concat([Buffer.from([0x0a, tag.length]), tag, image]))).toBe(true);
    expect(evaluation!.toString('latin1')).toContain('eval/loss');
    expect(later!.includes(tag)).toBe(false);
  });

  if (!python) {
    it.skip('VERNIER_PYTHON is not set: name a Python with tensorboard to read them with TensorBoard', () => undefined);
    return;
  }
  it('after a record that was cut short (a full disk) are new ones, with all that could not be written, and nothing empty is left', async () => {
    let room = Infinity;
    let time = Date.UTC(2026, 0, 2);
    const openAppend = async (path: string): Promise<AppendFile> => {
      const file = await nodePlatform.openAppend(path);
      const append = async (bytes: Uint8Array): Promise<void> => {
        await file.append(bytes.subarray(0, room));
        if (room < bytes.length) throw new Error('disk full');
      };
      return { ...file, append };
    };
    const tracker = new TensorBoardTracker({ ...nodePlatform, openAppend }, dir, () => (time += 1000));
    await tracker.start(RUN);
    const [first] = readdirSync(dir);
    const whole = rawEvents(first!).length;
    room = 10;
    for (const step of [1, 2]) await expect(tracker.log({ loss: step }, step)).rejects.toThrow('disk full');
    expect(readdirSync(dir)).toEqual([first]);
    room = Infinity;
    await tracker.log({ loss: 3 }, 3);
    await tracker.finish({ outcome: 'finished', figures: {}, files: [] });
    const [, second, ...more] = readdirSync(dir).sort();
    expect(more).toEqual([]);
    expect(rawEvents(second!).length).toBe(1 + 3); // its version, and a row a step
    expect(() => rawEvents(first!)).toThrow();
    expect(whole).toBe(3);
  });

  it("are read by TensorBoard, a resumed run's without doubles", { timeout: 120_000 }, async () => {
    const first = new TensorBoardTracker(nodePlatform, dir, () => 1_700_000_000_000);
    await first.start(RUN);
    for (let step = 1; step <= 3; step++) {
      if (step === 3) first.picture('eval_predictions/AD/1', { png: Uint8Array.of(1), width: 1, height: 1, caption: 'lost with its step' });
      await first.log({ loss: 4 - step, learning_rate: 1e-4 }, step);
    }
    // Killed here; the run goes on from its checkpoint of step 2.
    const second = new TensorBoardTracker(nodePlatform, dir, () => 1_700_000_100_000);
    await second.start({ ...RUN, firstStep: 2 });
    for (let step = 3; step <= 4; step++) {
      second.picture('eval_predictions/AD/1', { png: Uint8Array.of(137, 80, step), width: 300, height: 2, caption: `answer at ${step}` });
      await second.log({ loss: 10 - step, learning_rate: 5e-5 }, step);
    }
    await second.finish({ outcome: 'finished', figures: { train_runtime: 2 }, files: [] });
    const found = JSON.parse(execFileSync(python, [script, dir], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as {
      scalars: Record<string, [number, number][]>;
      texts: Record<string, string[]>;
      images: Record<string, [number, number, number, string][]>;
    };
    expect(found.scalars['train/loss']).toEqual([[1, 3], [2, 2], [3, 7], [4, 6]]);
    expect(found.scalars['train/train_runtime']).toEqual([[4, 2]]);
    expect(found.texts['args/text_summary']?.[0]).toContain('"seed": 1');
    expect(found.images).toEqual({ 'eval/predictions/AD/1': [[3, 300, 2, '895003'], [4, 300, 2, '895004']] });
    expect(found.texts['eval/predictions/AD/1/text_summary']).toEqual(['answer at 3', 'answer at 4']);
  });
});
