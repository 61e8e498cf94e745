/** Bind groups are kept for as long as they are asked for, and no longer: rows of ever new lengths would fill memory with them. */
import { expect, test } from 'vitest';
import { BindGroups } from '../../src/gpu/bindGroups.ts';
import type { Kernel } from '../../src/gpu/kernel.ts';
import type { BufferView } from '../../src/gpu/pool.ts';

const kernel = { id: 1, label: 'k', layout: {}, paramBytes: 16, interface: { storage: [{ name: 'x', index: 1 }] } } as unknown as Kernel;
const at = (offset: number): { x: BufferView } => ({ x: { buffer: { id: 7, handle: {} }, offset, bytes: 256 } as unknown as BufferView });

test('a group that is used again stays, one that is not goes', () => {
  const gpu = { createBindGroup: () => ({}) } as unknown as GPUDevice;
  const counters = { bindGroupsCreated: 0 };
  const groups = new BindGroups(gpu, {} as GPUBuffer, 1e9, counters);
  const used = groups.get(kernel, at(0));
  const dropped = groups.get(kernel, at(256));
  expect(dropped).not.toBe(used);
  for (let i = 0; i < 100_000; i++) expect(groups.get(kernel, at(0)) === used).toBe(true);
  expect(counters.bindGroupsCreated).toBe(2);
  expect(groups.get(kernel, at(256))).not.toBe(dropped);
  expect(counters.bindGroupsCreated).toBe(3);
});
