/**
 * What the families share in bringing a micro-batch to the GPU: uploads that live as long as the batch, the tokens of all rows one after
 * the other with the places that image features take, and the embedding stage between the vision tower and the text layers.
 */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { uploadRanges } from '../ops/attention.ts';
import type { AttentionRanges } from '../ops/attention.ts';
import { blockCausalRanges } from '../ops/attentionRanges.ts';
import type { RangeTable } from '../ops/attentionRanges.ts';
import { transposedRows } from '../ops/addRows.ts';
import type { RowMixture, SparseRows, SparseTable } from '../ops/addRows.ts';
import { embed, groupByToken } from '../ops/embed.ts';
import type { TokenGroups } from '../ops/embed.ts';
import type { Parameter, TableElsewhere } from '../ops/parameter.ts';
import type { RopeTables } from '../ops/rope.ts';
import { joinArrays } from '../io/joinArrays.ts';
import { UserError } from '../platform.ts';
import type { KeyValueCache } from './keyValueCache.ts';
import type { Rotary } from './rotary.ts';
import { HIDDEN } from './stages.ts';
import type { Stage } from './stages.ts';

export class BatchTables {
  /** Everything uploaded so far; whoever runs the batch releases it. */
  readonly tables: Tensor[] = [];
  private readonly device: Device;

  constructor(device: Device) {
    this.device = device;
  }

  upload(data: Float32Array | Uint32Array | Int32Array, shape: readonly number[]): Tensor {
    const tensor = this.device.upload(data, shape, 'batch');
    this.tables.push(tensor);
    return tensor;
  }

  rotary(rotary: Rotary, rows: number): RopeTables {
    const shape = [rows, rotary.cos.length / rows];
    return { cos: this.upload(rotary.cos, shape), sin: this.upload(rotary.sin, shape) };
  }

  ranges(queryRanges: RangeTable, keyCount: number): AttentionRanges {
    return this.keep(uploadRanges(this.device, queryRanges, keyCount, 'batch'));
  }

  /**
   * What the tokens of a text stack see: their own row up to themselves, with `blockIds` the whole of their image, with `window` no further
   * back.
   */
  textRanges(
    { rowLengths, ids }: TokenRows,
    cache: KeyValueCache | undefined,
    { blockIds, window }: { blockIds?: Int32Array; window?: number },
  ): AttentionRanges {
    if (cache) return this.keep(cache.ranges(blockIds, window));
    return this.ranges(blockCausalRanges(rowLengths, blockIds ?? new Int32Array(ids.length).fill(-1), window), ids.length);
  }

  private keep(ranges: AttentionRanges): AttentionRanges {
    this.tables.push(ranges.queryRanges, ranges.keyRanges);
    return ranges;
  }

  groups({ uniqueIds, offsets, positions }: TokenGroups<Uint32Array>): TokenGroups<Tensor> {
    const upload = (data: Uint32Array): Tensor => this.upload(data, [data.length]);
    return { uniqueIds: upload(uniqueIds), offsets: upload(offsets), positions: upload(positions) };
  }

  /** @param sourceRows of what the matrix is applied to */
  mixture(forward: SparseTable, sourceRows: number): RowMixture {
    const upload = ({ offsets, columns, weights }: SparseTable): SparseRows<Tensor, Tensor> => ({
      offsets: this.upload(offsets, [offsets.length]),
      columns: this.upload(columns, [columns.length]),
      weights: this.upload(weights, [weights.length]),
    });
    return { forward: upload(forward), backward: upload(transposedRows(forward, sourceRows)) };
  }

  /** Pixels of all images, (patches, values a patch): the input of a vision tower's first stage, which takes it over. */
  pixels(images: readonly Float32Array[], patches: number): Tensor {
    const pixels = joinArrays(Float32Array, images);
    return this.device.upload(pixels, [patches, pixels.length / patches], 'batch');
  }

