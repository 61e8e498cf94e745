/** Targets against PEFT's own answers (test/golden/peft_targets.json, made by peft_targets.py), and what we refuse beyond that. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter } from '../../src/io/peftTargets.ts';
import type { ModuleInfo } from '../../src/io/peftTargets.ts';
import { modelFamily } from '../../src/models/families.ts';
import { goldenPath } from './goldenFolder.ts';
import { kindsOf } from './goldenKinds.ts';

interface Case {
  options: { target_modules: string | string[]; modules_to_save?: string[] };
  error?: string;
  /** module → r, alpha, scaling, class of the LoRA layer */
  lora?: Record<string, [number, number, number, string]>;
  saved?: string[];
  target_modules?: string | string[];
}

type Oracle = Record<string, { parameters: [string, number[]][]; cases: Case[] }>;

const read = (path: string): Oracle => JSON.parse(readFileSync(new URL(`../golden/${path}`, import.meta.url), 'utf8')) as Oracle;
const oracle: Oracle = { ...read('peft_targets.json'), ...read('qwen3_vl/peft_targets.json'), ...read('smolvlm/peft_targets.json') };

/** PyTorch's classes: the patch embeddings are convolutions. */
function kindOf(module: string): string {
  return module.endsWith('patch_embed.proj') ? 'Conv3d' : module.endsWith('patch_embedding') ? 'Conv2d' : 'Linear';
}

/** Of the oracle's parameters, the kinds as our own model says them. */
function modulesOf(name: string): ModuleInfo[] {
  const config = JSON.parse(readFileSync(goldenPath('models', name, 'config.json'), 'utf8')) as Record<string, unknown>;
  return modulesFromParameters(oracle[name]!.parameters, kindsOf({ config, dir: name }));
}

describe.each(Object.entries(oracle))('%s', (name, { parameters, cases }) => {
  const modules = modulesOf(name);

  it('our own model consists of the same modules', () => {
    const config = JSON.parse(readFileSync(goldenPath('models', name, 'config.json'), 'utf8')) as Record<string, unknown>;
    const { shapes, kinds } = modelFamily(String(config['model_type']), name).describe(config, name);
    const own = modulesFromParameters(shapes, kinds).filter(({ name: module }) => module !== 'lm_head');
    expect(own).toEqual(expect.arrayContaining(modules.filter(({ name: module }) => module !== 'lm_head')));
    expect(own).toHaveLength(modulesFromParameters(parameters).filter(({ name: module }) => module !== 'lm_head').length);
  });

  it.each(cases.map((one) => [JSON.stringify(one.options), one] as const))('%s', (__, one) => {
    const { options, error, lora, saved, target_modules: targets } = one;
    const config = loraConfig({ r: 8, lora_alpha: 16, ...options });
    const onEmbedding = Object.values(lora ?? {}).some(([, , , kind]) => kind === 'Embedding');
    const idleSave = options.modules_to_save !== undefined && saved?.length === 0;
    // Ours are stricter in two places: LoRA on an embedding, and a module to save that does not exist.
    if (error !== undefined || onEmbedding || idleSave) {
      expect(() => resolveAdapter(config, modules)).toThrow(expect.objectContaining({ name: 'UserError' }));
      return;
    }
    const resolved = resolveAdapter(config, modules);
    expect(Object.fromEntries(resolved.lora.map(({ module, r, alpha, scaling }) => [module, [r, alpha, scaling, kindOf(module)]]))).toEqual(lora);
    expect([...resolved.savedParameters].sort()).toEqual(saved);
    expect(resolved.targetModules).toEqual(targets);
  });

  it('the oracle has both answers and errors', () => {
    expect(cases.filter((one) => one.error === undefined).length).toBeGreaterThan(20);
    expect(cases.filter((one) => one.error !== undefined).length).toBeGreaterThan(4);
  });
});

describe('messages', () => {
  const modules = modulesOf('qwen2_5_vl-tiny');
  const resolve = (options: Parameters<typeof loraConfig>[0]): unknown => resolveAdapter(loraConfig(options), modules);

  it.each<[string, Parameters<typeof loraConfig>[0], RegExp]>([
    ['a misspelt target', { target_modules: ['q_porj'] }, /target_modules \["q_porj"\] matches no linear module.*Nearest: q_proj/],
    ['a misspelt module to save', { target_modules: 'all-linear', modules_to_save: ['lm_haed'] }, /ends in lm_haed\. Nearest: lm_head/],
    ['a container', { target_modules: ['mlp'] }, /takes in model\.visual\.blocks\.0\.mlp, which is not a single layer.*name the linear modules inside/],
    ['an embedding', { target_modules: ['embed_tokens'] }, /which is an embedding.*modules_to_save/],
    ['a bad regex', { target_modules: '.*(q_proj' }, /target_modules: the regular expression ".*\(q_proj" cannot be used/],
    ['Python-only syntax', { target_modules: '(?>a)b' }, /\(\?>.*has no equivalent/],
    ['an unknown escape', { target_modules: '\\yq_proj' }, /\\y is not an escape/],
    ['all excluded', { target_modules: ['q_proj'], exclude_modules: ['q_proj'] }, /exclude_modules may have taken away/],
    ['saving half a LoRA module', { target_modules: ['q_proj'], modules_to_save: ['proj'] }, /takes in .*q_proj.* already gets LoRA/],
    ['saving a module within another', { target_modules: ['q_proj'], modules_to_save: ['merger', 'ln_q'] }, /both model\.visual\.merger and .*\.ln_q/],
  ])('%s', (_, options, message) => {
    expect(() => resolve(options)).toThrow(message);
  });

  it('tells the entries that matched nothing beside others that did', () => {
    expect(resolve({ target_modules: ['q_proj', 'fc1', 'fc2'] })).toMatchObject({ unmatched: ['fc1', 'fc2'] });
  });
});

describe('Python regular expressions', () => {
  const modules = modulesFromParameters([['a]b.weight', [1, 1]], ['aab.weight', [1, 1]], ['b.weight', [1, 1]]]);
  it.each<[string, string[]]>([
    ['[]a]*b', ['a]b', 'aab', 'b']],
    ['a[]]b', ['a]b']],
    ['[^]]{,3}', ['aab', 'b']],
    ['(?P<x>a)(?P=x)b', ['aab']],
    ['(?#why)\\Ab', ['b']],
    ['b|aa', ['b']],
  ])('%s', (pattern, names) => {
    expect(resolveAdapter(loraConfig({ target_modules: pattern }), modules).lora.map(({ module }) => module)).toEqual(names);
  });
});
