/** `node dist/setup.js --plans`: which kernels were measured to be the fastest on this GPU. */
import { Device } from '../../gpu/device.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { choicesFile, isEmpty, readChoices } from '../../tune/choices.ts';
import type { Choices } from '../../tune/choices.ts';
import { planKey } from '../../tune/planKey.ts';
import { attentionWords, configurationWords, productWords } from '../../tune/words.ts';

export async function printPlans(platform: Platform, terminal: Terminal): Promise<void> {
  const device = await Device.create(await platform.gpu());
  const notes: string[] = [];
  try {
    const key = await planKey(device, platform);
    const choices = await readChoices(platform, key, device.capabilities, (text) => void notes.push(text));
    const path = await choicesFile(platform, key);
    terminal.write(`${key.adapter} · ${key.driver} · ${key.webgpu} · kernels ${key.kernels}\n`);
    for (const note of notes) terminal.write(`Note: ${note}\n`);
    if (isEmpty(choices)) {
      const how =
        device.capabilities.kind === 'software'
          ? 'training with --tune full measures it'
          : 'training measures it before its first step (--tune auto), or anew (--tune full)';
      terminal.write(`Nothing is measured for this GPU, its driver and this version yet; ${how}.\n`);
      return;
    }
    terminal.write(`From ${path ?? 'nowhere'}\n\n${plansTable(choices)}`);
  } finally {
    device.destroy();
    platform.releaseGpu?.();
  }
}

/** A line a shape class, the slowest first: the problem that was measured, the fastest kernel, its time and that of the usual one. */
function plansTable({ product, attention }: Choices): string {
  const rows = [
    ...product.map((choice) => ({ ...choice, words: productWords(choice.problem) })),
    ...attention.map((choice) => ({ ...choice, words: attentionWords(choice.problem) })),
  ].sort((a, b) => b.policyMs - a.policyMs);
  const cells = rows.map(({ words, configuration, ms, policyMs, flop }) => [
    words,
    configurationWords(configuration),
    `${ms.toPrecision(3)} ms, ${(flop / ms / 1e9).toPrecision(3)} TFLOP/s`,
    ms < policyMs ? `${(policyMs / ms).toFixed(2)} × as fast as the usual one` : 'the usual one',
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => (column === 2 ? cell.padStart(widths[2] ?? 0) : cell.padEnd(widths[column] ?? 0)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
