/**
 * Evaluation as a program: a base model, an adapter or a merged model answers the rows of task lists, of a prepared folder or of a file;
 * the answers are scored as the MedVision benchmark does.
 */
import type { Example } from '../../data/example.ts';
import { readRow, scoreRow } from '../../data/medvision/answerRows.ts';
import { readCutoffs } from '../../data/medvision/cutoffs.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { summaryFiles } from '../../data/medvision/summaries.ts';
import { PictureWarnings } from '../../data/pictures/warnings.ts';
import { sha256Hex } from '../../data/prepared/identity.ts';
import type { Identity } from '../../data/prepared/identity.ts';
import { publicName } from '../../hub/origin.ts';
import { storedNote } from '../../options/quantization.ts';
import { countOf, joinPath, lastName } from '../../platform.ts';
import { allOf } from '../../track/tracker.ts';
import { RowEvaluator } from '../../train/evaluation.ts';
import { modelFingerprint } from '../../train/runIdentity.ts';
import type { Session } from '../../train/session.ts';
import { sameEverywhere, sameOptions } from '../../world/agreement.ts';
import { ALONE, doAll, firstHere, fromFirst } from '../../world/world.ts';
import { AnswerCache } from './answerCache.ts';
import { answerRows } from './answering.ts';
import type { EvaluateContext } from './context.ts';
import { EvaluationFolder, KEPT_NOWHERE, SAMPLES } from './folder.ts';
import type { Keeping } from './folder.ts';
import { EvaluationReport } from './report.ts';
import { rescore } from './rescore.ts';
import { describeSource, findRows, rowsFingerprint } from './rows.ts';
import type { PendingRow, PendingRows } from './rows.ts';
import { withFrozenModel } from '../frozenModel.ts';
import type { FrozenModel } from '../frozenModel.ts';
import { inOutputFolder } from '../outputFolder.ts';
import { openRowModel } from '../inputs/checking.ts';
import { adapterFolder, modelFolder } from '../inputs/hubInputs.ts';
import { openDataWorkers } from '../inputs/dataWorkers.ts';
import { imageSizeFacts, imageSizes } from '../../options/imageSizes.ts';

/** Volumes kept open, all workers together. */
const VOLUME_BYTES = 512 * 2 ** 20;

interface Model extends FrozenModel {
  /** For the tables. */
  name: string;
}

/** What an evaluation found. */
export interface Evaluated {
  rows: ScoredRow[];
  /** What summary.json holds. */
  summary: Record<string, unknown>;
}

/** Undefined when it was stopped before its end. */
export async function runEvaluation(context: EvaluateContext): Promise<Evaluated | undefined> {
  const { options, world = ALONE } = context;
  await sameOptions(world, options);
  if (context.isKeptNowhere || world.rank !== 0) return evaluateIn(context, KEPT_NOWHERE);
  const { output_dir: dir } = options;
  let evaluated: Evaluated | undefined;
  await inOutputFolder(context, dir, '--output_dir', async (held) => {
    evaluated = await evaluateIn({ ...context, ...held }, new EvaluationFolder(held.platform, dir));
  });
  return evaluated;
}

