// The inner part of a product on tensor cores (subgroup matrices): operands are rounded to f16 in workgroup memory, sums are f32. A
// workgroup has four subgroups, two by two over a tile of BM×BN sums. SUBGROUP is the largest size a subgroup may have here; where it is
// smaller, the subgroups past the fourth only help to stage. M, N and K are one of the device's configurations.
//
// f16 ends at 65504 and loses digits below 2⁻¹⁴, so gradients would vanish in it and Gemma's residuals overflow. An operand is therefore
// staged times 2^(TOP − exponent of the largest magnitude that this workgroup has met in it), and where a later step brings a larger one,
// the sums so far are scaled down. What is staged differs from the operand by at most 2⁻¹¹ of itself (2⁻¹⁰ where a device rounds towards
// zero), and 2⁻²⁸ of that largest magnitude, even where subnormals are flushed: weights in f16 and bf16 lose nothing but what lies below
// the latter. Weights in f32 would lose the rest of their digits, which shifts a whole run: with SPLIT the right operand is staged as its
// leading eleven bits and what these leave, and multiplied twice, so that 2⁻²¹ is lost. With SPLIT_A the left one is too, and rest times
// rest is left out: three products for about f32's digits (Ootomo & Yokota 2022, doi:10.1177/10943420221090256).
const THREADS: u32 = 4u * SUBGROUP;
const FM: u32 = BM / (2u * M);
const FN: u32 = BN / (2u * N);
// A_BY_ROWS: tile_a[m][k], else tile_a[k][m]. B_BY_COLUMNS: tile_b[n][k], else tile_b[k][n]. Eight more elements a row against bank
// conflicts.
const A_WIDTH: u32 = select(BM, BK, A_BY_ROWS);
const B_WIDTH: u32 = select(BN, BK, B_BY_COLUMNS);
const A_STRIDE: u32 = A_WIDTH + 8u;
const B_STRIDE: u32 = B_WIDTH + 8u;
const HALVES: u32 = select(1u, 2u, SPLIT);
const A_HALVES: u32 = select(1u, 2u, SPLIT_A);
const A_HALF: u32 = A_STRIDE * BM * BK / A_WIDTH;
const B_HALF: u32 = B_STRIDE * BN * BK / B_WIDTH;
// Vectors of four in a tile, and how many of them an invocation stages.
const A_FOURS: u32 = BM * BK / 4u;
const B_FOURS: u32 = BN * BK / 4u;
const A_EACH: u32 = (A_FOURS + THREADS - 1u) / THREADS;
const B_EACH: u32 = (B_FOURS + THREADS - 1u) / THREADS;
const TOP: i32 = 14;
// Below 2^LEAST a magnitude would need a factor that f32 does not have, and counts as zero.
const LEAST: i32 = -112;

alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Result = subgroup_matrix_result<f32, N, M>;
alias Sums = array<Result, FM * FN>;

// Where an operand is split, its rest lies behind its leading bits.
var<workgroup> tile_a: array<f16, A_HALF * A_HALVES>;
var<workgroup> tile_b: array<f16, B_HALF * HALVES>;
// One fragment of each subgroup, on its way between the matrix units and the invocations.
var<workgroup> fragments: array<f32, 4u * M * N>;
// Bits of the largest magnitudes met: as whole numbers they have the magnitudes' order, with infinities and NaN above all.
var<workgroup> largest_a: atomic<u32>;
var<workgroup> largest_b: atomic<u32>;
var<private> exponent_a: i32 = LEAST;
var<private> exponent_b: i32 = LEAST;
var<private> staged_a: array<vec4f, A_EACH>;
var<private> staged_b: array<vec4f, B_EACH>;

// `count`, by way of a uniform when COMPACT: a bound the compiler cannot see keeps it from unrolling the loop (p.depth is 1), over whose
// body Mesa's software GPU takes seconds.
fn rolled(count: u32) -> u32 { return select(count, count * p.depth, COMPACT); }

// The same of loops over fragments, but for few of them: at a place that it does not know, that compiler keeps them all in memory, and a
// product takes two to three times as long.
fn few(count: u32) -> u32 { return select(count, rolled(count), FM * FN > 4u); }

fn power(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

fn exponent_of(bits: u32) -> i32 { return max(LEAST, i32(bits >> 23u) - 127); }

fn magnitude(x: vec4f) -> u32 {
  let bits = bitcast<vec4u>(x) & vec4u(0x7fffffffu);
  return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

// What the kernel says of element (row, column…column + 3) of the next tiles, into registers: a_tile_four and b_tile_four.
fn load_tiles(lane: u32) {
  var largest = vec2u();
  for (var e = 0u; e < rolled(A_EACH); e++) {
    let i = lane + e * THREADS;
    var four = vec4f();
    if (A_FOURS % THREADS == 0u || i < A_FOURS) { four = a_tile_four(i / (A_WIDTH / 4u), i % (A_WIDTH / 4u) * 4u); }
    staged_a[e] = four;
    largest.x = max(largest.x, magnitude(four));
  }
  for (var e = 0u; e < rolled(B_EACH); e++) {
    let i = lane + e * THREADS;
    var four = vec4f();
    if (B_FOURS % THREADS == 0u || i < B_FOURS) { four = b_tile_four(i / (B_WIDTH / 4u), i % (B_WIDTH / 4u) * 4u); }
    staged_b[e] = four;
    largest.y = max(largest.y, magnitude(four));
  }
  largest = subgroupMax(largest);
  if (subgroupElect()) {
    atomicMax(&largest_a, largest.x);
    atomicMax(&largest_b, largest.y);
  }
}

// After a barrier: the exponents of all that was loaded. The factor that the sums so far need is 1 where nothing grew.
fn settle() -> f32 {
  let a = exponent_of(atomicLoad(&largest_a));
  let b = exponent_of(atomicLoad(&largest_b));
  let change = power(max(-126, exponent_a - a)) * power(max(-126, exponent_b - b));
  exponent_a = a;
  exponent_b = b;
  return change;
}

// Cut off, not rounded: what is left is then exact in f32, and no compiler can take f32(f16(x)) for x.
fn leading_bits(x: vec4f, is_split: bool) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(x) & vec4u(select(0xffffffffu, 0xffffe000u, is_split)));
}

