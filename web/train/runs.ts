/** Runs of an open project: begun, gone on with, followed. What a run was asked for lies beside its folder. */
import { effect, signal, untracked } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { trainProgram } from '../../src/options.ts';
import { parseFor } from '../../src/options/program.ts';
import { joinPath, UserError } from '../../src/platform.ts';
import type { WorkerFineTuneRequest } from '../client.ts';
import { projectFolder, runFolder } from '../studio/project.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { LiveRun } from './liveRun.ts';
import { rowsOf } from './rowsOf.ts';
import type { RowFiles } from './rowsOf.ts';
import type { Changed } from './values.ts';

/** What a run was asked for. */
export interface Asked extends RowFiles {
  base: string;
  options: Changed;
}

interface Begun {
  live: Signal<LiveRun | null>;
  preparing: Signal<number | null>;
}

const begun = new WeakMap<OpenProject, Begun>();

/** By project: its run that is not over, which may still be saving when the project was closed and is opened again. */
const underWay = new Map<string, LiveRun>();

function begunIn(open: OpenProject): Begun {
  let found = begun.get(open);
  if (found === undefined) begun.set(open, (found = { live: signal(underWay.get(open.id) ?? null), preparing: signal(null) }));
  return found;
}

/** The run that this page last began in the project since it was opened, or that has not come to its end since before. */
export const liveRun = (open: OpenProject): Signal<LiveRun | null> => begunIn(open).live;

/** How far the rows of a run that begins are, 0 to 1, whichever step is looked at; null: none are being made. */
export const preparing = (open: OpenProject): Signal<number | null> => begunIn(open).preparing;

/** @throws UserError for options that contradict each other; what the person should know of the others */
export function checkOptions(base: string, { train, val }: RowFiles, options: Changed): string[] {
  const own = { base_model_hf: base, train_file: train, ...(val !== null && { val_file: val }) };
  return parseFor(trainProgram, { ...options, ...own }).notes;
}

/** Answers to held-out rows, before and after, where they were asked for. */
export const judgedFile = (project: string, name: string): string => `${runFolder(project, name)}.judged.json`;

/** Answers to them so far, while they are being asked and where that was stopped. */
export const judgingFolder = (project: string, name: string): string => `${runFolder(project, name)}.judging`;

const askedFile = (project: string, name: string): string => `${runFolder(project, name)}.json`;

/** Begins one with the project's rows, base and options. A project that is closed while the rows are made begins none. */
export async function startRun(studio: Studio, open: OpenProject): Promise<void> {
  refuseTwo(open);
  const share = preparing(open);
  share.value = 0;
  try {
    await prepared(studio, open);
  } finally {
    share.value = null;
  }
}

async function prepared(studio: Studio, open: OpenProject): Promise<void> {
  const { id, base, options, runs } = open.project.peek();
  const rows = await rowsOf(studio, open, (share) => (preparing(open).value = share));
  if (studio.open.peek() !== open) return;
  checkOptions(base, rows, options);
  const taken = new Set(runs.map(({ name }) => name));
  let number = runs.length + 1;
  while (taken.has(`run-${number}`)) number++;
  const name = `run-${number}`;
  const asked: Asked = { base, options, ...rows };
  await studio.files.makeDir(joinPath(projectFolder(id), 'runs'));
  await studio.files.writeFile(askedFile(id, name), JSON.stringify(asked));
  open.change({ runs: [...open.project.peek().runs, { name, startedAt: Date.now() }] });
  await open.save();
  await follow(studio, open, name, asked);
}

/** Goes on from the last checkpoint, or from the start where there is none. */
export async function resumeRun(studio: Studio, open: OpenProject, name: string): Promise<void> {
  refuseTwo(open);
  await follow(studio, open, name, await askedOf(studio, open, name));
}

/** @throws UserError where the page has not begun the run */
export async function askedIn(studio: Studio, project: string, name: string): Promise<Asked> {
  return JSON.parse(new TextDecoder().decode(await studio.files.readFile(askedFile(project, name)))) as Asked;
}

export const askedOf = (studio: Studio, open: OpenProject, name: string): Promise<Asked> => askedIn(studio, open.id, name);

/** The options of a run that say how its model is held, for asking it. */
export function modelOptions({ options }: Pick<Asked, 'options'>): Changed {
  return Object.fromEntries(Object.entries(options).filter(([name]) => OF_MODEL.includes(name)));
}

const OF_MODEL: readonly string[] = [
  'compute_dtype',
  'image_attention',
  'quantization',
  'quantization_skip_modules',
  'quantize_embedding',
  'min_pixels',
  'max_pixels',
  'do_image_splitting',
  'longest_edge',
  'submit_ms',
];

export async function removeRun(open: OpenProject, name: string): Promise<void> {
  const runs = open.project.peek().runs.filter((run) => run.name !== name);
  const places = [runFolder, askedFile, judgedFile, judgingFolder];
  await open.letGo(
    { runs },
    places.map((of) => of(open.id, name)),
  );
  const own = liveRun(open);
  if (own.peek()?.name === name) own.value = null;
}

function refuseTwo(open: OpenProject): void {
  const own = liveRun(open).peek();
  if (own !== null && !own.isOver) throw new UserError(texts.train.otherUnderWay(own.name));
  if (preparing(open).peek() !== null) throw new UserError(texts.train.preparing);
}

async function follow(studio: Studio, open: OpenProject, name: string, { base, options, train, val }: Asked): Promise<void> {
  const output = runFolder(open.id, name);
  const { value: worker } = studio.worker;
  const earlier = await worker.own.runHistory(output);
  const request: WorkerFineTuneRequest = {
    ...options,
    base,
    train,
    ...(val !== null && { val }),
    output,
    run_name: name,
    // From the start where nothing is saved yet: one way to begin and to go on.
    resume_from_checkpoint: 'true',
    pictures: true,
  };
  const run = new LiveRun(name, worker.fineTune(request), earlier);
  liveRun(open).value = run;
  underWay.set(open.id, run);
  const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
  addEventListener('beforeunload', ask);
  const unwatch = pausedWhenClosed(studio, open, run);
  void run.over.finally(() => {
    removeEventListener('beforeunload', ask);
    unwatch();
    if (underWay.get(open.id) === run) underWay.delete(open.id);
    if (run.state === 'failed') studio.failed(run.error, open.id);
  });
}

/** A project that is closed keeps no run; what is done is saved. @returns what ends the watch */
export function pausedWhenClosed({ open: shown }: Pick<Studio, 'open'>, open: OpenProject, run: Pick<LiveRun, 'pause'>): () => void {
  return effect(() => {
    // A pause counts as a change of the run, which this is not to be called for again.
    if (shown.value !== open) untracked(() => run.pause());
  });
}

/** Ends the worker, whatever it is at. */
export function endNow(studio: Studio, open: OpenProject): void {
  studio.restartWorker();
  liveRun(open).peek()?.end();
}
