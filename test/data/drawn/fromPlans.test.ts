/** The embedded sample's annotations as drawings: rows made of them ask and answer what those of the data set do. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { DrawnAnnotation } from '../../../src/data/drawn/annotation.ts';
import { planDrawings } from '../../../src/data/drawn/fromPlans.ts';
import type { PlanLeftOut } from '../../../src/data/drawn/fromPlans.ts';
import { drawnRows } from '../../../src/data/drawn/rows.ts';
import { sliceAxes } from '../../../src/data/medvision/landmarks.ts';
import { medvisionSamples } from '../../../src/data/medvision/samples.ts';
import { VolumeCache } from '../../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../../src/data/medvision/tasks.ts';

const dataDir = fileURLToPath(new URL('../../../node/sample/', import.meta.url)).replace(/\/$/, '');
const same = (height: number, width: number): { height: number; width: number } => ({ height, width });
const dims = { sagittal: 0, coronal: 1, axial: 2 } as const;

it('ask and answer the same', async () => {
  const leftOut: PlanLeftOut = { volumes: new Set(), landmarks: 0 };
  const volumes = new VolumeCache(nodePlatform, dataDir);
  const made: string[] = [];
  for await (const { imageFile, drawn, modality, description } of planDrawings(nodePlatform, dataDir, leftOut)) {
    const { shape, zooms } = await volumes.header(imageFile);
    const [rowAxis, columnAxis] = sliceAxes({ sliceDim: dims[drawn.plane!] });
    const annotation: DrawnAnnotation = { id: 'a', scan: 's', ...drawn };
    const [row] = drawnRows(
      [annotation],
      {
        picture: 'p.png',
        scan: imageFile,
        modality,
        description,
        pixelSize: [zooms[rowAxis], zooms[columnAxis]],
        height: shape[rowAxis],
        width: shape[columnAxis],
      },
      same,
    );
    const [question, answer] = row!['messages'] as { content: { text?: string }[] }[];
    made.push(`${imageFile} ${drawn.plane} ${drawn.slice}\n${question!.content[1]!.text}\n${answer!.content[0]!.text}`);
  }
  const names = ['BoxSize_Task01', 'BoxSize_Task02', 'TumorLesionSize_Task01', 'BiometricsFromLandmarks_Task02'];
  const tasks = names.flatMap((name) =>
    ['Sagittal', 'Coronal', 'Axial'].flatMap((plane) =>
      ['Train', 'Test'].map((split) => parseTaskName(`Colin27Mini_${name}_${plane}_${split}`, 'test')),
    ),
  );
  const wanted: string[] = [];
  let nameless = 0;
  for await (const sample of medvisionSamples(nodePlatform, dataDir, tasks, { resizedSize: same, volumes })) {
    const { annotation } = sample;
    // What has no name in the plan is called by its landmarks where it is drawn.
    if ('name' in annotation && annotation.name.trim() === '') nameless++;
    else
      wanted.push(
        `${sample.imageFile} ${['sagittal', 'coronal', 'axial'][sample.sliceDim]} ${sample.sliceIdx}\n${sample.prompt}\n${sample.target}`,
      );
  }
  expect(wanted.length).toBeGreaterThan(550);
  const found = new Set(made);
  expect(wanted.filter((one) => !found.has(one))).toEqual([]);
  expect(made.length + leftOut.landmarks).toBe(wanted.length + nameless);
  expect(leftOut).toEqual({ volumes: new Set(), landmarks: 0 });
}, 60_000);
