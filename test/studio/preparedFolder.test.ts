/** A prepared folder that is dropped becomes rows that train as it would: the same pictures, questions and answers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import { sampleMessages } from '../../src/data/medvision/sample.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { prepareFolder } from '../../src/data/prepared/prepare.ts';
import { writeShard } from '../../src/data/prepared/writeShard.ts';
import { foldersAmong, preparedRows } from '../../web/data/importFolders.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-prepared-'));
afterAll(() => rmSync(folder, { recursive: true }));
const dataDir = fileURLToPath(new URL('../../node/sample', import.meta.url));
const volumes = new VolumeCache(nodePlatform, dataDir);
const resizedSize = (height: number, width: number): { height: number; width: number } => ({ height, width });

async function samplesOf(task: string, most: number): Promise<MedvisionSample[]> {
  const found: MedvisionSample[] = [];
  for await (const sample of medvisionSamples(nodePlatform, dataDir, [parseTaskName(task, 'test')], { resizedSize, volumes }))
    if (found.push(sample) === most) break;
  return found;
}

async function prepare(dir: string, images: 'none' | 'embedded'): Promise<MedvisionSample[]> {
  const train = [
    ...(await samplesOf('Colin27Mini_BoxSize_Task01_Axial_Train', 3)),
    ...(await samplesOf('Colin27Mini_BiometricsFromLandmarks_Task02_Coronal_Train', 3)),
    ...(await samplesOf('Colin27Mini_TumorLesionSize_Task01_Coronal_Train', 2)),
  ];
  const slice = async (sample: MedvisionSample): ReturnType<typeof renderSlice> =>
    renderSlice(await volumes.open(sample.imageFile), sample);
  await prepareFolder(nodePlatform, {
    dir,
    identity: { prompt_style: 'corrected', seed: 1024 },
    images,
    samples: { train, validation: await samplesOf('Colin27Mini_BoxSize_Task01_Axial_Test', 2) },
    resizedSize,
    write: (job) => writeShard(nodePlatform, job, slice),
    workers: 1,
    shardRows: 8,
  });
  return train;
}

it('with its pictures', async () => {
  const samples = await prepare(join(folder, 'rows'), 'embedded');
  const written = await preparedRows(nodePlatform, join(folder, 'rows'), join(folder, 'given'));
  expect(written.map(({ split, rows }) => [split, rows])).toEqual([
    ['train', samples.length],
    ['validation', 2],
  ]);
  let at = 0;
  for await (const { messages, images, measure, task } of readConversations(nodePlatform, written[0]!.path)) {
    const sample = samples[at++]!;
    expect(messages).toEqual(sampleMessages(sample));
    const picture = await nodePlatform.decodeImage(readFileSync(images[0] as string), 'p');
    const pixels = await renderSlice(await volumes.open(sample.imageFile), sample);
    expect(Buffer.from(picture.data).equals(pixels.data)).toBe(true);
    expect([task, measure?.kind]).toEqual([
      { box: 'Detection', ellipse: 'TL' }[sample.annotation.kind as string] ?? 'AD',
      sample.annotation.kind,
    ]);
    expect(measure).toMatchObject({ scan: sample.caseId, slice: sample.sliceIdx });
  }
  expect(at).toBe(samples.length);
});

it('or is refused without them', async () => {
  await prepare(join(folder, 'bare'), 'none');
  await expect(preparedRows(nodePlatform, join(folder, 'bare'), join(folder, 'none'))).rejects.toThrow(
    /^bare: it was prepared without pictures/,
  );
});

it('folders are told from their files', () => {
  const paths = [
    '/dropped/Data/Datasets/A/benchmark_plan_detection_v1.0.0.json.gz',
    '/dropped/Data/Datasets/A/Images/a.nii.gz',
    '/dropped/rows/manifest.json',
    '/dropped/rows/train-00000.parquet',
    '/dropped/other/manifest.json',
  ];
  expect(foldersAmong(paths)).toEqual({ dataDirs: ['/dropped/Data'], preparedDirs: ['/dropped/rows'] });
});
