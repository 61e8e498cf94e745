/**
 * A `quantization_config` of config.json, and what of it is computed here: bitsandbytes' NF4. The arrays themselves say what is quantised
 * (storedNf4.ts); the configuration says how they were made.
 */
import { UserError } from '../../platform.ts';
import { shownJson } from '../parseJson.ts';

export interface BitsandbytesConfig {
  /** `llm_int8_skip_modules`: the modules that stay as they are; null where the configuration leaves it to the library. */
  skipModules: readonly string[] | null;
}

const ADVICE = 'Give the folder of the original model; --quantization nf4 quantises it while it is loaded.';

/**
 * @param source of the configuration, for messages
 * @returns undefined where the checkpoint is not quantised
 * @throws UserError for a quantisation other than bitsandbytes' NF4
 */
export function bitsandbytesConfig(config: Readonly<Record<string, unknown>>, source: string): BitsandbytesConfig | undefined {
  const found = config['quantization_config'];
  if (found === undefined || found === null) return undefined;
  if (typeof found !== 'object' || Array.isArray(found))
    throw new UserError(`${source}: quantization_config is ${shownJson(found)}; an object was expected.`);
  const fields = new Map<string, unknown>(Object.entries(found));
  if (fields.size === 0) return undefined;
  const refuse = (key: string, expected: string): UserError =>
    new UserError(
      `${source}: quantization_config.${key} is ${shownJson(fields.get(key))}; only ${expected} is read of quantised checkpoints. ` +
        `${ADVICE}`,
    );
  const isBitsandbytes =
    fields.get('quant_method') === 'bitsandbytes' || (!fields.has('quant_method') && fields.get('load_in_4bit') === true);
  if (!isBitsandbytes) throw refuse('quant_method', '"bitsandbytes"');
  if ((fields.get('load_in_4bit') ?? fields.get('_load_in_4bit')) !== true) throw refuse('load_in_4bit', 'true (NF4)');
  // The library's own default is fp4.
  if (fields.get('bnb_4bit_quant_type') !== 'nf4') throw refuse('bnb_4bit_quant_type', '"nf4"');
  const skip = fields.get('llm_int8_skip_modules') ?? null;
  if (skip !== null && !(Array.isArray(skip) && skip.every((name) => typeof name === 'string')))
    throw refuse('llm_int8_skip_modules', 'a list of names');
  return { skipModules: skip };
}
