/** What an evaluation tells its report. The answers themselves are in samples.jsonl, which the page is made of. */
import type { Processor } from '../../data/example.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { gpuName } from '../../gpu/capabilities.ts';
import { definitions } from '../../options/evaluate.ts';
import type { Definition } from '../../options/definition.ts';
import { countOf, lastName } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import { withoutFoldersIn } from '../../track/localPaths.ts';
import { redactConfig } from '../../track/secrets.ts';
import type { Session } from '../../train/session.ts';
import { openRowView } from '../inputs/scenes.ts';
import { outgoingOptions } from '../outgoing.ts';
import { filePairs, planPairs, taskLists } from '../report/dataPairs.ts';
import { gatherPictures } from '../report/gatherPictures.ts';
import { leaveReport } from '../report/leave.ts';
import type { RunRecord } from '../report/record.ts';
import { Stopwatch } from '../report/stopwatch.ts';
import type { EvaluateContext } from './context.ts';
import type { PendingRows } from './rows.ts';
import { rowsFingerprint } from './rows.ts';

/** The rows that were asked, and what reads them; absent where answers were scored again. */
export interface AskedRows {
  found: PendingRows;
  processor: Processor;
}

export class EvaluationReport {
  readonly watch = new Stopwatch();
  private readonly context: EvaluateContext;
  private gpu: { facts: [string, string][]; memory: [string, number][] } = { facts: [], memory: [] };
  private answered = 0;
  private tokens = 0;

  constructor(context: EvaluateContext) {
    this.context = context;
  }

  /** Called with what was answered by this process. */
  answers(rows: readonly ScoredRow[]): void {
    this.answered += rows.length;
    for (const { facts } of rows) this.tokens += Number(facts['answer_tokens'] ?? 0);
  }

  /** Called while the GPU is still open. */
  seen({ device }: Session): void {
    const memory = Object.entries(device.pool.report().atPeak).filter(([, bytes]) => bytes > 0);
    this.gpu = { facts: [['GPU', gpuName(device.capabilities)]], memory };
  }

  /** Beside the answers; says where. */
  async leave(outcome: RunRecord['outcome'], model: string, rows: readonly ScoredRow[], asked?: AskedRows): Promise<void> {
    const { platform, options, terminal, say } = this.context;
    if (rows.length === 0 || this.context.isKeptNowhere) return;
    const warn = (text: string): void => terminal.write(`Warning: ${text}\n`);
    const page = await leaveReport(platform, options.output_dir, () => this.record(outcome, model, rows, asked), {
      mayReplace: options.overwrite,
      warn,
    });
    if (page !== undefined) say(`Report: ${page}`);
  }

  private async record(
    outcome: RunRecord['outcome'],
    model: string,
    rows: readonly ScoredRow[],
    asked: AskedRows | undefined,
  ): Promise<RunRecord> {
    const { platform, options } = this.context;
    const { report_to: _, ...given } = options;
    const table: Readonly<Record<string, Definition>> = definitions;
    const outward = await outgoingOptions(platform, given, table);
    const { config } = outward;
    // The page lies in this folder and is called as it is.
    const folders = outward.folders.filter((folder) => folder !== options.output_dir);
    config['samples'] = options.samples.map(lastName);
    const pictures = asked && (await this.pictures(outcome, rows, asked, folders));
    const note = asked ? pictures?.note : 'Answers that were scored again have no pictures: the images are not at hand.';
    const unset = (name: string): boolean => JSON.stringify(given[name as keyof typeof given]) === JSON.stringify(table[name]?.default);
    const record: Omit<RunRecord, 'pictures' | 'answers'> = {
      kind: 'evaluation',
      name: lastName(platform.absolutePath(options.output_dir)),
      model,
      outcome,
      writtenAt: new Date().toISOString(),
      facts: [
        ['Model', model],
        ['Answers', asked ? `${rows.length} of ${countOf(asked.found.rows.length, 'row')}` : countOf(rows.length, 'answer')],
        ['Parser', options.parser],
        ...this.gpu.facts,
      ],
      data: await this.data(rows, asked),
      settings: config,
      changed: Object.keys(config).filter((name) => !unset(name)),
      ...this.costs(),
      memory: this.gpu.memory,
      ...(note !== undefined && { pictureNote: note }),
    };
    // Pictures are no texts.
    return { ...(withoutFoldersIn(redactConfig(record), folders) as typeof record), pictures: pictures?.cards ?? [], answers: [] };
  }

  private async pictures(
    outcome: RunRecord['outcome'],
    rows: readonly ScoredRow[],
    { found, processor }: AskedRows,
    folders: readonly string[],
  ): ReturnType<typeof gatherPictures> {
    const requests = new Map(found.rows.map(({ row, request }) => [row.id, request]));
    const asked = rows.flatMap((row) => {
      const request = requests.get(row.id);
      return request ? [{ request, row }] : [];
    });
    const view = openRowView(this.context, found, processor);
    return gatherPictures(this.context.platform, view, asked, folders, outcome);
  }

  private async data(rows: readonly ScoredRow[], asked: AskedRows | undefined): Promise<[string, string][]> {
    const { options } = this.context;
    const files = [
      ['File', options.eval_file],
      ['Data folder', asked?.found.dataDir ?? null],
      ['Prepared folder', options.prepared_ds_dir],
      ...taskLists(options),
    ] as const;
    const read = options.samples.length > 0 ? [['Files of answers', options.samples.map(lastName).join(', ')] as [string, string]] : [];
    const split = options.eval_file === null && options.samples.length === 0 ? [['Cases', options.eval_split] as [string, string]] : [];
    return [
      ...read,
      ...filePairs(files),
      ...split,
      ['Rows', countText(asked?.found.rows.length ?? rows.length)],
      ...(asked ? [['SHA-256 of the rows', await rowsFingerprint(asked.found)] as [string, string]] : []),
      ...planPairs(asked?.found.plans ?? []),
    ];
  }

  private costs(): Pick<RunRecord, 'parts' | 'speeds'> {
    const { parts } = this.watch;
    const seconds = parts.find(([name]) => name === 'answering')?.[1] ?? 0;
    const speeds: [string, string][] =
      seconds > 0 && this.answered > 0
        ? [
            ['Answers a second', (this.answered / seconds).toPrecision(3)],
            ['Tokens written a second', (this.tokens / seconds).toPrecision(3)],
          ]
        : [];
    return { parts, speeds };
  }
}
