// y (M, N) = scale · (a wᵀ · column_scale + low_a low_wᵀ + bias), a (M, K), w (N, K) in the checkpoint's dtype. The low-rank pair is LoRA's:
// R more steps of the same sum instead of a second pass over y. DROPOUT masks a as it is loaded. w may be a run of rows of a split
// weight: its results go to columns p.column… of y. With p.chunk < K, workgroup z sums one range of K into its own (M, N) of y.
// uses: matmul_tile, unpack, rng
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const W_TYPE: u32 = 0u;
const DROPOUT: bool = false;
// WIDE: K is a multiple of 4, so that four elements are one load (A_UNIT vec4f, W_UNIT vec2u).
const WIDE: bool = false;
alias A_UNIT = f32;
alias W_UNIT = u32;
// check: COMPACT=true WIDE=true A_UNIT=vec4f W_UNIT=vec2u W_TYPE=2
// check: WIDE=true A_UNIT=vec4f W_UNIT=vec2u W_TYPE=0 DROPOUT=true
// check: BM=64 BN=16 TM=4 TN=4 W_TYPE=1 DROPOUT=true
// check: BM=16 BN=64 TM=4 TN=4 W_TYPE=2
// check: BM=32 BN=32 TM=4 TN=4

struct Params {
  m: u32, n: u32, k: u32, chunk: u32, y_stride: u32, column: u32, depth: u32,
  rank: u32, has_bias: u32, has_column_scale: u32, column_scale_offset: f32, scale: f32, accumulate: u32,
  seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> low_a: array<f32>;
@group(0) @binding(5) var<storage, read> low_w: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> column_scale: array<f32>;
var<private> mask_key: u32;

fn a_four(is_low: bool, m: u32, k: u32) -> vec4f {
  if (is_low) { return low_a_four(m, k); }
  if (m >= p.m || k >= p.k) { return vec4f(); }
  let i = m * p.k + k;
  var four: vec4f;
  if (WIDE) {
    four = vec4f(a[i / 4u]);
  } else {
    // A_UNIT is f32 here; vec4f(…).x keeps the line valid where it is not.
    four = vec4f(vec4f(a[i]).x, vec4f(a[i + 1u]).x, vec4f(a[i + 2u]).x, vec4f(a[i + 3u]).x);
    four = select(vec4f(), four, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.k));
  }
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

fn w_four(is_low: bool, n: u32, k: u32) -> vec4f {
  if (is_low) { return low_w_four(n, k); }
  if (n >= p.n || k >= p.k) { return vec4f(); }
  let i = n * p.k + k;
  if (WIDE) {
    if (W_TYPE == 0u) { return bitcast<vec4f>(vec4u(vec2u(w[i / 2u]), vec2u(w[i / 2u + 1u]))); }
    let words = vec2u(w[i / 4u]);
    return vec4f(decode_weight(words.x, 0u), decode_weight(words.x, 1u), decode_weight(words.y, 0u), decode_weight(words.y, 1u));
  }
  let four = vec4f(decode_weight(vec2u(w[weight_word(i)]).x, i), decode_weight(vec2u(w[weight_word(i + 1u)]).x, i + 1u),
    decode_weight(vec2u(w[weight_word(i + 2u)]).x, i + 2u), decode_weight(vec2u(w[weight_word(i + 3u)]).x, i + 3u));
  return select(vec4f(), four, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.k));
}

fn low_a_four(m: u32, k: u32) -> vec4f {
  if (m >= p.m) { return vec4f(); }
  let i = m * p.rank + k;
  return select(vec4f(), vec4f(low_a[i], low_a[i + 1u], low_a[i + 2u], low_a[i + 3u]), vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.rank));
}

fn low_w_four(n: u32, k: u32) -> vec4f {
  if (n >= p.n) { return vec4f(); }
  let i = (p.column + n) * p.rank + k;
  return select(vec4f(), vec4f(low_w[i], low_w[i + 1u], low_w[i + 2u], low_w[i + 3u]), vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(p.rank));
}

fn scale_columns(n0: u32, lane: u32) {
  for (var j = 0u; j < TN4; j++) {
    let c = p.column + n0 + tile_column(lane, j * 4u);
    let factors = vec4f(column_scale[c], column_scale[c + 1u], column_scale[c + 2u], column_scale[c + 3u]) + p.column_scale_offset;
    for (var i = 0u; i < TM; i++) { sums[i * TN4 + j] *= factors; }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = wid.x * BM;
  let n0 = wid.y * BN;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the long one, then the low-rank one.
  let long_steps = (min(p.k, begin + p.chunk) - begin + BK - 1u) / BK;
  let steps = long_steps + (p.rank + BK - 1u) / BK;
  for (var step = 0u; step < steps; step++) {
    let is_low = step >= long_steps;
    let k0 = select(begin + step * BK, (step - long_steps) * BK, is_low);
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let k4 = block % (BK / 4u);
      let m4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = a_four(is_low, m0 + m4 * 4u + j, k0 + k4 * 4u); }
      put_a(m4, k4, transpose(rows));
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let k4 = block % (BK / 4u);
      let n4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = w_four(is_low, n0 + n4 * 4u + j, k0 + k4 * 4u); }
      put_b(n4, k4, transpose(rows));
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
    if (step + 1u == long_steps && p.has_column_scale == 1u) { scale_columns(n0, lane); }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    let m = m0 + tile_row(lane, e);
    let n = n0 + tile_column(lane, e);
    if (m < p.m && n < p.n) {
      var value = results[e / 4u][e % 4u];
      if (p.has_bias == 1u) { value += bias[p.column + n]; }
      value *= p.scale;
      let at = (wid.z * p.m + m) * p.y_stride + p.column + n;
      if (p.accumulate == 1u) { value += y[at]; }
      y[at] = value;
    }
  }
}
