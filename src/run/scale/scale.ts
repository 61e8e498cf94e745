/** `vernier scale`: weak and strong scaling as tables, from a run's log or from figures given. */
import type { ScaleOptions } from '../../options/scale.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import type { Terminal } from '../../track/console.ts';
import { LOG_FILE, logEntries } from '../../track/jsonl.ts';
import type { LogEntry } from '../../track/jsonl.ts';
import { predict } from '../../world/scaling.ts';
import type { Cluster, Prediction, Workload } from '../../world/scaling.ts';

interface Measured {
  microBatch: number;
  variation: number;
  values: number;
  /** Micro-batches of a step at one rank. */
  accumulation: number;
}

export async function runScale(platform: Platform, options: ScaleOptions, terminal: Terminal): Promise<void> {
  const found = options.run === null ? undefined : await measuredOf(platform, options.run);
  const accumulation = options.gradient_accumulation_steps ?? found!.accumulation;
  const work: Workload = {
    microBatch: options.micro_batch_seconds ?? found!.microBatch,
    variation: options.variation ?? found?.variation ?? 0,
    gradients: 4 * (options.values ?? found!.values),
  };
  const cluster: Cluster = {
    ranksPerHost: options.ranks_per_host,
    network: (options.network_gbit * 1e9) / 8,
    latency: options.network_us * 1e-6,
    local: options.local_gbyte * 1e9,
    transfer: options.transfer_gbyte * 1e9,
  };
  const counts = options.ranks.map(Number);
  const weak = counts.map((ranks) => predict(ranks, accumulation * ranks, work, cluster));
  const strong = counts.map((ranks) => predict(ranks, accumulation, work, cluster));
  terminal.write(
    `A micro-batch takes ${secondsText(work.microBatch)} at one GPU (± ${Math.round(100 * work.variation)} %); gradients are ` +
      `${countText(work.gradients / 4)} values, ${(work.gradients / 1e6).toFixed(1)} MB.\n` +
      `Up to ${options.ranks_per_host} GPUs a host; ${options.network_gbit} Gbit/s and ${options.network_us} µs between hosts.\n`,
  );
  terminal.write(`\nWeak scaling: ${accumulation} micro-batches a step at every GPU\n${tableOf(weak)}`);
  terminal.write(`\nStrong scaling: ${accumulation} micro-batches a step at all together\n${tableOf(strong)}`);
  if (options.json === null) return;
  await platform.writeFile(options.json, `${JSON.stringify({ format: 1, work, cluster, weak, strong }, undefined, 2)}\n`);
  terminal.write(`\nAll figures: ${options.json}\n`);
}

/** Steps that a log needs: the first compile. */
const LEFT_OUT = 2;
const FEWEST = 5;

async function measuredOf(platform: Platform, dir: string): Promise<Measured> {
  const entries = await logEntries(platform, dir);
  if (!entries)
    throw new UserError(
      `--run ${dir} has no ${LOG_FILE}; give the folder of a run that was logged (--report_to jsonl, as is the default).`,
    );
  const start = entries.find((entry) => entry['event'] === 'start');
  const { trainable } = (start?.['facts'] ?? {}) as { trainable?: number };
  const { gradient_accumulation_steps: accumulation, world_size: ranks = 1 } = (start?.['config'] ?? {}) as Record<string, number>;
  if (trainable === undefined || accumulation === undefined)
    throw new UserError(`${joinPath(dir, LOG_FILE)} has no start of a run with its trained values and its accumulation.`);
  if (ranks !== 1) throw new UserError(`--run ${dir} was made by ${ranks} ranks; give one of a single GPU.`);
  const steps = stepSeconds(entries);
  if (steps.length < FEWEST) {
    throw new UserError(
      `--run ${dir} has ${steps.length} steps of known length; ${FEWEST} are needed, beside the first ${LEFT_OUT}, which compile. Train ` +
        'some more, or give --micro_batch_seconds.',
    );
  }
  const mean = steps.reduce((sum, one) => sum + one, 0) / steps.length;
  const spread = Math.sqrt(steps.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (steps.length - 1));
  return {
    microBatch: mean / accumulation,
    variation: (spread / mean) * Math.sqrt(accumulation),
    values: trainable,
    accumulation,
  };
}

/** Between rows of the log that no evaluation parts. */
function stepSeconds(entries: readonly LogEntry[]): number[] {
  const seconds: number[] = [];
  let before: { step: number; at: number } | undefined;
  for (const entry of entries) {
    const { step, elapsed_seconds: at } = entry as { step?: number; elapsed_seconds?: number };
    if (step === undefined || at === undefined) continue;
    if (entry['loss'] === undefined)
      before = { step, at }; // an evaluation ends here
    else {
      if (before && step > before.step && before.step >= LEFT_OUT) seconds.push((at - before.at) / (step - before.step));
      before = { step, at };
    }
  }
  return seconds;
}

function tableOf(rows: readonly Prediction[]): string {
  const head = ['GPUs', 'step', 'compute', 'waiting', 'sum', 'speedup', 'used'];
  const cells = rows.map(({ ranks, step, parts, speedup, efficiency }) => [
    String(ranks),
    ...[step, parts.compute, parts.waiting, parts.sum].map(secondsText),
    `${speedup.toFixed(2)} ×`,
    `${Math.round(100 * efficiency)} %`,
  ]);
  const widths = head.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]!.length)));
  return [head, ...cells].map((row) => `${row.map((cell, at) => cell.padStart(widths[at]! + 2)).join('')}\n`).join('');
}

function secondsText(seconds: number): string {
  return seconds === 0 ? '–' : seconds < 0.1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
}
