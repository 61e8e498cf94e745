/**
 * Token embedding with image features put in place of their placeholder tokens. The table may be split over buffers (by rows); each
 * part then writes the rows it holds. The gradient of the table is a sum in a fixed order over tokens grouped by id on the CPU, not a
 * scatter with atomics, so that a run repeats to the bit.
 */
import { assertShape } from '../gpu/tensor.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import type { Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';
import { storageOf } from './storage.ts';

/** The tokens of a micro-batch by id: id `uniqueIds[u]` stands at `positions[offsets[u]]` … `positions[offsets[u + 1] - 1]`, ascending. */
export interface TokenGroups<A> {
  /** (U) */
  uniqueIds: A;
  /** (U + 1) */
  offsets: A;
  /** (tokens that are text) */
  positions: A;
}

export interface EmbedOptions {
  /** Image features and where they go. */
  image?: {
    /** (N, C) */
    features: Tensor;
    /** (T) i32: -1 for a text token, otherwise a row of `features`; no row twice. */
    slots: Tensor;
  };
  /** u32 uploads of what `groupByToken` gives for this micro-batch; needed when the table is trained. */
  groups?: TokenGroups<Tensor>;
  /** Factor on text embeddings (Gemma: √C, rounded by the model as its checkpoint's dtype asks); image features are not scaled. */
  scale?: number;
}

/** Groups text tokens (slot -1, or all when `slots` is left out) by id. Ids ascend, and so do the positions of each. */
export function groupByToken(ids: ArrayLike<number>, slots?: ArrayLike<number>): TokenGroups<Uint32Array> {
  const positions: number[] = [];
  for (let at = 0; at < ids.length; at++) {
    if (slots === undefined || slots[at]! < 0) positions.push(at);
  }
  positions.sort((a, b) => ids[a]! - ids[b]! || a - b);
  const uniqueIds: number[] = [];
  const offsets: number[] = [];
  positions.forEach((position, at) => {
    const id = ids[position]!;
    if (uniqueIds.at(-1) === id) return;
    uniqueIds.push(id);
    offsets.push(at);
  });
  offsets.push(positions.length);
  return { uniqueIds: Uint32Array.from(uniqueIds), offsets: Uint32Array.from(offsets), positions: Uint32Array.from(positions) };
}

/** ids (T) u32, table (V, C) of any weight dtype; returns (T, C). An id of V or more gives a row of zeros: callers check ids on the CPU. */
export function embed(t: Tape, ids: Tensor, table: Parameter, { image, groups, scale = 1 }: EmbedOptions = {}): Tensor {
  const tokens = ids.size;
  const [tableRows, size] = table.tensor.shape;
  if (tableRows === undefined || size === undefined || table.tensor.shape.length !== 2) {
    throw new Error(`embed: expected ${table.name} of shape (V, C), found ${table.tensor.describe()}`);
  }
  const features = image?.features.shape[0] ?? 0;
  if (image) {
    assertShape(image.features, [features, size], 'embed, image features');
    assertShape(image.slots, [tokens], 'embed, slots');
  }
  if (t.grad && table.grad && !groups)
    throw new Error(`embed: ${table.name} is trained, which needs the tokens grouped by id (groupByToken)`);

  const y = t.alloc([tokens, size]);
  const workgroups = Math.ceil((tokens * size) / 256);
  const cells = cellsOf(size);
  const featureParams = { tokens, size: size / cells.width, features };
  const featureGroups = cellGroups(cells, tokens * size);
  const kernel = t.kernel('embed', { table: storageOf(table.tensor) });
  for (const { view, rowStart, rows } of table.tensor.parts) {
    const params = { tokens, size, row_start: rowStart, part_rows: rows, table_rows: tableRows, scale };
    t.dispatch(kernel, { ids, table: view, y }, params, workgroups);
  }
  if (image) {
    t.dispatch(t.kernel('embed_features', cells.spec), { slots: image.slots, features: image.features, y }, featureParams, featureGroups);
  }
  t.record(y, (image?.features.requiresGrad ?? false) || table.grad !== undefined, (dy) => {
    const dfeatures = image && t.gradient(image.features);
    if (dfeatures) {
      const { tensor, accumulate } = dfeatures;
      if (accumulate === 0) t.device.clear(tensor.view);
      const bindings = { slots: image.slots, dy, dfeatures: tensor };
      t.dispatch(t.kernel('embed_features_backward', cells.spec), bindings, { ...featureParams, accumulate }, featureGroups);
    }
    if (!table.grad || !groups) return;
    const { uniqueIds, offsets, positions } = groups;
    for (const { view, rowStart, rows } of table.grad.parts) {
      const bindings = { dy, unique_ids: uniqueIds, offsets, positions, dtable: view };
      const params = { unique: uniqueIds.size, size, row_start: rowStart, part_rows: rows, scale };
      t.dispatch(t.kernel('embed_table_backward'), bindings, params, uniqueIds.size);
    }
  });
  return y;
}
