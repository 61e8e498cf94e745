/** Where training rows come from: a JSONL file of conversations, or MedVision task lists over NIfTI volumes. Both become Examples when asked for. */
import { readConversations } from '../data/conversations.ts';
import type { Conversation, Example, LabelMask, Processor } from '../data/example.ts';
import { medvisionSamples } from '../data/medvision/samples.ts';
import { sampleMessages } from '../data/medvision/sample.ts';
import type { MedvisionSample } from '../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../data/medvision/slices.ts';
import { readTaskList } from '../data/medvision/tasks.ts';
import type { TaskFamily } from '../data/medvision/tasks.ts';
import { drawSamples, sampleLimit } from '../data/split.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';
import type { ExampleSource } from './trainer.ts';

/** Encoded rows kept for the next epoch, at most. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Reads and checks every row at once (file:line in errors), decodes images as rows are asked for. */
export async function conversationSource(platform: Platform, processor: Processor, path: string, mask: LabelMask): Promise<ExampleSource> {
  const rows: Conversation[] = [];
  for await (const row of readConversations(platform, path)) rows.push(row);
  const image = async (file: string): Promise<DecodedImage> => platform.decodeImage(await platform.readFile(file), file);
  return cached(rows.length, async (index) => {
    const row = rows[index]!;
    return processor.encode(row, await Promise.all(row.images.map(image)), { mask });
  });
}

export interface TaskListSettings {
  data_dir: string | null;
  tasks_list_json_path_AD: string | null;
  tasks_list_json_path_detect: string | null;
  tasks_list_json_path_TL: string | null;
  train_sample_limit: number;
  train_sample_limit_per_task: number;
  train_sample_limit_task_AD: number;
  train_sample_limit_task_Detection: number;
  train_sample_limit_task_TL: number;
  mask: LabelMask;
  seed: number;
}

const FAMILIES = [
  { family: 'AD', list: 'tasks_list_json_path_AD', limit: 'train_sample_limit_task_AD' },
  { family: 'detect', list: 'tasks_list_json_path_detect', limit: 'train_sample_limit_task_Detection' },
  { family: 'TL', list: 'tasks_list_json_path_TL', limit: 'train_sample_limit_task_TL' },
] as const satisfies readonly { family: TaskFamily; list: keyof TaskListSettings; limit: keyof TaskListSettings }[];

/** Training samples of the task lists, limited as medvision_bm's flags say: a family's own limit where above 0, else the per-task one, then the total. */
export async function taskListSource(platform: Platform, processor: Processor, settings: TaskListSettings): Promise<ExampleSource> {
  const dataDir = settings.data_dir;
  if (dataDir === null) throw new UserError('--data_dir is not set; task lists need the MedVision data folder, the one with Datasets/ in it.');
  const volumes = new VolumeCache(platform, dataDir);
  let samples: MedvisionSample[] = [];
  for (const { family, list, limit } of FAMILIES) {
    const path = settings[list];
    if (path === null) continue;
    const found: MedvisionSample[] = [];
    const tasks = await readTaskList(platform, path, family);
    const resizedSize = (height: number, width: number): { height: number; width: number } => processor.resizedSize(height, width);
    for await (const sample of medvisionSamples(platform, dataDir, tasks, { split: 'train', resizedSize, volumes })) found.push(sample);
    const own = settings[limit];
    const most = own > 0 ? sampleLimit(own, found.length, limit) : sampleLimit(settings.train_sample_limit_per_task, found.length, 'train_sample_limit_per_task');
    samples.push(...pick(found, most, settings.seed, family));
  }
  if (samples.length === 0) throw new UserError('The task lists give no training samples: check their task names, and that the plans have training cases.');
  samples = pick(samples, sampleLimit(settings.train_sample_limit, samples.length, 'train_sample_limit'), settings.seed, 'total');
  return cached(samples.length, async (index) => {
    const sample = samples[index]!;
    const image = renderSlice(await volumes.open(sample.imageFile), sample);
    return processor.encode({ messages: sampleMessages(sample), images: [sample.imageFile] }, [image], { mask: settings.mask });
  });
}

function pick(samples: MedvisionSample[], count: number, seed: number, name: string): MedvisionSample[] {
  return [...drawSamples(Uint32Array.from(samples.keys()), count, seed, `limit: ${name}`)].map((at) => samples[at]!);
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
