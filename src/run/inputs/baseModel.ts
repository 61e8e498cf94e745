/** `--base_model_hf` to a folder on this machine, and what of the model trains. */
import { hubOrigin } from '../../hub/origin.ts';
import { loraConfig } from '../../io/peftConfig.ts';
import type { Finetuning } from '../../models/lora.ts';
import type { Options } from '../../options.ts';
import { homeOf, isAbsolute, relativePath, UserError } from '../../platform.ts';
import type { RunContext } from '../context.ts';
import { modelFolder } from './hubInputs.ts';

/** The folder of the base model, fetched from the hub where it is a hub id. @throws UserError where there is none */
export async function resolveBaseModel(context: RunContext): Promise<string> {
  const base = context.options.base_model_hf;
  if (base === null) throw new UserError('--base_model_hf is not set; give the folder of a Hugging Face model, or a hub id.');
  const dir = await modelFolder(context, '--base_model_hf', base);
  // The adapter names its base. From a folder in the same home it is the way there: PEFT finds it, and the name of the home stays out of
  // it.
  const { platform } = context;
  const home = isAbsolute(dir) && hubOrigin(dir) === undefined ? homeOf(dir, platform.env('HOME')) : undefined;
  const here = platform.absolutePath('.');
  return home !== undefined && here.startsWith(`${home}/`) ? relativePath(here, platform.absolutePath(dir)) : dir;
}

/** A value with regular expression signs is one pattern; PEFT takes a pattern as a string and names as a list. */
function targetModules(items: readonly string[]): string | string[] {
  const [only] = items;
  const isPattern = items.length === 1 && only !== undefined && (only === 'all-linear' || /[\\^$*+?()[\]{}|]/.test(only));
  return isPattern ? only : [...items];
}

export function finetuning(options: Options): Finetuning {
  if (options.finetune === 'full') return { kind: 'full' };
  const config = loraConfig({
    r: options.lora_r,
    lora_alpha: options.lora_alpha,
    lora_dropout: options.lora_dropout,
    target_modules: targetModules(options.target_modules),
    modules_to_save: options.modules_to_save.length > 0 ? options.modules_to_save : null,
    use_rslora: options.use_rslora,
    use_dora: options.use_dora,
  });
  return { kind: 'lora', config };
}
