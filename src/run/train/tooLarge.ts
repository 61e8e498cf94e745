/** What is said of a run that takes more memory than it may: the options that bring it under, each found by planning the run with it. */
import type { Options } from '../../options.ts';
import { UserError } from '../../platform.ts';
import { bytesText } from '../../track/console.ts';

export interface Excess {
  /** What the run takes, what it may take, and who says so. */
  needed: number;
  bytes: number;
  source: string;
  /** What it takes with other options. */
  bytesWith(options: Options): Promise<number>;
}

/** Options that are told as they are here: what is planned with them is what whoever gives them gets. */
type Change = Partial<Options>;

/** Ways to less memory, those that cost least first; of each way the changes from small to large. */
function waysOf(options: Options): Change[][] {
  const { per_device_train_batch_size: size, gradient_accumulation_steps: accumulation } = options;
  const batches: Change[] = [];
  for (let rows = size >> 1; rows >= 1; rows >>= 1)
    batches.push({ per_device_train_batch_size: rows, gradient_accumulation_steps: Math.ceil((size * accumulation) / rows) });
  const offloaded: Change[] = [];
  if (options.offload === 'none') offloaded.push({ offload: 'optimizer' });
  if (options.offload !== 'weights' && options.offload !== 'all' && options.finetune === 'lora') offloaded.push({ offload: 'weights' });
  if (options.offload !== 'all' && options.finetune === 'lora') offloaded.push({ offload: 'all' });
  const recomputed: Change = options.gradient_checkpointing ? {} : { gradient_checkpointing: true };
  // Only inputs of blocks that are run again are rounded.
  const rounded: Change = options.saved_inputs === 'bf16' ? {} : { ...recomputed, saved_inputs: 'bf16' };
  const quantised: Change = options.quantization === 'none' && options.finetune === 'lora' ? { quantization: 'nf4' } : {};
  const isChange = (change: Change): boolean => Object.keys(change).length > 0;
  return [[recomputed], batches, [rounded], [quantised], offloaded].map((way) => way.filter(isChange)).filter((way) => way.length > 0);
}

const flagsOf = (change: Change): string =>
  Object.entries(change)
    .map(([name, value]) => `--${name} ${String(value)}`)
    .join(' ');

/** What is tried, and what the run takes with it. */
interface Tried {
  change: Change;
  bytes: number;
}

export async function tooLarge(options: Options, { needed, bytes, source, bytesWith }: Excess): Promise<UserError> {
  const excess = bytesText(needed) === bytesText(bytes) ? `, ${bytesText(needed - bytes)} less` : '';
  const head = `The run takes ${bytesText(needed)} of GPU memory, and there are ${bytesText(bytes)}${excess} (${source}).`;
  const attempt = async (change: Change): Promise<Tried> => ({ change, bytes: await bytesWith({ ...options, ...change }) });
  const ways = waysOf(options);
  let least: Tried = { change: {}, bytes: needed };
  const enough: string[] = [];
  for (const way of ways) {
    for (const change of way) {
      const tried = await attempt(change);
      if (tried.bytes < least.bytes) least = tried;
      if (tried.bytes > bytes) continue;
      enough.push(`${flagsOf(change)} (${bytesText(tried.bytes)})`);
      break;
    }
  }
  if (enough.length > 0) return new UserError(`${head} This brings it under: ${enough.join('; or ')}.`);

  // None alone: the most of each, one after the other; what makes it more is left out again.
  let all: Tried = { change: {}, bytes: needed };
  const taken: Change[] = [];
  for (const way of ways) {
    const change = way.at(-1)!;
    const tried = await attempt({ ...all.change, ...change });
    if (tried.bytes > all.bytes) continue;
    taken.push(change);
    all = tried;
    if (all.bytes > bytes) continue;
    const { change: fewest, bytes: found } = await withoutNeedless(taken, all, bytes, attempt);
    return new UserError(`${head} Together these bring it under: ${flagsOf(fewest)} (${bytesText(found)}).`);
  }
  if (all.bytes < least.bytes) least = await withoutNeedless(taken, all, all.bytes, attempt);
  const even = least.bytes < needed ? ` Even with ${flagsOf(least.change)} it takes ${bytesText(least.bytes)}.` : '';
  return new UserError(`${head}${even} Lower --max_pixels or --lora_r, leave --modules_to_save empty, or take a smaller model.`);
}

/** Only those changes without which it would not do. */
async function withoutNeedless(
  taken: readonly Change[],
  all: Tried,
  bytes: number,
  attempt: (change: Change) => Promise<Tried>,
): Promise<Tried> {
  let kept = taken;
  let best = all;
  for (const change of taken) {
    const fewer = kept.filter((one) => one !== change);
    if (fewer.length === 0) break;
    const tried = await attempt(Object.assign({}, ...fewer) as Change);
    if (tried.bytes > bytes) continue;
    kept = fewer;
    best = tried;
  }
  return best;
}
