/** Data as reports name it. */
import type { PlanRecord } from '../../data/medvision/plan.ts';

/** Versions of the annotations. */
export function planPairs(plans: readonly PlanRecord[]): [string, string][] {
  return plans.map(({ dataset, kind, version, sha256 }) => [`Annotations: ${dataset} ${kind}`, `v${version}, SHA-256 ${sha256}`]);
}
