/**
 * What the page trains on: a handful of real MRI slices from the embedded sample, with MedVision's question and answer about each, or the
 * conversations of a folder that the user picks (JSONL beside its images, as `--train_file` takes them).
 */
import type { ConversationInput } from '../src/api/rows.ts';
import type { Conversation, Processor } from '../src/data/example.ts';
import { readConversations } from '../src/data/conversations/read.ts';
import { medvisionSamples } from '../src/data/medvision/samples.ts';
import { sampleMessages } from '../src/data/medvision/sample.ts';
import type { MedvisionSample } from '../src/data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../src/data/medvision/slices.ts';
import { parseTaskName } from '../src/data/medvision/tasks.ts';
import type { DecodedImage, Platform } from '../src/platform.ts';
import { joinPath, UserError } from '../src/platform.ts';

/** What is trained on, as `fineTune` takes it, and what is shown of it. */
export interface PageRows {
  given: { rows: ConversationInput[] } | { train: string };
  /** Of the first rows. */
  pictures: DecodedImage[];
  /** Of the first row: its last turns, pictures left out. */
  question: string;
  target: string;
}

/** As many as a software GPU learns from in a minute or two; of picked rows as many are shown. */
export const HANDFUL = 8;

const TASKS = ['Sagittal', 'Coronal', 'Axial'].map((plane) => `Colin27Mini_BoxSize_Task01_${plane}`);

/** `HANDFUL` training slices of the embedded sample under `dir`, spread evenly over the plan's order, so that every plane is there. */
export async function sampleRows(platform: Platform, dir: string, processor: Processor): Promise<PageRows> {
  const tasks = TASKS.map((name) => parseTaskName(name, 'the embedded sample'));
  const volumes = new VolumeCache(platform, dir);
  const resizedSize = (height: number, width: number): { height: number; width: number } => processor.resizedSize(height, width);
  const found: MedvisionSample[] = [];
  for await (const sample of medvisionSamples(platform, dir, tasks, { split: 'train', resizedSize, volumes })) found.push(sample);
  const chosen = Array.from({ length: HANDFUL }, (_, i) => found[Math.floor(((i + 0.5) * found.length) / HANDFUL)]!);
  const rows: ConversationInput[] = [];
  const pictures: DecodedImage[] = [];
  for (const sample of chosen) {
    const picture = await renderSlice(await volumes.open(sample.imageFile), sample);
    pictures.push(picture);
    rows.push({ messages: sampleMessages(sample), images: [picture] });
  }
  return { given: { rows }, pictures, ...lastTurns(rows[0]!) };
}

/** The conversations of the one JSONL file in a mounted folder. @throws UserError */
export async function pickedRows(platform: Platform, dir: string): Promise<PageRows> {
  const files = (await platform.listDir(dir)).filter((name) => name.endsWith('.jsonl'));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new UserError(
      `The picked folder has ${files.length} .jsonl files; one was expected, with rows {"messages": […], "images": […]}, and the images ` +
        `in the same folder.`,
    );
  }
  const train = joinPath(dir, file);
  const shown: Conversation[] = [];
  for await (const conversation of readConversations(platform, train)) {
    shown.push(conversation);
    if (shown.length === HANDFUL) break;
  }
  const [first] = shown;
  if (first === undefined) throw new UserError(`${file} has no rows.`);
  const pictures: DecodedImage[] = [];
  for (const image of shown.flatMap(({ images }) => images)) {
    const [bytes, name] = typeof image === 'string' ? [await platform.readFile(image), image] : [image.bytes, image.name];
    pictures.push(await platform.decodeImage(bytes, name));
  }
  return { given: { train }, pictures, ...lastTurns(first) };
}

function lastTurns({ messages }: Pick<ConversationInput, 'messages'>): Pick<PageRows, 'question' | 'target'> {
  const text = (role: 'user' | 'assistant'): string => {
    const content = messages.filter((message) => message.role === role).at(-1)?.content ?? '';
    return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  };
  return { question: text('user'), target: text('assistant') };
}
