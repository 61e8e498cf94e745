/**
 * What the page trains on: a handful of real MRI slices from the embedded sample, with MedVision's question and answer about each, or the
 * conversations of a folder that the user picks (JSONL beside its images, as `--train_file` takes them).
 */
import type { Conversation, Example, Processor } from '../src/data/example.ts';
import { readConversations } from '../src/data/conversations/read.ts';
import { ExampleMaker } from '../src/data/exampleMaker.ts';
import type { RowRequest } from '../src/data/exampleMaker.ts';
import { medvisionSamples } from '../src/data/medvision/samples.ts';
import type { MedvisionSample } from '../src/data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../src/data/medvision/slices.ts';
import { parseTaskName } from '../src/data/medvision/tasks.ts';
import type { DecodedImage, Platform } from '../src/platform.ts';
import { joinPath, UserError } from '../src/platform.ts';

/** One conversation with its pictures decoded, and how it is made into what is learnt and asked. */
export interface PageRow {
  conversation: Conversation;
  images: DecodedImage[];
  learn(): Promise<Example>;
  /** Up to where its last answer begins. */
  ask(): Promise<Example>;
}

async function pageRow(maker: ExampleMaker, request: RowRequest): Promise<PageRow> {
  const [{ conversation }, images] = await Promise.all([maker.content(request), maker.pictures(request)]);
  return { conversation, images, learn: () => maker.make(request), ask: () => maker.make({ ...request, ask: true }) };
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
  const slice = async (sample: MedvisionSample): Promise<DecodedImage> => renderSlice(await volumes.open(sample.imageFile), sample);
  const maker = new ExampleMaker(platform, processor, { mask: 'completion', vocabSize: Infinity, slice });
  return Promise.all(chosen.flatMap((sample) => (sample ? [pageRow(maker, { kind: 'sample', sample })] : [])));
}

/**
 * The conversations of the one JSONL file in a mounted folder.
 * @param vocabSize of the model: ids must lie below it
 */
export async function pickedRows(platform: Platform, dir: string, processor: Processor, vocabSize: number): Promise<PageRow[]> {
  const files = (await platform.listDir(dir)).filter((name) => name.endsWith('.jsonl'));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new UserError(
      `The picked folder has ${files.length} .jsonl files; one was expected, with rows {"messages": […], "images": […]}, and the images ` +
        `in the same folder.`,
    );
  }
  const maker = new ExampleMaker(platform, processor, { mask: 'completion', vocabSize });
  const rows: PageRow[] = [];
  for await (const conversation of readConversations(platform, joinPath(dir, file))) {
    if (rows.length === MOST_PICKED)
      throw new UserError(
        `${file} has more than ${MOST_PICKED} rows, which is more than this page takes. The command line takes any number.`,
      );
    rows.push(await pageRow(maker, { kind: 'conversation', conversation, where: `${file}, row ${rows.length + 1}` }));
  }
  if (rows.length === 0) throw new UserError(`${file} has no rows.`);
  return rows;
}

/** The text of a turn, pictures left out. */
export function turnText(row: PageRow, role: 'user' | 'assistant'): string {
  const turns = row.conversation.messages.filter((message) => message.role === role);
  const content = turns.at(-1)?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
