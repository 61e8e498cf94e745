/** Data as reports name it. */
import type { PlanKind, PlanRecord } from '../../data/medvision/plan.ts';
import type { AnnotationVersion } from '../../data/medvision/planVersion.ts';
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

const PLAN = /^Annotations: (.+) (detection|biometry)$/;

/** What `planPairs` has said, as far as it is there. */
export function plansOfPairs(pairs: readonly (readonly [string, string])[]): AnnotationVersion[] {
  return pairs.flatMap(([name, text]): AnnotationVersion[] => {
    const [, dataset = '', kind] = PLAN.exec(name) ?? [];
    const [, version = ''] = /^v([0-9.]+)\b/.exec(text) ?? [];
    return version === '' || dataset === '' ? [] : [{ dataset, kind: kind as PlanKind, version }];
  });
}

/** The pin, and the versions of the annotations that it meant. */
export function planPairs(plans: readonly PlanRecord[]): [string, string][] {
  const versions = plans.map(
    ({ dataset, kind, version, sha256 }) => [`Annotations: ${dataset} ${kind}`, `v${version}, SHA-256 ${sha256}`] as [string, string],
  );
  const pin = plans[0]?.pin;
  return pin === undefined ? versions : [['Version pinned (--planner_version)', pin], ...versions];
}
