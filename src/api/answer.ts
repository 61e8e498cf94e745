/** One question to a model that is open, and its answer. */
import { askProgram } from '../options/ask.ts';
import type { AskOptions, definitions } from '../options/ask.ts';
import type { Platform } from '../platform.ts';
import { Asker } from '../run/ask/asker.ts';
import type { Written } from '../run/ask/asker.ts';
import { overlayOf } from '../run/ask/overlay.ts';
import { isVolume, namedPictures } from '../run/ask/pictures.ts';
import type { GivenPicture, NamedPicture, PictureWords } from '../run/ask/pictures.ts';
import { isVolumeBytes } from '../run/ask/volumeBytes.ts';
import { openQuestions } from '../run/ask/question.ts';
import { readingOf } from '../run/ask/report.ts';
import type { Reading } from '../run/ask/reading.ts';
import type { Session } from '../train/session.ts';
import { parsedGiven } from './options.ts';
import type { Given } from './options.ts';
import { pictureSource } from './pictures.ts';
import type { Picture } from './pictures.ts';

/** What a question may say beside its words, under the names of `vernier ask`. */
type AskNames =
  | 'slice'
  | 'task'
  | 'of'
  | 'image_description'
  | 'modality'
  | 'pixel_size'
  | 'prompt_style'
  | 'intensity'
  | 'sixteen_bit'
  | 'max_new_tokens'
  | 'parser';

export interface AskRequest extends Given<Pick<typeof definitions, AskNames>> {
  /** Draw the answer on the picture. */
  overlay?: boolean | undefined;
  /** Ends the writing: the answer is what is written by then. */
  signal?: AbortSignal | undefined;
}

export interface Answer extends Reading {
  text: string;
  /** end: the model ended its turn. length: it was cut off at max_new_tokens. stopped: by the signal. */
  finish: Written['finish'];
  prompt: string;
  promptTokens: number;
  answerTokens: number;
  seconds: number;
  /** What there is to know of how the pictures were read. */
  notes: string[];
  overlay?: { png: Uint8Array; legend: string };
}

/** A model that is open. */
export interface AskedModel {
  platform: Platform;
  session: Session;
  base: string;
  maxTokens: number;
}

/** @throws UserError for options that are wrong or contradict each other */
export function askOptions(platform: Platform, pictures: number, question: string | null, given: AskRequest): AskOptions {
  const { signal: _, overlay: __, ...options } = given;
  const own = {
    base_model_hf: 'the model',
    question,
    // They may be bytes; what is checked of them here is how many they are.
    ...(pictures > 0 && { image: Array.from({ length: pictures }, (_, i) => `picture ${i + 1}`) }),
  };
  return parsedGiven(askProgram, options, own, REFUSED, platform).options;
}

const REFUSED = {
  base_model_hf: 'the model is open.',
  lora_checkpoint_dir: 'the model is open.',
  image: 'pictures are the first argument.',
  question: 'it is the second argument.',
  data_dir: 'samples of tasks are asked about by vernier ask.',
  serve: 'it is for the command line, vernier ask --serve.',
  config: "give what the recipe says as this function's options.",
  output_dir: 'the answer is returned, and the picture with it where overlay is true.',
} as const;

export async function answered(
  { platform, session, maxTokens }: AskedModel,
  pictures: readonly Picture[],
  options: AskOptions,
  { overlay: isDrawn = false, stop, tell }: { overlay?: boolean | undefined; stop: AbortSignal; tell: (piece: string) => void },
): Promise<Answer> {
  const { processor, model } = session;
  const named = await namedSources(platform, pictures, options);
  const questions = openQuestions({ platform, processor, vocabSize: model.vocabSize, options, pictures: named });
  const asker = new Asker(session, questions.maker, maxTokens);
  for await (const question of questions.all()) {
    const startedAt = performance.now();
    const example = await asker.prompt(question.request);
    const written = await asker.answer(example, { maxNewTokens: options.max_new_tokens, stop, onText: tell });
    const seconds = (performance.now() - startedAt) / 1000;
    const { text, promptTokens, answerTokens } = written;
    const reading = readingOf(question, text, options.parser);
    const drawn = isDrawn && question.scene ? overlayOf(question.scene, reading) : undefined;
    const raster = drawn?.raster;
    return {
      text,
      finish: written.finish,
      ...reading,
      prompt: question.prompt,
      promptTokens,
      answerTokens,
      seconds,
      notes: (example.notes ?? []).map((note) => note.text),
      ...(drawn &&
        raster && { overlay: { png: await platform.encodePng(raster.data, raster.width, raster.height, 3), legend: drawn.legend } }),
    };
  }
  throw new Error('no question was made');
}

/** In their order; slices of volumes among them, which may be paths or lie in memory. */
async function namedSources(
  platform: Platform,
  pictures: readonly Picture[],
  { slice: slices, intensity, modality, of }: AskOptions,
): Promise<NamedPicture[]> {
  const given: GivenPicture[] = [];
  for (const [i, picture] of pictures.entries()) {
    const isPath = typeof picture === 'string' && isVolume(picture);
    const source = isPath ? picture : await pictureSource(platform, picture, `picture ${i + 1}`);
    given.push(typeof source !== 'string' && isVolumeBytes(source.bytes) ? { volume: source.bytes, name: source.name } : source);
  }
  return namedPictures(platform, given, { slices, intensity, modality: modality ?? '', structure: of ?? '', words: WORDS });
}

const WORDS: PictureWords = { image: 'image', slice: 'slice', modality: 'modality', intensity: 'intensity' };