  /** Of a table that is elsewhere, the rows that the text tokens of a batch ask for; `arrive` brings them. */
  rowsOf(
    { name, tensor }: Parameter,
    { ids, slots }: TokenRows,
    { row }: TableElsewhere,
  ): { ids: Int32Array; table: Parameter; arrive: () => Promise<void> } {
    const wanted = [...new Set(ids.filter((_, t) => slots[t]! < 0))];
    if (wanted.length === 0) wanted.push(0);
    const place = new Map(wanted.map((id, at) => [id, at]));
    const view = this.device.pool.acquire((wanted.length * tensor.bytes) / tensor.shape[0]!, 'batch');
    const own = new Tensor([wanted.length, tensor.rowSize], tensor.dtype, view);
    this.tables.push(own);
    let arriving: Promise<void> | undefined;
    const bytes = own.bytes / wanted.length;
    return {
      ids: ids.map((id) => place.get(id) ?? 0), // an image's are never looked up
      table: { name, tensor: own },
      arrive: () => (arriving ??= this.device.fill(view, own.bytes, bytes, (at) => row(wanted[at / bytes]!))),
    };
  }

  /** The embedding stage takes the features as its input; without images it takes one row that no token points at. */
  noFeatures(size: number): Tensor {
    return this.device.upload(new Float32Array(size), [1, size], 'batch');
  }
}

export interface TokenRows {
  /** (T) of all rows. */
  ids: Int32Array;
  rowLengths: number[];
  /** (T): −1 for a text token, else the row of the image features that takes its place. */
  slots: Int32Array;
}

export interface TokenRules {
  vocabSize: number;
  /** Absent where the model reads text only. It may lie beyond the vocabulary: its embedding is never looked up. */
  imageTokenId?: number;
  /** Rows of image features that the batch's images give. */
  features: number;
}

/** @throws UserError for an id outside the vocabulary, or where placeholders and features differ in number */
export function tokenRows(examples: readonly Example[], { vocabSize, imageTokenId, features }: TokenRules): TokenRows {
  const ids = joinArrays(
    Int32Array,
    examples.map((example) => example.inputIds),
  );
  const slots = new Int32Array(ids.length).fill(-1);
  let slot = 0;
  ids.forEach((id, t) => {
    if (id === imageTokenId) slots[t] = slot++;
    else if (id < 0 || id >= vocabSize) {
      throw new UserError(
        `Token id ${id} is outside the model's vocabulary of ${vocabSize}; tokenizer and weights are of different models.`,
      );
    }
  });
  if (slot !== features)
    throw new UserError(`The tokens hold ${slot} image placeholders and the images give ${features} features; they must be equal.`);
  return { ids, slots, rowLengths: examples.map((example) => example.inputIds.length) };
}

export interface EmbeddingOptions {
  /** A backward pass follows. */
  grad: boolean;
  /** Factor on the embeddings of text tokens. */
  scale?: number;
}

/** Image features (N, C) → hidden states (T, C). */
export function embeddingStage(
  name: string,
  tables: BatchTables,
  rows: TokenRows,
  embedding: Parameter,
  { grad, scale = 1 }: EmbeddingOptions,
): Stage {
  const { slots } = rows;
  const { ids, table, arrive } = embedding.elsewhere
    ? tables.rowsOf(embedding, rows, embedding.elsewhere)
    : { ids: rows.ids, table: embedding };
  const idsTensor = tables.upload(Uint32Array.from(ids), [ids.length]);
  const slotsTensor = tables.upload(slots, [ids.length]);
  const groups = embedding.grad && grad ? groupByToken(ids, slots) : undefined;
  const uploaded = groups && tables.groups(groups);
  return {
    name,
    trainable: embedding.grad !== undefined,
    reads: [HIDDEN],
    writes: [HIDDEN],
    ...(arrive && { arrive }),
    forward: (t, { [HIDDEN]: features }) => {
      const image = { features: features!, slots: slotsTensor };
      return { [HIDDEN]: embed(t, idsTensor, table, { image, scale, ...(uploaded && { groups: uploaded }) }) };
    },
  };
}

/** (P, ΣT) from each row's (P, T). */
export function concatPositions(examples: readonly Example[], rowLengths: readonly number[], axes: number): Int32Array {
  const T = rowLengths.reduce((a, b) => a + b, 0);
  const out = new Int32Array(axes * T);
  let at = 0;
  examples.forEach((example, row) => {
    const length = rowLengths[row]!;
    for (let axis = 0; axis < axes; axis++) out.set(example.positionIds.subarray(axis * length, (axis + 1) * length), axis * T + at);
    at += length;
  });
  return out;
}
