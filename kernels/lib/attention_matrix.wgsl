// What the kernels of attention on tensor cores share (see lib/matrix_product.wgsl for the powers of two that keep f16 in range). A
// workgroup owns TILE rows of one head and walks over tiles of TILE rows that they meet. Its four subgroups lie two by two over each
// product of TILE×TILE; heads are cut in CHUNKS of TILE columns, zero past the head's end. Every product is left tile · right tile: both
// hold TILE rows of TILE columns.
const TILE: u32 = 32u;
const HALF: u32 = TILE / 2u;
const STRIDE: u32 = TILE + 8u;
const SCORE_STRIDE: u32 = TILE + 4u;
const THREADS: u32 = 4u * SUBGROUP;
const CHUNKS: u32 = (D + TILE - 1u) / TILE;
// Vectors of four in a row of an operand, padding included (lib/attention_cells.wgsl).
const ROW: u32 = CHUNKS * (TILE / 4u);
// Vectors of four of a tile, and how many an invocation has: eight neighbours share a row, and an invocation has the same rows throughout.
const FOURS: u32 = TILE * TILE / 4u;
const EACH: u32 = FOURS / THREADS;
const FM: u32 = HALF / M;
const FN: u32 = HALF / N;
const TOP: i32 = 14;
const LEAST: i32 = -112;

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;
alias Sums = array<Result, FM * FN>;
alias Heads = array<Result, CHUNKS * FM * FN>;

var<workgroup> left_tile: array<f16, TILE * STRIDE>;
var<workgroup> right_tile: array<f16, TILE * STRIDE>;
var<workgroup> scores: array<f32, TILE * SCORE_STRIDE>;
// Bits of the largest magnitudes met, by operand.
var<workgroup> largest_bits: array<atomic<u32>, 5>;
var<private> exponents: array<i32, 5> = array<i32, 5>(LEAST, LEAST, LEAST, LEAST, LEAST);
var<private> staged_left: array<vec4f, EACH>;
var<private> staged_right: array<vec4f, EACH>;
// Of the operands' rows that are met now.
var<private> query0: u32;
var<private> query_end: u32;
var<private> key0: u32;
var<private> key_end: u32;
var<private> head: u32;
var<private> kv_head: u32;

const Q: u32 = 0u;
const KEY: u32 = 1u;
const VALUE: u32 = 2u;
const DY: u32 = 3u;
const DS: u32 = 4u;

// A bound that the compiler cannot see where COMPACT (p.blocks is 1), but of one turn; and the same of loops over fragments: see
// lib/matrix_product.wgsl.
fn rolled(count: u32) -> u32 { return select(count, count * p.blocks, COMPACT && count > 1u); }
fn few(count: u32) -> u32 { return select(count, rolled(count), CHUNKS > 1u); }

