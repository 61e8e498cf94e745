// Operands and result of y = scale · (a wᵀ · column_scale + low_a low_wᵀ + bias), whichever way the sums are made: see matmul/nt_tile.wgsl.
struct Params {
  m: u32, n: u32, k: u32, chunk: u32, y_stride: u32, column: u32, depth: u32, first_group: u32,
  rank: u32, has_bias: u32, has_column_scale: u32, column_scale_offset: f32, scale: f32, accumulate: u32,
  seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> low_a: array<LOW_UNIT>;
@group(0) @binding(5) var<storage, read> low_w: array<LOW_UNIT>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> column_scale: array<f32>;
var<private> mask_key: u32;

fn a_four(is_low: bool, m: u32, k: u32) -> vec4f {
  if (is_low) { return low_a_four(m, k); }
  if (m >= p.m || k >= p.k) { return vec4f(); }
  let i = m * p.k + k;
  var four = in_row(four_of_a(i), k);
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

fn w_four(is_low: bool, n: u32, k: u32) -> vec4f {
  if (is_low) { return low_w_four(n, k); }
  if (n >= p.n || k >= p.k) { return vec4f(); }
  return in_row(four_of_w(n * p.k + k), k);
}

fn low_w_four(n: u32, k: u32) -> vec4f {
  if (n >= p.n) { return vec4f(); }
  let i = (p.column + n) * p.rank + k;
  return within(vec4f(vec4f(low_w[i]).x, vec4f(low_w[i + 1u]).x, vec4f(low_w[i + 2u]).x, vec4f(low_w[i + 3u]).x), k, p.rank);
}

fn column_factors(n: u32) -> vec4f {
  let c = p.column + n;
  return vec4f(column_scale[c], column_scale[c + 1u], column_scale[c + 2u], column_scale[c + 3u]) + p.column_scale_offset;
}

fn store(part: u32, m: u32, n: u32, sum: f32) {
  if (m >= p.m || n >= p.n) { return; }
  var value = sum;
  if (p.has_bias == 1u) { value += bias[p.column + n]; }
  value *= p.scale;
  let at = (part * p.m + m) * p.y_stride + p.column + n;
  if (p.accumulate == 1u) { value += y[at]; }
  y[at] = value;
}

// The four results that follow one another from `at`, column n, on; those past the last column are not there.
fn store_four(at: u32, n: u32, four: vec4f) {
  var value = four;
  let end = p.n;
  if (p.accumulate == 1u) { value += vec4f(y[at], y[at + 1u], y[at + 2u], y[at + 3u]); }
  if (n < end) { y[at] = value.x; }
  if (n + 1u < end) { y[at + 1u] = value.y; }
  if (n + 2u < end) { y[at + 2u] = value.z; }
  if (n + 3u < end) { y[at + 3u] = value.w; }
}
