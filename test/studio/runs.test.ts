/** Beginning and pausing runs of a project, without a page: the worker is a stand-in that makes rows when it is told to. */
import { signal } from '@preact/signals';
import { expect, it, vi } from 'vitest';
import type { FineTuneResult, RunEvent } from '../../src/api/fineTune.ts';
import { Job } from '../../src/api/job.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import { UserError } from '../../src/platform.ts';
import { withWayOn } from '../../src/train/resume.ts';
import { countsOf } from '../../web/data/enough.tsx';
import type { StudioWorker } from '../../web/studio/client.ts';
import { pageWords } from '../../web/studio/pageWords.ts';
import { newProject } from '../../web/studio/project.ts';
import type { Scan } from '../../web/studio/project.ts';
import type { OpenProject, Studio } from '../../web/studio/studio.ts';
import { LiveRun } from '../../web/train/liveRun.ts';
import { liveRun, pausedWhenClosed, preparing, resumeRun, startRun } from '../../web/train/runs.ts';

function opened(): { studio: Studio; open: OpenProject; makeRows: () => void; begun: string[] } {
  const begun: string[] = [];
  let makeRows = (): void => undefined;
  const rows = new Promise((done) => (makeRows = () => done({ train: '/rows/train.jsonl', val: null })));
  const project = signal(newProject('one', 'One', 0, '/own/base'));
  const open = {
    id: 'one',
    project,
    change: (some: object) => (project.value = { ...project.peek(), ...some }),
    save: () => Promise.resolve(),
  } as unknown as OpenProject;
  const studio = {
    open: signal<OpenProject | null>(open),
    worker: signal({ own: { makeRows: () => rows, runHistory: () => new Promise(() => undefined) } }),
    files: { makeDir: () => Promise.resolve(), writeFile: (path: string) => Promise.resolve(begun.push(path)) },
  } as unknown as Studio;
  return { studio, open, makeRows, begun };
}

it('begins one run, however often the step is left and come back to while its rows are made', async () => {
  const { studio, open, makeRows, begun } = opened();
  void startRun(studio, open);
  expect(preparing(open).value).toBe(0);
  await expect(startRun(studio, open)).rejects.toThrow(/rows/);
  makeRows();
  await expect.poll(() => begun).toEqual(['/studio/one/runs/run-1.json']);
  expect(open.project.peek().runs.map(({ name }) => name)).toEqual(['run-1']);
});

it('begins none in a project that was closed while its rows were made', async () => {
  const { studio, open, makeRows, begun } = opened();
  const starting = startRun(studio, open);
  studio.open.value = null;
  makeRows();
  await starting;
  expect(begun).toEqual([]);
  expect(preparing(open).value).toBeNull();
});

it('pauses the run of a project that is closed, once', async () => {
  const { studio, open } = opened();
  let stopped = 0;
  const job = new Job<RunEvent, never>(
    (_, stop) => new Promise((__, fail) => stop.addEventListener('abort', () => fail(new Error(`stopped ${++stopped}`)))),
  );
  const run = new LiveRun('run-1', job);
  const unwatch = pausedWhenClosed(studio, open, run);
  await new Promise((begun) => setImmediate(begun));
  expect(run.state).toBe('starting');
  studio.open.value = null;
  expect(run.state).toBe('pausing');
  run.changes.value++;
  await run.over;
  unwatch();
  expect(stopped).toBe(1);
});

it('shows a run that is still saving when its project is opened again, and goes on with it when that is done', async () => {
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
  const { studio, open } = opened();
  let saved = (): void => undefined;
  const saving = new Promise<void>((done) => (saved = done));
  const jobs: Job<RunEvent, FineTuneResult>[] = [];
  const fineTune = (): Job<RunEvent, FineTuneResult> => {
    const job = new Job<RunEvent, FineTuneResult>(() => saving.then(() => ({ outcome: 'stopped' }) as FineTuneResult));
    jobs.push(job);
    return job;
  };
  const asked = new TextEncoder().encode('{"base": "/own/base", "options": {}, "train": "/rows/train.jsonl", "val": null}');
  Object.assign(studio, { files: { readFile: () => Promise.resolve(asked) } });
  studio.worker.value = { own: { runHistory: () => Promise.resolve([]) }, fineTune } as unknown as StudioWorker;
  await resumeRun(studio, open, 'run-1');
  studio.open.value = null;
  const again = { ...open, id: 'one' } as OpenProject;
  studio.open.value = again;
  expect(liveRun(again).value?.state).toBe('pausing');
  await expect(resumeRun(studio, again, 'run-1')).rejects.toThrow(/run-1 is under way/);
  saved();
  await liveRun(again).value?.over;
  await resumeRun(studio, again, 'run-1');
  expect(jobs.length).toBe(2);
  expect(liveRun(again).value?.state).toBe('starting');
});

it('what the core says of the command line is said in the words of the page', () => {
  const place = { path: '/studio/one/runs/run-1/checkpoint-10', outputDir: '/studio/one/runs/run-1', savedStep: 10, step: 12, isLost: false };
  expect(pageWords((withWayOn(new UserError('No room.'), place) as Error).message)).toBe(
    'No room.\nThe run up to step 10 is saved in run-1/checkpoint-10; when the cause is mended, “Go on” beside the run in the step Train goes on ' +
      'from there as if nothing had happened. What came after it, up to step 12, is made again.',
  );
  const { path: _, ...unsaved } = { ...place, isLost: true };
  expect(pageWords((withWayOn(new UserError('Lost.'), { ...unsaved, path: undefined }) as Error).message)).toBe(
    'Lost.\nNo step is saved yet: “Go on” beside the run in the step Train begins from the start.',
  );
  expect(pageWords('--train_file: /studio/one/rows/train.jsonl:3: wrong. Lower --lora_r or --max_pixels; an em–dash -- stays.')).toBe(
    'the rows to train on (step Data): rows/train.jsonl:3: wrong. Lower “Rank of the adapter” (lora_r) or “Largest picture, in pixels” ' +
      '(max_pixels); an em–dash -- stays.',
  );
});

it('drawings are counted by what they are of, on either side', () => {
  const scans = [{ id: 'a', side: 'train' }, { id: 'b', side: 'test' }, { id: 'c', side: 'train' }] as unknown as Scan[];
  const of = (scan: string, label: string, shape = 'box'): DrawnAnnotation => ({ scan, label, shape }) as unknown as DrawnAnnotation;
  const annotations = [of('a', 'femur'), of('a', 'femur'), of('c', 'femur'), of('b', 'femur'), of('a', 'femur', 'distance')];
  expect(countsOf({ scans, annotations })).toEqual([
    { label: 'femur', shape: 'box', train: { drawings: 3, scans: 2 }, test: { drawings: 1, scans: 1 } },
    { label: 'femur', shape: 'distance', train: { drawings: 1, scans: 1 }, test: { drawings: 0, scans: 0 } },
  ]);
});
