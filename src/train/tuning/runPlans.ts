/**
 * The plans of a training run: measured before its first step, or known from an earlier start on the same device, or, when it goes on from
 * a checkpoint, those that it began with, since another plan adds in another order. What to measure is found by running the first
 * micro-batch once, whose gradients nobody keeps.
 */
import type { Example } from '../../data/example.ts';
import { Device } from '../../gpu/device.ts';
import { countOf } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Tracker } from '../../track/tracker.ts';
import { isEmpty, keepChoices, mergedChoices, NO_CHOICES, readChoices, revivedChoices } from '../../tune/choices.ts';
import type { Choice, Choices } from '../../tune/choices.ts';
import { keyDifferences, planKey } from '../../tune/planKey.ts';
import type { PlanKey } from '../../tune/planKey.ts';
import { plansOf } from '../../tune/plans.ts';
import type { AskedPlans } from '../../tune/plans.ts';
import { classOf } from '../../tune/shapeClass.ts';
import { fromFirst } from '../../world/world.ts';
import type { World } from '../../world/world.ts';
import { runMicroBatch } from '../microBatch.ts';
import type { Session } from '../session.ts';
import { measurePlans } from './measurePlans.ts';

/**
 * auto: what is not known yet is measured, for some seconds, on a GPU; off: the policy's plans; full: everything is measured anew, at
 * leisure.
 */
export type TuneMode = 'auto' | 'off' | 'full';

/** What a checkpoint says of the plans of its run. */
export interface RunPlans {
  key: PlanKey;
  choices: Choices;
}

export interface PlanningOptions {
  settings: { tune?: TuneMode; seed: number; gradient_checkpointing: boolean };
  /** The micro-batches of the run's first step. */
  batches: readonly { examples: readonly Example[] }[];
  tracker: Pick<Tracker, 'event'>;
  /** What the run goes on from: where it says nothing of plans, the run began with the policy's. */
  checkpoint?: { plans?: RunPlans } | undefined;
  stop?: AbortSignal | undefined;
}

/** In all, s. */
const SECONDS = { auto: 10, full: 300 } as const;

/** The plans of the first rank at all ranks: then each rounds as it would in a run that goes on from a checkpoint, which has these. */
export async function sharedPlans(world: World, plan: (first?: { plans: RunPlans }) => Promise<RunPlans>): Promise<RunPlans> {
  const own = world.rank === 0 ? await plan() : undefined;
  const plans = await fromFirst(world, own);
  return own ?? plan({ plans: plans! });
}

/** Gives the session's device its plans for this run. */
export async function planRun(session: Session, options: PlanningOptions): Promise<RunPlans> {
  const { device, platform } = session;
  const key = await planKey(device, platform);
  const choices = options.checkpoint
    ? await resumedChoices(device, options.tracker, key, options.checkpoint.plans)
    : await freshChoices(session, options, key);
  plansOf(device).choose(choices);
  return { key, choices };
}

async function resumedChoices(
  device: Device,
  tracker: PlanningOptions['tracker'],
  key: PlanKey,
  saved: RunPlans | undefined,
): Promise<Choices> {
  if (saved === undefined) return NO_CHOICES;
  // The GPU's own words for itself and its driver are among the settings, which are compared beside this.
  const differences = keyDifferences({ ...saved.key, driver: key.driver }, key);
  if (differences.length > 0) {
    await tracker.event(
      'warning',
      `Not as it would have been without the break: ${differences.join(', ')}; sums may be rounded otherwise from here on.`,
    );
  }
  const { choices, dropped } = revivedChoices(saved.choices, device.capabilities) ?? { choices: NO_CHOICES, dropped: 1 };
  if (dropped > 0) {
    await tracker.event(
      'warning',
      `Not as it would have been without the break: ${countOf(dropped, 'kernel choice')} of the run cannot be taken here, and the usual ` +
        `ones round otherwise.`,
    );
  }
  return choices;
}

