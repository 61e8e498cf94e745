/** What a resumed run must have in common with its checkpoint, as far as its rows' annotations go. */
import { expect, it } from 'vitest';
import { ANNOTATIONS, checkSameRun } from '../../src/train/runIdentity.ts';
import type { RunIdentity } from '../../src/train/runIdentity.ts';

const identity = (data: string | null, annotations?: string): RunIdentity => ({
  baseModel: 'b', adapter: null, rows: 5, data, seed: 1, shuffle: true, rowsPerStep: 2, facts: { mask: 'completion', ...(annotations !== undefined && { [ANNOTATIONS]: annotations }) },
});

it('other annotations are named where they changed the rows, and do no harm where they did not', () => {
  const [old, now] = ['D biometry v1.1.1, SHA-256 a', 'D biometry v1.4.0, SHA-256 b'];
  expect(() => checkSameRun(identity('x', old), identity('y', now), 'checkpoint-1')).toThrow(
    /the training rows are others.*\n.*what the rows are of was .*v1\.1\.1, SHA-256 a.*now it is .*v1\.4\.0/,
  );
  expect(() => checkSameRun(identity('x', old), identity('x', now), 'checkpoint-1')).not.toThrow();
  // Checkpoints from before annotations were recorded.
  expect(() => checkSameRun(identity('x'), identity('x', now), 'checkpoint-1')).not.toThrow();
  expect(() => checkSameRun(identity(null, old), identity(null, now), 'checkpoint-1')).toThrow(/what the rows are of/);
});
