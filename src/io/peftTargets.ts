/**
 * Which modules an adapter touches, by the rules of PEFT 0.21 (tuners_utils.py: check_target_module_exists, inject_adapter,
 * _maybe_include_all_linear_layers, _find_minimal_target_modules; other.py: _set_trainable, get_pattern_key). Pure functions over a list of
 * module names, so that the same answer serves training, reading and writing. Where PEFT would raise, or would silently train nothing,
 * there is a UserError.
 */
import { UserError } from '../platform.ts';
import { shownJson } from './parseJson.ts';
import { withinTime } from './timeLimit.ts';
import { nearestNames } from './nearestNames.ts';
import { pythonFullMatch, pythonMatch } from './pythonRegex.ts';
import type { LoraConfig } from './peftConfig.ts';

export type ModuleKind = 'linear' | 'embedding' | 'conv' | 'norm' | 'other';

/** A module of the base model: its canonical name and its own parameters, local name → shape (a linear's `weight` is [out, in]). */
export interface ModuleInfo {
  name: string;
  kind: ModuleKind;
  parameters: Readonly<Record<string, readonly number[]>>;
}

export interface LoraTarget {
  module: string;
  r: number;
  alpha: number;
  /** alpha / r, or alpha / √r with rsLoRA. */
  scaling: number;
}

export interface ResolvedAdapter {
  lora: LoraTarget[];
  /** Modules of `modules_to_save`; every parameter in or below them is trained and saved whole. */
  saved: string[];
  /** Canonical names of those parameters. */
  savedParameters: string[];
  /** Entries of a `target_modules` list that match nothing; PEFT passes over them as long as another one matches. */
  unmatched: string[];
  /** `target_modules` as PEFT saves it: a regex as it is, a list sorted and, from 20 entries on, cut down to telling suffixes. */
  targetModules: string | string[];
}

/** The output head: `all-linear` leaves it out. */
export const OUTPUT_HEAD = 'lm_head';
const MIN_TARGETS_TO_SHORTEN = 20;

/**
 * Modules by name from all parameters of a model (canonical name, logical shape; the head listed even where it is tied). Containers are
 * modules too, as in PyTorch.
 * @param kinds of modules, as the model says them; of others the kind follows from the shape
 */
export function modulesFromParameters(
  parameters: Iterable<readonly [name: string, shape: readonly number[]]>,
  kinds: ReadonlyMap<string, ModuleKind> = new Map(),
): ModuleInfo[] {
  const own = new Map<string, Record<string, readonly number[]>>();
  for (const [parameter, shape] of parameters) {
    const parts = parameter.split('.');
    for (let depth = 1; depth < parts.length; depth++) {
      const name = parts.slice(0, depth).join('.');
      if (!own.has(name)) own.set(name, {});
    }
    own.get(parts.slice(0, -1).join('.'))![parts.at(-1)!] = shape;
  }
  return [...own].map(([name, local]) => ({ name, kind: kinds.get(name) ?? kindOf(local['weight']), parameters: local }));
}

function kindOf(weight: readonly number[] | undefined): ModuleKind {
  if (weight === undefined) return 'other';
  if (weight.length === 1) return 'norm';
  if (weight.length > 2) return 'conv';
  return 'linear';
}

/** Of the patterns together; those of known adapters take a few milliseconds. */
const PATTERNS_MS = 5000;

/** Throws a UserError when nothing matches, when what matches cannot carry LoRA, or when a pattern takes for ever. */
export function resolveAdapter(config: LoraConfig, modules: readonly ModuleInfo[]): ResolvedAdapter {
  return withinTime(
    PATTERNS_MS,
    () => resolveAll(config, modules),
    () => {
      const patterns = [
        config.target_modules,
        config.exclude_modules,
        config.modules_to_save,
        config.layers_pattern,
        config.rank_pattern,
        config.alpha_pattern,
      ];
      const shown = patterns.filter((pattern) => pattern !== null && Object.keys(pattern).length > 0).map((pattern) => shownJson(pattern));
      return new UserError(
        `The regular expressions that choose modules (${shown.join('; ')}) have not matched ${modules.length} names in ` +
          `${PATTERNS_MS / 1000} s: one repeats ` +
          'a repetition, as (a+)+. Write it without, or list the modules by name.',
      );
    },
  );
}

function resolveAll(config: LoraConfig, modules: readonly ModuleInfo[]): ResolvedAdapter {
  checkOptions(config);
  const targets = expandTargets(config, modules);
  const { found, unmatched } = matchTargets(config, targets, modules);
  if (found.length === 0) throw nothingMatches(config, modules);
  for (const module of found) {
    if (module.kind !== 'linear' && module.kind !== 'conv') throw cannotCarryLora(module);
  }
  const names = found.map((module) => module.name);
  const saved = resolveSaved(config, modules, names);
  return {
    lora: names.map((name) => loraTarget(config, name)),
    saved,
    savedParameters: saved.flatMap((name) => parametersBelow(name, modules)),
    unmatched,
    targetModules: typeof targets === 'string' ? targets : [...targets].sort(),
  };
}

