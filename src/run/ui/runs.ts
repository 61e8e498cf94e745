/** The runs as the server knows them: found in the folder, or started here and not come to a folder yet. */
import { SAMPLES } from '../evaluate/folder.ts';
import { RECORD_FILE } from '../report/record.ts';
import { LOG_FILE } from '../../track/jsonl.ts';
import { TRAINER_STATE } from '../../train/checkpointFolder.ts';
import type { LogNumbers, RunEntry, RunState } from './api.ts';
import { RunEvents } from './events.ts';
import { findRuns, runId } from './findRuns.ts';
import type { OutputsFolder } from './folder.ts';
import type { Job, JobFiles } from './jobFiles.ts';
import type { LogPlace } from './logLines.ts';
import { LockWatch } from './liveness.ts';
import type { Holder } from './liveness.ts';
import type { Programs } from './programs.ts';
import { notFound } from './refusal.ts';
import { RunLog } from './runLog.ts';

/** However many ask, the folder is listed no more often. */
const LISTED_MS = 1000;
/** Runs whose rows are held; of the others they are read when somebody looks. */
const MOST_WITH_ROWS = 16;

export interface KnownRun {
  id: string;
  /** Its folder below. */
  name: string;
  kind: 'training' | 'evaluation';
  log: RunLog;
  lock: LockWatch;
  events: RunEvents;
}

/** What a run is doing, and who does it. */
export interface Condition {
  state: RunState;
  holder: Holder | undefined;
  /** Programs of it that were started here and live. */
  living: Job[];
}

export class Runs {
  readonly folder: OutputsFolder;
  readonly jobs: JobFiles;
  private readonly programs: Programs;
  private known = new Map<string, KnownRun>();
  private listing: Promise<void> | undefined;
  private listedAt = -Infinity;
  private entries: { at: number; list: Promise<RunEntry[]> } | undefined;
  /** The last looked at last. */
  private withRows: KnownRun[] = [];

  constructor(folder: OutputsFolder, jobs: JobFiles, programs: Programs) {
    [this.folder, this.jobs, this.programs] = [folder, jobs, programs];
  }

  /** The latest first. */
  list(): Promise<RunEntry[]> {
    if (this.entries === undefined || performance.now() - this.entries.at > LISTED_MS)
      this.entries = { at: performance.now(), list: this.listNow() };
    return this.entries.list;
  }

  /** Rows of its log, thinned, oldest first, and the place behind them. @throws UserError where the log cannot be read */
  async rowsOf(run: KnownRun): Promise<{ rows: LogNumbers[]; place: LogPlace }> {
    this.withRows = [...this.withRows.filter((one) => one !== run), run];
    if (this.withRows.length > MOST_WITH_ROWS) this.withRows.shift()!.log.forgetRows();
    return run.log.rows();
  }

  private async listNow(): Promise<RunEntry[]> {
    await this.look();
    const jobs = await this.jobs.list();
    const entries: RunEntry[] = [];
    for (const run of this.known.values()) entries.push(await this.entry(run, await this.condition(run, jobs)));
    return entries.sort((a, b) => b.changedAt - a.changedAt);
  }

  /** @throws Refusal for an id of no run */
  async get(id: string): Promise<KnownRun> {
    if (!this.known.has(id)) await this.look(true);
    const run = this.known.get(id);
    if (run === undefined) throw notFound();
    return run;
  }

  /** All viewers of all runs. */
  get viewerCount(): number {
    return [...this.known.values()].reduce((sum, { events }) => sum + events.viewerCount, 0);
  }

  close(): void {
    for (const { events } of this.known.values()) events.close();
  }

  async condition(run: KnownRun, jobs?: readonly Job[]): Promise<Condition> {
    // A log that cannot be read (another user's) is told of when the run is opened.
    await run.log.refresh().catch(() => undefined);
    const own = (jobs ?? (await this.jobs.list())).filter((job) => job.run === run.name);
    const living: Job[] = [];
    for (const job of own) if (await this.jobs.isLiving(job)) living.push(job);
    const holder = await run.lock.look();
    return { state: await this.state(run, holder, living, own.length > 0), holder, living };
  }

