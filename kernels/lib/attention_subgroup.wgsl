// What the kernels of attention for a software GPU share. A subgroup, one vector register, owns TM rows (queries, or keys); of the
// 4·SUBGROUP rows they meet at a time a lane has four columns of every owned row's scores. In the second product a lane has vectors of the
// head instead: its cells are CELLS apart, and where a head is shorter than the subgroup, GROUPS groups of lanes each take their share of
// the rows that are met.
const ROW: u32 = (D + 3u) / 4u;
const CELLS: u32 = min(SUBGROUP, select(select(select(select(16u, 8u, ROW <= 8u), 4u, ROW <= 4u), 2u, ROW <= 2u), 1u, ROW <= 1u));
const GROUPS: u32 = SUBGROUP / CELLS;
const COLUMNS: u32 = (ROW + CELLS - 1u) / CELLS;
// A subgroup has this many owned rows in each lane.
const OWN: u32 = TM / SUBGROUP;

// The lane's cell in a column; past the end of a row it is the last one again, and its results are nobody's.
fn cell_of(column: u32, lane: u32) -> u32 { return min(column * CELLS + lane % CELLS, ROW - 1u); }

// Of owned row m, a constant once loops are unrolled: what its lane has.
fn own_u32(values: array<u32, OWN>, m: u32) -> u32 { return subgroupShuffle(values[m / SUBGROUP], m % SUBGROUP); }
fn own_f32(values: array<f32, OWN>, m: u32) -> f32 { return subgroupShuffle(values[m / SUBGROUP], m % SUBGROUP); }

// By halves, because a reduction is a loop over lanes there.
fn lanes_max(value: f32) -> f32 {
  var v = value;
  if (SUBGROUP > 1u) { v = max(v, subgroupShuffleXor(v, 1u)); }
  if (SUBGROUP > 2u) { v = max(v, subgroupShuffleXor(v, 2u)); }
  if (SUBGROUP > 4u) { v = max(v, subgroupShuffleXor(v, 4u)); }
  if (SUBGROUP > 8u) { v = max(v, subgroupShuffleXor(v, 8u)); }
  if (SUBGROUP > 16u) { v = max(v, subgroupShuffleXor(v, 16u)); }
  if (SUBGROUP > 32u) { v = max(v, subgroupShuffleXor(v, 32u)); }
  return v;
}

// Over lanes that are `from` or a multiple of it apart.
fn lanes_sum(value: vec4f, begin: u32) -> vec4f {
  var v = value;
  if (begin <= 1u && SUBGROUP > 1u) { v += subgroupShuffleXor(v, 1u); }
  if (begin <= 2u && SUBGROUP > 2u) { v += subgroupShuffleXor(v, 2u); }
  if (begin <= 4u && SUBGROUP > 4u) { v += subgroupShuffleXor(v, 4u); }
  if (begin <= 8u && SUBGROUP > 8u) { v += subgroupShuffleXor(v, 8u); }
  if (begin <= 16u && SUBGROUP > 16u) { v += subgroupShuffleXor(v, 16u); }
  if (begin <= 32u && SUBGROUP > 32u) { v += subgroupShuffleXor(v, 32u); }
  return v;
}

// Where the four rows from `row` on begin, rows of `heads` heads each; past `end` the last row stands in, whose weight is zero.
fn four_starts(row: u32, end: u32, heads: u32, head: u32) -> vec4u {
  let rows = min(row + vec4u(0u, 1u, 2u, 3u), vec4u(end - 1u)) * heads + head;
  return vec4u(row_start(rows.x), row_start(rows.y), row_start(rows.z), row_start(rows.w));
}

// The same for two rows.
fn two_starts(row: u32, end: u32, heads: u32, head: u32) -> vec2u {
  let rows = min(row + vec2u(0u, 1u), vec2u(end - 1u)) * heads + head;
  return vec2u(row_start(rows.x), row_start(rows.y));
}

// Cell d of four rows, a row a column of the matrix.
fn k_rows(starts: vec4u, d: u32) -> mat4x4f { return mat4x4f(k_at(starts.x, d), k_at(starts.y, d), k_at(starts.z, d), k_at(starts.w, d)); }
fn v_rows(starts: vec4u, d: u32) -> mat4x4f { return mat4x4f(v_at(starts.x, d), v_at(starts.y, d), v_at(starts.z, d), v_at(starts.w, d)); }

// Of every owned row the lane's cells; the kernel has variables of this type in its private memory.
alias Sums = array<array<vec4f, COLUMNS>, TM>;
// The lane's cells of two rows that are met, and of every owned row its weights for two of the lane's four. Four at once would be a
// twentieth faster, and twice as long to compile.
var<private> met: array<mat2x4f, COLUMNS>;
var<private> pairs: array<vec2f, TM>;

// acc of row m += lane l's pair of weights times the two rows of `met`. Written out, because loops that this compiler leaves rolled would
// keep the sums in memory.
fn add_weighted_row(m: u32, l: u32, acc: ptr<private, Sums>) {
  let weight = subgroupShuffle(pairs[m], l);
  (*acc)[m][0] += met[0] * weight;
  if (COLUMNS > 1u) { (*acc)[m][min(1u, COLUMNS - 1u)] += met[min(1u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 2u) { (*acc)[m][min(2u, COLUMNS - 1u)] += met[min(2u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 3u) { (*acc)[m][min(3u, COLUMNS - 1u)] += met[min(3u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 4u) { (*acc)[m][min(4u, COLUMNS - 1u)] += met[min(4u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 5u) { (*acc)[m][min(5u, COLUMNS - 1u)] += met[min(5u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 6u) { (*acc)[m][min(6u, COLUMNS - 1u)] += met[min(6u, COLUMNS - 1u)] * weight; }
  if (COLUMNS > 7u) { (*acc)[m][min(7u, COLUMNS - 1u)] += met[min(7u, COLUMNS - 1u)] * weight; }
  for (var c = 8u; c < COLUMNS; c++) { (*acc)[m][c] += met[c] * weight; }
}

fn add_weighted_rows(first: u32, l: u32, acc: ptr<private, Sums>) {
  add_weighted_row(first, l, acc);
  add_weighted_row(first + 1u, l, acc);
  add_weighted_row(first + 2u, l, acc);
  add_weighted_row(first + 3u, l, acc);
}

fn add_weighted(l: u32, acc: ptr<private, Sums>) {
  add_weighted_rows(0u, l, acc);
  if (TM > 4u) { add_weighted_rows(4u, l, acc); }
  if (TM > 8u) { add_weighted_rows(8u, l, acc); }
  if (TM > 12u) { add_weighted_rows(12u, l, acc); }
  for (var m = 16u; m < TM; m += 4u) { add_weighted_rows(m, l, acc); }
}