function checkOptions(config: LoraConfig): void {
  const { target_modules: targets, layers_to_transform: layers, layers_pattern: pattern } = config;
  if (typeof targets === 'string' && targets.toLowerCase() !== 'all-linear' && (layers !== null || pattern !== null)) {
    throw new UserError(
      'layers_to_transform and layers_pattern need target_modules as a list of names; put the layers into the regular expression',
    );
  }
  if (pattern !== null && pattern.length > 0 && layers === null) throw new UserError('layers_pattern needs layers_to_transform beside it');
}

/** `target_modules` after PEFT's two rewritings: all-linear becomes names, a long list becomes suffixes. */
function expandTargets(config: LoraConfig, modules: readonly ModuleInfo[]): string | string[] {
  let targets = config.target_modules;
  if (typeof targets === 'string') {
    if (targets.toLowerCase() !== 'all-linear') return targets;
    targets = modules.filter((module) => module.kind === 'linear' && module.name !== OUTPUT_HEAD).map((module) => module.name);
  }
  const unique = [...new Set(targets)];
  if (unique.length < MIN_TARGETS_TO_SHORTEN) return unique;
  const others = modules.map((module) => module.name).filter((name) => !matchesSuffix(name, unique));
  const short = minimalSuffixes(unique, others);
  return short.length < unique.length ? short : unique;
}

function matchTargets(
  config: LoraConfig,
  targets: string | string[],
  modules: readonly ModuleInfo[],
): { found: ModuleInfo[]; unmatched: string[] } {
  const excluded = exclusion(config);
  const matches = typeof targets === 'string' ? pythonFullMatch(targets, 'target_modules') : listMatch(targets, layerFilter(config));
  const found = modules.filter((module) => !excluded(module.name) && matches(module.name));
  const unmatched =
    typeof targets === 'string' ? [] : targets.filter((target) => !modules.some((module) => matchesSuffix(module.name, [target])));
  return { found, unmatched };
}

/** A name given in full counts whatever the layer; a suffix only in the layers asked for. */
function listMatch(targets: string[], inLayers: (name: string) => boolean): (name: string) => boolean {
  const exact = new Set(targets);
  return (name) => exact.has(name) || (matchesSuffix(name, targets) && inLayers(name));
}

function matchesSuffix(name: string, targets: readonly string[]): boolean {
  return targets.some((target) => name === target || name.endsWith(`.${target}`));
}

/** Modules that get no LoRA: those of `exclude_modules`, and all that lie on the path of a module to save. */
function exclusion(config: LoraConfig): (name: string) => boolean {
  const { exclude_modules: exclude } = config;
  const byOption =
    typeof exclude === 'string' && exclude !== ''
      ? pythonFullMatch(exclude, 'exclude_modules')
      : (name: string): boolean => Array.isArray(exclude) && matchesSuffix(name, exclude);
  const toSave = (config.modules_to_save ?? []).map((module) => pythonMatch('(^|.*\\.)', module, '($|\\..*)', 'modules_to_save'));
  return (name) => byOption(name) || toSave.some((match) => match(name) !== null);
}

function layerFilter(config: LoraConfig): (name: string) => boolean {
  const { layers_to_transform: wanted, layers_pattern: pattern } = config;
  if (wanted === null || (Array.isArray(wanted) && wanted.length === 0)) return () => true;
  const layers = new Set(typeof wanted === 'number' ? [wanted] : wanted);
  const patterns = pattern === null || pattern.length === 0 ? null : typeof pattern === 'string' ? [pattern] : pattern;
  // The lazy beginning finds the first numbered part, the layer, and not one nested inside it.
  const matchers =
    patterns === null
      ? [(name: string): RegExpExecArray | null => /^.*?\.[^.]*\.(?<idx>\d+)\./.exec(name)]
      : patterns.map((part) => pythonMatch('(?:^|.*?\\.)', part, '\\.(?<idx>\\d+)\\.', 'layers_pattern'));
  return (name) => {
    for (const match of matchers) {
      const index = match(name)?.groups?.['idx'];
      if (index !== undefined) return layers.has(Number(index));
    }
    return false;
  };
}

/** PEFT's search for the fewest suffixes that hit the targets and nothing else; its result depends on the order, which is kept. */
function minimalSuffixes(targets: string[], others: string[]): string[] {
  const taken = new Set(others.flatMap(suffixes));
  const required = new Set<string>();
  const ordered = targets.map((name) => ({ name, suffixes: suffixes(name) })).sort((a, b) => compareLists(a.suffixes, b.suffixes));
  for (const target of ordered) {
    for (const suffix of target.suffixes) {
      if (required.has(suffix) || taken.has(suffix)) continue;
      if ([...required].some((known) => target.name.endsWith(`.${known}`))) continue;
      required.add(suffix);
      break;
    }
  }
  return required.size === 0 ? targets : [...required];
}

