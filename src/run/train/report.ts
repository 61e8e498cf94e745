/** What a training tells its report: its data, its answers before and after, what its time and memory went into. */
import { readJsonFile } from '../../data/jsonFile.ts';
import { readRow, rowText, scoreRow } from '../../data/medvision/answerRows.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { gpuName } from '../../gpu/capabilities.ts';
import { publicName } from '../../hub/origin.ts';
import { changedOptions, definitions } from '../../options.ts';
import { countOf, joinPath } from '../../platform.ts';
import { parseJson } from '../../io/parseJson.ts';
import { countText, durationText } from '../../track/console.ts';
import { withoutFoldersIn } from '../../track/localPaths.ts';
import { redactConfig } from '../../track/secrets.ts';
import type { AnsweredRow } from '../../train/predictionPictures.ts';
import type { Session } from '../../train/session.ts';
import type { TrainResult } from '../../train/trainer.ts';
import type { RunContext } from '../context.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import type { OpenRows } from '../inputs/rows.ts';
import { openRowView } from '../inputs/scenes.ts';
import type { RowView } from '../inputs/scenes.ts';
import { outgoingOptions } from '../outgoing.ts';
import { filePairs, planPairs, taskLists } from '../report/dataPairs.ts';
import { gatherPictures } from '../report/gatherPictures.ts';
import { leaveReport } from '../report/leave.ts';
import { readRecord, RECORD_FILE } from '../report/record.ts';
import type { RunRecord } from '../report/record.ts';
import { Stopwatch } from '../report/stopwatch.ts';

export interface TrainedParts {
  base: string;
  found: FoundRows;
  rows: OpenRows;
  session: Session;
  result: TrainResult;
  /** Steps and tokens that an earlier process has done. */
  before: { step: number; tokens: number };
}

export class TrainingReport {
  readonly watch = new Stopwatch();
  private readonly context: RunContext;
  private readonly answered = new Map<number, readonly AnsweredRow[]>();

  constructor(context: RunContext) {
    this.context = context;
  }

  /** Called when an evaluation has come to its end. */
  answers(step: number, rows: readonly AnsweredRow[]): void {
    this.answered.set(step, rows);
  }

  /** In the run's folder, beside its result; says where. */
  async leave(parts: TrainedParts): Promise<void> {
    const { platform, options, warn, say } = this.context;
    if (parts.result.steps === 0) return; // the folder has nothing of the run
    const page = await leaveReport(platform, options.output_dir, () => this.record(parts), { mayReplace: options.overwrite, warn });
    if (page !== undefined) say(`Report: ${page}`);
  }

  private async record(parts: TrainedParts): Promise<RunRecord> {
    const { platform, options } = this.context;
    const { found, session, result } = parts;
    const { config, folders } = await outgoingOptions(platform, options, definitions);
    const view = openRowView(this.context, found, session.processor);
    const evaluations = result.state.log_history.filter((row) => 'eval_loss' in row).map(({ step }) => step);
    const best = options.load_best_model_at_end ? (result.state.best_global_step ?? undefined) : undefined;
    const [first, last] = [evaluations[0], best ?? evaluations.at(-1)];
    const after = await this.rowsAt(last, parts, view);
    const before = first === last ? [] : await this.rowsAt(first, parts, view);
    const earlier = new Map(before.map((row) => [row.id, row]));
    const held = found.validation;
    const asked = [];
    for (const row of held ? after : []) {
      const own = earlier.get(row.id);
      if (held) asked.push({ request: await held.request(row.id), row, ...(own && { before: own }) });
    }
    const { cards, note } = await gatherPictures(platform, view, asked, folders, result.outcome);
    const lines = (rows: readonly ScoredRow[]): unknown[] =>
      rows.map((row) => {
        const doc = withoutFoldersIn(row.doc, folders) as ScoredRow['doc'];
        return parseJson(rowText({ ...row, doc }, 'robust'));
      });
    const record: RunRecord = {
      kind: 'training',
      name: options.run_name,
      model: publicName(parts.base),
      outcome: result.outcome,
      writtenAt: new Date().toISOString(),
      facts: this.facts(parts),
      data: await this.data(parts),
      settings: config,
      changed: Object.keys(changedOptions(options)),
      ...this.costs(parts),
      answers: [
        ...(first !== undefined && before.length > 0 ? [{ step: first, rows: lines(before) }] : []),
        ...(last !== undefined && after.length > 0 ? [{ step: last, rows: lines(after) }] : []),
      ],
      ...(best !== undefined && { resultStep: best }),
      pictures: cards,
      ...(note !== undefined && { pictureNote: note }),
    };
    // Pictures are no texts, and what is asked of the model stays as it was; of a row's files only the names.
    const { pictures, answers, ...rest } = record;
    return { ...(withoutFoldersIn(redactConfig(rest), folders) as typeof rest), pictures, answers };
  }

