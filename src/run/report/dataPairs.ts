/** Data as reports name it. */
import type { PlanRecord } from '../../data/medvision/plan.ts';
import { publicName } from '../../hub/origin.ts';
import type { Options } from '../../options.ts';

type Named = readonly [name: string, path: string | null];

/** By their names, without their folders; those that are not given are left out. */
export function filePairs(files: readonly Named[]): [string, string][] {
  return files.flatMap(([name, path]): [string, string][] => (path === null ? [] : [[name, publicName(path)]]));
}

export function taskLists(
  options: Pick<Options, 'tasks_list_json_path_AD' | 'tasks_list_json_path_detect' | 'tasks_list_json_path_TL'>,
): Named[] {
  return [
    ['Task list, angles and distances', options.tasks_list_json_path_AD],
    ['Task list, detection', options.tasks_list_json_path_detect],
    ['Task list, sizes', options.tasks_list_json_path_TL],
  ];
}

/** Versions of the annotations. */
export function planPairs(plans: readonly PlanRecord[]): [string, string][] {
  return plans.map(({ dataset, kind, version, sha256 }) => [`Annotations: ${dataset} ${kind}`, `v${version}, SHA-256 ${sha256}`]);
}