/** `a.b.c` → `c`, `b.c`, `a.b.c`. */
function suffixes(name: string): string[] {
  const parts = name.split('.');
  return parts.map((_, i) => parts.slice(parts.length - 1 - i).join('.'));
}

function compareLists(a: string[], b: string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  }
  return a.length - b.length;
}

function loraTarget(config: LoraConfig, module: string): LoraTarget {
  const r = fromPattern(config.rank_pattern, module, 'rank_pattern') ?? config.r;
  const alpha = fromPattern(config.alpha_pattern, module, 'alpha_pattern') ?? config.lora_alpha;
  return { module, r, alpha, scaling: config.use_rslora ? alpha / Math.sqrt(r) : alpha / r };
}

/** The value of the first pattern that matches the end of the name. */
function fromPattern(pattern: Readonly<Record<string, number>>, module: string, label: string): number | undefined {
  for (const [key, value] of Object.entries(pattern)) {
    if (pythonMatch('(.*\\.)?(', key, ')$', label)(module) !== null) return value;
  }
  return undefined;
}

/** PEFT compares plain ends here, without a dot before them: `norm` also means `input_layernorm`. */
function resolveSaved(config: LoraConfig, modules: readonly ModuleInfo[], loraModules: readonly string[]): string[] {
  const wanted = config.modules_to_save ?? [];
  for (const entry of wanted) {
    if (!modules.some((module) => module.name.endsWith(entry))) {
      throw new UserError(`modules_to_save: no module of the base model ends in ${entry}. Nearest: ${nearest(entry, modules)}`);
    }
  }
  const saved = modules.map((module) => module.name).filter((name) => wanted.some((entry) => name.endsWith(entry)));
  for (const name of saved) {
    if (isList(name, modules)) {
      throw new UserError(
        `modules_to_save takes in ${name}, which is a list of modules; PEFT reads no such adapter back. Name the modules in it: ` +
          `${name.split('.').at(-1)!}.0, and so on`,
      );
    }
    const adapted = loraModules.find((module) => module === name || module.startsWith(`${name}.`));
    if (adapted !== undefined) {
      throw new UserError(
        `modules_to_save takes in ${name}, but ${adapted} already gets LoRA; name the module by whole parts, or leave it out of ` +
          `target_modules`,
      );
    }
    const outer = saved.find((other) => name.startsWith(`${other}.`));
    if (outer !== undefined) throw new UserError(`modules_to_save takes in both ${outer} and ${name} inside it; name only one of them`);
  }
  return saved;
}

/** nn.ModuleList: what is in it is called 0, 1, 2, …; in an nn.Sequential of ours some of them have no parameters, and so no name. */
function isList(name: string, modules: readonly ModuleInfo[]): boolean {
  const depth = name.split('.').length;
  const inside = new Set(modules.filter((module) => module.name.startsWith(`${name}.`)).map((module) => module.name.split('.')[depth]!));
  return inside.size > 0 && [...inside.keys()].every((_, i) => inside.has(String(i)));
}

function parametersBelow(module: string, modules: readonly ModuleInfo[]): string[] {
  return modules
    .filter(({ name }) => name === module || name.startsWith(`${module}.`))
    .flatMap(({ name, parameters }) => Object.keys(parameters).map((local) => `${name}.${local}`));
}

function nothingMatches(config: LoraConfig, modules: readonly ModuleInfo[]): UserError {
  const { target_modules: targets } = config;
  const linears = modules.filter((module) => module.kind === 'linear');
  const filters = [
    config.exclude_modules === null ? '' : 'exclude_modules',
    config.modules_to_save === null ? '' : 'modules_to_save',
    config.layers_to_transform === null ? '' : 'layers_to_transform',
  ].filter((name) => name !== '');
  const hint = typeof targets === 'string' || targets.length === 0 ? '' : ` Nearest: ${nearest(targets[0]!, linears)}.`;
  const also = filters.length === 0 ? '' : ` ${filters.join(', ')} may have taken away what matched.`;
  const what = `target_modules ${JSON.stringify(targets)} matches no linear module of the base model.`;
  return new UserError(`${what}${hint}${also} all-linear takes them all`);
}

function cannotCarryLora(module: ModuleInfo): UserError {
  const what = { linear: '', embedding: 'an embedding', conv: '', norm: 'a normalisation', other: 'not a single layer' }[module.kind];
  const whole = 'leave it out with exclude_modules, or train it whole with modules_to_save';
  const advice = module.kind === 'other' ? 'name the linear modules inside it' : whole;
  return new UserError(
    `target_modules takes in ${module.name}, which is ${what}; LoRA goes on linear modules and convolutions only: ${advice}`,
  );
}

function nearest(wanted: string, modules: readonly ModuleInfo[]): string {
  const depth = wanted.split('.').length;
  return nearestNames(
    wanted,
    modules.map((module) => module.name.split('.').slice(-depth).join('.')),
  ).join(', ');
}