/** @param folder which is ours alone */
async function evaluateIn(context: EvaluateContext, folder: Keeping): Promise<Evaluated | undefined> {
  const { platform, options, say, world = ALONE } = context;
  const isFirst = world.rank === 0;
  if (isFirst) await folder.check(options.overwrite);
  // A table with a mistake is told before hours of answers.
  if (isFirst && options.cutoffs !== null) await readCutoffs(platform, options.cutoffs);
  const report = new EvaluationReport(context);
  if (options.samples.length > 0) {
    if (!isFirst) return undefined; // no work to share
    const rows = await rescore(context);
    const hashes = await Promise.all(options.samples.map(async (path) => sha256Hex(await platform.readFile(path))));
    await folder.begin({ samples: hashes.join(' '), parser: options.parser, limit: options.limit }, options.overwrite);
    const names = options.samples.map(lastName).join(', ');
    const evaluated = await finish(context, folder, rows, names);
    report.watch.ends('reading and scoring');
    await report.leave('finished', names, rows);
    return evaluated;
  }
  const { base, adapter } = context.model ?? (await firstHere(world, () => foldersOf(context)));
  const model: Model = { base, adapter, name: [base, ...(adapter === null ? [] : [adapter])].map(publicName).join(' + ') };
  const { processor } = context.model?.session ?? {};
  const rowModel = await openRowModel(context, base, processor);
  const found = await firstHere(world, () => findRows(context, rowModel));
  if (!(await doAll(world, found !== undefined)) || found === undefined) {
    say('Stopped before the first answer.');
    return undefined;
  }
  report.watch.ends('looking at the rows');
  const identity = await identityOf(context, model, found);
  await sameEverywhere(world, identity);
  const answers = isFirst ? await folder.begin(identity, options.overwrite) : new Map<number, string>();
  const before = answers.size > 0 ? ` ${answers.size} of them ${answers.size === 1 ? 'was' : 'were'} answered before.` : '';
  say(`${countOf(found.rows.length, 'row')}: ${describeSource(options)}.${before}`);

  const rows = new Map<number, ScoredRow>();
  for (const { row } of found.rows) {
    const line = answers.get(row.id);
    if (line === undefined) continue;
    const { response, facts } = readRow(line, row.id, SAMPLES);
    rows.set(row.id, scoreRow({ ...row, response, facts }, options.parser));
  }
  const inOrder = (): ScoredRow[] => found.rows.flatMap(({ row }) => rows.get(row.id) ?? []);
  const asked = { found, processor: rowModel.processor };
  const isLossWanted = found.rows.some(({ row }) => row.asked === undefined);
  // The first rank's folder knows of earlier answers.
  const known = new Set(await fromFirst(world, [...rows.keys()]));
  const cache = options.answer_cache === null ? undefined : await AnswerCache.open(platform, options.answer_cache, aboutAnswers(identity));
  const parts = { model, found, cache, pending: found.rows.filter(({ row }) => !known.has(row.id)), folder, report };
  const more = parts.pending.length > 0 || isLossWanted ? await onGpu(context, parts, rows) : {};
  if (!isFirst) return undefined;
  if (more === undefined) {
    say(
      `Stopped: ${rows.size} of ${countOf(found.rows.length, 'row')} ${rows.size === 1 ? 'is' : 'are'} answered, and the same command ` +
        `goes on from there.`,
    );
    await report.leave('stopped', model.name, inOrder(), asked);
    return undefined;
  }
  const evaluated = await finish(context, folder, inOrder(), model.name, { ...annotationsOf(found), ...more });
  await report.leave('finished', model.name, inOrder(), asked);
  return evaluated;
}

async function foldersOf(context: EvaluateContext): Promise<FrozenModel> {
  const { base_model_hf: base, lora_checkpoint_dir: adapter } = context.options;
  return {
    base: await modelFolder(context, '--base_model_hf', base ?? ''),
    adapter: adapter === null ? null : await adapterFolder(context, '--lora_checkpoint_dir', adapter),
  };
}

/** What must be the same for an evaluation to go on. */
async function identityOf({ platform, options }: EvaluateContext, { base, adapter }: Model, found: PendingRows): Promise<Identity> {
  const hash = async (path: string): Promise<string> => sha256Hex(await platform.readFile(path));
  return {
    'base model': await modelFingerprint(platform, base),
    adapter:
      adapter === null
        ? null
        : `${await hash(joinPath(adapter, 'adapter_model.safetensors'))} ${await hash(joinPath(adapter, 'adapter_config.json'))}`,
    'number of rows': found.rows.length,
    rows: await rowsFingerprint(found),
    parser: options.parser,
    max_new_tokens: options.max_new_tokens,
    ...(options.stop_strings.length > 0 && { stop_strings: JSON.stringify(options.stop_strings) }),
    ...imageSizeFacts(options),
    intensity: options.intensity,
    image_attention: options.image_attention,
    // Folders from before these options say nothing of them.
    ...(options.compute_dtype !== 'auto' && { compute_dtype: options.compute_dtype }),
    ...(options.sixteen_bit !== 'clip' && { sixteen_bit: options.sixteen_bit }),
    ...(options.quantization !== 'none' && {
      quantization: options.quantization,
      quantization_skip_modules: [...options.quantization_skip_modules].sort().join(','),
    }),
    ...(options.quantize_embedding !== 'none' && { quantize_embedding: options.quantize_embedding }),
  };
}

/** What of an identity decides how a question is answered; the question itself is in a key of its own. */
function aboutAnswers(identity: Identity): string {
  const ofRows = [
    'number of rows',
    'rows',
    'parser',
    'min_pixels',
    'max_pixels',
    'do_image_splitting',
    'longest_edge',
    'intensity',
    'sixteen_bit',
  ];
  return JSON.stringify(Object.entries(identity).filter(([name]) => !ofRows.includes(name)));
}

interface Parts {
  model: Model;
  found: PendingRows;
  /** Answers of other evaluations. */
  cache: AnswerCache | undefined;
  /** Those without an answer. */
  pending: readonly PendingRow[];
  folder: Keeping;
  report: EvaluationReport;
}

