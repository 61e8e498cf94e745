/**
 * Sends a run to the server beside the training: registers it, then its pictures and the lines of its history, in batches, each line with
 * its place, so that what is sent twice is stored once. Away, slow or overloaded servers are tried again, later and later; training never
 * waits for any of it.
 */
import { textOrNothing } from '../../io/parseJson.ts';
import { errorText, UserError } from '../../platform.ts';
import { asRecord, WandbUnavailable } from './client.ts';
import type { WandbClient } from './client.ts';
import type { HistoryLines } from './lines.ts';
import { CREATE_RUN_FILES, RESUME_STATUS, UPSERT_BUCKET, VIEWER } from './queries.ts';
import type { WandbSettings } from './settings.ts';

const BATCH = 500;
/**
 * Least time between two posts, as the official client has it about; most time without a sign of life; bounds of the wait after a failure.
 */
const PACE = { post: 1000, heartbeat: 30_000, retryFrom: 1000, retryTo: 60_000 };

export interface SenderRun {
  settings: WandbSettings;
  id: string;
  /** W&B's form: name → { value }. */
  config: Readonly<Record<string, unknown>>;
  /** The run is that of a checkpoint: lines count from its own first one. Otherwise they follow what the server has. */
  base?: number;
}

export interface Upload {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export class Sender {
  readonly #client: WandbClient;
  readonly #lines: HistoryLines;
  readonly #run: SenderRun;
  readonly #pace: typeof PACE;
  readonly #say: (level: 'info' | 'warning', text: string) => void;
  #place: { entity: string; project: string; id: string } | undefined;
  #owner: string | undefined;
  #known: Record<string, unknown> | undefined;
  #base: number | undefined;
  /** Lines the server has, counted in `lines`. */
  #sent = 0;
  #uploads: Upload[] = [];
  #summary: Readonly<Record<string, unknown>> = {};
  #summaryIsNew = false;
  #exitCode: number | undefined;
  #isDone = false;
  #failure: UserError | undefined;
  #isAway = false;
  #wake: () => void = () => undefined;
  #loop: Promise<void> | undefined;

  constructor(
    client: WandbClient,
    lines: HistoryLines,
    run: SenderRun,
    say: (level: 'info' | 'warning', text: string) => void,
    pace: Partial<typeof PACE> = {},
  ) {
    this.#client = client;
    this.#lines = lines;
    this.#run = run;
    this.#base = run.base;
    this.#say = say;
    this.#pace = { ...PACE, ...pace };
  }

  /** Where line 0 lies on the server; undefined until the server has said. */
  get base(): number | undefined {
    return this.#base;
  }

