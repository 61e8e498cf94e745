/**
 * Training as a program: from options to a PEFT adapter (or a whole model), or to what else they ask for. Each phase is a file of this
 * folder or of its neighbours.
 */
import { readOnlyPlatform } from '../../io/readOnlyPlatform.ts';
import { quantizationFacts, storedNote } from '../../options/quantization.ts';
import { countOf } from '../../platform.ts';
import { bytesText, countText } from '../../track/console.ts';
import { allOf } from '../../track/tracker.ts';
import type { Tracker } from '../../track/tracker.ts';
import type { Device } from '../../gpu/device.ts';
import { boughtBy, boughtText } from '../../train/beforeAfter.ts';
import { ANNOTATIONS } from '../../train/runIdentity.ts';
import { train } from '../../train/trainer.ts';
import type { TrainResult } from '../../train/trainer.ts';
import { expectedChoices } from '../../train/tuning/runPlans.ts';
import { sameOptions } from '../../world/agreement.ts';
import { ALONE, doAll, firstHere } from '../../world/world.ts';
import { beginComputing, openDevice } from '../device.ts';
import { checkOutput, clearOutput, inOutputFolder } from '../outputFolder.ts';
import { resolveBaseModel } from '../inputs/baseModel.ts';
import type { RunContext } from '../context.ts';
import { checkEvaluation, openEvaluator } from './evaluation.ts';
import { exportRows, isExporting, prepareBesideExport } from '../prepare/exportRows.ts';
import { fetchInputs } from '../inputs/hubInputs.ts';
import { planPairs } from '../report/dataPairs.ts';
import { fitRun, keptText, openLimited, sessionOptions, tellPlan } from './memory.ts';
import type { PlannedGpu } from './memory.ts';
import { mergeOnly, openPublisher } from '../publish/publish.ts';
import type { Publisher } from '../publish/publish.ts';
import { beginInPlace, findResume } from './resume.ts';
import { TrainingReport } from './report.ts';
import type { Resume } from './resume.ts';
import { findRows, isStopped } from '../inputs/rows.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import { preparesFirst, prepareRows, prepareTogether } from '../prepare/taskRows.ts';
import { tellRanks } from './ranks.ts';
import { tooLarge } from './tooLarge.ts';
import { openTrackers } from './trackers.ts';
import { imageSizeFacts } from '../../options/imageSizes.ts';

/** @returns what training came to; undefined where nothing was trained: it was stopped before, or something else was asked for */
export async function runTraining(given: RunContext): Promise<TrainResult | undefined> {
  const { options, terminal, world = ALONE } = given;
  await sameOptions(world, options);
  const base = await firstHere(world, () => resolveBaseModel(given));
  const context: RunContext = { ...given, options: await firstHere(world, () => fetchInputs(given)) };
  const isFirst = world.rank === 0;
  if (options.dry_run || options.merge_only || options.process_dataset_only) {
    if (isFirst || (preparesOnly(options) && world.size > 1)) await runOtherwise(context, base);
    return undefined;
  }
  const goesOn = !isExporting(options) || !isFirst || (await exportRows(context, base));
  if (!(await doAll(world, goesOn))) return undefined;

  if (!isFirst) return trainIn(context, base);
  const note = (text: string): void => terminal.write(`${text}\n`);
  let result: TrainResult | undefined;
  await inOutputFolder(
    { platform: given.platform, stop: given.stop, say: note },
    context.options.output_dir,
    '--output_dir',
    async (held) => {
      result = await trainIn({ ...context, ...held }, base);
    },
  );
  return result;
}

/** All ranks can help. */
function preparesOnly(options: RunContext['options']): boolean {
  return options.process_dataset_only && !options.dry_run && !options.merge_only && !isExporting(options);
}

/** What is no training. */
async function runOtherwise(context: RunContext, base: string): Promise<void> {
  const { options } = context;
  if (options.dry_run) return dryRun({ ...context, platform: readOnlyPlatform(context.platform) }, base);
  if (options.merge_only) return mergeOnly(context, base);
  if (!isExporting(options)) return prepareRows(context, base);
  if (await exportRows(context, base)) await prepareBesideExport(context, base);
}

/** `--dry_run`: with a platform that cannot write. */
async function dryRun(context: RunContext, base: string): Promise<void> {
  const rows = await findRows(context, base);
  if (rows === undefined) return;
  const opened = await openDevice(context.platform, context.options).catch(() => undefined); // no GPU is needed
  const gpu = opened && (await plannedGpu(context, opened));
  opened?.destroy();
  context.platform.releaseGpu?.();
  await tellPlan(context, base, rows, gpu);
}

async function plannedGpu({ platform, options }: RunContext, device: Device, resume?: Resume): Promise<PlannedGpu> {
  return {
    capabilities: device.capabilities,
    choices: await expectedChoices(device, platform, options.tune, resume?.checkpoint?.run.plans),
  };
}

