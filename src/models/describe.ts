/** What a family tells of a model before its weights are there, from the code that builds it. */
import type { Example } from '../data/example.ts';
import { HEAD } from './model.ts';
import type { Model, ModelDescription } from './model.ts';
import { Modules } from './modules.ts';
import type { SampleRow } from './sampleRow.ts';

export interface Family {
  /** Asks for every module of the model, in the order of its module tree, the head by `headOf` last. */
  build(m: Modules): Model;
  /** The output head is the embedding table. */
  tiedHead: boolean;
  /** Canonical name of the embedding table. */
  embedding: string;
  sample(row: SampleRow): Example;
}

export function describeModel({ build, tiedHead, embedding, sample }: Family): ModelDescription {
  const { shapes, kinds } = Modules.describe(build);
  if (tiedHead) shapes.delete(HEAD);
  return { shapes, kinds, tiedHead, embedding, build: (weights) => build(Modules.of(weights)), sample };
}