  /** Lines not known to have arrived. */
  get waiting(): number {
    return Math.max(0, this.#lines.count - this.#sent);
  }

  /** @throws UserError where the server refuses key or run; a server that is away is tried again later */
  async start(): Promise<void> {
    try {
      await this.#register();
    } catch (error) {
      if (!(error instanceof WandbUnavailable)) throw error;
      this.#isAway = true;
      this.#say('warning', `${error.message}. Figures are kept and sent when it is back.`);
    }
    this.#loop = this.#work();
  }

  linesAdded(summary: Readonly<Record<string, unknown>>, uploads: readonly Upload[]): void {
    this.#uploads.push(...uploads);
    this.#summary = summary;
    this.#summaryIsNew = true;
    this.#wake();
  }

  /** Sends what is left and says goodbye, within `withinMs`. True when all of it has arrived. @throws UserError where the server refused */
  async finish(exitCode: number, summary: Readonly<Record<string, unknown>>, withinMs: number): Promise<boolean> {
    this.#summary = summary;
    this.#summaryIsNew = true;
    this.#exitCode = exitCode;
    this.#wake();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.#loop, new Promise((done) => (timer = setTimeout(done, withinMs)))]);
    clearTimeout(timer);
    const arrived = this.#isDone;
    this.#isDone = true;
    this.#wake();
    if (this.#failure) throw this.#failure;
    return arrived;
  }

  async #work(): Promise<void> {
    let delay = this.#pace.retryFrom;
    while (!this.#isDone) {
      try {
        if (!this.#place) await this.#register();
        await this.#sendAll();
        if (this.#isAway) this.#say('info', 'W&B is back; what was kept has been sent.');
        this.#isAway = false;
        delay = this.#pace.retryFrom;
        if (this.#exitCode !== undefined) {
          await this.#goodbye();
          this.#isDone = true;
          return;
        }
        await this.#pause(this.#pace.post, false);
        if (!this.#hasWork()) await this.#pause(this.#pace.heartbeat, true);
      } catch (error) {
        if (!(error instanceof WandbUnavailable)) {
          this.#failure = error instanceof UserError ? error : new UserError(`W&B: ${errorText(error)}`, { cause: error });
          return;
        }
        if (!this.#isAway) this.#say('warning', `${error.message}. Figures are kept and sent when it is back.`);
        this.#isAway = true;
        await this.#pause(Math.max(delay, error.retryAfterMs), false);
        delay = Math.min(2 * delay, this.#pace.retryTo);
      }
    }
  }

  #hasWork(): boolean {
    return this.waiting > 0 || this.#summaryIsNew || this.#uploads.length > 0 || this.#exitCode !== undefined;
  }

  /** Waits; for new work too where `canWake`. The end of the run always wakes. */
  async #pause(ms: number, canWake: boolean): Promise<void> {
    if (this.#isDone || (canWake && this.#hasWork())) return;
    const ending = this.#exitCode;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((done) => {
      timer = setTimeout(done, ms);
      this.#wake = () => {
        if (canWake || this.#isDone || ending !== this.#exitCode) done();
      };
    });
    clearTimeout(timer);
  }

  /** Each answer is kept, so that a server that fails every other request is got past. */
  async #register(): Promise<void> {
    const { settings, id, config } = this.#run;
    this.#owner ??= await this.#keyOwner();
    const asked = settings.entity ?? this.#owner;
    this.#known ??= asRecord(
      asRecord((await this.#client.graphql(RESUME_STATUS, { project: settings.project, entity: asked, name: id }))['model'])['bucket'],
    );
    const known = this.#known;
    const exists = typeof known['id'] === 'string';
    if (exists && settings.resume === 'never' && this.#run.base === undefined) {
      throw new UserError(
        `W&B has a run ${id} in ${asked}/${settings.project} already, and --wandb_resume is never. Take another --wandb_run_id, or allow.`,
      );
    }
    if (!exists && settings.resume === 'must') {
      throw new UserError(
        `W&B has no run ${id} in ${asked}/${settings.project}, and --wandb_resume is must. Check --wandb_run_id, or take allow.`,
      );
    }
    const reply = await this.#client.graphql(UPSERT_BUCKET, {
      name: id,
      project: settings.project,
      entity: asked,
      displayName: settings.name,
      config: JSON.stringify(config),
      state: 'running',
      tags: settings.tags,
    });
    const bucket = asRecord(asRecord(reply['upsertBucket'])['bucket']);
    const project = asRecord(bucket['project']);
    const stored = Number(textOrNothing(bucket['historyLineCount'] ?? known['historyLineCount'])) || 0;
    this.#base ??= stored;
    this.#sent = Math.max(this.#sent, stored - this.#base, 0);
    this.#place = {
      entity: textOrNothing(asRecord(project['entity'])['name']) || asked,
      project: textOrNothing(project['name']) || settings.project,
      id: textOrNothing(bucket['name']) || id,
    };
  }

  /** Proves the key. */
  async #keyOwner(): Promise<string> {
    const entity = asRecord((await this.#client.graphql(VIEWER, {}))['viewer'])['entity'];
    if (typeof entity === 'string') return entity;
    throw new UserError(`W&B at ${this.#client.baseUrl} does not know the API key. Check WANDB_API_KEY or run \`wandb login --relogin\`.`);
  }

  /** Address of the run for people. */
  get address(): string | undefined {
    const place = this.#place;
    return place && [place.entity, place.project, 'runs', place.id].map(encodeURIComponent).join('/');
  }

  async #sendAll(): Promise<void> {
    while (this.#uploads.length > 0) await this.#upload(this.#uploads[0]!);
    do {
      const from = this.#sent;
      const content = await this.#lines.read(from, BATCH);
      const summary = this.#summaryIsNew ? { 'wandb-summary.json': { offset: 0, content: [JSON.stringify(this.#summary)] } } : {};
      const history = content.length > 0 ? { 'wandb-history.jsonl': { offset: this.#base! + from, content } } : {};
      const wasNew = this.#summaryIsNew;
      this.#summaryIsNew = false;
      try {
        await this.#client.fileStream(this.#place!, { files: { ...history, ...summary }, dropped: 0 });
      } catch (error) {
        this.#summaryIsNew ||= wasNew;
        throw error;
      }
      this.#sent = Math.max(this.#sent, from + content.length);
    } while (this.waiting > 0);
  }

  async #upload(file: Upload): Promise<void> {
    const { entity, project, id } = this.#place!;
    const reply = asRecord(
      (await this.#client.graphql(CREATE_RUN_FILES, { entity, project, run: id, files: [file.name] }))['createRunFiles'],
    );
    const targets: unknown = reply['files'];
    const url = asRecord(Array.isArray(targets) ? targets[0] : undefined)['uploadUrl'];
    if (typeof url !== 'string') throw new UserError(`W&B gave no address for ${file.name}.`);
    const headers: unknown = reply['uploadHeaders'];
    await this.#client.upload(url, Array.isArray(headers) ? headers.map(textOrNothing) : [], file.bytes);
    this.#uploads.shift();
  }

  async #goodbye(): Promise<void> {
    await this.#client.fileStream(this.#place!, { complete: true, exitcode: this.#exitCode, dropped: 0 });
  }
}
