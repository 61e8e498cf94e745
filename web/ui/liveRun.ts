/** One run as it goes on: what the server said of it, and the lines of its log since. */
import { signal } from '@preact/signals';
import type { LogNumbers, RunDetail, StateEvent } from '../../src/run/ui/api.ts';
import { paceOf } from '../../src/run/ui/pace.ts';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { client } from './client.ts';

/** Rows that the page holds; of longer runs it asks for them anew, thinned. */
const MOST_ROWS = 8000;
/** Several things that happen at once are asked for once. */
const SOON_MS = 300;
const ANSWERS_MS = 5000;

export class LiveRun {
  readonly detail = signal<RunDetail | undefined>(undefined);
  /** Rows of figures, oldest first. */
  readonly rows = signal<readonly LogRow[]>([]);
  readonly isGone = signal(false);
  /** The server does not answer. */
  readonly isAway = signal(false);
  private readonly id: string;
  private readonly failed: (error: unknown) => void;
  private source: EventSource | undefined;
  private numbers: LogNumbers[] = [];
  private fresh: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(id: string, failed: (error: unknown) => void) {
    [this.id, this.failed] = [id, failed];
    void this.load().catch(failed);
  }

  /** Everything anew: another run may have begun in the folder. */
  async load(): Promise<void> {
    const detail = await client.detail(this.id);
    if (this.isClosed) return;
    this.show(detail, detail.rows);
    this.source?.close();
    this.source = new EventSource(client.eventsAddress(this.id, detail.place));
    this.hear('line', (entry) => this.take(entry));
    this.hear('state', (entry) => this.changed(entry as unknown as StateEvent));
    this.hear('reset', () => this.reload());
    this.hear('gone', () => {
      this.isGone.value = true;
      this.close();
    });
    this.source.onopen = () => (this.isAway.value = false);
    this.source.onerror = () => (this.isAway.value = true);
    this.watchAnswers();
  }

  /** An evaluation has no log: what it has come to is asked for. */
  private watchAnswers(): void {
    const { value: detail } = this.detail;
    if (detail?.kind === 'evaluation' && detail.state === 'running') this.refreshSoon(ANSWERS_MS);
  }

  /** What cannot be told by lines: what can be done now, files, the report. */
  async refresh(): Promise<void> {
    const detail = await client.detail(this.id);
    if (this.isClosed) return;
    this.detail.value = detail;
    this.watchAnswers();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.fresh);
    this.source?.close();
  }

  private hear(name: string, act: (data: Record<string, unknown>) => void): void {
    this.source?.addEventListener(name, (event: MessageEvent<string>) => act(JSON.parse(event.data) as Record<string, unknown>));
  }

  private take(entry: Record<string, unknown>): void {
    if (typeof entry['step'] === 'number') {
      this.numbers.push(entry as LogNumbers);
      if (this.numbers.length > MOST_ROWS) this.reload();
      else this.showRows();
    } else if (entry['event'] === 'start') this.reload();
    else if (entry['event'] === 'warning') {
      const { value: detail } = this.detail;
      if (detail) this.detail.value = { ...detail, warnings: [...detail.warnings, String(entry['text'])] };
    } else this.refreshSoon();
  }

  private changed(state: StateEvent): void {
    const { value: detail } = this.detail;
    if (detail === undefined || (detail.state === state.state && detail.holder === state.holder)) return;
    this.detail.value = { ...detail, ...state };
    this.refreshSoon();
  }

  private refreshSoon(ms = SOON_MS): void {
    clearTimeout(this.fresh);
    this.fresh = setTimeout(() => void this.refresh().catch(this.failed), ms);
  }

  private reload(): void {
    this.source?.close();
    clearTimeout(this.fresh);
    this.fresh = setTimeout(() => void this.load().catch(this.failed), SOON_MS);
  }

  private show(detail: RunDetail, rows: LogNumbers[]): void {
    this.numbers = rows;
    this.detail.value = detail;
    this.showRows();
  }

  private showRows(): void {
    const rows = this.numbers.map(rowOf);
    this.rows.value = rows;
    const { value: detail } = this.detail;
    const [training, evaluation] = [rows.findLast((row) => 'loss' in row), rows.findLast((row) => 'eval_loss' in row)];
    const last = rows.at(-1);
    if (detail === undefined || last === undefined) return;
    const peak = training?.['gpu_peak_bytes'];
    this.detail.value = {
      ...detail,
      step: last.step,
      loss: training?.loss ?? null,
      evalLoss: evaluation?.['eval_loss'] ?? null,
      pace: paceOf(this.numbers) ?? null,
      peakBytes: peak === undefined ? detail.peakBytes : Math.max(peak, detail.peakBytes ?? 0),
    };
  }
}

/** What is not finite stands as a word in the log. */
function rowOf(numbers: LogNumbers): LogRow {
  const values = Object.entries(numbers).map(([name, value]) => [name, typeof value === 'number' ? value : NaN]);
  return Object.fromEntries(values) as LogRow;
}