/**
 * What a run on this device will begin with, as far as it is known before anything is measured: for its plan of memory, since products that
 * are cut in parts take room for their parts' sums.
 */
export async function expectedChoices(
  device: Device,
  platform: Platform,
  mode: TuneMode | undefined,
  saved: RunPlans | undefined,
): Promise<Choices> {
  if (saved !== undefined) return revivedChoices(saved.choices, device.capabilities)?.choices ?? NO_CHOICES;
  if (mode !== 'auto' || device.capabilities.kind === 'software') return NO_CHOICES;
  return readChoices(platform, await planKey(device, platform), device.capabilities, () => undefined); // told of when they are used
}

async function freshChoices(session: Session, options: PlanningOptions, key: PlanKey): Promise<Choices> {
  const { device, platform } = session;
  const { settings, batches, tracker, stop } = options;
  const mode = settings.tune ?? 'off';
  plansOf(device).choose(NO_CHOICES);
  // What is fast on a CPU is known, and measuring it takes long.
  if (batches.length === 0 || mode === 'off' || (mode === 'auto' && device.capabilities.kind === 'software')) return NO_CHOICES;
  const told: string[] = [];
  const tell = (text: string): void => void told.push(text);
  const known = mode === 'auto' ? await readChoices(platform, key, device.capabilities, tell) : NO_CHOICES;
  const asked = unknown(await rehearse(session, options), known);
  const { choices, classes, leftOut, seconds } = await measurePlans(
    async () => Device.create(await platform.gpu()),
    device.capabilities,
    asked,
    {
      seconds: SECONDS[mode],
      isThorough: mode === 'full',
      tell,
      ...(stop && { stop }),
    },
  );
  for (const text of told) await tracker.event('warning', text);
  const all = mergedChoices(known, choices);
  if (classes === 0) return all;
  const faster = [...choices.product, ...choices.attention].filter(isFaster).length;
  const kept = isEmpty(choices)
    ? { failure: 'nothing was measured to the end' }
    : await keepChoices(platform, key, device.capabilities, choices);
  await tracker.event(
    'info',
    `Measured the plans of ${countOf(classes - leftOut, 'kind')} of products and attention in ${seconds.toFixed(1)} s: another than the ` +
      `usual one is faster for ${faster}` +
      `${leftOut > 0 ? `, and for ${leftOut} there was no time` : ''}. ` +
      `${'path' in kept ? `They are kept in ${kept.path}.` : `They hold for this run and are not kept: ${kept.failure}.`}`,
  );
  return all;
}

function isFaster({ ms, policyMs }: Choice<unknown, unknown>): boolean {
  return ms < policyMs;
}

/** What the first step's largest micro-batch asks for. Its figures go nowhere, and every step begins with gradients of zero. */
async function rehearse({ device, model }: Session, { batches, settings }: PlanningOptions): Promise<AskedPlans> {
  const tokens = (examples: readonly Example[]): number => examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const { examples } = batches.reduce((most, one) => (tokens(most.examples) >= tokens(one.examples) ? most : one));
  const lossSum = device.upload(new Float32Array(2), [2], 'batch');
  const random = { seed: settings.seed, step: 0 };
  const asked = await plansOf(device).asking(() =>
    runMicroBatch(device, model, examples, {
      grad: true,
      training: true,
      checkpointing: settings.gradient_checkpointing,
      random,
      lossScale: 1,
      lossSum,
    }),
  );
  await device.finish();
  device.pool.release(lossSum.view);
  model.pictures?.clear(); // what other plans would make of the pictures may differ in the last bit
  return asked;
}

function unknown(asked: AskedPlans, known: Choices): AskedPlans {
  const classes = new Set([...known.product, ...known.attention].map(({ problem }) => classOf(problem)));
  const left = <Problem>(of: ReadonlyMap<string, Problem>): Map<string, Problem> => new Map([...of].filter(([name]) => !classes.has(name)));
  return { product: left(asked.product), attention: left(asked.attention) };
}
