/** What was collected, in sentences for the user: which plans, how many rows, what the filters left out and why. */
import { countOf } from '../../platform.ts';
import type { CollectReport } from './collect.ts';
import type { DropReason } from './sample.ts';

const REASONS: Record<DropReason, string> = {
  more_than_one_box: 'more than one box of a label on the slice',
  box_under_10px: 'a side below 10 pixels',
  more_than_one_ellipse: 'more than one ellipse on the slice',
  empty_annotation: 'an empty annotation',
};

export function reportLines({ plans, tasks, unused, notes }: CollectReport): string[] {
  const dropped = new Map<DropReason, number>();
  for (const task of tasks)
    for (const [reason, count] of Object.entries(task.dropped))
      dropped.set(reason as DropReason, (dropped.get(reason as DropReason) ?? 0) + count);
  const found = tasks.reduce((sum, task) => sum + task.found, 0);
  const left = [...dropped].map(([reason, count]) => `${count} for ${REASONS[reason]}`);
  return [
    ...plans.map(({ dataset, kind, version, sha256 }) => `Plan: ${dataset} ${kind} v${version}, SHA-256 ${sha256}.`),
    `Annotations: ${found} of ${countOf(tasks.length, 'task')}` +
      (left.length > 0 ? `; left out, as by MedVision's loader: ${left.join(', ')}.` : '.'),
    ...(unused > 0
      ? [`${countOf(unused, 'row')} of the volumes held out for validation ${unused === 1 ? 'is' : 'are'} in neither set.`]
      : []),
    ...notes.map((note) => `Note: ${note}`),
  ];
}
