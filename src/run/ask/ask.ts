/**
 * One question about one or several pictures, or about samples of a MedVision task, to a base model, an adapter or a merged model; where
 * asked for, the same for other programs, over HTTP.
 */
import { askedTask } from '../../data/medvision/askedTask.ts';
import { publicName } from '../../hub/origin.ts';
import { contextLength } from '../../models/contextLength.ts';
import type { ParsedAskOptions } from '../../options/ask.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import type { Session } from '../../train/session.ts';
import { withFrozenModel } from '../frozenModel.ts';
import { adapterFolder, dataFolder, modelFolder } from '../inputs/hubInputs.ts';
import { inOutputFolder } from '../outputFolder.ts';
import { Asker } from './asker.ts';
import { overlayOf } from './overlay.ts';
import { FLAGS, namedPictures } from './pictures.ts';
import type { NamedPicture } from './pictures.ts';
import { openQuestions } from './question.ts';
import type { AskedQuestion } from './question.ts';
import { answerFacts, answerText, readingOf } from './report.ts';
import type { AnsweredQuestion } from './report.ts';
import type { Serve } from './service.ts';
import { serveModel } from './serving.ts';

const ANSWERS = 'answers.json';
const OVERLAY = /^overlay_\d+\.png$/;

export interface AskContext {
  platform: Platform;
  options: ParsedAskOptions['options'] & { report_to: [] };
  stop: AbortSignal;
  terminal: Terminal;
  /** One line to the user; what is asked for with --json goes to the standard output alone. */
  say: (text: string) => void;
  /** Past everything that masks secrets: the key of a server is told once. */
  sayKey: (text: string) => void;
  serve: Serve;
}

/** @throws UserError for what cannot be asked, or not so */
export async function runAsk(context: AskContext): Promise<void> {
  const { platform, stop, say } = context;
  const { output_dir: dir } = context.options;
  if (dir === null) await runIn(context);
  else await inOutputFolder({ platform, stop, say }, dir, '--output_dir', (held) => runIn({ ...context, ...held }));
}

async function runIn(context: AskContext): Promise<void> {
  const { platform, options, say } = context;
  await checkOutput(context);
  const base = await modelFolder(context, '--base_model_hf', options.base_model_hf ?? '');
  const adapter =
    options.lora_checkpoint_dir === null ? null : await adapterFolder(context, '--lora_checkpoint_dir', options.lora_checkpoint_dir);
  const name = [base, ...(adapter === null ? [] : [adapter])].map(publicName).join('+');
  const dataDir = await ofTask(context);
  const { slice: slices, series, volume, intensity, modality, of } = options;
  // Before a model of many GB is read.
  const pictures = await namedPictures(platform, options.image, {
    slices: dataDir === undefined ? slices : [],
    scan: { series, volume },
    intensity,
    modality: modality ?? '',
    structure: of ?? '',
    words: FLAGS,
  });
  for (const { name: picture, pixel } of pictures) for (const note of pixel?.notes ?? []) say(`${picture}: ${note}.`);
  const maxTokens = await contextLength(platform, base);
  await withFrozenModel({ ...context, platform, options }, { base, adapter }, async (session) => {
    if (options.serve) await serveModel({ ...context, name }, session, maxTokens);
    else await askAll(context, session, { name, maxTokens, pictures, ...(dataDir !== undefined && { dataDir }) });
  });
  if (context.stop.aborted && !options.serve) say('Stopped before the answer was whole.');
}

/** The data folder, where samples of a task are asked about. */
async function ofTask(context: AskContext): Promise<string | undefined> {
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
async function checkOutput({ platform, options: { output_dir: dir, overwrite } }: AskContext): Promise<void> {
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

async function askAll(context: AskContext, session: Session, { name, maxTokens, pictures, dataDir }: Asking): Promise<void> {
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
  { platform, options: { output_dir: dir } }: AskContext,
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
