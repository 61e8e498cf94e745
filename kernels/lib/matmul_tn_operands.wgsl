// Operands and result of c = scale · row_scale · aᵀ b, whichever way the sums are made: see matmul/tn_tile.wgsl.
struct Params {
  m: u32, n: u32, t: u32, chunk: u32, a_stride: u32, column: u32, depth: u32, first_group: u32, has_row_scale: u32, row_scale_offset: f32,
  scale: f32, accumulate: u32,
  seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> b: array<B_UNIT>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> row_scale: array<f32>;
var<private> mask_key: u32;

// Past the end of a row these are elements of the next one; they only reach sums that are not written.
fn b_four(t: u32, n: u32) -> vec4f {
  if (t >= p.t || n >= p.n) { return vec4f(); }
  let i = t * p.n + n;
  var four = four_of_b(i);
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

fn store(part: u32, m: u32, n: u32, sum: f32) {
  if (m >= p.m || n >= p.n) { return; }
  var value = sum * p.scale;
  if (p.has_row_scale == 1u) { value *= row_scale[p.column + m] + p.row_scale_offset; }
  let at = (part * p.m + m) * p.n + n;
  if (p.accumulate == 1u) { value += c[at]; }
  c[at] = value;
}

// The four results that follow one another from `at`, column n, on; those past the last column are not there.
fn store_four(at: u32, m: u32, n: u32, four: vec4f) {
  var value = four;
  if (p.has_row_scale == 1u) { value *= row_scale[p.column + m] + p.row_scale_offset; }
  let end = p.n;
  if (p.accumulate == 1u) { value += vec4f(c[at], c[at + 1u], c[at + 2u], c[at + 3u]); }
  if (n < end) { c[at] = value.x; }
  if (n + 1u < end) { c[at + 1u] = value.y; }
  if (n + 2u < end) { c[at + 2u] = value.z; }
  if (n + 3u < end) { c[at + 3u] = value.w; }
}
