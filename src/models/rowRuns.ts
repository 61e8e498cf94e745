/** Weights larger than an adapter binds at once are cut between rows. */
import type { Device } from '../gpu/device.ts';
import { UserError } from '../platform.ts';

export interface RowRun {
  rowStart: number;
  rows: number;
}

export interface RowRunOptions {
  /** Bytes of a run, where that is less than the adapter binds; one row may be more. */
  mostBytes?: number;
  /** Multiples at which a run may begin, the widest first: the first that is less than a run counts. */
  steps?: readonly number[];
}

/** Runs of rows, as few as the adapter's binding limit allows. @param bytesOf of so many rows */
export function rowRuns(
  device: Device,
  rows: number,
  bytesOf: (rows: number) => number,
  { mostBytes = Infinity, steps = [] }: RowRunOptions = {},
): RowRun[] {
  const limit = Math.min(device.maxBindingBytes, Math.max(mostBytes, bytesOf(1)));
  let count = 1;
  while (Math.ceil(rows / count) > 1 && bytesOf(Math.ceil(rows / count)) > limit) count++;
  let perRun = Math.ceil(rows / count);
  if (count > 1) perRun -= perRun % (steps.find((step) => perRun > step) ?? 1);
  if (bytesOf(perRun) > limit)
    throw new UserError(`One row of a weight is ${bytesOf(1)} bytes; this adapter binds at most ${device.maxBindingBytes} at once.`);
  return Array.from({ length: Math.ceil(rows / perRun) }, (_, i) => ({ rowStart: i * perRun, rows: Math.min(perRun, rows - i * perRun) }));
}
