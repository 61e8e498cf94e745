// Operands and result of y = scale · ((a · a_scale) w + low_a low_w), whichever way the sums are made: see matmul/nn_tile.wgsl.
struct Params {
  m: u32, n: u32, k: u32, chunk: u32, a_stride: u32, column: u32, depth: u32, first_group: u32,
  rank: u32, a_scale_offset: f32, scale: f32, accumulate: u32, seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> low_a: array<LOW_UNIT>;
@group(0) @binding(5) var<storage, read> low_w: array<LOW_UNIT>;
@group(0) @binding(6) var<storage, read> a_scale: array<f32>;
var<private> mask_key: u32;

fn a_four(is_low: bool, m: u32, k: u32) -> vec4f {
  if (is_low) { return low_a_four(m, k); }
  if (m >= p.m || k >= p.k) { return vec4f(); }
  let column = p.column + k;
  var four = four_of_a(m * p.a_stride + column);
  if (HAS_A_SCALE) {
    four *= vec4f(a_scale[column], a_scale[column + 1u], a_scale[column + 2u], a_scale[column + 3u]) + p.a_scale_offset;
  }
  return in_row(four, k);
}

// Past the end of the row these are elements of the next one; they only reach sums that are not written.
fn w_four(is_low: bool, k: u32, n: u32) -> vec4f {
  if (is_low) { return low_w_four(k, n); }
  if (n >= p.n || k >= p.k) { return vec4f(); }
  return four_of_w(k * p.n + n);
}

fn low_w_four(k: u32, n: u32) -> vec4f {
  if (n >= p.n || k >= p.rank) { return vec4f(); }
  let i = k * p.n + n;
  return vec4f(vec4f(low_w[i]).x, vec4f(low_w[i + 1u]).x, vec4f(low_w[i + 2u]).x, vec4f(low_w[i + 3u]).x);
}

fn mask_factors(m: u32, n: u32) -> vec4f {
  let at = m * p.n + n;
  return vec4f(dropout_scale(mask_key, at, p.rate), dropout_scale(mask_key, at + 1u, p.rate), dropout_scale(mask_key, at + 2u, p.rate),
    dropout_scale(mask_key, at + 3u, p.rate));
}

fn store(part: u32, m: u32, n: u32, sum: f32) {
  if (m >= p.m || n >= p.n) { return; }
  var value = sum * p.scale;
  let at = (part * p.m + m) * p.n + n;
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
