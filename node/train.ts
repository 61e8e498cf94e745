/**
 * `node dist/train.js`: fine-tunes a base model on conversations or MedVision task lists and leaves a PEFT adapter (or a whole model). All flags are in
 * src/options.ts; `--help` lists them.
 */
import process from 'node:process';
import { loraConfig } from '../src/io/peftConfig.ts';
import type { Finetuning } from '../src/models/lora.ts';
import { Device } from '../src/gpu/device.ts';
import type { Options, ParsedOptions } from '../src/options.ts';
import { joinPath, UserError } from '../src/platform.ts';
import { ConsoleTracker, countText } from '../src/track/console.ts';
import type { Terminal } from '../src/track/console.ts';
import { JsonlTracker } from '../src/track/jsonl.ts';
import { allOf } from '../src/track/tracker.ts';
import type { Tracker } from '../src/track/tracker.ts';
import { openSession } from '../src/train/session.ts';
import { conversationSource, readTrainingRows, taskListSource } from '../src/train/sources.ts';
import { train } from '../src/train/trainer.ts';
import { main, processSurroundings } from './cli.ts';
import { checkOutput, clearOutput } from './outputFolder.ts';
import { nodePlatform, releaseGpu } from './platform.ts';

/** A value with regular expression signs is one pattern; PEFT takes a pattern as a string and names as a list. */
function targetModules(items: readonly string[]): string | string[] {
  const [only] = items;
  const isPattern = items.length === 1 && only !== undefined && (only === 'all-linear' || /[\\^$*+?()[\]{}|]/.test(only));
  return isPattern ? only : [...items];
}

function finetuning(options: Options): Finetuning {
  if (options.finetune === 'full') return { kind: 'full' };
  const config = loraConfig({
    r: options.lora_r,
    lora_alpha: options.lora_alpha,
    lora_dropout: options.lora_dropout,
    target_modules: targetModules(options.target_modules),
    modules_to_save: options.modules_to_save.length > 0 ? options.modules_to_save : null,
    use_rslora: options.use_rslora,
    use_dora: options.use_dora,
  });
  return { kind: 'lora', config };
}

async function baseFolder(options: Options): Promise<string> {
  const base = options.base_model_hf;
  if (base === null) throw new UserError('--base_model_hf is not set; give the folder of a Hugging Face model.');
  if (await nodePlatform.isDirectory(base)) return base.replace(/(?<=.)\/+$/, '');
  if (/^[\w.-]+\/[\w.-]+$/.test(base) && !(await nodePlatform.exists(base))) {
    throw new UserError(
      `--base_model_hf ${base}: there is no such folder. If it is a hub id: downloading is not built yet; ` +
        `fetch it once with \`hf download ${base} --local-dir DIR\` and give DIR.`,
    );
  }
  throw new UserError(`--base_model_hf ${base}: there is no such folder; a Hugging Face model folder was expected.`);
}

async function run({ options }: ParsedOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => {
    if (!options.report_to.includes('none')) terminal.write(`${text}\n`);
  };
  const base = await baseFolder(options);
  const out = options.lora_checkpoint_dir;
  await checkOutput(nodePlatform, out, options.overwrite);
  // Before the GPU and the weights, which take long: a mistake in the rows is told at once.
  const rows = options.train_file === null ? undefined : await readTrainingRows(nodePlatform, options.train_file);
  if (options.val_file !== null) {
    const held = await readTrainingRows(nodePlatform, options.val_file);
    say(`${options.val_file}: ${held.length} rows read and checked.`);
  }
  const isStopped = (): boolean => {
    if (stop.aborted) terminal.write('Stopped before the first step; nothing is written.\n');
    return stop.aborted;
  };
  if (isStopped()) return;
  const device = await Device.create(await nodePlatform.gpu());
  try {
    const { report } = device;
    say(`GPU: ${report.description}${report.isSoftware ? ' (software)' : ''}`);
    const session = await openSession(nodePlatform, device, {
      baseModel: base,
      ...(options.init_adapter === null ? { finetuning: finetuning(options) } : { initAdapter: options.init_adapter }),
      seed: options.seed,
      ...(options.min_pixels !== null && { minPixels: options.min_pixels }),
      ...(options.max_pixels !== null && { maxPixels: options.max_pixels }),
    });
    for (const name of session.plan.resolved?.unmatched ?? []) say(`Note: target_modules entry "${name}" matches no module of the base model.`);
    const { processor } = session;
    const source =
      rows === undefined
        ? await taskListSource(nodePlatform, processor, options)
        : conversationSource(nodePlatform, processor, rows, { mask: options.mask, vocabSize: session.model.vocabSize });
    say(`${source.length} rows; ${countText(session.trainableCount)} values train.`);
    if (isStopped()) return;
    const trackers: Tracker[] = [];
    if (options.report_to.includes('console')) trackers.push(new ConsoleTracker(terminal));
    if (options.report_to.includes('jsonl')) trackers.push(new JsonlTracker(nodePlatform, joinPath(out, 'trainer_log.jsonl')));
    await train(session, source, options, { tracker: allOf(trackers), stop, outputDir: out, begin: () => clearOutput(nodePlatform, out) });
    session.close();
  } finally {
    device.destroy();
    releaseGpu();
  }
}

process.exit(await main(run, processSurroundings(nodePlatform)));
