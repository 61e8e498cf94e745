/**
 * Winners of measurements: for a shape class the configuration that was fastest on one device, the policy's own among them, so that a class
 * is not measured twice. They are kept in a file of the user's cache folder for each device, driver, WebGPU and version of the kernels, and
 * in the state of a run, which goes on with the choices that it began with.
 */
import type { Capabilities } from '../gpu/capabilities.ts';
import { cacheFolder, errorText, joinPath, parentPath, withoutFullStop } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { AttentionConfiguration, AttentionProblem } from './attention.ts';
import { attentionCandidates, productCandidates } from './candidates.ts';
import { keyDifferences, keyName } from './planKey.ts';
import type { PlanKey } from './planKey.ts';
import type { ProductConfiguration, ProductProblem } from './product.ts';
import { classOf } from './shapeClass.ts';

export interface Choice<Problem, Configuration> {
  /** The one that was measured; it stands for its class. */
  problem: Problem;
  configuration: Configuration;
  /** Of one run, of the policy's configuration and of this one. */
  policyMs: number;
  ms: number;
  /** Multiplications and additions of that run. */
  flop: number;
}

export type ProductChoice = Choice<ProductProblem, ProductConfiguration>;
export type AttentionChoice = Choice<AttentionProblem, AttentionConfiguration>;

export interface Choices {
  product: readonly ProductChoice[];
  attention: readonly AttentionChoice[];
}

export const NO_CHOICES: Choices = { product: [], attention: [] };

const FORMAT = 1;

export function isEmpty({ product, attention }: Choices): boolean {
  return product.length + attention.length === 0;
}

/** Both, those of `newer` where a class is in both. */
export function mergedChoices(older: Choices, newer: Choices): Choices {
  const merge = <Problem extends ProductProblem | AttentionProblem, Configuration>(
    before: readonly Choice<Problem, Configuration>[],
    after: readonly Choice<Problem, Configuration>[],
  ): Choice<Problem, Configuration>[] => [...new Map([...before, ...after].map((choice) => [classOf(choice.problem), choice])).values()];
  return { product: merge(older.product, newer.product), attention: merge(older.attention, newer.attention) };
}

/**
 * Choices as JSON had them: those that this GPU and this version of the program can still take, and how many others there were. Undefined
 * where it is no list of choices.
 */
export function revivedChoices(value: unknown, capabilities: Capabilities): { choices: Choices; dropped: number } | undefined {
  if (!isObject(value) || !Array.isArray(value['product']) || !Array.isArray(value['attention'])) return undefined;
  const products: unknown[] = value['product'];
  const attentions: unknown[] = value['attention'];
  const product = products
    .filter(isProductChoice)
    .filter(({ problem, configuration }) => isAmong(productCandidates(capabilities, problem), configuration));
  const attention = attentions
    .filter(isAttentionChoice)
    .filter(({ problem, configuration }) => isAmong(attentionCandidates(capabilities, problem), configuration));
  return { choices: { product, attention }, dropped: products.length + attentions.length - product.length - attention.length };
}

/** Where the choices for a device are kept; undefined where nothing can be, as in a browser. */
export async function choicesFile(platform: Platform, key: PlanKey): Promise<string | undefined> {
  const folder = cacheFolder(platform, 'plans');
  return folder === undefined ? undefined : joinPath(folder, `${await keyName(key)}.json`);
}

/** What is kept for a device. A file that cannot be used is as none, which `tell` is told. */
export async function readChoices(
  platform: Platform,
  key: PlanKey,
  capabilities: Capabilities,
  tell: (text: string) => void,
): Promise<Choices> {
  const path = await choicesFile(platform, key);
  if (path === undefined || !(await platform.exists(path).catch(() => false))) return NO_CHOICES;
  const ignored = (why: string): Choices => {
    tell(`${path}, the measured plans of this GPU, ${why}; it is ignored, and replaced when plans are measured.`);
    return NO_CHOICES;
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(await platform.readFile(path)));
  } catch (error) {
    return ignored(`cannot be read (${errorText(error)})`);
  }
  if (!isObject(value) || value['format'] !== FORMAT || !isKey(value['key'])) return ignored('was not written by this program');
  if (keyDifferences(value['key'], key).length > 0) return ignored('is of another GPU, driver or version');
  const revived = revivedChoices(value, capabilities);
  if (revived === undefined) return ignored('is damaged');
  if (revived.dropped > 0) tell(`${path}: ${revived.dropped} of its plans are none of this GPU and are left out.`);
  return revived.choices;
}

/** Adds to what is kept for a device. Returns the file, or why they could not be kept, which is no reason to stop. */
export async function keepChoices(
  platform: Platform,
  key: PlanKey,
  capabilities: Capabilities,
  choices: Choices,
): Promise<{ path: string } | { failure: string }> {
  const path = await choicesFile(platform, key);
  if (path === undefined) return { failure: 'there is no folder for caches: neither XDG_CACHE_HOME nor HOME is set' };
  try {
    const { product, attention } = mergedChoices(await readChoices(platform, key, capabilities, () => undefined), choices);
    await platform.makeDir(parentPath(path));
    await platform.writeFile(path, `${JSON.stringify({ format: FORMAT, key, product, attention }, null, 1)}\n`);
    return { path };
  } catch (error) {
    return { failure: withoutFullStop(errorText(error)) };
  }
}

function isAmong(candidates: readonly object[], configuration: object): boolean {
  const text = sortedText(configuration);
  return candidates.some((candidate) => sortedText(candidate) === text);
}

function sortedText(value: object): string {
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKey(value: unknown): value is PlanKey {
  return isObject(value) && ['adapter', 'driver', 'webgpu', 'kernels'].every((name) => typeof value[name] === 'string');
}

const isExtent = (value: unknown): boolean => typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
const isTime = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);

function isMeasured(value: unknown): value is { problem: Record<string, unknown>; configuration: object } {
  return (
    isObject(value) &&
    isObject(value['problem']) &&
    isObject(value['configuration']) &&
    ['ms', 'policyMs', 'flop'].every((name) => isTime(value[name]))
  );
}

function isProductChoice(value: unknown): value is ProductChoice {
  if (!isMeasured(value)) return false;
  const { form, m, n, k, storage, isPlain, hasDropout } = value.problem;
  const isForm = form === 'nt' || form === 'nn' || form === 'tn';
  return (
    isForm && [m, n, k].every(isExtent) && typeof storage === 'string' && typeof isPlain === 'boolean' && typeof hasDropout === 'boolean'
  );
}

function isAttentionChoice(value: unknown): value is AttentionChoice {
  if (!isMeasured(value)) return false;
  const { pass, headSize, isDecoding, extent } = value.problem;
  const isPass = pass === 'forward' || pass === 'query_backward' || pass === 'key_backward';
  const isSized = isObject(extent) && ['queries', 'heads', 'kvHeads', 'span'].every((name) => isExtent(extent[name]));
  return isPass && isExtent(headSize) && typeof isDecoding === 'boolean' && isSized;
}
