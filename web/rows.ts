/**
 * What the page trains on: a handful of real MRI slices from the embedded sample, with MedVision's question and answer about each, or the
 * conversations of a folder that the user picks (JSONL beside its images, as `--train_file` takes them).
 */
import type { Conversation, Example, Processor } from '../src/data/example.ts';
import { readConversations } from '../src/data/conversations/read.ts';
import { decodeSource } from '../src/data/exampleMaker.ts';
import { medvisionSamples } from '../src/data/medvision/samples.ts';
import { sampleMessages } from '../src/data/medvision/sample.ts';
import type { MedvisionSample } from '../src/data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../src/data/medvision/slices.ts';
import { parseTaskName } from '../src/data/medvision/tasks.ts';
import type { DecodedImage, Platform } from '../src/platform.ts';
import { joinPath, UserError } from '../src/platform.ts';

/** One conversation with its pictures decoded. */
export interface PageRow {
  conversation: Conversation;
  images: DecodedImage[];
}

/** As many as a software GPU learns from in a minute or two. */
export const HANDFUL = 8;
/** A page holds its rows decoded; this many small pictures are no burden. */
const MOST_PICKED = 64;

const TASKS = ['Sagittal', 'Coronal', 'Axial'].map((plane) => `Colin27Mini_BoxSize_Task01_${plane}`);

/** `HANDFUL` training slices of the embedded sample under `dir`, spread evenly over the plan's order, so that every plane is there. */
export async function sampleRows(platform: Platform, dir: string, processor: Processor): Promise<PageRow[]> {
  const tasks = TASKS.map((name) => parseTaskName(name, 'the embedded sample'));
  const volumes = new VolumeCache(platform, dir);
  const resizedSize = (height: number, width: number): { height: number; width: number } => processor.resizedSize(height, width);
  const found: MedvisionSample[] = [];
  for await (const sample of medvisionSamples(platform, dir, tasks, { split: 'train', resizedSize, volumes })) found.push(sample);
  const chosen = Array.from({ length: Math.min(HANDFUL, found.length) }, (_, i) => found[Math.floor(((i + 0.5) * found.length) / HANDFUL)]);
  return Promise.all(
    chosen.filter((sample) => sample !== undefined).map(async (sample) => ({
      conversation: { messages: sampleMessages(sample), images: [sample.imageFile] },
      images: [await renderSlice(await volumes.open(sample.imageFile), sample)],
    })),
  );
}

/** The conversations of the one JSONL file in a mounted folder. */
export async function pickedRows(platform: Platform, dir: string): Promise<PageRow[]> {
  const files = (await platform.listDir(dir)).filter((name) => name.endsWith('.jsonl'));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new UserError(`The picked folder has ${files.length} .jsonl files; one was expected, with rows {"messages": […], "images": […]}, and the images in the same folder.`);
  }
  const rows: PageRow[] = [];
  for await (const conversation of readConversations(platform, joinPath(dir, file))) {
    if (rows.length === MOST_PICKED) throw new UserError(`${file} has more than ${MOST_PICKED} rows, which is more than this page takes. The command line takes any number.`);
    const images = await Promise.all(conversation.images.map((image) => decodeSource(platform, image)));
    rows.push({ conversation, images });
  }
  if (rows.length === 0) throw new UserError(`${file} has no rows.`);
  return rows;
}

export function learnExample(processor: Processor, row: PageRow): Example {
  return processor.encode(row.conversation, row.images, { mask: 'completion' });
}

/** The conversation up to where its last answer begins. */
export function askExample(processor: Processor, row: PageRow): Example {
  const last = row.conversation.messages.findLastIndex((message) => message.role === 'assistant');
  const conversation = { ...row.conversation, messages: row.conversation.messages.slice(0, last) };
  return processor.encode(conversation, row.images, { mask: 'completion', addGenerationPrompt: true });
}

/** The text of a turn, pictures left out. */
export function turnText(row: PageRow, role: 'user' | 'assistant'): string {
  const turns = row.conversation.messages.filter((message) => message.role === role);
  const content = turns.at(-1)?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
