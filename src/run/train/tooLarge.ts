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

interface Change {
  says: string;
  options: Partial<Options>;
}

/** Ways to less memory, those that cost least first; of each way the changes from small to large. */
function waysOf(options: Options): Change[][] {
  const { per_device_train_batch_size: size, gradient_accumulation_steps: accumulation } = options;
  const batches: Change[] = [];
  for (let rows = size >> 1; rows >= 1; rows >>= 1) {
    const says = `--per_device_train_batch_size ${rows} --gradient_accumulation_steps ${Math.ceil((size * accumulation) / rows)}`;
    batches.push({ says, options: { per_device_train_batch_size: rows } });
  }
  const offloaded: Change[] = [];
  const add = (offload: Options['offload']): number => offloaded.push({ says: `--offload ${offload}`, options: { offload } });
  if (options.offload === 'none') add('optimizer');
  if (options.offload !== 'weights' && options.offload !== 'all' && options.finetune === 'lora') add('weights');
  if (options.offload !== 'all' && options.finetune === 'lora') add('all');
  const recomputed: Change[] = options.gradient_checkpointing ? [] : [{ says: '--gradient_checkpointing true', options: { gradient_checkpointing: true } }];
  const rounded: Change[] = options.saved_inputs === 'bf16' ? [] : [{ says: '--saved_inputs bf16', options: { saved_inputs: 'bf16', gradient_checkpointing: true } }];
  const isQuantisable = options.quantization === 'none' && options.finetune === 'lora';
  const quantised: Change[] = isQuantisable ? [{ says: '--quantization nf4', options: { quantization: 'nf4' } }] : [];
  return [recomputed, batches, rounded, quantised, offloaded].filter((way) => way.length > 0);
}

export async function tooLarge(options: Options, { needed, bytes, source, bytesWith }: Excess): Promise<UserError> {
  const head = `The run takes ${bytesText(needed)} of GPU memory, and there are ${bytesText(bytes)} (${source}).`;
  const ways = waysOf(options);
  const enough: string[] = [];
  for (const way of ways) {
    for (const change of way) {
      const found = await bytesWith({ ...options, ...change.options });
      if (found > bytes) continue;
      enough.push(`${change.says} (${bytesText(found)})`);
      break;
    }
  }
  if (enough.length > 0) return new UserError(`${head} This brings it under: ${enough.join('; or ')}.`);

  // None alone: the most of each, one after the other.
  let least = needed;
  let all = options;
  const said: string[] = [];
  for (const way of ways) {
    const change = way.at(-1)!;
    all = { ...all, ...change.options };
    said.push(change.says);
    least = await bytesWith(all);
    if (least <= bytes) return new UserError(`${head} Together these bring it under: ${said.join(' ')} (${bytesText(least)}).`);
  }
  const tried = said.length === 0 ? '' : ` Even with ${said.join(' ')} it takes ${bytesText(least)}.`;
  return new UserError(`${head}${tried} Lower --max_pixels or --lora_r, leave --modules_to_save empty, or take a smaller model.`);
}
