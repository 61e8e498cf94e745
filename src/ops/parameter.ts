/** A named weight of a model; trainable when it has a gradient buffer. */
import type { Tensor } from '../gpu/tensor.ts';

export interface Parameter {
  /** Hugging Face's name, as in the checkpoint (transformers ≥ 4.52 module names). */
  readonly name: string;
  tensor: Tensor;
  /** f32, same shape; backward passes add to it. */
  grad?: Tensor;
  /** Set for a table (embedding, head) that does not stay on the GPU (src/models/streamedWeights.ts). */
  elsewhere?: TableElsewhere;
}

export interface TableElsewhere {
  /** Waits until this part of the tensor, and no other, can be used. */
  arrive(part: number): Promise<void>;
  /** The bytes of a row. */
  row(row: number): Promise<Uint8Array>;
}

/** y = xWᵀ + b + s·(drop(x)Aᵀ)Bᵀ; with a magnitude, DoRA (PEFT's LoraLayer). */
export interface LoraAdapter {
  /** (R, in) */
  readonly a: Parameter;
  /** (out, R) */
  readonly b: Parameter;
  /** (out) DoRA's magnitude vector. */
  readonly magnitude?: Parameter;
  readonly scaling: number;
  readonly dropout: number;
  /** Counter stream of the dropout mask, one per adapter. */
  readonly stream: number;
}

export interface LinearLayer {
  /** Module name, without `.weight`. */
  readonly name: string;
  /** (out, in), any weight dtype. */
  readonly weight: Parameter;
  /** (out), f32 */
  readonly bias?: Parameter;
  lora?: LoraAdapter;
}

/** nn.LayerNorm's (C) and (C). */
export interface LayerNorm {
  readonly weight: Parameter;
  readonly bias: Parameter;
}

export function isTrainable(layer: LinearLayer): boolean {
  return layer.weight.grad !== undefined || layer.bias?.grad !== undefined || layer.lora?.b.grad !== undefined;
}