/** In the run's folder, which is ours alone. */
async function trainIn(context: RunContext, base: string): Promise<TrainResult | undefined> {
  const { platform, options, world = ALONE } = context;
  const isFirst = world.rank === 0;
  const report = new TrainingReport(context);
  // Before the GPU and the weights, which take long: whatever can be wrong by then is told at once.
  const resume = await findResume(context);
  if (isFirst)
    await checkOutput(platform, options.output_dir, options.overwrite || (resume?.isInPlace === true && resume.checkpoint !== undefined));
  if (world.size > 1 && preparesFirst(context) && !(await prepareTogether(context, base))) return undefined;
  const rows = await firstHere(world, () => findRows(context, base));
  if (!(await doAll(world, rows !== undefined)) || rows === undefined) return undefined;
  checkEvaluation(context, rows);
  const tracker = isFirst ? await openTrackers(context) : allOf([]);
  const publisher = isFirst ? await openPublisher(context, base) : undefined;
  if (!(await doAll(world, !isStopped(context)))) return undefined;
  report.watch.ends('looking at the rows');
  return onGpu(context, { base, rows, tracker, report, ...(publisher && { publisher }), ...(resume && { resume }) });
}

async function onGpu(
  context: RunContext,
  parts: { base: string; rows: FoundRows; tracker: Tracker; publisher?: Publisher; report: TrainingReport; resume?: Resume },
): Promise<TrainResult | undefined> {
  const { platform, options, stop, say, world = ALONE } = context;
  const { tracker, publisher, report, resume } = parts;
  const out = options.output_dir;
  const device = await openDevice(platform, options);
  try {
    await tellRanks(context, device.capabilities);
    const computing = beginComputing(device, options.compute_dtype, say, { trainsAll: options.finetune === 'full' });
    const { rows, fit, needed, excess } = await fitRun(context, parts.base, parts.rows, await plannedGpu(context, device, resume));
    if (excess) throw await tooLarge(options, excess);
    say(`Memory: ${bytesText(needed)} by the plan. ${keptText(fit, options)}`);
    const session = await openLimited(platform, device, options, { ...sessionOptions(options, parts.base), stop });
    const note = storedNote(options, session.isStoredNf4);
    if (note !== undefined) say(note);
    if (session.quantizedCount > 0) say(`${countOf(session.quantizedCount, 'weight')} held in 4 bits (NF4).`);
    for (const name of session.plan.resolved?.unmatched ?? [])
      say(`Note: target_modules entry "${name}" matches no module of the base model.`);
    // The console's own table says it.
    if (!options.report_to.includes('console'))
      say(`${countOf(rows.train.length, 'row')}; ${countText(session.trainableCount)} values train.`);
    if (!(await doAll(world, !isStopped(context)))) return undefined;
    report.watch.ends('loading the model');
    const evaluator = openEvaluator(context, rows, (step, answered) => report.answers(step, answered));
    const result = await train(
      session,
      rows.train,
      { ...options, keptStages: fit.keptStages },
      {
        tracker,
        world,
        stop,
        outputDir: out,
        begin: () => (resume?.isInPlace ? beginInPlace(context, resume) : clearOutput(platform, out)),
        facts: {
          mask: options.mask,
          ...(options.reasoning_weight !== 1 && { reasoning_weight: options.reasoning_weight }),
          ...imageSizeFacts(options),
          sixteen_bit: options.sixteen_bit,
          image_attention: options.image_attention,
          ...quantizationFacts(options),
          ...annotationFacts(parts.rows),
          compute_dtype: computing.dtype,
          saved_inputs: options.gradient_checkpointing ? options.saved_inputs : 'f32',
        },
        ...(resume && { resume }),
        ...(publisher && { onSaved: (saved) => publisher.onSaved(saved) }),
        ...(evaluator && { evaluator }),
        ...(parts.rows.leftOut && { leftOut: parts.rows.leftOut }),
      },
    );
    report.watch.ends('training');
    await rows.close();
    session.close();
    if (world.rank !== 0) return result;
    const bought = boughtBy(
      result.state.log_history,
      options.load_best_model_at_end ? (result.state.best_global_step ?? undefined) : undefined,
    );
    if (bought) say(`What the run bought:\n${boughtText(bought)}`);
    const before = { step: resume?.checkpoint?.step ?? 0, tokens: resume?.checkpoint?.trainerState.num_input_tokens_seen ?? 0 };
    await report.leave({ base: parts.base, found: parts.rows, rows, session, result, before });
    await publisher?.afterTraining(out, result);
    return result;
  } finally {
    device.destroy();
    platform.releaseGpu?.();
  }
}

/** Which annotations the rows are of, in every checkpoint. */
function annotationFacts({ plans = [] }: FoundRows): { [ANNOTATIONS]?: string } {
  return plans.length === 0
    ? {}
    : {
        [ANNOTATIONS]: planPairs(plans)
          .map((pair) => pair.join(' '))
          .join('; '),
      };
}
