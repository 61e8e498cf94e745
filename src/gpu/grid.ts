/** Workgroups of a dispatch, within what WebGPU allows a dimension. */
import { UserError } from '../platform.ts';

export const MAX_GROUPS = 65535;

/** A number of workgroups is folded into two dimensions where it is too large for one; the kernel's own bounds check cuts the excess. */
export function gridOf(label: string, groups: number | readonly [number, number?, number?]): readonly [number, number, number] {
  const [x, y = 1, z = 1] = typeof groups === 'number' ? foldGroups(groups) : groups;
  if (x > MAX_GROUPS || y > MAX_GROUPS || z > MAX_GROUPS) {
    throw new UserError(
      `kernel '${label}' needs ${x}×${y}×${z} workgroups and WebGPU allows ${MAX_GROUPS} a dimension: the batch is too large; ` +
        'lower --per_device_train_batch_size or --max_pixels.',
    );
  }
  return [x, y, z];
}

function foldGroups(count: number): readonly [number, number] {
  if (count <= MAX_GROUPS) return [count, 1];
  const rows = Math.ceil(count / MAX_GROUPS);
  return [Math.ceil(count / rows), rows];
}