  async entry(run: KnownRun, { state, holder }: Condition): Promise<RunEntry> {
    const { id, name, kind, log } = run;
    const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);
    const steps = [log.training?.['step'], log.evaluation?.['step']].filter((step) => typeof step === 'number');
    return {
      id,
      name: name === '' ? '.' : name,
      kind,
      state,
      holder: holder && holder.isAlive !== false ? holder.words : '',
      step: steps.length === 0 ? null : Math.max(...steps),
      totalSteps: number(log.start?.['total_steps']),
      loss: number(log.training?.['loss']),
      evalLoss: number(log.evaluation?.['eval_loss']),
      changedAt: log.changedAt > 0 ? log.changedAt : await this.changedAt(name),
    };
  }

  /** Finds what is new, and forgets what is gone. */
  private look(isNeeded = false): Promise<void> {
    if (this.listing) return this.listing;
    if (!isNeeded && performance.now() - this.listedAt < LISTED_MS) return Promise.resolve();
    this.listing = this.lookNow().finally(() => {
      this.listedAt = performance.now();
      this.listing = undefined;
    });
    return this.listing;
  }

  private async lookNow(): Promise<void> {
    const found = new Map((await findRuns(this.folder)).map(({ name, kind }) => [name, kind]));
    for (const { run, kind } of await this.jobs.list())
      if (!found.has(run)) found.set(run, kind === 'evaluate' ? 'evaluation' : 'training');
    const before = this.known;
    this.known = new Map();
    for (const [name, kind] of found) {
      const id = await runId(name);
      const run = before.get(id) ?? this.open(id, name, kind);
      run.kind = kind;
      this.known.set(id, run);
      before.delete(id);
    }
    for (const { events } of before.values()) events.close();
  }

  private open(id: string, name: string, kind: KnownRun['kind']): KnownRun {
    const log = new RunLog(this.folder, name);
    const run: KnownRun = {
      id,
      name,
      kind,
      log,
      lock: new LockWatch(this.folder, this.programs, name),
      events: new RunEvents(log, async () => {
        if ((await this.folder.inside(name)) === undefined && !(await this.jobs.list()).some((job) => job.run === name)) return undefined;
        const { state, holder } = await this.condition(run);
        return { state, holder: holder?.isAlive === false ? '' : (holder?.words ?? '') };
      }),
    };
    return run;
  }

  private async state(run: KnownRun, holder: Holder | undefined, living: readonly Job[], isOurs: boolean): Promise<RunState> {
    if (holder?.isAlive === true || living.some(({ kind }) => kind !== 'merge')) return 'running';
    if (holder && holder.isAlive === undefined) return 'unclear';
    const { start, finish } = run.log;
    if (finish) return outcomeOf(finish['outcome']);
    if (start) return 'interrupted';
    const said = await this.outcome(run.name);
    if (said !== undefined) return said;
    const has = async (name: string): Promise<boolean> => (await this.folder.inside(run.name, name)) !== undefined;
    if (run.kind === 'evaluation')
      return (await has('summary.json')) ? 'finished' : isOurs && !(await has(SAMPLES)) ? 'failed' : 'interrupted';
    return (await has(TRAINER_STATE)) ? 'finished' : isOurs ? 'failed' : 'interrupted';
  }

  /** By the record of its report, whose first line begins with it. */
  private async outcome(name: string): Promise<RunState | undefined> {
    const file = await this.folder.open(name, RECORD_FILE).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const head = new TextDecoder().decode(await file.read(0, Math.min(4096, file.size)));
      const outcome = /"outcome":"(finished|stopped)"/.exec(head)?.[1];
      return outcome === undefined ? undefined : outcomeOf(outcome);
    } finally {
      await file.close();
    }
  }

  private async changedAt(name: string): Promise<number> {
    for (const file of [RECORD_FILE, SAMPLES, TRAINER_STATE, LOG_FILE, '']) {
      const path = await this.folder.inside(name, file);
      const look = path === undefined ? undefined : await this.folder.platform.look(path).catch(() => undefined);
      if (look) return look.changedAt;
    }
    return 0;
  }
}

function outcomeOf(outcome: unknown): RunState {
  return outcome === 'finished' || outcome === 'failed' ? outcome : 'stopped';
}
