/**
 * What trains: an adapter (LoRA, rsLoRA, DoRA, whole modules beside it) by PEFT's rules, or every parameter. Says which f32 parameters a
 * run must allocate, wires them to the linear layers, and gives a new adapter its first values.
 */
import { adapterShapes } from '../io/peft.ts';
import { modulesFromParameters, resolveAdapter } from '../io/peftTargets.ts';
import type { ResolvedAdapter } from '../io/peftTargets.ts';
import type { LoraConfig } from '../io/peftConfig.ts';
import { counterHash, streamId } from '../data/random.ts';
import type { LoraAdapter, Parameter } from '../ops/parameter.ts';
import { UserError } from '../platform.ts';
import { HEAD } from './model.ts';
import type { ModelDescription } from './model.ts';
import type { Shape } from './weights.ts';

/** `none`: the model as it is, to be asked. */
export type Finetuning = { kind: 'lora'; config: LoraConfig } | { kind: 'full' } | { kind: 'none' };

export interface TrainingPlan {
  /** Canonical name → shape of every parameter that trains, in module order. */
  trained: Map<string, Shape>;
  /** Present for adapters. */
  resolved?: ResolvedAdapter;
  config?: LoraConfig;
}

/** All parameters by name, the head listed even where it is tied: what PEFT's rules are applied to. */
export function allShapes(description: ModelDescription): Map<string, Shape> {
  const shapes = new Map(description.shapes);
  if (description.tiedHead) shapes.set(HEAD, shapes.get(description.embedding)!);
  return shapes;
}

export function planTraining(description: ModelDescription, finetuning: Finetuning): TrainingPlan {
  if (finetuning.kind === 'full') return { trained: new Map(description.shapes) };
  if (finetuning.kind === 'none') return { trained: new Map() };
  const modules = modulesFromParameters(allShapes(description), description.kinds);
  const resolved = resolveAdapter(finetuning.config, modules);
  // The head and its loss are one op over chunks of tokens, without a place for a low-rank term.
  if (resolved.lora.some(({ module }) => `${module}.weight` === HEAD)) {
    throw new UserError(
      'target_modules takes in lm_head; LoRA on the output head is not built: train it whole with --modules_to_save lm_head, or leave it ' +
        'out.',
    );
  }
  const config = { ...finetuning.config, target_modules: resolved.targetModules };
  return { trained: adapterShapes(resolved, config.use_dora, modules), resolved, config };
}

/** The adapters of a plan by module name, made of parameters that are allocated already. */
export function attachAdapters(plan: TrainingPlan, trained: ReadonlyMap<string, Parameter>): Map<string, LoraAdapter> {
  const adapters = new Map<string, LoraAdapter>();
  for (const { module, scaling } of plan.resolved?.lora ?? []) {
    const magnitude = trained.get(`${module}.lora_magnitude_vector`);
    adapters.set(module, {
      a: trained.get(`${module}.lora_A.weight`)!,
      b: trained.get(`${module}.lora_B.weight`)!,
      ...(magnitude && { magnitude }),
      scaling,
      dropout: plan.config?.lora_dropout ?? 0,
      stream: streamId(module),
    });
  }
  return adapters;
}

/**
 * First values of lora_A: uniform in ±1/√in, torch's kaiming_uniform_(a=√5) as PEFT uses it; lora_B starts at zero. Counter-based, so a
 * matrix gets the same values whatever else is in the adapter. (The numbers differ from torch's generator.)
 */
export function initialLoraA(module: string, shape: Shape, seed: number): Float32Array {
  const rank = shape[0]!;
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  const bound = 1 / Math.sqrt(width);
  const stream = streamId(`${module}.lora_A`);
  return Float32Array.from({ length: rank * width }, (_, i) => ((counterHash(seed, stream, 0, i) + 0.5) / 2 ** 31 - 1) * bound);
}
