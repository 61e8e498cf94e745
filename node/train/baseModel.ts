/** `--base_model_hf` to a folder on this machine, and what of the model trains. */
import { loraConfig } from '../../src/io/peftConfig.ts';
import type { Finetuning } from '../../src/models/lora.ts';
import type { Options } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';
import type { RunContext } from './context.ts';

/** The folder of the base model. @throws UserError where there is none */
export async function resolveBaseModel({ platform, options }: RunContext): Promise<string> {
  const base = options.base_model_hf;
  if (base === null) throw new UserError('--base_model_hf is not set; give the folder of a Hugging Face model.');
  if (await platform.isDirectory(base)) return base.replace(/(?<=.)\/+$/, '');
  if (/^[\w.-]+\/[\w.-]+$/.test(base) && !(await platform.exists(base))) {
    throw new UserError(
      `--base_model_hf ${base}: there is no such folder. If it is a hub id: downloading is not built yet; ` +
        `fetch it once with \`hf download ${base} --local-dir DIR\` and give DIR.`,
    );
  }
  throw new UserError(`--base_model_hf ${base}: there is no such folder; a Hugging Face model folder was expected.`);
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
