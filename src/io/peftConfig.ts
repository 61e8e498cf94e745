/**
 * `adapter_config.json`: what PEFT 0.21 writes for LoRA, read and written. The names are PEFT's own. An option that would change what
 * the adapter computes and that Vernier does not have is refused with words, never passed over.
 */
import { UserError } from '../platform.ts';
import { shownJson } from './parseJson.ts';

export interface LoraConfig {
  r: number;
  lora_alpha: number;
  lora_dropout: number;
  /** alpha / √r in place of alpha / r. */
  use_rslora: boolean;
  use_dora: boolean;
  /** `all-linear`, a regular expression, or a list of names. */
  target_modules: string | string[];
  exclude_modules: string | string[] | null;
  modules_to_save: string[] | null;
  layers_to_transform: number | number[] | null;
  layers_pattern: string | string[] | null;
  /** Name or regular expression → rank. */
  rank_pattern: Record<string, number>;
  alpha_pattern: Record<string, number>;
  init_lora_weights: boolean | string;
  base_model_name_or_path: string | null;
  revision: string | null;
  task_type: string | null;
}

/** PEFT's defaults, with those that one gives beside them. */
export function loraConfig(given: Partial<LoraConfig> & Pick<LoraConfig, 'target_modules'>): LoraConfig {
  return {
    r: 8,
    lora_alpha: 8,
    lora_dropout: 0,
    use_rslora: false,
    use_dora: false,
    exclude_modules: null,
    modules_to_save: null,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: {},
    alpha_pattern: {},
    init_lora_weights: true,
    base_model_name_or_path: null,
    revision: null,
    task_type: 'CAUSAL_LM',
    ...given,
  };
}

/** Options that must have this value (or be absent), and what any other means. */
const UNSUPPORTED: Record<string, { neutral: unknown[]; meaning: string }> = {
  peft_type: { neutral: ['LORA'], meaning: 'only LoRA adapters are supported' },
  bias: { neutral: ['none', null], meaning: 'trained biases are not supported' },
  fan_in_fan_out: { neutral: [false, null], meaning: 'transposed weights are not supported' },
  lora_bias: { neutral: [false, null], meaning: 'a bias on lora_B is not supported' },
  layer_replication: { neutral: [null], meaning: 'replicated layers are not supported' },
  trainable_token_indices: { neutral: [null], meaning: 'single trained tokens are not supported; use modules_to_save for embed_tokens' },
  target_parameters: { neutral: [null], meaning: 'LoRA on bare parameters is not supported' },
  ensure_weight_tying: { neutral: [false, null], meaning: 'copies in modules_to_save are always trained apart' },
  alora_invocation_tokens: { neutral: [null], meaning: 'activated LoRA is not supported' },
  arrow_config: { neutral: [null], meaning: 'Arrow routing is not supported' },
  kasa_config: { neutral: [null], meaning: 'KaSA is not supported' },
  megatron_config: { neutral: [null], meaning: 'Megatron layers are not supported' },
  monteclora_config: { neutral: [null], meaning: 'MonteCLoRA is not supported' },
  velora_config: { neutral: [null], meaning: 'VeLoRA is not supported' },
  use_bdlora: { neutral: [null, false], meaning: 'block-diagonal LoRA is not supported' },
  use_qalora: { neutral: [false, null], meaning: 'QA-LoRA is not supported' },
};

/** Initialisations that leave the base weights alone: after training they no longer matter. The others change the base itself. */
const PLAIN_INITS = ['gaussian', 'eva', 'orthogonal', 'mica'];

/** Keys that say nothing about what the adapter computes. */
const INFORMATIVE = [
  'auto_mapping', 'corda_config', 'eva_config', 'inference_mode', 'loftq_config', 'lora_ga_config', 'megatron_core', 'parent_library',
  'peft_version', 'qalora_group_size', 'runtime_config',
];

const READ = new Set([...Object.keys(loraConfig({ target_modules: [] })), ...Object.keys(UNSUPPORTED), ...INFORMATIVE]);

/** From the parsed JSON; `path` names the file in errors. */
export function parseLoraConfig(json: Readonly<Record<string, unknown>>, path: string): LoraConfig {
  refuseUnsupported(json, path);
  const read = new OptionReader(json, path);
  const config = loraConfig({
    r: read.positive('r', 8),
    lora_alpha: read.number('lora_alpha', 8),
    lora_dropout: read.number('lora_dropout', 0),
    use_rslora: read.flag('use_rslora'),
    use_dora: read.flag('use_dora'),
    target_modules: read.names('target_modules') ?? read.fail('target_modules', 'a list of names or a regular expression'),
    exclude_modules: read.names('exclude_modules'),
    modules_to_save: read.nameList('modules_to_save'),
    layers_to_transform: read.layers('layers_to_transform'),
    layers_pattern: read.names('layers_pattern'),
    rank_pattern: read.pattern('rank_pattern'),
    alpha_pattern: read.pattern('alpha_pattern'),
    base_model_name_or_path: read.text('base_model_name_or_path'),
    revision: read.text('revision'),
    task_type: read.text('task_type'),
  });
  for (const [key, rank] of Object.entries(config.rank_pattern)) {
    if (!isRank(rank)) read.fail(`rank_pattern["${key}"]`, `a whole number from 1 to ${MAX_RANK}`);
  }
  return config;
}

