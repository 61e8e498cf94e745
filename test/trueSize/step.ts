/** The step of run.mjs: a LoRA adapter (r 16, every linear layer) on a model folder, one row, its loss and the memory by label. */
import { parseArgs } from 'node:util';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { openSafetensors, toFloat32 } from '../../src/io/safetensors.ts';
import { countLabels, runMicroBatch } from '../../src/train/microBatch.ts';
import { openSession } from '../../src/train/session.ts';
import type { Offload } from '../../src/train/session.ts';
import { cutPatches } from '../../src/run/bench/cutPatches.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { loss: { type: 'boolean' }, nf4: { type: 'boolean' }, offload: { type: 'string', default: 'none' }, limit: { type: 'string' } },
});
const [baseModel, caseFile] = positionals;
if (baseModel === undefined || caseFile === undefined) throw new Error('expected FOLDER CASE.safetensors');
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(3)} GiB`;
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function step(device: Device): Promise<void> {
  if (values.limit !== undefined) device.pool.limitBytes = Number(values.limit) * 2 ** 30;
  const opened = performance.now();
  const session = await openSession(nodePlatform, device, {
    baseModel: baseModel!,
    finetuning: { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: 'all-linear' }) },
    offload: values.offload as Offload,
    ...(values.nf4 && { quantization: { weights: 'nf4', skipModules: ['lm_head'], embedding: 'none' } }),
  });
  const hostMemory = (): string => `host memory ${gib(process.resourceUsage().maxRSS * 1024)} at most`;
  const kind = device.isDry ? 'planned' : 'on the GPU';
  console.log(`${kind}: loaded in ${seconds(opened)}; ${gib(device.pool.report().inUseBytes)}, ${hostMemory()}`);

  const example = await readCase(caseFile!, session.naming.modelType);
  const lossSum = new Tensor([2], 'f32', device.pool.acquire(8, 'loss'));
  device.clear(lossSum.view);
  const labels = countLabels(example);
  const began = performance.now();
  await runMicroBatch(device, session.model, [example], {
    grad: values.loss !== true,
    training: true,
    checkpointing: true,
    random: { seed: 0, step: 0 },
    lossScale: 1 / labels,
    lossSum,
  });
  const [sum] = await device.readF32(lossSum);
  if (!device.isDry) console.log(`T ${example.inputIds.length}, loss ${(sum! / labels).toFixed(6)}, ${seconds(began)}`);
  const { peakBytes, atPeak, reservedPeakBytes } = device.pool.report();
  console.log(`${kind}: peak ${peakBytes} B, ${gib(peakBytes)}, held from the system ${gib(reservedPeakBytes)} at most, ${hostMemory()}`);
  for (const [label, bytes] of Object.entries(atPeak).sort(([, a], [, b]) => b - a)) console.log(`  ${label.padEnd(16)} ${gib(bytes)}`);
  session.close();
  device.destroy();
}

const device = await Device.create(await nodePlatform.gpu());
await step(Device.dry(device.capabilities));
await step(device);
releaseGpu();

async function readCase(path: string, modelType: string): Promise<Example> {
  const file = await openSafetensors(nodePlatform, path);
  try {
    const integers = async (name: string): Promise<Int32Array> => Int32Array.from(new BigInt64Array((await file.readRaw(name)).slice().buffer), Number);
    const inputIds = await integers('input_ids');
    const pixels = toFloat32(await file.readRaw('pixel_values'), 'F32', 'pixel_values');
    const shape = file.tensors.get('pixel_values')!.shape;
    const images: Pick<Example, 'pixelValues' | 'imageGrids'> =
      modelType === 'qwen2_5_vl' || modelType === 'qwen3_vl'
        ? { pixelValues: pixels, imageGrids: [[...(await integers('image_grid_thw'))] as [number, number, number]] }
        : modelType === 'idefics3'
          ? cutPatches(pixels, { images: shape[1]!, channels: shape[2]!, side: shape[3]!, patch: 16, merge: 4 })
          : cutPatches(pixels, { images: shape[0]!, channels: shape[1]!, side: shape[2]!, patch: 14 });
    const positionIds = file.tensors.has('position_ids') ? await integers('position_ids') : Int32Array.from(inputIds.keys());
    return { inputIds, labels: await integers('labels_completion'), positionIds, ...images };
  } finally {
    await file.close();
  }
}
