/**
 * What loading costs beside reading: `npm run bench -- loading [GB]` (2 where nothing is said) makes a folder of that many GB of random
 * bf16 matrices, and reads it, loads it as it is, and loads it quantised to NF4, in turns, so that the machine's other work meets all
 * alike. Told are MB/s of the file (wall, and of the main thread's CPU), and the largest memory of the process beyond what lies in GPU
 * buffers, which a software GPU has in the same memory.
 */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import type { ModelFolder } from '../../src/io/modelFolder.ts';
import { heldQuantized } from '../../src/models/quantization.ts';
import { loadParameters } from '../../src/models/loadWeights.ts';
import type { Shape } from '../../src/models/weights.ts';
import type { ModelDescription } from '../../src/models/model.ts';
import { randomOperand } from '../ops/gradientCheck.ts';
import { namingOf } from '../../src/models/families.ts';

const [ROWS, COLUMNS] = [4096, 8192];
const MATRIX_BYTES = ROWS * COLUMNS * 2;
const PIECE_BYTES = 2 ** 24;
const TURNS = 3;

async function makeFolder(dir: string, matrices: number): Promise<Map<string, Shape>> {
  const names = Array.from({ length: matrices }, (_, i) => `model.layers.${i}.mlp.up_proj.weight`);
  const header = Object.fromEntries(names.map((name, i) => [name, { dtype: 'BF16', shape: [ROWS, COLUMNS], data_offsets: [i * MATRIX_BYTES, (i + 1) * MATRIX_BYTES] }]));
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(text, 8);
  const piece = f32ToBf16(randomOperand([PIECE_BYTES / 2], 1, 0.05).data);
  const file = await open(join(dir, 'model.safetensors'), 'w');
  try {
    await file.write(start);
    for (let at = 0; at < matrices * MATRIX_BYTES; at += PIECE_BYTES) await file.write(piece);
  } finally {
    await file.close();
  }
  await writeFile(join(dir, 'config.json'), '{"model_type": "qwen2"}');
  return new Map(names.map((name) => [name, [ROWS, COLUMNS]]));
}

interface Turn {
  seconds: number;
  cpuSeconds: number;
  hostBytes: number;
}

async function measure(device: Device, work: () => Promise<void>): Promise<Turn> {
  let hostBytes = 0;
  const look = (): void => {
    hostBytes = Math.max(hostBytes, process.memoryUsage.rss() - device.pool.report().reservedBytes);
  };
  const timer = setInterval(look, 20);
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(cpu);
  clearInterval(timer);
  look();
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (used.user + used.system) / 1e6, hostBytes };
}

async function load(device: Device, folder: ModelFolder, shapes: ReadonlyMap<string, Shape>, weights: 'none' | 'nf4'): Promise<void> {
  const description = { shapes, tiedHead: false, embedding: '' } as unknown as ModelDescription;
  const quantized = heldQuantized(folder, new Map(), description, new Set(), { weights, skipModules: [], embedding: 'none' });
  // One at a time, and given back: the card need not hold them all.
  for (const [name, shape] of shapes) {
    const loaded = await loadParameters(device, folder, new Map([[name, shape]]), { trainable: new Map(), fill: () => undefined, quantized });
    for (const { tensor } of loaded.values()) for (const { view } of tensor.parts) device.pool.release(view);
  }
}

const gigabytes = Number(process.argv[2] ?? 2);
const dir = await mkdtemp(join(tmpdir(), 'vernier-loading-'));
const device = await Device.create(await nodePlatform.gpu());
try {
  const shapes = await makeFolder(dir, Math.max(1, Math.round((gigabytes * 1e9) / MATRIX_BYTES)));
  const folder = await openModelFolder(nodePlatform, dir, namingOf);
  const bytes = shapes.size * MATRIX_BYTES;
  const ways: Record<string, () => Promise<void>> = {
    read: async () => {
      for (const name of shapes.keys()) for (let at = 0; at < MATRIX_BYTES; at += PIECE_BYTES) await folder.readRange(name, at, PIECE_BYTES);
    },
    'load as it is': () => load(device, folder, shapes, 'none'),
    'load in NF4': () => load(device, folder, shapes, 'nf4'),
  };
  const turns = new Map<string, Turn[]>(Object.keys(ways).map((way) => [way, []]));
  for (let turn = 0; turn < TURNS; turn++) for (const [way, work] of Object.entries(ways)) turns.get(way)!.push(await measure(device, work));
  await folder.close();
  const least = (way: string, key: 'seconds' | 'cpuSeconds'): number => Math.min(...turns.get(way)!.map((turn) => turn[key]));
  console.log(`${(bytes / 1e9).toFixed(2)} GB of bf16 on ${device.capabilities.description}, the best of ${TURNS} turns:`);
  for (const way of turns.keys()) {
    const [wall, cpu] = [least(way, 'seconds'), least(way, 'cpuSeconds')];
    const host = Math.max(...turns.get(way)!.map(({ hostBytes }) => hostBytes));
    console.log(
      `  ${way.padEnd(14)} ${(bytes / 1e6 / wall).toFixed(0).padStart(5)} MB/s, ${(wall / least('read', 'seconds')).toFixed(2)} × reading; ` +
        `CPU ${(bytes / 1e6 / cpu).toFixed(0).padStart(5)} MB/s, ${(cpu / least('read', 'cpuSeconds')).toFixed(2)} ×; at most ${(host / 2 ** 20).toFixed(0)} MiB beside the GPU's`,
    );
  }
} finally {
  await rm(dir, { recursive: true });
  device.destroy();
  releaseGpu();
}
process.exit(0);