/** Wider than any linear layer: a rank is the smaller side of a matrix. */
const MAX_RANK = 2 ** 16;

function isRank(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_RANK;
}

function refuseUnsupported(json: Readonly<Record<string, unknown>>, path: string): void {
  if (json['peft_type'] === undefined) throw new UserError(`${path} has no peft_type; it is not the configuration of a PEFT adapter`);
  for (const [key, { neutral, meaning }] of Object.entries(UNSUPPORTED)) {
    const value = json[key];
    if (value === undefined || neutral.includes(value) || isEmpty(value)) continue;
    throw new UserError(`${path}: ${key} is ${shownJson(value)}; ${meaning}`);
  }
  const init = json['init_lora_weights'];
  if (typeof init === 'string' && !PLAIN_INITS.includes(init.toLowerCase())) {
    throw new UserError(
      `${path}: init_lora_weights is ${init}, which changes the base weights too; ` +
        'save the adapter with path_initial_model_for_weight_conversion first',
    );
  }
  for (const [key, value] of Object.entries(json)) {
    const switchedOn = value === true || (typeof value === 'object' && value !== null && !isEmpty(value));
    if (!READ.has(key) && switchedOn) throw new UserError(`${path}: ${key} is ${shownJson(value)}; this option of PEFT is not known here`);
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Typed access to the options; an absent one and a null one both take the default. */
class OptionReader {
  private readonly json: Readonly<Record<string, unknown>>;
  private readonly path: string;

  constructor(json: Readonly<Record<string, unknown>>, path: string) {
    this.json = json;
    this.path = path;
  }

  fail(key: string, expected: string): never {
    throw new UserError(`${this.path}: ${key} is ${shownJson(this.json[key])}; ${expected} was expected`);
  }

  number(key: string, fallback: number): number {
    const value = this.json[key] ?? fallback;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(key, 'a number');
  }

  positive(key: string, fallback: number): number {
    const value = this.number(key, fallback);
    return isRank(value) ? value : this.fail(key, `a whole number from 1 to ${MAX_RANK}`);
  }

  flag(key: string): boolean {
    const value = this.json[key] ?? false;
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false');
  }

  text(key: string): string | null {
    const value = this.json[key] ?? null;
    return value === null || typeof value === 'string' ? value : this.fail(key, 'a text');
  }

  nameList(key: string): string[] | null {
    const value = this.names(key);
    return typeof value === 'string' ? this.fail(key, 'a list of names') : value;
  }

  names(key: string): string | string[] | null {
    const value = this.json[key] ?? null;
    if (value === null || typeof value === 'string') return value;
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : this.fail(key, 'a list of names');
  }

  layers(key: string): number | number[] | null {
    const value = this.json[key] ?? null;
    if (value === null || typeof value === 'number') return value;
    return Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : this.fail(key, 'a layer or a list of layers');
  }

  pattern(key: string): Record<string, number> {
    const value = this.json[key] ?? {};
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(key, 'an object of numbers');
    const numbers: Record<string, number> = {};
    for (const [name, number] of Object.entries(value)) {
      if (typeof number !== 'number') return this.fail(key, 'an object of numbers');
      numbers[name] = number;
    }
    return numbers;
  }
}

/** The text of adapter_config.json, with every key PEFT 0.21 writes, sorted as it sorts them. */
export function formatLoraConfig(config: LoraConfig): string {
  const all: Record<string, unknown> = {
    alora_invocation_tokens: null,
    arrow_config: null,
    auto_mapping: null,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    fan_in_fan_out: false,
    inference_mode: true,
    kasa_config: null,
    layer_replication: null,
    loftq_config: {},
    lora_bias: false,
    lora_ga_config: null,
    megatron_config: null,
    megatron_core: 'megatron.core',
    monteclora_config: null,
    peft_type: 'LORA',
    peft_version: '0.21.0',
    qalora_group_size: 16,
    target_parameters: null,
    trainable_token_indices: null,
    use_bdlora: null,
    use_qalora: false,
    velora_config: null,
    ...config,
  };
  return JSON.stringify(Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))), null, 2);
}
