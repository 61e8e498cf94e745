/** The plans of one device: what its ops ask for, with what a test or a measurement chose before what the policy would. */
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Device } from '../gpu/device.ts';
import type { DType } from '../gpu/tensor.ts';
import { planAttention } from './attention.ts';
import type { AttentionConfiguration, AttentionPlan, AttentionProblem } from './attention.ts';
import { planProduct } from './product.ts';
import type { ProductConfiguration, ProductPlan, ProductProblem } from './product.ts';
import { planRows } from './rows.ts';
import type { RowsConfiguration, RowsPlan, RowsProblem } from './rows.ts';
import type { ComputeDtype } from './subgroupMatrix.ts';
import { unpacksWeight } from './unpacking.ts';

/** Configurations to take instead of the policy's; undefined leaves a problem to it. */
export interface ForcedPlans {
  product?: (problem: ProductProblem) => ProductConfiguration | undefined;
  attention?: (problem: AttentionProblem) => AttentionConfiguration | undefined;
  rows?: (problem: RowsProblem) => RowsConfiguration | undefined;
  /** Whether a weight of that storage is unpacked before it is multiplied. */
  unpacking?: (storage: DType) => boolean | undefined;
}

export class Plans {
  private readonly capabilities: Capabilities;
  private forced: ForcedPlans = {};
  /** How far operands of products and attention may be rounded from now on: an option of the run (src/tune/compute.ts). */
  compute: ComputeDtype = 'f32';

  constructor(capabilities: Capabilities) {
    this.capabilities = capabilities;
  }

  /** From now on; a configuration that the device lacks is refused when it is asked for. */
  force(forced: ForcedPlans): void {
    this.forced = forced;
  }

  product(asked: Omit<ProductProblem, 'compute'>): ProductPlan {
    const problem = { ...asked, compute: this.compute };
    return planProduct(this.capabilities, problem, this.forced.product?.(problem));
  }

  unpacking(storage: DType): boolean {
    return this.forced.unpacking?.(storage) ?? unpacksWeight(this.capabilities, storage);
  }

  attention(asked: Omit<AttentionProblem, 'compute'>): AttentionPlan {
    const problem = { ...asked, compute: this.compute };
    return planAttention(this.capabilities, problem, this.forced.attention?.(problem));
  }

  rows(problem: RowsProblem): RowsPlan {
    return planRows(this.capabilities, problem, this.forced.rows?.(problem));
  }
}

const plansByDevice = new WeakMap<Device, Plans>();

export function plansOf(device: Device): Plans {
  const known = plansByDevice.get(device);
  if (known) return known;
  const plans = new Plans(device.capabilities);
  plansByDevice.set(device, plans);
  return plans;
}