  /** Answers of an evaluation, by this process or, as its record has them, by the one before the break. */
  private async rowsAt(step: number | undefined, { found }: TrainedParts, view: RowView): Promise<ScoredRow[]> {
    if (step === undefined || found.validation === undefined) return [];
    const rows: ScoredRow[] = [];
    const { platform, options } = this.context;
    const own = this.answered.get(step);
    for (const { index, text } of own ?? []) {
      const row = await view.row(await found.validation.request(index), index);
      rows.push(scoreRow({ ...row, response: text, facts: {} }, 'robust'));
    }
    if (own !== undefined) return rows;
    const path = joinPath(options.output_dir, RECORD_FILE);
    const json = await readJsonFile(platform, path).catch(() => undefined); // it is replaced
    if (json === undefined) return [];
    const saved = readRecord(json, path).answers.find((one) => one.step === step)?.rows ?? [];
    return saved.map((row, i) => scoreRow(readRow(JSON.stringify(row), i, path), 'robust'));
  }

  private facts({ base, session, result, found }: TrainedParts): [string, string][] {
    const { options } = this.context;
    const how = options.finetune === 'full' ? 'all weights' : `LoRA, r = ${options.lora_r}${options.use_dora ? ', DoRA' : ''}`;
    const size = options.per_device_train_batch_size * options.gradient_accumulation_steps;
    return [
      ['Model', publicName(base)],
      ['What trains', `${how}: ${countText(session.trainableCount)} values`],
      ['Steps', `${result.steps} of ${result.state.max_steps}, ${countOf(size, 'row')} each`],
      ['Learning rate', `${options.learning_rate}, ${options.lr_scheduler_type}`],
      ['Rows', `${countOf(found.train.length, 'row')}${found.validation ? `, ${found.validation.length} held out` : ''}`],
      ['GPU', gpuName(session.device.capabilities)],
      ['Seed', String(options.seed)],
    ];
  }

  private async data({ found, rows, result }: TrainedParts): Promise<[string, string][]> {
    const { options } = this.context;
    const files = [
      ['Training file', options.train_file],
      ['Held-out file', options.val_file],
      ['Data folder', found.dataDir ?? null],
      ['Prepared folder', found.preparedDir ?? null],
      ...taskLists(options),
    ] as const;
    const fingerprint = async (of: { fingerprint?(): Promise<string> } | undefined): Promise<string> => (await of?.fingerprint?.()) ?? '';
    const hashes = [
      ['SHA-256 of the training rows', await fingerprint(rows.train)],
      ['SHA-256 of the held-out rows', await fingerprint(rows.validation)],
    ] as const;
    return [
      ...filePairs(files),
      ['Training rows', countText(found.train.length)],
      ...(found.validation ? [['Held-out rows', countText(found.validation.length)] as [string, string]] : []),
      ...(found.leftOut ? [['Rows left out', countText(found.leftOut.rows)] as [string, string]] : []),
      ['Tokens read', countText(result.state.num_input_tokens_seen)],
      ...hashes.filter(([, hash]) => hash !== '').map(([name, hash]): [string, string] => [name, hash]),
      ...planPairs(found.plans ?? []),
    ];
  }

  private costs({ result, before }: TrainedParts): Pick<RunRecord, 'parts' | 'speeds' | 'memory'> {
    const { options } = this.context;
    const evaluations = result.state.log_history.filter((row) => 'eval_runtime' in row && row.step >= before.step);
    const evaluating = evaluations.reduce((sum, row) => sum + (row['eval_runtime'] ?? 0), 0);
    const parts = this.watch.parts.map(([name, seconds]): [string, number] =>
      name === 'training' ? [name, Math.max(0, seconds - evaluating)] : [name, seconds],
    );
    const training = parts.find(([name]) => name === 'training')?.[1] ?? NaN;
    const tokens = result.state.num_input_tokens_seen - before.tokens;
    const steps = result.steps - before.step;
    const rows = steps * options.per_device_train_batch_size * options.gradient_accumulation_steps;
    const speeds: [string, string][] =
      steps > 0 && training > 0
        ? [
            ['Tokens a second, training', countText(Math.round(tokens / training))],
            ['Rows a second, training', (rows / training).toPrecision(3)],
            ['A step', durationText(training / steps)],
          ]
        : [];
    return {
      parts: [...parts, ...(evaluating > 0 ? [['evaluation', evaluating] as [string, number]] : [])],
      speeds,
      memory: Object.entries(result.memory.atPeak).filter(([, bytes]) => bytes > 0),
    };
  }
}
