/**
 * `node dist/ask.js`: one question about one or several pictures, or about samples of a MedVision task, to a base model, an adapter or a
 * merged model; with `--serve` the same for other programs, over HTTP. All flags are in src/options/ask.ts; `--help` lists them.
 */
import process from 'node:process';
import { publicName } from '../src/hub/origin.ts';
import { askedTask } from '../src/data/medvision/askedTask.ts';
import { askProgram } from '../src/options/ask.ts';
import type { ParsedAskOptions } from '../src/options/ask.ts';
import { joinPath, UserError } from '../src/platform.ts';
import type { Platform } from '../src/platform.ts';
import { contextLength } from '../src/models/contextLength.ts';
import { withFrozenModel } from '../src/run/frozenModel.ts';
import { Asker } from '../src/run/ask/asker.ts';
import { overlayOf } from '../src/run/ask/overlay.ts';
import { namedPictures } from '../src/run/ask/pictures.ts';
import type { NamedPicture } from '../src/run/ask/pictures.ts';
import { openQuestions } from '../src/run/ask/question.ts';
import type { AskedQuestion } from '../src/run/ask/question.ts';
import { answerFacts, answerText, readingOf } from '../src/run/ask/report.ts';
import type { AnsweredQuestion } from '../src/run/ask/report.ts';
import type { Terminal } from '../src/track/console.ts';
import { printable } from '../src/track/printable.ts';
import { redact } from '../src/track/secrets.ts';
import type { Session } from '../src/train/session.ts';
import { serveModel } from './ask/serving.ts';
import { main, processSurroundings } from './cli.ts';
import { lastingOutput } from './lastingOutput.ts';
import { inOutputFolder } from '../src/run/outputFolder.ts';
import { nodePlatform } from './platform.ts';
import { adapterFolder, dataFolder, modelFolder } from '../src/run/inputs/hubInputs.ts';

const ANSWERS = 'answers.json';
const OVERLAY = /^overlay_\d+\.png$/;

interface Context {
  platform: Platform;
  options: ParsedAskOptions['options'] & { report_to: [] };
  stop: AbortSignal;
  terminal: Terminal;
  /** One line to the user; what is asked for with --json goes to the standard output alone. */
  say: (text: string) => void;
}

/** Beside --json, what is no answer. */
const aside = lastingOutput(process.stderr);

async function run({ options }: ParsedAskOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = options.json
    ? (text: string): void => aside(printable(redact(`${text}\n`)))
    : (text: string): void => terminal.write(`${text}\n`);
  const context: Context = { platform: nodePlatform, options: { ...options, report_to: [] }, stop, terminal, say };
  const { output_dir: dir } = options;
  if (dir === null) await runIn(context);
  else await inOutputFolder({ platform: nodePlatform, stop, say }, dir, '--output_dir', (held) => runIn({ ...context, ...held }));
}

async function runIn(context: Context): Promise<void> {
  const { platform, options, say } = context;
  await checkOutput(context);
  const base = await modelFolder(context, '--base_model_hf', options.base_model_hf ?? '');
  const adapter =
    options.lora_checkpoint_dir === null ? null : await adapterFolder(context, '--lora_checkpoint_dir', options.lora_checkpoint_dir);
  const name = [base, ...(adapter === null ? [] : [adapter])].map(publicName).join('+');
  const dataDir = await ofTask(context);
  const { slice: slices, intensity, modality, of } = options;
  // Before a model of many GB is read.
  const pictures = await namedPictures(platform, options.image, {
    slices: dataDir === undefined ? slices : [],
    intensity,
    modality: modality ?? '',
    structure: of ?? '',
  });
  const maxTokens = await contextLength(platform, base);
  await withFrozenModel({ ...context, platform, options }, { base, adapter }, async (session) => {
    if (options.serve) await serveModel({ ...context, name, sayKey: lastingOutput(process.stdout) }, session, maxTokens);
    else await askAll(context, session, { name, maxTokens, pictures, ...(dataDir !== undefined && { dataDir }) });
  });
  if (context.stop.aborted && !options.serve) say('Stopped before the answer was whole.');
}

