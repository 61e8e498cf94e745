/** What is said of the ranks of a run before it begins: how they share a step, and whether two of them share a GPU. */
import type { Capabilities } from '../../gpu/capabilities.ts';
import { countOf } from '../../platform.ts';
import { ALONE } from '../../world/world.ts';
import type { RunContext } from '../context.ts';

export async function tellRanks(
  { world = ALONE, options, say, warn }: RunContext,
  { description }: Pick<Capabilities, 'description'>,
): Promise<void> {
  if (world.size === 1) return;
  const { per_device_train_batch_size: rows, gradient_accumulation_steps: batches } = options;
  say(
    `${world.words ?? countOf(world.size, 'rank')}; a step is ${countOf(world.size, 'rank')} × ` +
      `${countOf(batches, 'micro-batch', 'micro-batches')} of ${countOf(rows, 'row')}: ${world.size * batches * rows}.`,
  );
  const devices = await world.gather(description);
  const sharing = new Map<string, number[]>();
  devices.forEach((device, rank) => {
    const key = JSON.stringify([world.hosts[rank], device]);
    sharing.set(key, [...(sharing.get(key) ?? []), rank]);
  });
  if (world.rank !== 0) return;
  for (const [key, ranks] of sharing) {
    if (ranks.length === 1) continue;
    const [host, device] = JSON.parse(key) as [string, string];
    warn(
      `ranks ${ranks.join(', ')} on ${host} all compute on "${device}". Unless the machine has as many of it and each rank sees another ` +
        'one (by container, cgroup or --gpu_adapter; node/mpi/README.md), they take turns on one GPU and are no faster than one rank.',
    );
  }
}
