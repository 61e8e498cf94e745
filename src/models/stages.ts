/**
 * A model is a chain of stages (patch embedding, blocks, merger, token embedding, blocks), each of which takes tensors by name and gives
 * tensors by name. Most take and give the one that runs through all of them, HIDDEN; what is given under another name (Qwen3-VL's deep
 * features) waits for the stages that read it. src/models/stageChain.ts runs and differentiates them.
 */
import type { Tensor } from '../gpu/tensor.ts';
import type { Tape } from '../ops/tape.ts';
import type { Modules } from './modules.ts';

export type Tensors<Name extends string = string> = Readonly<Record<Name, Tensor>>;

export interface Stage {
  /** The Hugging Face module this computes, for reports and taps. */
  name: string;
  /** Some parameter of the stage trains. */
  trainable: boolean;
  /** What it takes. */
  reads: readonly string[];
  /** What it gives, which later stages find under the name in place of what was there before. */
  writes: readonly string[];
  /**
   * Waits for the stage's weights, where they do not stay on the GPU, and sends for those of the stage after it
   * (src/models/streamedWeights.ts).
   */
  arrive?(next: string | undefined): Promise<void>;
  /** @param given a tensor for each of `reads`; what it returns has one for each of `writes`, each the tape's own */
  forward(t: Tape, given: Tensors): Tensors;
}

/** Patches, features, hidden states: what runs through the whole chain, and is what the head is given. */
export const HIDDEN = 'hidden';

/** A stage from hidden states to hidden states. */
export function stage(m: Pick<Modules, 'name' | 'trains'>, forward: (t: Tape, x: Tensor) => Tensor): Stage {
  return {
    name: m.name,
    trainable: m.trains,
    reads: [HIDDEN],
    writes: [HIDDEN],
    forward: (t, given) => ({ [HIDDEN]: forward(t, given[HIDDEN]!) }),
  };
}

/** A stage that takes or gives more, or other, than hidden states. */
export function namedStage<Read extends string, Write extends string>(
  m: Pick<Modules, 'name' | 'trains'>,
  { reads, writes }: { reads: readonly Read[]; writes: readonly Write[] },
  forward: (t: Tape, given: Tensors<Read>) => Tensors<Write>,
): Stage {
  return { name: m.name, trainable: m.trains, reads, writes, forward: (t, given) => forward(t, given as Tensors<Read>) };
}