/** The data folder, where samples of a task are asked about. */
async function ofTask(context: Context): Promise<string | undefined> {
  const { options } = context;
  const asked = options.task === null ? undefined : askedTask(options.task, '--task');
  if (asked?.kind !== 'plan') return undefined;
  return dataFolder(context, options.data_dir ?? '', {
    tasks: [asked.task],
    split: options.eval_split,
    plannerVersion: options.planner_version,
  });
}

/** @throws UserError where answers would be written over */
async function checkOutput({ platform, options: { output_dir: dir, overwrite } }: Context): Promise<void> {
  if (dir === null || overwrite) return;
  const [there] = await oldAnswers(platform, dir);
  if (there !== undefined) throw new UserError(`${dir} holds ${there}; give another --output_dir, or --overwrite true to replace it.`);
}

async function oldAnswers(platform: Platform, dir: string): Promise<string[]> {
  if (!(await platform.isDirectory(dir))) return [];
  return (await platform.listDir(dir)).filter((name) => name === ANSWERS || OVERLAY.test(name));
}

interface Asking {
  /** The model's. */
  name: string;
  maxTokens: number;
  pictures: readonly NamedPicture[];
  dataDir?: string;
}

async function askAll(context: Context, session: Session, { name, maxTokens, pictures, dataDir }: Asking): Promise<void> {
  const { platform, options, stop, terminal, say } = context;
  const { output_dir: dir } = options;
  const { model, processor } = session;
  const questions = openQuestions({
    platform,
    processor,
    vocabSize: model.vocabSize,
    options,
    pictures,
    ...(dataDir !== undefined && { dataDir }),
  });
  const asker = new Asker(session, questions.maker, maxTokens);
  const all: Record<string, unknown>[] = [];
  for await (const question of questions.all()) {
    if (stop.aborted) break;
    const startedAt = performance.now();
    const example = await asker.prompt(question.request);
    for (const { text } of example.notes ?? []) say(`Note: ${text}`);
    const written = await asker.answer(example, { maxNewTokens: options.max_new_tokens, stop });
    if (stop.aborted) break;
    const seconds = (performance.now() - startedAt) / 1000;
    const reading = readingOf(question, written.text, options.parser);
    const answered: AnsweredQuestion = { question, written, reading, model: name, seconds };
    if (all.length === 0 && dir !== null) for (const old of await oldAnswers(platform, dir)) await platform.remove(joinPath(dir, old));
    const overlay = await drawn(context, question, answered, all.length + 1);
    const facts = answerFacts({ ...answered, ...(overlay && { overlay }) }, options.parser);
    all.push(facts);
    if (options.json) terminal.write(`${JSON.stringify(facts)}\n`);
    else terminal.write(`\n${answerText({ ...answered, ...(overlay && { overlay }) }, options.parser)}`);
  }
  if (dir === null || all.length === 0) return;
  await platform.writeFile(joinPath(dir, ANSWERS), `${JSON.stringify(all, null, 2)}\n`, { isPrivate: true });
  say(`\nWritten to ${dir}: ${ANSWERS}`);
}

/** The picture with the answer on it, where there is a folder for it. */
async function drawn(
  { platform, options: { output_dir: dir } }: Context,
  { scene }: AskedQuestion,
  { reading }: AnsweredQuestion,
  number: number,
): Promise<AnsweredQuestion['overlay']> {
  if (scene === undefined || dir === null) return undefined;
  const { raster, legend } = overlayOf(scene, reading);
  const file = `overlay_${number}.png`;
  await platform.makeDir(dir, { isPrivate: true });
  await platform.writeFile(joinPath(dir, file), await platform.encodePng(raster.data, raster.width, raster.height, 3), {
    isPrivate: true,
  });
  return { file, legend };
}

process.exit(await main(askProgram, run, processSurroundings(nodePlatform)));
