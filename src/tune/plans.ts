/**
 * The plans of one device: what its ops ask for. What a test or a measurement forces comes before what was chosen for the run
 * (src/tune/choices.ts), and that before what the policy would take.
 */
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Device } from '../gpu/device.ts';
import type { DType } from '../gpu/tensor.ts';
import { planAttention, refusedAttention } from './attention.ts';
import type { AttentionConfiguration, AttentionPlan, AttentionProblem } from './attention.ts';
import { NO_CHOICES } from './choices.ts';
import type { Choices } from './choices.ts';
import { planProduct, refusedProduct } from './product.ts';
import type { ProductConfiguration, ProductPlan, ProductProblem } from './product.ts';
import { planRows } from './rows.ts';
import type { RowsConfiguration, RowsPlan, RowsProblem } from './rows.ts';
import { attentionDtypeOf } from './subgroupMatrix.ts';
import type { ComputeDtype } from './subgroupMatrix.ts';
import { unpacksWeight } from './unpacking.ts';
import { classOf } from './shapeClass.ts';

/** Configurations to take instead of the policy's; undefined leaves a problem to it. */
export interface ForcedPlans {
  product?: (problem: ProductProblem) => ProductConfiguration | undefined;
  attention?: (problem: AttentionProblem) => AttentionConfiguration | undefined;
  rows?: (problem: RowsProblem) => RowsConfiguration | undefined;
  /** Whether a weight of that storage is unpacked before it is multiplied. */
  unpacking?: (storage: DType) => boolean | undefined;
}

/** A problem that was asked for, the largest of its class, and how often its class was. */
export interface Asked<Problem> {
  problem: Problem;
  times: number;
}

/** By shape class. */
export interface AskedPlans {
  product: Map<string, Asked<ProductProblem>>;
  attention: Map<string, Asked<AttentionProblem>>;
}

export class Plans {
  private readonly capabilities: Capabilities;
  private forced: ForcedPlans = {};
  /** How far operands of products and attention may be rounded from now on: an option of the run (src/tune/compute.ts). */
  compute: ComputeDtype = 'f32';
  private asked: AskedPlans | undefined;
  private products = new Map<string, ProductConfiguration>();
  private attentions = new Map<string, AttentionConfiguration>();

  constructor(capabilities: Capabilities) {
    this.capabilities = capabilities;
  }

  /** From now on; a configuration that the device lacks is refused when it is asked for. */
  force(forced: ForcedPlans): void {
    this.forced = forced;
  }

  /** From now on, for the problems of these classes that allow it; `NO_CHOICES` leaves everything to the policy. */
  choose({ product, attention }: Choices = NO_CHOICES): void {
    this.products = new Map(product.map(({ problem, configuration }) => [classOf(problem), configuration]));
    this.attentions = new Map(attention.map(({ problem, configuration }) => [classOf(problem), configuration]));
  }

  /** Notes what is asked for while `work` runs. */
  async asking(work: () => Promise<void>): Promise<AskedPlans> {
    const asked: AskedPlans = { product: new Map(), attention: new Map() };
    this.asked = asked;
    try {
      await work();
    } finally {
      this.asked = undefined;
    }
    return asked;
  }

  product(given: Omit<ProductProblem, 'compute'>): ProductPlan {
    const problem = { ...given, compute: this.compute };
    if (this.asked) note(this.asked.product, problem, ({ m, n, k }) => m * n * k);
    return planProduct(this.capabilities, problem, this.forced.product?.(problem) ?? this.chosenProduct(problem));
  }

  unpacking(storage: DType): boolean {
    return this.forced.unpacking?.(storage) ?? unpacksWeight(this.capabilities, storage);
  }

  attention(given: Omit<AttentionProblem, 'compute'>): AttentionPlan {
    const problem = { ...given, compute: attentionDtypeOf(this.compute) };
    if (this.asked) note(this.asked.attention, problem, ({ extent }) => (extent ? extent.queries * extent.span : 0));
    return planAttention(this.capabilities, problem, this.forced.attention?.(problem) ?? this.chosenAttention(problem));
  }

  rows(problem: RowsProblem): RowsPlan {
    return planRows(this.capabilities, problem, this.forced.rows?.(problem));
  }

  private chosenProduct(problem: ProductProblem): ProductConfiguration | undefined {
    if (this.products.size === 0) return undefined;
    const chosen = this.products.get(classOf(problem));
    return chosen && refusedProduct(this.capabilities, problem, chosen) === undefined ? chosen : undefined;
  }

  private chosenAttention(problem: AttentionProblem): AttentionConfiguration | undefined {
    if (this.attentions.size === 0) return undefined;
    const chosen = this.attentions.get(classOf(problem));
    return chosen && refusedAttention(this.capabilities, problem, chosen) === undefined ? chosen : undefined;
  }
}

function note<Problem extends ProductProblem | AttentionProblem>(
  asked: Map<string, Asked<Problem>>,
  problem: Problem,
  sizeOf: (problem: Problem) => number,
): void {
  const name = classOf(problem);
  const known = asked.get(name);
  const isLarger = known === undefined || sizeOf(problem) > sizeOf(known.problem);
  asked.set(name, { problem: isLarger ? problem : known.problem, times: (known?.times ?? 0) + 1 });
}

const plansByDevice = new WeakMap<Device, Plans>();

export function plansOf(device: Device): Plans {
  const known = plansByDevice.get(device);
  if (known) return known;
  const plans = new Plans(device.capabilities);
  plansByDevice.set(device, plans);
  return plans;
}
