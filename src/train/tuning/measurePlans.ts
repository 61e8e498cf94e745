/**
 * Measures the plans of problems that a run asks for, the most work first, until time is up. On a device of its own: a plan that does not
 * compile, computes nonsense or loses the device is left out in words, and the run's device never hears of it.
 */
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Device } from '../../gpu/device.ts';
import { attentionCandidates, productCandidates } from '../../tune/candidates.ts';
import { NO_CHOICES } from '../../tune/choices.ts';
import type { AttentionChoice, Choices, ProductChoice } from '../../tune/choices.ts';
import { contest } from '../../tune/measure.ts';
import type { ContestRules } from '../../tune/measure.ts';
import type { Asked, AskedPlans } from '../../tune/plans.ts';
import type { AttentionConfiguration, AttentionProblem } from '../../tune/attention.ts';
import type { ProductConfiguration, ProductProblem } from '../../tune/product.ts';
import { attentionWords, configurationWords, productWords } from '../../tune/words.ts';
import { attentionTrial, productTrial } from './trials.ts';
import type { Trial } from './trials.ts';
import { errorText } from '../../platform.ts';

export interface MeasureOptions {
  /** In all, s. */
  seconds: number;
  /** More patience: for a measurement that was asked for. */
  isThorough: boolean;
  /** Problems too for which there is only one plan. */
  everything?: boolean;
  /** Told of each that is measured. */
  seen?(choice: ProductChoice | AttentionChoice): void;
  /** Told of plans that are left out. */
  tell(text: string): void;
  stop?: AbortSignal;
  now?: () => number;
}

export interface Measured {
  choices: Choices;
  /** Classes that were to be measured, and for which time was up. */
  classes: number;
  leftOut: number;
  seconds: number;
}

/** By which share a plan must be faster than the policy's. */
const MARGIN = 0.05;

type Task = { weight: number } & ({ kind: 'product'; problem: ProductProblem } | { kind: 'attention'; problem: AttentionProblem });

/** Opens devices until the measurement is over; `capabilities` are those of the run's device, which may have less. */
export async function measurePlans(
  open: () => Promise<Device>,
  capabilities: Capabilities,
  asked: AskedPlans,
  options: MeasureOptions,
): Promise<Measured> {
  const { seconds, isThorough, everything = false, seen, tell, stop, now = () => performance.now() } = options;
  const began = now();
  const limits = isThorough ? { sampleMs: 40, samples: 5, repeats: 500 } : { sampleMs: 8, samples: 3, repeats: 200 };
  const rules = { ...limits, margin: MARGIN, deadline: began + seconds * 1000, now };
  const offered = (task: Task): number =>
    (task.kind === 'product' ? productCandidates(capabilities, task.problem) : attentionCandidates(capabilities, task.problem)).length;
  const tasks = tasksOf(asked).filter((task) => everything || offered(task) > 1);
  const product: ProductChoice[] = [];
  const attention: AttentionChoice[] = [];
  let leftOut = 0;
  let device: Device | undefined;
  const onDevice = async (): Promise<Device> => (device ??= await open());
  const keep = <Kept extends ProductChoice | AttentionChoice>(list: Kept[], choice: Kept): void => {
    list.push(choice);
    seen?.(choice);
  };
  const lose = (): void => {
    device?.destroy();
    device = undefined;
  };
  try {
    for (const task of tasks) {
      if (stop?.aborted || now() >= rules.deadline) leftOut++;
      else if (task.kind === 'product') {
        const { problem } = task;
        const result = await winnerOf(
          onDevice,
          lose,
          productCandidates(capabilities, problem),
          (on) => productTrial(on, problem),
          productWords(problem),
          rules,
          tell,
        );
        if (result) keep(product, { problem, ...result });
        else leftOut++;
      } else {
        const { problem } = task;
        const result = await winnerOf(
          onDevice,
          lose,
          attentionCandidates(capabilities, problem),
          (on) => attentionTrial(on, problem),
          attentionWords(problem),
          rules,
          tell,
        );
        if (result) keep(attention, { problem, ...result });
        else leftOut++;
      }
    }
  } finally {
    lose();
  }
  return {
    choices: tasks.length === 0 ? NO_CHOICES : { product, attention },
    classes: tasks.length,
    leftOut,
    seconds: (now() - began) / 1000,
  };
}

/** Undefined where it cannot be measured, or time was up. */
async function winnerOf<Configuration extends ProductConfiguration | AttentionConfiguration>(
  onDevice: () => Promise<Device>,
  lose: () => void,
  candidates: readonly Configuration[],
  trialOn: (device: Device) => Trial<Configuration> | undefined,
  name: string,
  rules: Omit<ContestRules, 'bound'>,
  tell: (text: string) => void,
): Promise<{ configuration: Configuration; policyMs: number; ms: number; flop: number } | undefined> {
  const told = (configuration: Configuration, why: string): void => {
    tell(`${name}: the plan ${configurationWords(configuration)} is left out: ${why}`);
  };
  const working: Configuration[] = [];
  for (const configuration of candidates) {
    if (rules.now() >= rules.deadline) return undefined;
    // Alone, so that it is known whose error it is: an error ends a device.
    const trial = trialOn(await onDevice());
    if (!trial) return undefined;
    try {
      const one = trial.contender(configuration);
      await one.run();
      await one.finish();
      working.push(configuration);
      trial.release();
    } catch (error) {
      lose();
      if (working.length === 0) return undefined; // the policy's own: training will tell
      told(configuration, `it does not run (${errorText(error).split('\n')[0]})`);
    }
  }
  const trial = trialOn(await onDevice());
  if (!trial) return undefined;
  try {
    const { winner, ms, refused, isCutShort } = await contest(
      working.map((one) => trial.contender(one)),
      { ...rules, bound: trial.bound(working) },
    );
    for (const [at, why] of refused) told(working[at]!, why);
    if (isCutShort) return undefined;
    return { configuration: working[winner]!, policyMs: ms[0]!, ms: ms[winner]!, flop: trial.flop };
  } finally {
    trial.release();
  }
}

/** The most work first: arithmetic, and bytes at what they cost a GPU beside it. */
function tasksOf({ product, attention }: AskedPlans): Task[] {
  const FLOP_A_BYTE = 20;
  const tasks: Task[] = [
    ...[...product.values()].map(({ problem, times }: Asked<ProductProblem>): Task => {
      const { m, n, k } = problem;
      return { kind: 'product', problem, weight: times * (2 * m * n * k + FLOP_A_BYTE * 4 * (m * n + n * k + m * k)) };
    }),
    ...[...attention.values()].map(({ problem, times }: Asked<AttentionProblem>): Task => {
      const { queries, span, heads } = problem.extent ?? { queries: 0, span: 0, heads: 0 };
      return { kind: 'attention', problem, weight: times * 8 * queries * span * heads * problem.headSize };
    }),
  ];
  return tasks.sort((a, b) => b.weight - a.weight);
}
