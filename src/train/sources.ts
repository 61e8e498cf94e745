/** Where training rows come from: a JSONL file of conversations, or MedVision task lists over NIfTI volumes. Both become Examples when asked for. */
import { readConversationRows } from '../data/conversations.ts';
import type { ConversationRow } from '../data/conversations.ts';
import type { Example, LabelMask, Processor } from '../data/example.ts';
import { collectSamples } from '../data/medvision/collect.ts';
import type { CollectSettings } from '../data/medvision/collect.ts';
import { sampleMessages } from '../data/medvision/sample.ts';
import { renderSlice } from '../data/medvision/slices.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';
import type { ExampleSource } from './trainer.ts';

/** Encoded rows kept for the next epoch, at most. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Image files that are decoded before training to see whether they can be: seconds at most. Those of a larger set are found when their turn comes. */
const IMAGES_CHECKED = 512;

/**
 * Every row of a JSONL file, checked, and the first images decoded (and forgotten again): what is wrong is said before a model is loaded.
 * @throws UserError that begins with file:line
 */
export async function readTrainingRows(platform: Platform, path: string): Promise<ConversationRow[]> {
  const rows: ConversationRow[] = [];
  const checked = new Set<string>();
  for await (const row of readConversationRows(platform, path)) {
    rows.push(row);
    for (const file of row.conversation.images) {
      if (checked.size >= IMAGES_CHECKED || checked.has(file)) continue;
      checked.add(file);
      await placed(row.where, () => decodeFile(platform, file));
    }
  }
  return rows;
}

/** Rows become examples when they are asked for; errors begin with the row's file:line. `vocabSize` is the model's: ids must lie below it. */
export function conversationSource(
  platform: Platform,
  processor: Processor,
  rows: readonly ConversationRow[],
  { mask, vocabSize }: { mask: LabelMask; vocabSize: number },
): ExampleSource {
  return cached(rows.length, (index) => {
    const { conversation, where } = rows[index]!;
    return placed(where, async () => {
      const images = await Promise.all(conversation.images.map((file) => decodeFile(platform, file)));
      const example = processor.encode(conversation, images, { mask });
      const outside = example.inputIds.find((id) => id >= vocabSize);
      if (outside === undefined) return example;
      throw new UserError(
        `token ${outside} (${JSON.stringify(processor.decode([outside]))}) is outside the model's vocabulary of ${vocabSize}. ` +
          'Tokenizer and weights are of different models; take both from one.',
      );
    });
  });
}

async function decodeFile(platform: Platform, file: string): Promise<DecodedImage> {
  return platform.decodeImage(await platform.readFile(file), file);
}

/** Puts the row's place before a message about it. */
async function placed<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: ${error.message}`, { cause: error }) : error;
  }
}

/** Training samples of the task lists: split, limited and mixed as the options say. */
export async function taskListSource(
  platform: Platform,
  processor: Processor,
  settings: CollectSettings & { mask: LabelMask },
): Promise<ExampleSource> {
  const { train: samples, volumes } = await collectSamples(platform, settings, processor);
  return cached(samples.length, async (index) => {
    const sample = samples.at(index);
    const image = await renderSlice(await volumes.open(sample.imageFile), sample);
    return processor.encode({ messages: sampleMessages(sample), images: [sample.imageFile] }, [image], { mask: settings.mask });
  });
}

/** Keeps encoded rows while they fit; a row asked for twice at once is made once. */
function cached(length: number, make: (index: number) => Promise<Example>): ExampleSource {
  const kept = new Map<number, Promise<Example>>();
  let bytes = 0;
  return {
    length,
    async get(index) {
      const known = kept.get(index);
      if (known) return known;
      const making = make(index);
      kept.set(index, making);
      try {
        const example = await making;
        bytes += example.pixelValues.byteLength + 5 * example.inputIds.byteLength;
        if (bytes > CACHE_BYTES) {
          // Simplest bound that helps both cases: a set that fits stays whole, a larger one starts over.
          kept.clear();
          bytes = 0;
        }
        return example;
      } catch (error) {
        kept.delete(index);
        throw error;
      }
    },
  };
}