fn store_tiles(lane: u32) {
  let factor_a = power(TOP - exponent_a);
  let factor_b = power(TOP - exponent_b);
  for (var e = 0u; e < rolled(A_EACH); e++) {
    let i = lane + e * THREADS;
    if (A_FOURS % THREADS != 0u && i >= A_FOURS) { continue; }
    let scaled = staged_a[e] * factor_a;
    let leading = leading_bits(scaled, SPLIT_A);
    let four = vec4<f16>(leading);
    let at = i / (A_WIDTH / 4u) * A_STRIDE + i % (A_WIDTH / 4u) * 4u;
    tile_a[at] = four.x;
    tile_a[at + 1u] = four.y;
    tile_a[at + 2u] = four.z;
    tile_a[at + 3u] = four.w;
    if (SPLIT_A) {
      let rest = vec4<f16>(scaled - leading);
      tile_a[A_HALF + at] = rest.x;
      tile_a[A_HALF + at + 1u] = rest.y;
      tile_a[A_HALF + at + 2u] = rest.z;
      tile_a[A_HALF + at + 3u] = rest.w;
    }
  }
  for (var e = 0u; e < rolled(B_EACH); e++) {
    let i = lane + e * THREADS;
    if (B_FOURS % THREADS != 0u && i >= B_FOURS) { continue; }
    let scaled = staged_b[e] * factor_b;
    let leading = leading_bits(scaled, SPLIT);
    let four = vec4<f16>(leading);
    let at = i / (B_WIDTH / 4u) * B_STRIDE + i % (B_WIDTH / 4u) * 4u;
    tile_b[at] = four.x;
    tile_b[at + 1u] = four.y;
    tile_b[at + 2u] = four.z;
    tile_b[at + 3u] = four.w;
    if (SPLIT) {
      let rest = vec4<f16>(scaled - leading);
      tile_b[B_HALF + at] = rest.x;
      tile_b[B_HALF + at + 1u] = rest.y;
      tile_b[B_HALF + at + 2u] = rest.z;
      tile_b[B_HALF + at + 3u] = rest.w;
    }
  }
}

// Of an invocation's subgroup: which of the four quarters of the tile is its own. Subgroups past the fourth have none.
fn quarter_of(lane: u32, size: u32) -> u32 { return lane / size; }

// sums += tile_a · tile_b, between two barriers.
fn multiply_tiles(sums: ptr<function, Sums>, quarter: u32) {
  if (quarter >= 4u) { return; }
  let m = quarter / 2u * (BM / 2u);
  let n = quarter % 2u * (BN / 2u);
  for (var k = 0u; k < rolled(BK); k += K) {
    var left = array<Left, FM * A_HALVES>();
    for (var i = 0u; i < few(FM * A_HALVES); i++) {
      let half = i / FM * A_HALF;
      if (A_BY_ROWS) { left[i] = subgroupMatrixLoad<Left, row_major>(&tile_a, half + (m + i % FM * M) * A_STRIDE + k, A_STRIDE); }
      else { left[i] = subgroupMatrixLoad<Left, col_major>(&tile_a, half + k * A_STRIDE + m + i % FM * M, A_STRIDE); }
    }
    for (var j = 0u; j < few(FN); j++) {
      for (var half = 0u; half < HALVES; half++) {
        var right: Right;
        if (B_BY_COLUMNS) { right = subgroupMatrixLoad<Right, col_major>(&tile_b, half * B_HALF + (n + j * N) * B_STRIDE + k, B_STRIDE); }
        else { right = subgroupMatrixLoad<Right, row_major>(&tile_b, half * B_HALF + k * B_STRIDE + n + j * N, B_STRIDE); }
        // Rest times rest is less than the sums round off.
        for (var i = 0u; i < few(select(FM, FM * A_HALVES, half == 0u)); i++) {
          sums[i % FM * FN + j] = subgroupMatrixMultiplyAccumulate(left[i], right, sums[i % FM * FN + j]);
        }
      }
    }
  }
}

fn scale_sums(sums: ptr<function, Sums>, factor: f32) {
  for (var f = 0u; f < few(FM * FN); f++) { sums[f] = subgroupMatrixScalarMultiply(sums[f], factor); }
}

// The f-th fragment of every subgroup into `fragments`, and back.
fn put_fragments(sums: ptr<function, Sums>, f: u32, quarter: u32) {
  if (quarter < 4u) { subgroupMatrixStore<row_major>(&fragments, quarter * M * N, sums[f], N); }
}

fn take_fragments(sums: ptr<function, Sums>, f: u32, quarter: u32) {
  if (quarter < 4u) { sums[f] = subgroupMatrixLoad<Result, row_major>(&fragments, quarter * M * N, N); }
}

// Row and column within the tile of element e of `fragments`.
fn fragment_row(f: u32, e: u32) -> u32 { return e / (2u * M * N) * (BM / 2u) + f / FN * M + e % (M * N) / N; }
fn fragment_column(f: u32, e: u32) -> u32 { return e / (M * N) % 2u * (BN / 2u) + f % FN * N + e % N; }

// A sum as the operands would have made it unscaled.
fn unscaled(sum: f32) -> f32 { return sum * power(exponent_a - TOP) * power(exponent_b - TOP); }
