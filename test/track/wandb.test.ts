/** The W&B tracker against a local server that behaves badly, and its offline file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Platform } from '../../src/platform.ts';
import type { RunInfo } from '../../src/track/tracker.ts';
import { wandbSettings } from '../../src/track/wandb/settings.ts';
import type { WandbOptions } from '../../src/track/wandb/settings.ts';
import { WandbTracker } from '../../src/track/wandb/tracker.ts';
import { crc32, framed } from '../../src/track/wandb/transactionLog.ts';
import { WandbServer } from './wandbServer.ts';

const KEY = '0123456789abcdef0123456789abcdef01234567';
const NOTHING: WandbOptions = {
  wandb_project: null, wandb_entity: null, wandb_run_name: null, wandb_run_id: null, wandb_dir: null, wandb_resume: null, wandb_mode: null, wandb_tags: [],
};
const RUN: RunInfo = { name: 'sft', totalSteps: 4, firstStep: 0, facts: { rows: 8 }, config: { learning_rate: 2e-4, hf_token: 'hf_abcdefghijklmnopqrstuvwx' } };
const PACE = { post: 1, heartbeat: 200, retryFrom: 5, retryTo: 40 };

let dir: string;
let server: WandbServer;
let url: string;
let said: string[];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vernier-wandb-'));
  server = new WandbServer(KEY);
  url = await server.listen();
  said = [];
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

function platformWith(env: Record<string, string>): Platform {
  const base = nodePlatform;
  return Object.assign(Object.create(base) as Platform, { env: (name: string) => env[name] });
}

async function tracker(options: Partial<WandbOptions> = {}, env: Record<string, string> = {}, finishMs = 5000): Promise<WandbTracker> {
  const platform = platformWith({ WANDB_API_KEY: KEY, WANDB_BASE_URL: url, ...env });
  const settings = await wandbSettings(platform, { ...NOTHING, ...options }, 'sft', dir);
  return new WandbTracker({ platform, settings, say: (level, text) => said.push(`${level}: ${text}`), finishMs, pace: PACE });
}

const rows = (from: number, to: number): { loss: number; step: number }[] => Array.from({ length: to - from + 1 }, (_, i) => ({ loss: 10 - from - i, step: from + i }));
const finished = { outcome: 'finished', figures: { train_runtime: 3, train_loss: 7 }, files: [] } as const;

function everyFile(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((path) => statSync(path).isFile());
}

describe('online', () => {
  it('a run: configuration, history over the global step, pictures, summary, end', async () => {
    const wandb = await tracker({ wandb_project: 'p', wandb_run_name: 'named', wandb_tags: ['a', 'b'] });
    await wandb.start(RUN);
    for (const row of rows(1, 3)) await wandb.log({ ...row, learning_rate: 1e-4 }, row.step);
    wandb.picture('eval_predictions', { png: Uint8Array.of(1, 2, 3), width: 4, height: 5, caption: 'slice 7' }, 3);
    await wandb.log({ eval_loss: NaN }, 3);
    await wandb.finish(finished);
    const [[id, run]] = [...server.runs] as [[string, NonNullable<ReturnType<typeof server.runs.get>>]];
    expect(id).toMatch(/^[a-z0-9]{8}$/);
    expect(run.displayName).toBe('named');
    expect(run.tags).toEqual(['a', 'b']);
    expect(run.config['learning_rate']).toEqual({ value: 2e-4 });
    expect(run.config['hf_token']).toEqual({ value: '***' });
    expect(run.config['_wandb']).toEqual({ value: { m: [{ '1': 'train/global_step', '6': [3], '7': [] }, { '2': '*', '5': 1, '6': [1], '7': [] }], t: {} } });
    expect(run.history.map((line) => [line['_step'], line['train/global_step'], line['train/loss'] ?? line['eval/loss']])).toEqual([
      [0, 1, 9], [1, 2, 8], [2, 3, 7], [3, 3, 'NaN'],
    ]);
    const picture = run.history[3]?.['eval/predictions'] as { path: string; caption: string };
    expect(picture.caption).toBe('slice 7');
    expect([...(run.files.get(picture.path) ?? [])]).toEqual([1, 2, 3]);
    expect(run.summary).toMatchObject({ 'train/train_runtime': 3, 'train/train_loss': 7, 'train/loss': 7, 'train/global_step': 3 });
    expect(run.exitCode).toBe(0);
    expect(said).toEqual([`info: W&B: ${url}/team/p/runs/${id}`]);
  });

  it('a wrong key, none, and a run that must or must not be there are said at the start', async () => {
    await expect((await tracker({}, { WANDB_API_KEY: 'wrong' })).start(RUN)).rejects.toThrow(/does not accept the API key .*WANDB_API_KEY/);
    await expect(tracker({}, { WANDB_API_KEY: '' })).rejects.toThrow(/no API key: set the environment variable WANDB_API_KEY/);
    await expect((await tracker({ wandb_run_id: 'abc', wandb_resume: 'must' })).start(RUN)).rejects.toThrow(/no run abc in team\/vernier/);
    const first = await tracker({ wandb_run_id: 'abc' });
    await first.start(RUN);
    await first.finish(finished);
    await expect((await tracker({ wandb_run_id: 'abc', wandb_resume: 'never' })).start(RUN)).rejects.toThrow(/has a run abc .* already/);
    await expect(tracker({ wandb_run_id: 'a/b' })).rejects.toThrow(/an id has none of/);
    await expect(tracker({}, { WANDB_RESUME: 'maybe' })).rejects.toThrow(/WANDB_RESUME=maybe: expected one of allow, must, never, auto/);
  });

  it('the key may lie in netrc, where `wandb login` puts it', async () => {
    writeFileSync(join(dir, '.netrc'), `machine other.host login user password nope\nmachine 127.0.0.1\n  login user\n  password ${KEY}\n`);
    const wandb = await tracker({}, { WANDB_API_KEY: '', HOME: dir });
    await wandb.start(RUN);
    await wandb.finish(finished);
    expect(server.requests.every((request) => request.authorized)).toBe(true);
  });

  it('nothing is lost or doubled while the server drops, delays and refuses, and training never waits', async () => {
    const faults = ['none', 503, 'drop', 'none', 'drop-after', 429, 500, 'drop-after', 'none', 'drop', 'none'] as const;
    let at = 0;
    server.retryAfter = '0';
    server.fault = () => faults[at++ % faults.length]!;
    const wandb = await tracker({ wandb_run_id: 'bad' });
    await wandb.start(RUN);
    for (const row of rows(1, 60)) {
      const before = performance.now();
      await wandb.log(row, row.step);
      expect(performance.now() - before).toBeLessThan(1000);
      if (row.step % 10 === 0) await new Promise((done) => setTimeout(done, 10));
    }
    await wandb.finish(finished);
    const run = server.runs.get('bad')!;
    expect(run.history.map((line) => line['train/global_step'])).toEqual(rows(1, 60).map((row) => row.step));
    expect(run.exitCode).toBe(0);
    expect(said.some((text) => text.startsWith('warning: W&B at'))).toBe(true);
  });

  it('a server that is down from the start is waited for, and the end is bounded', async () => {
    await server.close();
    const wandb = await tracker({ wandb_run_id: 'late' }, {}, 300);
    await wandb.start(RUN);
    await wandb.log(rows(1, 1)[0]!, 1);
    server = new WandbServer(KEY);
    await server.listen(Number(new URL(url).port));
    await wandb.log(rows(2, 2)[0]!, 2);
    await wandb.finish(finished);
    expect(server.runs.get('late')?.history.length).toBe(2);
    await server.close();

    const alone = await tracker({ wandb_run_id: 'alone' }, {}, 300);
    await alone.start(RUN);
    await alone.log(rows(1, 1)[0]!, 1);
    const before = performance.now();
    await alone.finish(finished);
    expect(performance.now() - before).toBeLessThan(3000);
    expect(said.at(-1)).toMatch(/did not answer in time: 1 row .*`wandb sync .*run-.*-alone` sends the run/);
    server = new WandbServer(KEY);
    await server.listen();
  });

  it('a run that goes on from a checkpoint sends what the server lacks, and nothing twice', async () => {
    for (const reached of [1, 4]) {
      const id = `again${reached}`;
      const first = await tracker({ wandb_run_id: id }, {}, 100);
      await first.start(RUN);
      for (const row of rows(1, 2)) await first.log(row, row.step);
      // The checkpoint of step 2; then the process dies, with `reached` rows arrived.
      const state = first.state();
      for (const row of rows(3, 4)) await first.log(row, row.step);
      await expect.poll(() => server.runs.get(id)!.history.length).toBe(4);
      server.fault = () => 'drop';
      await first.finish({ ...finished, outcome: 'failed' }).catch(() => undefined);
      server.fault = () => 'none';
      const run = server.runs.get(id)!;
      run.history.length = reached;

      const second = await tracker();
      await second.start({ ...RUN, firstStep: 2, resumed: { state, history: rows(1, 2) } });
      for (const row of rows(3, 6)) await second.log(row, row.step);
      await second.finish(finished);
      expect(run.history.map((line) => [line['_step'], line['train/global_step']])).toEqual([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6]]);
    }
  });

  it('a run whose server came up only after the checkpoint is not doubled either', async () => {
    await server.close();
    const first = await tracker({}, {}, 100);
    await first.start(RUN);
    for (const row of rows(1, 2)) await first.log(row, row.step);
    const state = first.state();
    server = new WandbServer(KEY);
    await server.listen(Number(new URL(url).port));
    await first.log(rows(3, 3)[0]!, 3);
    await expect.poll(() => [...server.runs.values()][0]?.history.length).toBe(3);
    await first.finish(finished);
    const second = await tracker();
    await second.start({ ...RUN, firstStep: 2, resumed: { state, history: rows(1, 2) } });
    for (const row of rows(3, 4)) await second.log(row, row.step);
    await second.finish(finished);
    expect([...server.runs.values()].map((run) => run.history.map((line) => line['train/global_step']))).toEqual([[1, 2, 3, 4]]);
  });

  it('another training under the id of a run goes on behind it', async () => {
    const first = await tracker({ wandb_run_id: 'same' });
    await first.start(RUN);
    await first.log(rows(1, 1)[0]!, 1);
    await first.finish(finished);
    const second = await tracker({ wandb_resume: 'auto' });
    await second.start(RUN);
    await second.log(rows(1, 1)[0]!, 1);
    await second.finish(finished);
    expect(server.runs.get('same')?.history.map((line) => line['_step'])).toEqual([0, 1]);
    expect(second.state()).toMatchObject({ wandb_run_id: 'same', wandb_base: 1 });
  });

  it('the key is in no file, address, body or message', async () => {
    server.fault = (path) => (path.includes('file_stream') ? 500 : 'none');
    const wandb = await tracker({}, {}, 100);
    await wandb.start({ ...RUN, config: { ...RUN.config, note: `WANDB_API_KEY=${KEY}`, other: KEY } });
    await wandb.log({ loss: 1, note: KEY }, 1);
    await wandb.finish(finished);
    const written = everyFile(dir).map((path) => readFileSync(path, 'latin1'));
    expect(written.length).toBeGreaterThan(2);
    for (const text of [...written, ...said, JSON.stringify(wandb.state()), ...server.requests.flatMap(({ path, body }) => [path, body])]) expect(text).not.toContain(KEY);
  });
});

describe('offline', () => {
  /** Fields of a protobuf message by number. */
  function fields(bytes: Uint8Array): Map<number, (Uint8Array | number)[]> {
    const out = new Map<number, (Uint8Array | number)[]>();
    let at = 0;
    const varint = (): number => {
      let value = 0;
      for (let shift = 1; ; shift *= 128) {
        const byte = bytes[at++]!;
        value += (byte & 127) * shift;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.length) {
      const key = varint();
      const value = key % 8 === 2 ? bytes.subarray(at + 0, 0) : varint();
      let entry: Uint8Array | number = value;
      if (key % 8 === 2) {
        const length = varint();
        entry = bytes.subarray(at, (at += length));
      }
      out.set(key >> 3, [...(out.get(key >> 3) ?? []), entry]);
    }
    return out;
  }

  function readLog(path: string): Map<number, (Uint8Array | number)[]>[] {
    const bytes = readFileSync(path);
    expect(bytes.subarray(0, 7)).toEqual(Buffer.from([0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0]));
    const records: Buffer[] = [];
    let parts: Buffer[] = [];
    for (let at = 7; at < bytes.length; ) {
      const left = 32768 - (at % 32768);
      if (left < 7) {
        at += left;
        continue;
      }
      const length = bytes.readUInt16LE(at + 4);
      const data = bytes.subarray(at + 7, at + 7 + length);
      expect(bytes.readUInt32LE(at)).toBe(crc32(bytes.subarray(at + 6, at + 7), data));
      const type = bytes[at + 6]!;
      parts = type === 1 || type === 2 ? [data] : [...parts, data];
      if (type === 1 || type === 4) records.push(Buffer.concat(parts));
      at += 7 + length;
    }
    return records.map((record) => fields(record));
  }

  it('writes the whole run as the official client does, a resumed one too', async () => {
    const wandb = await tracker({ wandb_run_id: 'off' }, { WANDB_MODE: 'offline', WANDB_API_KEY: '' });
    const long = 'x'.repeat(70_000);
    await wandb.start({ ...RUN, firstStep: 2, config: { long }, resumed: { state: { wandb_run_id: 'off' }, history: rows(1, 2) } });
    for (const row of rows(3, 4)) await wandb.log(row, row.step);
    await wandb.finish(finished);
    expect(server.requests).toEqual([]);
    const [folder] = readdirSync(join(dir, 'wandb')).filter((name) => name.startsWith('offline-run-'));
    const records = readLog(join(dir, 'wandb', folder!, 'run-off.wandb'));
    expect(records.map((record) => record.get(1)?.[0])).toEqual(records.map((_, i) => i + 1));
    expect(records.map((record) => [...record.keys()][1])).toEqual([21, 17, 12, 12, 2, 2, 2, 2, 3, 18, 22]);
    const run = fields(records[1]!.get(17)![0] as Uint8Array);
    expect(Buffer.from(run.get(1)![0] as Uint8Array).toString()).toBe('off');
    expect(Buffer.from(run.get(4)![0] as Uint8Array).includes(long)).toBe(true);
    const items = fields(records[7]!.get(2)![0] as Uint8Array).get(1)!.map((item) => fields(item as Uint8Array));
    const line = Object.fromEntries(items.map((item) => [item.get(1), item.get(16)].map((value) => Buffer.from(value![0] as Uint8Array).toString()))) as Record<string, string>;
    expect(line).toMatchObject({ 'train/loss': '6', 'train/global_step': '4', _step: '3' });
    expect(said[0]).toMatch(/`wandb sync .*offline-run-.*-off` sends the run/);
  });

  it('frames records of every length around the ends of blocks', () => {
    for (const length of [0, 1, 32753, 32754, 32755, 32761, 65515, 100_000]) {
      const record = Uint8Array.from({ length }, (_, i) => i);
      for (const at of [7, 32755, 32761, 32762, 32767, 32768]) {
        const bytes = Buffer.concat([Buffer.alloc(at), framed(record, at)]);
        const parts: Buffer[] = [];
        for (let from = at; from < bytes.length; ) {
          const left = 32768 - (from % 32768);
          if (left < 7) {
            from += left;
            continue;
          }
          parts.push(bytes.subarray(from + 7, from + 7 + bytes.readUInt16LE(from + 4)));
          from += 7 + bytes.readUInt16LE(from + 4);
        }
        expect(Buffer.compare(Buffer.concat(parts), Buffer.from(record))).toBe(0);
      }
    }
  });
});

