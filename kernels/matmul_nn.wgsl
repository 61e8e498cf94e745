// y (M, N) = scale · ((a · a_scale) w + low_a low_w), a (M, K), w (K, N) in the checkpoint's dtype: the gradient of a linear's input. The
// low-rank pair is LoRA's; MASK 1 applies the dropout mask of y's element to it alone, MASK 2 to everything, 0 to nothing. w may
// be a run of rows of a split weight: it meets the columns p.column… of a. With p.chunk < K, workgroup z sums one range of K.
// uses: matmul_tile, unpack, rng
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const W_TYPE: u32 = 0u;
const MASK: u32 = 0u;
const HAS_A_SCALE: bool = false;
// WIDE: rows of a and of w are multiples of 4, so that four elements are one load (A_UNIT vec4f, W_UNIT vec2u).
const WIDE: bool = false;
alias A_UNIT = f32;
alias W_UNIT = u32;
// check: COMPACT=true WIDE=true A_UNIT=vec4f W_UNIT=vec2u W_TYPE=2 MASK=1
// check: WIDE=true A_UNIT=vec4f W_UNIT=vec2u W_TYPE=0 MASK=2 HAS_A_SCALE=true
// check: BM=64 BN=16 TM=4 TN=4 W_TYPE=1
// check: BM=16 BN=64 TM=4 TN=4 W_TYPE=2
// check: BM=32 BN=32 TM=4 TN=4

struct Params {
  m: u32, n: u32, k: u32, chunk: u32, a_stride: u32, column: u32, depth: u32,
  rank: u32, a_scale_offset: f32, scale: f32, accumulate: u32, seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> low_a: array<f32>;
@group(0) @binding(5) var<storage, read> low_w: array<f32>;
@group(0) @binding(6) var<storage, read> a_scale: array<f32>;
var<private> mask_key: u32;

fn a_four(is_low: bool, m: u32, k: u32) -> vec4f {
  if (is_low) { return low_a_four(m, k); }
  if (m >= p.m || k >= p.k) { return vec4f(); }
  let column = p.column + k;
  let i = m * p.a_stride + column;
  var four: vec4f;
  if (WIDE) {
    four = vec4f(a[i / 4u]);
  } else {
    // A_UNIT is f32 here; vec4f(…).x keeps the line valid where it is not.
    four = vec4f(vec4f(a[i]).x, vec4f(a[i + 1u]).x, vec4f(a[i + 2u]).x, vec4f(a[i + 3u]).x);
  }
  if (HAS_A_SCALE) {
    four *= vec4f(a_scale[column], a_scale[column + 1u], a_scale[column + 2u], a_scale[column + 3u]) + p.a_scale_offset;
  }
  return select(vec4f(), four, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.k));
}

fn w_four(is_low: bool, k: u32, n: u32) -> vec4f {
  if (is_low) { return low_w_four(k, n); }
  if (n >= p.n || k >= p.k) { return vec4f(); }
  let i = k * p.n + n;
  if (WIDE) {
    if (W_TYPE == 0u) { return bitcast<vec4f>(vec4u(vec2u(w[i / 2u]), vec2u(w[i / 2u + 1u]))); }
    let words = vec2u(w[i / 4u]);
    return vec4f(decode_weight(words.x, 0u), decode_weight(words.x, 1u), decode_weight(words.y, 0u), decode_weight(words.y, 1u));
  }
  // Past the end of the row these are elements of the next one; they only reach sums that are not written.
  return vec4f(decode_weight(vec2u(w[weight_word(i)]).x, i), decode_weight(vec2u(w[weight_word(i + 1u)]).x, i + 1u),
    decode_weight(vec2u(w[weight_word(i + 2u)]).x, i + 2u), decode_weight(vec2u(w[weight_word(i + 3u)]).x, i + 3u));
}

fn low_a_four(m: u32, k: u32) -> vec4f {
  if (m >= p.m) { return vec4f(); }
  let i = m * p.rank + k;
  return select(vec4f(), vec4f(low_a[i], low_a[i + 1u], low_a[i + 2u], low_a[i + 3u]), vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.rank));
}

fn low_w_four(k: u32, n: u32) -> vec4f {
  if (n >= p.n || k >= p.rank) { return vec4f(); }
  let i = k * p.n + n;
  return vec4f(low_w[i], low_w[i + 1u], low_w[i + 2u], low_w[i + 3u]);
}

fn mask_sums(m0: u32, n0: u32, lane: u32) {
  for (var i = 0u; i < TM; i++) {
    for (var j = 0u; j < TN4; j++) {
      let at = (m0 + tile_row(lane, i * TN)) * p.n + n0 + tile_column(lane, j * 4u);
      sums[i * TN4 + j] *= vec4f(dropout_scale(mask_key, at, p.rate), dropout_scale(mask_key, at + 1u, p.rate),
        dropout_scale(mask_key, at + 2u, p.rate), dropout_scale(mask_key, at + 3u, p.rate));
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = wid.x * BM;
  let n0 = wid.y * BN;
  if (MASK != 0u) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the low-rank one, which may have to be masked alone.
  let low_steps = (p.rank + BK - 1u) / BK;
  let steps = low_steps + (min(p.k, begin + p.chunk) - begin + BK - 1u) / BK;
  for (var step = 0u; step < steps; step++) {
    let is_low = step < low_steps;
    let k0 = select(begin + (step - low_steps) * BK, step * BK, is_low);
    if (MASK == 1u && step == low_steps) { mask_sums(m0, n0, lane); }
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let k4 = block % (BK / 4u);
      let m4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = a_four(is_low, m0 + m4 * 4u + j, k0 + k4 * 4u); }
      put_a(m4, k4, transpose(rows));
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let n4 = block % (BN / 4u);
      let k4 = block / (BN / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = w_four(is_low, k0 + k4 * 4u + j, n0 + n4 * 4u); }
      put_b(n4, k4, columns);
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
  }
  if (MASK == 2u) { mask_sums(m0, n0, lane); }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    let m = m0 + tile_row(lane, e);
    let n = n0 + tile_column(lane, e);
    if (m < p.m && n < p.n) {
      var value = results[e / 4u][e % 4u];
      value *= p.scale;
      let at = (wid.z * p.m + m) * p.n + n;
      if (p.accumulate == 1u) { value += y[at]; }
      y[at] = value;
    }
  }
}
