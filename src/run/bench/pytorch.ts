/** What PyTorch is asked to measure, and what it says: the program that can start a Python brings it (node/bench/pytorch.ts). */
import type { BenchModel } from './shapes.ts';

export interface PytorchProduct {
  m: number;
  n: number;
  k: number;
  dtype: string;
  ms: number;
}

export interface PytorchStep {
  name: string;
  storage: string;
  ms: number;
  steps: number;
  tokens: number;
  peakBytes: number;
  /** Parameters that do not train; null where they are packed. */
  frozen: number | null;
}

export interface PytorchResult {
  /** "torch 2.8.0 on NVIDIA H100". */
  about: string;
  products: PytorchProduct[];
  steps: PytorchStep[];
  notes: string[];
}

export interface PytorchRequest {
  products: readonly (readonly [number, number, number])[];
  models: readonly (BenchModel & { storages: readonly string[] })[];
  seconds: number;
  stop: AbortSignal;
  /** `cpu` is for tests: PyTorch on a CPU is no measure of a GPU. */
  device?: 'cuda' | 'cpu';
}

export interface Pytorch {
  /** The Python to ask; or why there is none. */
  find(): Promise<{ python: string } | { why: string }>;
  measure(python: string, request: PytorchRequest): Promise<PytorchResult>;
}
