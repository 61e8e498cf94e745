/** A plan of memory in words. */
import { bytesText } from '../track/console.ts';
import type { MemoryPlan } from './memoryPlan.ts';

/**
 * Whoever compares a plan with what there is: what the buffers take, and on a GPU that shares the machine's memory, what a save copies
 * there.
 */
export function neededBytes(plan: MemoryPlan, isShared: boolean): number {
  return plan.reservedPeakBytes + (isShared ? plan.savingBytes : 0);
}

/** A line a label, the largest first: bytes at the peak, and the label's own largest. */
export function memoryTable(plan: MemoryPlan): string {
  const held = Object.keys(plan.peakByLabel).filter((label) => plan.peakByLabel[label]! > 0);
  const labels = held.sort((a, b) => (plan.atPeak[b] ?? 0) - (plan.atPeak[a] ?? 0) || plan.peakByLabel[b]! - plan.peakByLabel[a]!);
  const rows: [string, string, string][] = [
    ['label', 'at the peak', 'at most'],
    ...labels.map((label): [string, string, string] => [label, bytesText(plan.atPeak[label] ?? 0), bytesText(plan.peakByLabel[label]!)]),
    ['together', bytesText(plan.peakBytes), ''],
    ['held from the system', bytesText(plan.reservedPeakBytes), ''],
  ];
  const width = (column: 0 | 1 | 2): number => Math.max(...rows.map((row) => row[column].length));
  const lines = rows.map(([label, peak, most]) =>
    `  ${label.padEnd(width(0))}  ${peak.padStart(width(1))}  ${most.padStart(width(2))}`.trimEnd(),
  );
  const saving =
    plan.savingBytes > 0 ? `\n  While a checkpoint is written, ${bytesText(plan.savingBytes)} more are held in the machine's memory.` : '';
  return `${lines.join('\n')}${saving}`;
}
