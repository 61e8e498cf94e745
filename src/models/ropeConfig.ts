/**
 * The rotary settings of a `config.json`, as transformers 5.18 reads them (modeling_rope_utils.py). A type, or a key beside it, that is not
 * computed here is refused by name: passed over, it would train another model than the one in the file.
 */
import { Fields } from './configFields.ts';

export interface YarnScaling {
  type: 'yarn';
  factor: number;
  originalPositions: number;
  /** On cosines and sines. */
  attentionFactor: number;
  betaFast: number;
  betaSlow: number;
  /** The bounds of the ramp are whole dimensions. */
  truncate: boolean;
}

export interface Llama3Scaling {
  type: 'llama3';
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  originalPositions: number;
}

export type RopeScaling = { type: 'linear'; factor: number } | YarnScaling | Llama3Scaling;

export interface RopeConfig {
  theta: number;
  /** Absent where nothing is scaled. */
  scaling?: RopeScaling;
}

/** What a class of transformers adds to the settings of its file. */
export interface RopeRules {
  /** `max_position_embeddings` of the same configuration. */
  maxPositions: number;
  /** Names of the type that mean `default`. */
  aliases?: readonly string[];
  /** Keys that the family reads for itself. */
  ownKeys?: readonly string[];
  /** `original_max_position_embeddings` beside the settings, which goes before that inside them. */
  originalPositions?: number;
  /** transformers finds `truncate` only where the settings are not a section a layer type. */
  readsTruncate?: boolean;
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  llama3: ['factor', 'original_max_position_embeddings', 'low_freq_factor', 'high_freq_factor'],
};

/**
 * @param fields the settings: `rope_parameters`, `rope_scaling`, or a layer type's section
 * @param theta the base where the settings do not give one
 */
export function parseRope(fields: Fields, theta: number, rules: RopeRules): RopeConfig {
  const stated = fields.text('rope_type', fields.text('type', 'default'));
  const plain = (name: string): string => (rules.aliases?.includes(name) ? 'default' : name);
  const type = plain(stated);
  const older = fields.text('type', type);
  if (plain(older) !== type) {
    throw fields.wrong('type', older, `"${stated}" as in rope_type, which is what counts: write the scaling under rope_type`);
  }
  const known = Object.hasOwn(KEYS, type) ? KEYS[type] : undefined;
  if (known === undefined) {
    throw fields.wrong('rope_type', stated, `one of ${Object.keys(KEYS).join(', ')}; other rotary scalings are not computed`);
  }
  const partial = fields.number('partial_rotary_factor', 1);
  if (partial !== 1) throw fields.wrong('partial_rotary_factor', partial, '1; rotating a part of a head is not computed');
  const allowed = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor', ...known, ...(rules.ownKeys ?? [])];
  fields.refuseOthers(allowed, `nothing: rope_type "${stated}" does not read it. Remove the key, or name the scaling that is meant`);
  const base = fields.positive('rope_theta', theta);
  const scaling = parseScaling(type, fields, rules);
  return { theta: base, ...(scaling && { scaling }) };
}

function parseScaling(type: string, fields: Fields, rules: RopeRules): RopeScaling | undefined {
  switch (type) {
    case 'linear':
      return { type, factor: required(fields, 'factor') };
    case 'yarn':
      return parseYarn(fields, rules);
    case 'llama3': {
      const lowFreqFactor = required(fields, 'low_freq_factor');
      const highFreqFactor = required(fields, 'high_freq_factor');
      if (highFreqFactor <= lowFreqFactor)
        throw fields.wrong('high_freq_factor', highFreqFactor, `more than low_freq_factor (${lowFreqFactor})`);
      return {
        type,
        factor: required(fields, 'factor'),
        lowFreqFactor,
        highFreqFactor,
        originalPositions: originalPositions(fields, rules),
      };
    }
    default:
      return undefined;
  }
}

