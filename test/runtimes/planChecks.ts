/** For plans.script.mjs, bundled for every runtime: all plans that the adapter may be given, against float64 on the CPU. */
import { attentionChecks, productChecks, runChecks } from '../../src/run/bench/planChecks.ts';
import type { CheckResult } from '../../src/run/bench/planChecks.ts';
import { Device } from '../../src/gpu/device.ts';
import { computeDtypesOf } from '../../src/tune/candidates.ts';

export interface PlansResult extends CheckResult {
  adapter: string;
  subgroups: number | undefined;
  dtypes: readonly string[];
}

/** @param seconds what is not begun by then is left out */
export async function checkPlans(gpu: GPU, seconds: number): Promise<PlansResult> {
  const open = (): Promise<Device> => Device.create(gpu);
  const device = await open();
  const { capabilities } = device;
  device.destroy();
  const end = performance.now() + seconds * 1000;
  const scale = capabilities.kind === 'software' ? 'tiny' : 'true';
  const result = await runChecks(open, [...productChecks(capabilities), ...attentionChecks(capabilities, scale)], () => performance.now() > end);
  return { ...result, adapter: capabilities.description, subgroups: capabilities.subgroups?.max, dtypes: computeDtypesOf(capabilities) };
}
