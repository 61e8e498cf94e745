/**
 * Weights & Biases: the run with its configuration, every row of figures over `train/global_step`, pictures, and a summary. A row is one
 * line of the run's history, in the order told, so that a run that goes on knows from the number of lines on the server which of them it
 * still has to send. Everything is also written as the official client's `.wandb` file, which `wandb sync` sends where we could not.
 */
import { parseJson, textOrNothing } from '../../io/parseJson.ts';
import { countOf, joinPath, parentPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { tagOf } from '../tags.ts';
import { redact, redactConfig } from '../secrets.ts';
import type { Picture, Row, RunInfo, Summary, Tracker } from '../tracker.ts';
import { WandbClient } from './client.ts';
import { HistoryLines } from './lines.ts';
import { Sender } from './sender.ts';
import type { Upload } from './sender.ts';
import { appUrl, isRunId } from './settings.ts';
import type { WandbSettings } from './settings.ts';
import { TransactionLog } from './transactionLog.ts';

const STEP_METRIC = 'train/global_step';
/** Figures of the whole run: in the summary, as Hugging Face's callback has them, not in the history. */
const ONCE = new Set([
  'train_runtime',
  'train_samples_per_second',
  'train_steps_per_second',
  'train_loss',
  'train_tokens_per_second',
  'total_flos',
  'skipped_steps',
]);
/** `define_metric('train/global_step')`, `define_metric('*', step_metric='train/global_step', step_sync=True)`. */
const METRICS = [
  { '1': STEP_METRIC, '6': [3], '7': [] },
  { '2': '*', '5': 1, '6': [1], '7': [] },
];

/** Longest wait for the server at the end of a run that was asked to end. */
const STOPPED_MS = 5_000;

export interface WandbSurroundings {
  platform: Platform;
  settings: WandbSettings;
  /** One line to the user. */
  say(level: 'info' | 'warning', text: string): void;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Longest wait for the server at the end. */
  finishMs?: number;
  pace?: ConstructorParameters<typeof Sender>[4];
}

type Line = Record<string, unknown>;

export class WandbTracker implements Tracker {
  readonly #around: WandbSurroundings;
  readonly #now: () => number;
  #id = '';
  #dir = '';
  #startedAt = 0;
  /** Seconds of the processes before. */
  #earlier = 0;
  #lines: HistoryLines | undefined;
  #log: TransactionLog | undefined;
  #sender: Sender | undefined;
  #base: number | undefined;
  #summary: Line = {};
  #pictures: { key: string; entry: Line; upload: Upload }[] = [];
  #queue: Promise<void> = Promise.resolve();

  constructor(around: WandbSurroundings) {
    const { settings } = around;
    this.#around = { ...around, settings: { ...settings, name: redact(settings.name), tags: settings.tags.map(redact) } };
    this.#now = around.now ?? Date.now;
  }

  async start(run: RunInfo): Promise<void> {
    const { platform, settings, say } = this.#around;
    const { openAppend } = platform;
    if (!openAppend)
      throw new UserError('The W&B tracker keeps its lines on a disk, and there is none here; leave wandb out of report_to.');
    this.#startedAt = this.#now();
    const saved = run.resumed?.state ?? {};
    const savedId = typeof saved['wandb_run_id'] === 'string' && isRunId(saved['wandb_run_id']) ? saved['wandb_run_id'] : undefined;
    const knownId = settings.id ?? savedId ?? (settings.resume === 'auto' ? await this.#lastId() : undefined);
    this.#id = knownId ?? newId();
    const isOwn = this.#id === savedId;
    if (isOwn) this.#earlier = Number(textOrNothing(saved['wandb_runtime'])) || 0;
    // The server has no lines of a run that begins here, even if it cannot say so now.
    if (knownId === undefined || settings.mode === 'offline') this.#base = 0;
    else if (isOwn && typeof saved['wandb_base'] === 'number') this.#base = saved['wandb_base'];
    await this.#makeFolder();
    const config = this.#config(run);
    this.#lines = new HistoryLines(platform, joinPath(this.#dir, 'history.jsonl'));
    this.#log = new TransactionLog(await openAppend(joinPath(this.#dir, `run-${this.#id}.wandb`)));
    await this.#log.begin({
      id: this.#id,
      ...(settings.entity !== undefined && { entity: settings.entity }),
      project: settings.project,
      name: settings.name,
      tags: settings.tags,
      config: Object.fromEntries(Object.entries(config).map(([key, { value }]) => [key, value])),
      startedAt: this.#startedAt / 1000,
      stepMetric: STEP_METRIC,
    });
    // Lines that a checkpoint has told before: the server may lack some of them, and the file is a whole run.
    for (const row of isOwn ? (run.resumed?.history ?? []) : []) await this.#addLine(row, Number(row['step'] ?? 0), []);
    if (settings.mode === 'offline') {
      say('info', `W&B is offline: \`wandb sync ${this.#dir}\` sends the run.`);
      return;
    }
    const client = new WandbClient(settings.baseUrl, settings.apiKey ?? '', platform.network);
    this.#sender = new Sender(
      client,
      this.#lines,
      { settings, id: this.#id, config, ...(this.#base !== undefined && { base: this.#base }) },
      say,
      this.#around.pace,
    );
    await this.#sender.start();
    this.#sender.linesAdded(this.#summary, []);
    if (this.#sender.address !== undefined) say('info', `W&B: ${appUrl(settings.baseUrl)}/${this.#sender.address}`);
  }

  progress(): void {}

  /** A PNG that goes with the next row. */
  picture(key: string, { png, width, height, caption }: Picture, step: number): void {
    const path = `media/images/${key.replaceAll(/[^\w.-]/g, '_')}_${step}_${this.#pictures.length}.png`;
    const bytes = png as Uint8Array<ArrayBuffer>;
    this.#pictures.push({
      key: tagOf(key),
      entry: { _type: 'image-file', format: 'png', path, size: bytes.length, width, height, caption },
      upload: { name: path, bytes },
    });
  }

  log(row: Row, step: number): Promise<void> {
    const pictures = this.#pictures;
    this.#pictures = [];
    const added = this.#queue.then(async () => {
      await this.#addLine(row, step, pictures);
      this.#sender?.linesAdded(
        this.#summary,
        pictures.map((picture) => picture.upload),
      );
    });
    this.#queue = added.catch(() => undefined); // the caller hears of it; later rows are tried again
    return added;
  }

  event(): Promise<void> {
    return Promise.resolve();
  }

  async finish({ outcome, figures }: Summary): Promise<void> {
    const { say, finishMs = 20_000 } = this.#around;
    if (!this.#log) return;
    await this.#queue;
    for (const [key, value] of Object.entries(figures)) this.#summary[tagOf(key)] = jsonValue(value);
    const exitCode = outcome === 'failed' ? 1 : 0;
    await this.#log.summary(this.#summary);
    await this.#log.end(exitCode, this.#runtime());
    if (!this.#sender) return;
    // Who stops a run waits for its end; what has not arrived by then can be sent later.
    const arrived = await this.#sender.finish(exitCode, this.#summary, outcome === 'stopped' ? Math.min(finishMs, STOPPED_MS) : finishMs);
    if (!arrived)
      say(
        'warning',
        `W&B did not answer in time: ${countOf(this.#sender.waiting, 'row')} may not have arrived. \`wandb sync ${this.#dir}\` sends the ` +
          `run.`,
      );
  }

  state(): Readonly<Record<string, unknown>> {
    const base = this.#sender?.base ?? this.#base;
    return { wandb_run_id: this.#id, wandb_runtime: this.#runtime(), ...(base !== undefined && { wandb_base: base }) };
  }

  #runtime(): number {
    return this.#earlier + (this.#now() - this.#startedAt) / 1000;
  }

  async #addLine(row: Row, step: number, pictures: readonly { key: string; entry: Line; upload: Upload }[]): Promise<void> {
    const figures = Object.entries(row).filter(([key]) => key !== 'step' && !ONCE.has(key));
    const line: Line = Object.fromEntries(figures.map(([key, value]) => [tagOf(key), jsonValue(value)]));
    line[STEP_METRIC] = step;
    for (const { key, entry } of pictures) line[key] = entry;
    for (const [key, value] of Object.entries(row)) if (ONCE.has(key)) this.#summary[tagOf(key)] = jsonValue(value);
    const lines = this.#lines!;
    const place = (this.#sender?.base ?? this.#base ?? 0) + lines.count;
    Object.assign(line, { _step: place, _runtime: this.#runtime(), _timestamp: this.#now() / 1000 });
    Object.assign(this.#summary, line);
    await this.#log!.history(line, place);
    for (const { upload } of pictures) await this.#around.platform.writeFile(joinPath(this.#dir, 'files', upload.name), upload.bytes);
    if (pictures.length > 0) await this.#log!.files(pictures.map(({ upload }) => upload.name));
    await lines.append([JSON.stringify(line)]);
  }

  #config(run: RunInfo): Record<string, { value: unknown }> {
    const options = redactConfig({ ...run.config }) as Record<string, unknown>;
    const values = { ...options, run_facts: redactConfig({ ...run.facts }), _wandb: { m: METRICS, t: {} } };
    return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value }]));
  }

  async #makeFolder(): Promise<void> {
    const { platform, settings } = this.#around;
    const stamp = new Date(this.#now()).toISOString().replaceAll(/[-:]/g, '').replace('T', '_').slice(0, 15);
    const root = joinPath(settings.dir, 'wandb');
    const name = `${settings.mode === 'offline' ? 'offline-run' : 'run'}-${stamp}-${this.#id}`;
    this.#dir = joinPath(root, name);
    for (let n = 2; await platform.exists(this.#dir); n++) this.#dir = joinPath(root, `${name}-${n}`);
    await platform.makeDir(joinPath(this.#dir, 'files', 'media', 'images'));
    await platform.writeFile(joinPath(root, 'wandb-resume.json'), JSON.stringify({ run_id: this.#id }));
  }

  /** `resume: auto`: the id of the last run in this folder, where the official client keeps it too. */
  async #lastId(): Promise<string | undefined> {
    const path = joinPath(this.#around.settings.dir, 'wandb', 'wandb-resume.json');
    if (!(await this.#around.platform.exists(path))) return undefined;
    const text = new TextDecoder().decode(await this.#around.platform.readFile(path));
    let id: unknown;
    try {
      ({ run_id: id } = (parseJson(text) ?? {}) as { run_id?: unknown });
    } catch {
      throw new UserError(`${path} is not JSON; delete it, or give --wandb_run_id. (${parentPath(path)} belongs to W&B.)`);
    }
    return typeof id === 'string' && isRunId(id) ? id : undefined;
  }
}

/** Eight letters and digits, as the official client's. */
function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => letters[byte % letters.length]).join('');
}

/** W&B takes NaN and Infinity as these words. */
function jsonValue(value: number | string): number | string {
  if (typeof value === 'string') return redact(value);
  return Number.isFinite(value) ? value : String(value);
}