/** Adds what is answered to `rows`. @returns what else the summary says; undefined when Ctrl-C ended it */
async function onGpu(
  context: EvaluateContext,
  { model, found, pending, folder, report, cache }: Parts,
  rows: Map<number, ScoredRow>,
): Promise<Record<string, unknown> | undefined> {
  const { platform, options, say } = context;
  const use = async (session: Session): Promise<Record<string, unknown> | undefined> => {
    const note = storedNote(options, session.isStoredNf4);
    if (note !== undefined) say(note);
    const settings = {
      base: model.base,
      mask: 'completion',
      sixteenBit: options.sixteen_bit,
      vocabSize: session.model.vocabSize,
      volumeBytes: VOLUME_BYTES,
      ...imageSizes(context.options),
      ...(found.dataDir !== undefined && { dataDir: found.dataDir }),
      ...(found.preparedDir !== undefined && { preparedDir: found.preparedDir }),
    } as const;
    const warnings = new PictureWarnings(say);
    report.watch.ends('loading the model');
    const workers = await openDataWorkers(platform, settings, {
      count: options.dataloader_num_workers,
      start: context.startWorkers,
      processor: session.processor,
      warnings,
      stop: context.stop,
    });
    try {
      const isAnswered = await answerRows(context, session, {
        rows: pending,
        total: found.rows.length,
        cache,
        make: ({ request, place }) => workers.make(request, place),
        async keep(answered) {
          const scored = answered.map((row) => scoreRow(row, options.parser));
          await folder.append(scored, options.parser);
          for (const row of scored) rows.set(row.id, row);
          context.onAnswered?.(scored, found.rows.length);
          report.answers(scored);
        },
      });
      report.watch.ends('answering');
      if (!isAnswered) return undefined;
      const figures = await lossOf(context, session, found, ({ request: { ask: _, ...request }, place }) => workers.make(request, place));
      report.watch.ends('losses');
      return figures;
    } finally {
      report.seen(session);
      warnings.end();
      await workers.close();
    }
  };
  return context.model ? use(context.model.session) : withFrozenModel(context, model, use);
}

/** Rows that are no MedVision task have no other figure than their loss. */
async function lossOf(
  { options, stop, world = ALONE }: EvaluateContext,
  session: Session,
  found: PendingRows,
  make: (row: PendingRow) => Promise<Example>,
): Promise<Record<string, unknown> | undefined> {
  const plain = found.rows.filter(({ row }) => row.asked === undefined && row.target !== '');
  if (plain.length === 0) return {};
  const evaluator = new RowEvaluator(
    { length: plain.length, get: (index) => make(plain[index]!) },
    {
      per_device_eval_batch_size: options.per_device_eval_batch_size,
      eval_generate: 0,
      eval_max_new_tokens: 1,
      parser: options.parser,
      seed: 0,
    },
  );
  const figures = await evaluator.evaluate(session, { step: 0, tracker: allOf([]), world, stop });
  return figures && { loss: figures['eval_loss'], mean_token_accuracy: figures['eval_mean_token_accuracy'], loss_samples: plain.length };
}

/** For summary.json: a figure is of the annotations it was measured on. */
function annotationsOf({ plans = [] }: PendingRows): Record<string, unknown> {
  return plans.length === 0 ? {} : { annotations: plans };
}

async function finish(
  { platform, options, terminal, say }: EvaluateContext,
  folder: Keeping,
  rows: ScoredRow[],
  model: string,
  more: Record<string, unknown> = {},
): Promise<Evaluated> {
  const settings = {
    model,
    parser: options.parser,
    minGroupSize: options.min_group_size,
    bootstrap: { draws: options.bootstrap, seed: options.seed },
    ...(options.cutoffs !== null && { cutoffs: await readCutoffs(platform, options.cutoffs) }),
  };
  const files = summaryFiles(rows, settings, more);
  const unscored = rows.filter(({ asked, score }) => asked && !score).length;
  if (unscored > 0)
    say(
      `${countOf(unscored, 'row')} of angles and distances below 0.1 ${unscored === 1 ? 'is' : 'are'} not counted, as by MedVision today.`,
    );
  await folder.writeSamples(rows, options.parser);
  await folder.writeSummaries(files);
  for (const { name, text } of files) if (name.endsWith('.txt')) terminal.write(`\n${text}`);
  for (const [name, value] of Object.entries(more)) if (typeof value !== 'object') say(`${name}: ${String(value)}`);
  if (folder !== KEPT_NOWHERE) say(`\nWritten to ${folder.dir}: ${SAMPLES}, ${files.map(({ name }) => name).join(', ')}`);
  const summary = files.find(({ name }) => name === 'summary.json')?.text ?? '{}';
  return { rows, summary: JSON.parse(summary) as Record<string, unknown> };
}
