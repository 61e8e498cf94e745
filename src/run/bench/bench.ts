/**
 * What a GPU does with Vernier: every plan checked against float64 and the losses of transformers, then products, attention and training
 * steps at the shapes of Qwen2.5-VL-3B and MedGemma-4B, beside PyTorch where there is one with a GPU.
 */
import { gpuName } from '../../gpu/capabilities.ts';
import { Device } from '../../gpu/device.ts';
import type { BenchOptions } from '../../options/bench.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { planKey } from '../../tune/planKey.ts';
import { benchParts } from './benchParts.ts';
import { runParts } from './parts.ts';
import type { Pytorch } from './pytorch.ts';
import { reportText } from './reportFile.ts';
import { summary } from './summary.ts';

export interface BenchRequest {
  platform: Platform;
  options: BenchOptions;
  pytorch: Pytorch;
  stop: AbortSignal;
  terminal: Terminal;
}

/** @returns whether everything that was checked is right */
export async function runBench({ platform, options, pytorch, stop, terminal }: BenchRequest): Promise<boolean> {
  const say = (line: string): void => terminal.write(`${line}\n`);
  const gpu = await platform.gpu();
  const open = (): Promise<Device> => Device.create(gpu);
  const device = await open();
  const { capabilities } = device;
  const key = await planKey(device, platform);
  device.destroy();
  say(`${gpuName(capabilities)} · ${key.adapter} · ${key.webgpu} · kernels ${key.kernels}`);
  try {
    const { parts, results } = benchParts({ open, capabilities, size: options.size, pytorch: options.pytorch ? pytorch : undefined, stop });
    const report = await runParts(parts, { seconds: options.minutes * 60, now: () => performance.now(), stop, say });
    say(`\n${summary(report, results)}`);
    if (options.json !== null) {
      const all = { format: 1, key, capabilities, size: results.scale, stopped: stop.aborted, ...report, pytorch: results.pytorch ?? null };
      await platform.writeFile(options.json, await reportText(platform, all));
      say(`All figures: ${options.json}`);
    }
    return report.failures.length === 0;
  } finally {
    platform.releaseGpu?.();
  }
}