function parseYarn(fields: Fields, rules: RopeRules): YarnScaling {
  const original = originalPositions(fields, rules);
  // A factor of null is how much longer the context became; a missing one is a mistake.
  const factor = fields.isNull('factor') ? rules.maxPositions / original : required(fields, 'factor');
  const betaFast = fields.number('beta_fast', 0) || 32;
  const betaSlow = fields.number('beta_slow', 0) || 1;
  if (fields.has('truncate') && !rules.readsTruncate) {
    throw fields.wrong(
      'truncate',
      true,
      'nothing: transformers does not find it in the section of a layer type, and truncates. Remove the key',
    );
  }
  return {
    type: 'yarn',
    factor,
    originalPositions: original,
    attentionFactor: fields.has('attention_factor') ? fields.number('attention_factor', 1) : yarnAttention(factor, fields),
    betaFast,
    betaSlow,
    // A null is not the default but false, as Python takes it.
    truncate: !(rules.readsTruncate && fields.isNull('truncate')) && fields.flag('truncate', true),
  };
}

/**
 * Peng et al. 2023 (arXiv:2309.00071): scores sharpen with the logarithm of the factor; DeepSeek's two scales go before it where both are
 * given.
 */
function yarnAttention(factor: number, fields: Fields): number {
  const scale = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const mscale = fields.number('mscale', 0);
  const all = fields.number('mscale_all_dim', 0);
  return mscale !== 0 && all !== 0 ? scale(mscale) / scale(all) : scale(1);
}

function originalPositions(fields: Fields, rules: RopeRules): number {
  return rules.originalPositions ?? fields.integer('original_max_position_embeddings', rules.maxPositions);
}

function required(fields: Fields, key: string): number {
  if (!fields.has(key)) throw fields.wrong(key, fields.isNull(key) ? null : undefined, 'a number, which this rope_type needs');
  return fields.positive(key, 1);
}

/** What the class of transformers has for a file that states none. */
export interface RopeDefaults {
  /** rope_theta */
  theta: number;
  /** max_position_embeddings */
  positions: number;
}

/** RotaryEmbeddingConfigMixin.convert_rope_params_to_dict: `rope_scaling`, where it says anything, takes the place of `rope_parameters`. */
export function parseConvertedRope(
  fields: Fields,
  { theta, positions, isFlat = false, ...rules }: RopeDefaults & Pick<RopeRules, 'aliases' | 'ownKeys'> & { isFlat?: boolean },
): { rope: RopeConfig; settings: Fields } {
  const settings = statedSettings(fields);
  const original = 'original_max_position_embeddings';
  const rope = parseRope(settings, fields.positive('rope_theta', theta), {
    ...rules,
    maxPositions: fields.integer('max_position_embeddings', positions),
    readsTruncate: true,
    // A flat configuration of Qwen2.5-VL hands its text part only the keys that the class names.
    ...(!isFlat && fields.has(original) && { originalPositions: fields.integer(original, 1) }),
  });
  return { rope, settings };
}

/** rope_theta of Qwen's towers, which rotate by rows and columns and are never scaled. */
export function parseAxialTheta(fields: Fields): number {
  const settings = statedSettings(fields);
  // Only a scaling counts positions.
  const rules = { maxPositions: 1, aliases: ['axial'] };
  const { theta, scaling } = parseRope(settings, fields.positive('rope_theta', 10_000), rules);
  if (scaling) throw fields.wrong('rope_parameters', scaling.type, 'rope_type "axial", which the tower always has');
  return theta;
}

function statedSettings(fields: Fields): Fields {
  const scaling = fields.section('rope_scaling');
  const stated = scaling?.isEmpty ? undefined : scaling;
  const partial = fields.number('partial_rotary_factor', 1);
  if (partial !== 1) throw fields.wrong('partial_rotary_factor', partial, '1; rotating a part of a head is not computed');
  return stated ?? fields.section('rope_parameters') ?? new Fields({}, fields.source, 'rope_scaling.');
}
