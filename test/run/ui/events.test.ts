/** Server-sent events: every line once, whoever comes when, whatever happens to the log meanwhile; and what fifty viewers cost. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runId } from '../../../src/run/ui/findRuns.ts';
import { eventsOf, lockOf, openScene, readEvents, row, START } from './outputs.ts';
import type { Event, Scene } from './outputs.ts';

let scene: Scene;
let id: string;
const LOG = 'first/trainer_log.jsonl';

beforeEach(async () => {
  scene = await openScene();
  id = await runId('first');
});
afterEach(() => {
  scene.close();
  expect(scene.failures).toEqual([]);
});

const watch = (from = '', headers: Record<string, string> = {}): Promise<Response> => scene.get(`/api/runs/${id}/events${from}`, headers);
const steps = (events: readonly Event[]): unknown[] => events.filter(({ event }) => event === 'line').map(({ data }) => data['step'] ?? data['event']);
const has = (step: number) => (text: string): boolean => text.includes(`"step":${step},`);

describe('a run that is watched', () => {
  it('tells what is there, then each line when it is appended, whole lines alone', async () => {
    scene.put(LOG, START + row(1));
    const response = await watch();
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const told = readEvents(response, has(4));
    await sleep(200);
    scene.append(LOG, row(2) + row(3).slice(0, 20));
    await sleep(700);
    scene.append(LOG, row(3).slice(20) + '{"broken": \n\n[1]\nnull\n' + row(4));
    const events = eventsOf(await told);
    expect(events[0]).toMatchObject({ event: 'state', data: { state: 'interrupted', holder: '' } });
    expect(steps(events)).toEqual(['start', 1, 2, 3, 4]);
    expect(events.filter(({ event }) => event === 'line').every(({ id: place }) => /^\d+-[0-9a-f]+$/.test(place ?? ''))).toBe(true);
  });

  it('goes on behind the last event that was received, also with a server that was started anew', async () => {
    scene.put(LOG, START + row(1) + row(2) + row(3));
    const all = eventsOf(await readEvents(await watch(), has(3)));
    const after2 = all.find(({ data }) => data['step'] === 2)!.id!;
    expect(steps(eventsOf(await readEvents(await watch('', { 'last-event-id': after2 }), has(3))))).toEqual([3]);
    // The header is newer than the address that the page was opened with.
    const after1 = all.find(({ data }) => data['step'] === 1)!.id!;
    expect(steps(eventsOf(await readEvents(await watch(`?from=${after1}`, { 'last-event-id': after2 }), has(3))))).toEqual([3]);
    expect(steps(eventsOf(await readEvents(await watch(`?from=${after1}`), has(3))))).toEqual([2, 3]);
    scene.runs.close();
    const other = await openScene();
    try {
      other.put(LOG, START + row(1) + row(2) + row(3) + row(4));
      const next = await other.get(`/api/runs/${id}/events`, { 'last-event-id': after2 });
      expect(steps(eventsOf(await readEvents(next, has(4))))).toEqual([3, 4]);
    } finally {
      other.close();
    }
  });

  it('begins again where the place is of another log, beyond its end, or none', async () => {
    scene.put(LOG, START + row(1) + row(2));
    const after2 = eventsOf(await readEvents(await watch(), has(2))).at(-1)!.id!;
    scene.put(LOG, START + row(1, { loss: 1 }) + row(2, { loss: 1 }));
    for (const place of [after2, '99999999-1', '5-0', '12-ffffffff']) {
      const events = eventsOf(await readEvents(await watch('', { 'last-event-id': place }), has(2)));
      expect(events.map(({ event }) => event), place).toContain('reset');
      expect(steps(events)).toEqual(['start', 1, 2]);
    }
    for (const place of ['', 'x', '-1-1', '1e3-1', `${'9'.repeat(20)}-1`]) {
      const events = eventsOf(await readEvents(await watch('', { 'last-event-id': place }), has(2)));
      expect(events.map(({ event }) => event), place).not.toContain('reset');
      expect(steps(events)).toEqual(['start', 1, 2]);
    }
  });

  it('a resumed run that writes its log anew comes again from its first line', async () => {
    scene.put(LOG, START + row(1) + row(2) + row(3));
    const told = readEvents(await watch(), (text) => text.includes('event: reset') && has(4)(text));
    await sleep(600);
    const written = join(scene.dir, 'first/new');
    writeFileSync(written, START + row(1) + row(2) + START + row(3, { loss: 0 }));
    renameSync(written, join(scene.dir, LOG));
    await sleep(1100);
    scene.append(LOG, row(4));
    const events = eventsOf(await told);
    const at = events.findIndex(({ event }) => event === 'reset');
    expect(steps(events.slice(0, at))).toEqual(['start', 1, 2, 3]);
    expect(steps(events.slice(at))).toEqual(['start', 1, 2, 'start', 3, 4]);
  });

  it('says that it ends, and when its folder is gone', async () => {
    scene.living.add(77);
    scene.put(LOG, START + row(1));
    scene.put('first/.vernier.lock', await lockOf(77));
    const told = readEvents(await watch(), () => false);
    await sleep(300);
    scene.living.delete(77);
    await sleep(2600);
    rmSync(join(scene.dir, 'first'), { recursive: true });
    const events = eventsOf(await told);
    const states = events.filter(({ event }) => event !== 'line').map(({ event, data }) => data['state'] ?? event);
    expect(states.filter((one, i) => one !== states[i - 1])).toEqual(['running', 'interrupted', 'reset', 'gone']);
  });

  it('a log of megabytes comes piece by piece to a client that reads slowly', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => row(i + 1, { filler: 'x'.repeat(200) }));
    scene.put(LOG, START + lines.join(''));
    const reader = (await watch()).body!.getReader();
    let text = '';
    const decoder = new TextDecoder();
    while (!has(20_000)(text.slice(-2000))) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
      if (Math.random() < 0.1) await sleep(1);
    }
    await reader.cancel();
    expect(steps(eventsOf(text)).slice(1)).toEqual(lines.map((_, i) => i + 1));
    const detail = (await (await scene.get(`/api/runs/${id}`)).json()) as { rows: { step: number }[] };
    expect(detail.rows.length).toBeLessThanOrEqual(4001);
    expect(detail.rows.at(-1)!.step).toBe(20_000);
  });

  it('fifty viewers share one reader, hear all of it, and take less than 1 % of a core', async () => {
    scene.living.add(78);
    scene.put(LOG, START);
    scene.put('first/.vernier.lock', await lockOf(78));
    const responses = await Promise.all(Array.from({ length: 50 }, () => watch()));
    const all = responses.map((response) => readEvents(response, has(11), 60_000));
    await sleep(1500);
    const shares: number[] = [];
    for (let step = 1; step <= 11; step++) {
      const before = process.cpuUsage();
      const began = performance.now();
      scene.append(LOG, row(step));
      await sleep(1000);
      const { user, system } = process.cpuUsage(before);
      shares.push((user + system) / 1000 / (performance.now() - began));
    }
    const told = await Promise.all(all);
    // The median: now and then this process, which is the viewers' too, compiles or clears its memory of a second's worth.
    const share = shares.sort((a, b) => a - b)[5]!;
    for (const text of told) expect(steps(eventsOf(text))).toEqual(['start', ...Array.from({ length: 11 }, (_, i) => i + 1)]);
    console.log(`50 viewers of a run with a row every second: ${(100 * share).toFixed(2)} % of a core, the viewers' own reading in it`);
    // Of a step that has one core the same share; of one on the GPU less.
    expect(share).toBeLessThan(0.01);
    expect(scene.runs.viewerCount).toBe(0);
  });
});
