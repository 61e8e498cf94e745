/** `--export_jsonl`: the rows of a run as JSON lines, for comparison with other systems and for whoever wants to look. */
import type { DecodedImage, Platform } from '../../platform.ts';
import type { CollectedSamples } from './collect.ts';
import type { MedvisionSample } from './sample.ts';
import { renderSlice } from './slices.ts';

export interface ExportRow {
  task_type: MedvisionSample['taskType'];
  /** Config name without the split. */
  task: string;
  split: 'train' | 'validation';
  /** Relative to the data dir. */
  image_file: string;
  slice_dim: number;
  slice_idx: number;
  prompt: string;
  target: string;
  /** Of the height·width·3 bytes of the picture as it is before the model resizes it. */
  rgb_sha256: string;
  /** Pixels of the picture. */
  height: number;
  width: number;
}

const WRITE_CHARACTERS = 1 << 20;

/**
 * Training rows, then validation rows, in their final order. The file appears when it is whole.
 * @returns the number of rows; undefined when `stop` ended it, and then there is no file
 */
export async function exportJsonl(
  platform: Platform,
  path: string,
  { train, validation, volumes }: Pick<CollectedSamples, 'train' | 'validation' | 'volumes'>,
  { stop, onProgress }: { stop?: AbortSignal; onProgress?: (rows: number) => void } = {},
): Promise<number | undefined> {
  const file = await platform.createFile(path, { isPrivate: true });
  try {
    let text = '';
    let rows = 0;
    let last: { key: string; sha256: string } | undefined; // several annotations of one slice come one after the other
    for (const [split, samples] of [['train', train], ['validation', validation]] as const) {
      for (const sample of samples) {
        if (stop?.aborted === true) {
          await file.abort();
          return undefined;
        }
        const key = JSON.stringify([sample.imageFile, sample.sliceDim, sample.sliceIdx, sample.intensity ?? null]);
        if (last?.key !== key) last = { key, sha256: await sha256(await renderSlice(await volumes.open(sample.imageFile), sample)) };
        text += `${JSON.stringify(exportRow(sample, split, last.sha256))}\n`;
        rows++;
        if (text.length < WRITE_CHARACTERS) continue;
        await file.write(new TextEncoder().encode(text));
        text = '';
        onProgress?.(rows);
      }
    }
    await file.write(new TextEncoder().encode(text));
    await file.commit();
    return rows;
  } catch (cause) {
    await file.abort();
    throw cause;
  }
}

function exportRow(sample: MedvisionSample, split: ExportRow['split'], sha: string): ExportRow {
  return {
    task_type: sample.taskType,
    task: sample.task,
    split,
    image_file: sample.imageFile,
    slice_dim: sample.sliceDim,
    slice_idx: sample.sliceIdx,
    prompt: sample.prompt,
    target: sample.target,
    rgb_sha256: sha,
    height: sample.height,
    width: sample.width,
  };
}

async function sha256({ data }: DecodedImage): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
