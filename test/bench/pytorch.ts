/**
 * The same training step here and in PyTorch + PEFT (`npm run bench -- pytorch`, where VERNIER_PYTHON names a Python with torch, transformers and
 * peft), in turns, on as many threads as the machine has cores: node/base in float32, LoRA r 16 on every linear layer, four rows with a
 * picture. Both must find the same loss and as many values to train. Processor time is measured beside the clock, for machines with other work.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { countLabels, runMicroBatch } from '../../src/train/microBatch.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import type { Bench } from './kernels.ts';
import { median } from '../../src/tune/timing.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const BASE = at('../node/base');
const SCRIPT = at('../test/bench/pytorch_step.py');
const ROWS = 4;
const TURNS = 7;
/** Between the losses of the first step. */
const LARGEST_DIFFERENCE = 1e-4;

/** Of a step. */
interface Cost {
  wallMs: number;
  /** Of all processors together. */
  cpuMs: number;
}

function row(session: Session, number: number): Example {
  const [width, height] = [224, 224];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * (number + 7)) % 251);
  const messages = [
    { role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: 'How long is the major axis, in millimetres?' }] },
    { role: 'assistant' as const, content: `${number}.5, ${number}.25` },
  ];
  return session.processor.encode({ messages, images: ['made'] }, [{ width, height, data }], { mask: 'completion' });
}

function writeBatch(dir: string, examples: readonly Example[]): void {
  if (new Set(examples.map(({ inputIds }) => inputIds.length)).size > 1) throw new Error('the rows are to be of one length, because PyTorch would pad them');
  const pixels = examples.flatMap(({ pixelValues }) => [...pixelValues]);
  const grids = examples.flatMap(({ imageGrids }) => imageGrids);
  const batch = {
    threads: availableParallelism(),
    ids: examples.map(({ inputIds }) => [...inputIds]),
    labels: examples.map(({ labels }) => [...labels]),
    grids,
    patches: grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0),
  };
  writeFileSync(join(dir, 'batch.json'), JSON.stringify(batch));
  writeFileSync(join(dir, 'pixels.f32'), Float32Array.from(pixels));
}

/** PyTorch in a process of its own, which waits while it is not asked. */
function openPython(python: string, dir: string, checkpointing: boolean) {
  const child = spawn(python, [SCRIPT, dir, BASE, String(checkpointing)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line: IteratorResult<string> = await lines.next();
    if (line.done === true) throw new Error(`${python} ended: ${complaints.slice(-2000)}`);
    return line.value;
  };
  return {
    next,
    async cost(steps: number): Promise<Cost> {
      child.stdin.write(`${steps}\n`);
      const [wallMs = NaN, cpuMs = NaN] = (await next()).split(' ').map(Number);
      return { wallMs, cpuMs };
    },
    close: () => child.stdin.end(),
  };
}

export async function besidePyTorch(b: Bench): Promise<void> {
  const python = process.env['VERNIER_PYTHON'];
  if (python === undefined) throw new Error('VERNIER_PYTHON is not set; name a Python with torch, transformers and peft to measure PyTorch beside this.');
  const { device } = b;
  const config = loraConfig({ r: 16, lora_alpha: 16, target_modules: 'all-linear' });
  for (const checkpointing of [false, true]) {
    const session = await openSession(nodePlatform, device, { baseModel: BASE, finetuning: { kind: 'lora', config } });
    const adamw = new AdamW(device, session.arena, { maxGradNorm: 1 });
    const dir = mkdtempSync(join(tmpdir(), 'vernier-pytorch-'));
    try {
      const examples = Array.from({ length: ROWS }, (_, number) => row(session, number));
      const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
      writeBatch(dir, examples);
      const other = openPython(python, dir, checkpointing);
      let number = 0;
      const gradients = async (): Promise<void> => {
        session.arena.zeroGradients();
        const random = { seed: 1, step: number++ };
        await runMicroBatch(device, session.model, examples, { grad: true, training: true, checkpointing, random, lossScale: 1 / labels, lossSum: adamw.lossSum });
      };
      await gradients();
      const [sum = NaN] = await device.readF32(adamw.lossSum);
      adamw.step(1e-4);
      const [theirs = NaN, count = NaN] = (await other.next()).split(' ').map(Number);
      if (!(Math.abs(sum / labels - theirs) <= LARGEST_DIFFERENCE * theirs)) throw new Error(`the first loss is ${sum / labels} here and ${theirs} in PyTorch`);
      if (count !== session.trainableCount) throw new Error(`${session.trainableCount} values train here and ${count} in PyTorch`);
      const ours = async (steps: number): Promise<Cost> => {
        const [start, before] = [performance.now(), process.cpuUsage()];
        for (let i = 0; i < steps; i++) {
          await gradients();
          adamw.step(1e-4);
        }
        await device.finish();
        const { user, system } = process.cpuUsage(before);
        return { wallMs: (performance.now() - start) / steps, cpuMs: (user + system) / 1000 / steps };
      };
      const repeats = Math.max(1, Math.round(b.patience.sampleMs / (await ours(1)).wallMs));
      await other.cost(repeats);
      const costs: [Cost[], Cost[]] = [[], []];
      for (let turn = 0; turn < TURNS; turn++) {
        costs[0].push(await ours(repeats));
        costs[1].push(await other.cost(repeats));
      }
      other.close();
      const [wall, torchWall] = costs.map((list) => median(list.map(({ wallMs }) => wallMs))) as [number, number];
      const [cpu, torchCpu] = costs.map((list) => median(list.map(({ cpuMs }) => cpuMs))) as [number, number];
      const processors = `${cpu.toFixed(0)} ms of processor time for ${torchCpu.toFixed(0)}`;
      const what = `${ROWS} rows of node/base, ${checkpointing ? 'blocks recomputed' : 'nothing recomputed'}: ${(wall / torchWall).toFixed(2)} times PyTorch's ${torchWall.toFixed(1)} ms; ${processors}`;
      b.report({ group: 'beside PyTorch + PEFT', what, ms: wall, rate: (ROWS / wall) * 1000, unit: 'rows/s' });
    } finally {
      rmSync(dir, { recursive: true, force: true });
      adamw.release();
      session.close();
    }
  }
}