describe('WANDB_MODE', () => {
  const modeOf = async (env: Record<string, string>, options: Partial<WandbOptions> = {}): Promise<string> =>
    (await wandbSettings(platformWith({ WANDB_API_KEY: KEY, ...env }), { ...NOTHING, ...options }, 'sft', dir)).mode;

  it.each([
    ['online', 'online'], ['offline', 'offline'], ['disabled', 'disabled'], ['dryrun', 'offline'], ['run', 'online'], ['DryRun', 'offline'], ['', 'online'],
  ])('%s is %s', async (value, mode) => {
    expect(await modeOf({ WANDB_MODE: value })).toBe(mode);
  });

  it('what it does not know is refused with what there is; --wandb_mode and WANDB_DISABLED come before it', async () => {
    await expect(modeOf({ WANDB_MODE: 'dry-run' })).rejects.toThrow('WANDB_MODE=dry-run: expected one of online, offline, disabled, run, dryrun.');
    await expect(modeOf({ WANDB_MODE: 'shared' })).rejects.toThrow(/WANDB_MODE=shared: that is for several processes .* WANDB_MODE=online/);
    expect(await modeOf({ WANDB_MODE: 'shared' }, { wandb_mode: 'offline' })).toBe('offline');
    expect(await modeOf({ WANDB_DISABLED: 'true' })).toBe('disabled');
    expect(await modeOf({ WANDB_DISABLED: 'false' })).toBe('online');
  });
});