fn power(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

fn magnitude(x: vec4f) -> u32 {
  let bits = bitcast<vec4u>(x) & vec4u(0x7fffffffu);
  return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

fn meet(operand: u32, bits: u32) {
  let largest = subgroupMax(bits);
  if (subgroupElect()) { atomicMax(&largest_bits[operand], largest); }
}

// After a barrier: the factor by which sums of this operand's products shrink, 1 where nothing larger was met.
fn settle(operand: u32) -> f32 {
  let exponent = max(LEAST, i32(atomicLoad(&largest_bits[operand]) >> 23u) - 127);
  let change = power(max(-126, exponents[operand] - exponent));
  exponents[operand] = exponent;
  return change;
}

fn scale_in(operand: u32) -> f32 { return power(TOP - exponents[operand]); }
fn scale_out(operand: u32) -> f32 { return power(exponents[operand] - TOP); }

fn operand_four(operand: u32, row: u32, d: u32) -> vec4f {
  if (operand == Q || operand == DY) {
    if (query0 + row >= query_end) { return vec4f(); }
    let at = (query0 + row) * p.heads + head;
    if (operand == Q) { return q_cell(at, d); }
    return other_cell(at, d);
  }
  if (key0 + row >= key_end) { return vec4f(); }
  let at = (key0 + row) * p.kv_heads + kv_head;
  if (operand == KEY) { return k_cell(at, d); }
  return v_cell(at, d);
}

// A chunk of an operand's rows, into registers.
fn load_left(operand: u32, chunk: u32, lane: u32) {
  var largest = 0u;
  for (var e = 0u; e < rolled(EACH); e++) {
    let i = lane + e * THREADS;
    staged_left[e] = operand_four(operand, i / 8u, chunk * 8u + i % 8u);
    largest = max(largest, magnitude(staged_left[e]));
  }
  meet(operand, largest);
}

fn load_right(operand: u32, chunk: u32, lane: u32) {
  var largest = 0u;
  for (var e = 0u; e < rolled(EACH); e++) {
    let i = lane + e * THREADS;
    staged_right[e] = operand_four(operand, i / 8u, chunk * 8u + i % 8u);
    largest = max(largest, magnitude(staged_right[e]));
  }
  meet(operand, largest);
}

fn store_left(factor: f32, lane: u32) {
  for (var e = 0u; e < rolled(EACH); e++) {
    let i = lane + e * THREADS;
    let four = vec4<f16>(staged_left[e] * factor);
    let at = i / 8u * STRIDE + i % 8u * 4u;
    left_tile[at] = four.x;
    left_tile[at + 1u] = four.y;
    left_tile[at + 2u] = four.z;
    left_tile[at + 3u] = four.w;
  }
}

fn store_right(factor: f32, lane: u32) {
  for (var e = 0u; e < rolled(EACH); e++) {
    let i = lane + e * THREADS;
    let four = vec4<f16>(staged_right[e] * factor);
    let at = i / 8u * STRIDE + i % 8u * 4u;
    right_tile[at] = four.x;
    right_tile[at + 1u] = four.y;
    right_tile[at + 2u] = four.z;
    right_tile[at + 3u] = four.w;
  }
}

// Of an invocation's subgroup; those past the fourth have none.
fn quarter_of(lane: u32, size: u32) -> u32 { return lane / size; }

// sums += left · rightᵀ: scores of rows against rows.
fn multiply_transposed(sums: ptr<function, Sums>, quarter: u32) {
  if (quarter >= 4u) { return; }
  let m = quarter / 2u * HALF;
  let n = quarter % 2u * HALF;
  for (var k = 0u; k < rolled(TILE); k += K) {
    var left = array<Left, FM>();
    for (var i = 0u; i < few(FM); i++) { left[i] = subgroupMatrixLoad<Left, row_major>(&left_tile, (m + i * M) * STRIDE + k, STRIDE); }
    for (var j = 0u; j < few(FN); j++) {
      let right = subgroupMatrixLoad<Right, col_major>(&right_tile, (n + j * N) * STRIDE + k, STRIDE);
      for (var i = 0u; i < few(FM); i++) { sums[i * FN + j] = subgroupMatrixMultiplyAccumulate(left[i], right, sums[i * FN + j]); }
    }
  }
}

// heads of this chunk += left · right: rows of weights times rows of an operand.
fn multiply_into(heads: ptr<function, Heads>, chunk: u32, quarter: u32) {
  if (quarter >= 4u) { return; }
  let m = quarter / 2u * HALF;
  let n = quarter % 2u * HALF;
  for (var k = 0u; k < rolled(TILE); k += K) {
    var left = array<Left, FM>();
    for (var i = 0u; i < few(FM); i++) { left[i] = subgroupMatrixLoad<Left, row_major>(&left_tile, (m + i * M) * STRIDE + k, STRIDE); }
    for (var j = 0u; j < few(FN); j++) {
      let right = subgroupMatrixLoad<Right, row_major>(&right_tile, k * STRIDE + n + j * N, STRIDE);
      for (var i = 0u; i < few(FM); i++) {
        let f = (chunk * FM + i) * FN + j;
        heads[f] = subgroupMatrixMultiplyAccumulate(left[i], right, heads[f]);
      }
    }
  }
}

fn scale_sums(sums: ptr<function, Sums>, factor: f32) {
  for (var f = 0u; f < few(FM * FN); f++) { sums[f] = subgroupMatrixScalarMultiply(sums[f], factor); }
}

fn scale_heads(heads: ptr<function, Heads>, factor: f32) {
  for (var f = 0u; f < rolled(CHUNKS * FM * FN); f++) { heads[f] = subgroupMatrixScalarMultiply(heads[f], factor); }
}

// All of a product's sums into `scores`, row by row; a barrier follows.
fn put_scores(sums: ptr<function, Sums>, quarter: u32) {
  if (quarter >= 4u) { return; }
  let at = quarter / 2u * HALF * SCORE_STRIDE + quarter % 2u * HALF;
  for (var f = 0u; f < few(FM * FN); f++) {
    subgroupMatrixStore<row_major>(&scores, at + f / FN * M * SCORE_STRIDE + f % FN * N, sums[f], SCORE_STRIDE);
  }
}

fn put_chunk(heads: ptr<function, Heads>, chunk: u32, quarter: u32) {
  if (quarter >= 4u) { return; }
  let at = quarter / 2u * HALF * SCORE_STRIDE + quarter % 2u * HALF;
  for (var f = 0u; f < few(FM * FN); f++) {
    subgroupMatrixStore<row_major>(&scores, at + f / FN * M * SCORE_STRIDE + f % FN * N, heads[chunk * FM * FN + f], SCORE_STRIDE);
  }
}

fn take_chunk(heads: ptr<function, Heads>, chunk: u32, quarter: u32) {
  if (quarter >= 4u) { return; }
  let at = quarter / 2u * HALF * SCORE_STRIDE + quarter % 2u * HALF;
  for (var f = 0u; f < few(FM * FN); f++) {
    heads[chunk * FM * FN + f] = subgroupMatrixLoad<Result, row_major>(&scores, at + f / FN * M * SCORE_STRIDE + f % FN * N, SCORE_STRIDE);
  }
}

fn score_four(i: u32) -> vec4f {
  let at = i / 8u * SCORE_STRIDE + i % 8u * 4u;
  return vec4f(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]);
}
