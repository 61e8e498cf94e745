/** A chat request answered: the conversation asked, or its MedVision question, and what is read out of the answer. */
import type { ExampleMaker, RowRequest } from '../../data/exampleMaker.ts';
import type { Processor } from '../../data/example.ts';
import { kindTask } from '../../data/medvision/askedTask.ts';
import type { AskOptions } from '../../options/ask.ts';
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { pngUrl } from '../report/html.ts';
import type { Asker, Written } from './asker.ts';
import { RequestError } from './chatRequest.ts';
import type { ChatRequest } from './chatRequest.ts';
import { overlayOf } from './overlay.ts';
import type { OverlayScene } from './overlay.ts';
import { namedPictures } from './pictures.ts';
import type { PictureWords } from './pictures.ts';
import { kindQuestion, pixelOf } from './question.ts';
import type { AskedMeasure } from './reading.ts';
import { readingFacts, readingOf } from './report.ts';

export interface Chatting {
  platform: Platform;
  processor: Processor;
  maker: ExampleMaker;
  asker: Asker;
  options: Pick<AskOptions, 'parser' | 'prompt_style' | 'intensity'>;
}

export interface ChatListening {
  stop: AbortSignal;
  /** The question is good, and the answer begins. */
  onStart: () => void;
  onText?: (piece: string) => void;
}

export interface ChatAnswered {
  written: Written;
  /** What Vernier read out of it. */
  own: Readonly<Record<string, unknown>>;
}

/** @throws RequestError for what cannot be asked */
export async function answerChat(chatting: Chatting, chat: ChatRequest, { stop, onStart, onText }: ChatListening): Promise<ChatAnswered> {
  const { asker, options, platform } = chatting;
  const { row, scene, measure, prompt } = await refusing(() => questionOf(chatting, chat));
  const example = await refusing(() => asker.prompt(row));
  stop.throwIfAborted();
  onStart();
  const written = await asker.answer(example, { maxNewTokens: chat.maxNewTokens, stop, ...(onText && { onText }) });
  stop.throwIfAborted();
  const reading = readingOf({ ...(measure && { measure }), ...(scene && { scene }) }, written.text, options.parser);
  const own: Record<string, unknown> = {
    ...(prompt !== undefined && { prompt }),
    ...readingFacts(reading),
    ...(example.notes && { notes: example.notes.map(({ text }) => text) }),
  };
  if (chat.wantsOverlay && scene) {
    const { raster, legend } = overlayOf(scene, reading);
    const png = await platform.encodePng(raster.data, raster.width, raster.height, 3);
    own['overlay'] = { url: pngUrl(png), legend };
  }
  return { written, own };
}

interface ChatQuestion {
  row: RowRequest;
  scene?: OverlayScene;
  measure?: AskedMeasure;
  /** Of a MedVision question, as it was worded. */
  prompt?: string;
}

const WORDS: PictureWords = { image: 'messages', slice: 'vernier.slices', modality: 'vernier.modality', intensity: '--intensity' };

async function questionOf({ platform, maker, processor, options }: Chatting, chat: ChatRequest): Promise<ChatQuestion> {
  const { messages, task, slices, modality } = chat;
  const choice = { slices, modality, intensity: options.intensity, structure: task?.of ?? '', words: WORDS };
  const named = await namedPictures(platform, chat.images, choice);
  const images = named.map(({ source }) => source);
  const rowOf = (asked: ChatRequest['messages'], of = images): RowRequest => ({
    kind: 'conversation',
    where: 'messages',
    conversation: { messages: asked, images: [...of] },
  });
  const row = rowOf(messages);
  // Of several pictures it is not known which one an answer is about.
  const [image] = images.length === 1 ? await maker.pictures(row) : [];
  if (image === undefined) return { row };
  const pixel = pixelOf(task, named[0]);
  const { pixelWidth, pixelHeight } = pixel;
  if (task === undefined) return { row, scene: { image, lines: [], pixelWidth, pixelHeight } };
  const kind = kindTask(task.task, 'vernier.task');
  const annotation = kind.check(task.of, 'vernier.of');
  const prompt = kindQuestion(processor, kind, annotation, image, pixel, task.imageDescription, options.prompt_style, 'vernier.pixel_size');
  return {
    row: rowOf([{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: prompt }] }]),
    scene: { image, lines: [], pixelWidth, pixelHeight, annotation },
    measure: { taskType: kind.taskType, annotation },
    prompt,
  };
}

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? new RequestError(400, error.message) : error;
  }
}
