// matmul/nt_tile for at most ROWS (1 or 4) rows of a, as in generation: bound by reading w once, so no tiles. A workgroup takes OUTPUTS
// rows of w, its invocations stride over K, and their sums are added in a fixed order. Same bindings and meaning as that; no dropout, no
// chunks.
// uses: matmul_loads
// load: a, w
const WG: u32 = 64u;
const OUTPUTS: u32 = 4u;
const ROWS: u32 = 1u;
// WIDE: K is a multiple of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias W_UNIT = f32;
// check: WIDE=true w=bf16
// check: ROWS=4 w=f16
// check: ROWS=4 WIDE=true

struct Params {
  m: u32, n: u32, k: u32, y_stride: u32, column: u32, first_group: u32,
  rank: u32, has_bias: u32, has_column_scale: u32, column_scale_offset: f32, scale: f32, accumulate: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<A_UNIT>;
@group(0) @binding(2) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> low_a: array<f32>;
@group(0) @binding(5) var<storage, read> low_w: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> column_scale: array<f32>;

var<workgroup> partial: array<f32, WG * OUTPUTS * ROWS>;

fn a_four(m: u32, k: u32) -> vec4f { return in_row(four_of_a(m * p.k + k), k); }

fn w_four(n: u32, k: u32) -> vec4f { return in_row(four_of_w(n * p.k + k), k); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_w();
  let n0 = (p.first_group + wid.x + wid.y * groups.x) * OUTPUTS;
  if (n0 >= p.n) { return; }
  var sums: array<f32, OUTPUTS * ROWS>;
  for (var k = lane * 4u; k < p.k; k += WG * 4u) {
    var rows: array<vec4f, ROWS>;
    for (var m = 0u; m < ROWS; m++) { rows[m] = a_four(min(m, p.m - 1u), k); }
    for (var o = 0u; o < OUTPUTS; o++) {
      let weights = w_four(min(n0 + o, p.n - 1u), k);
      for (var m = 0u; m < ROWS; m++) { sums[o * ROWS + m] += dot(rows[m], weights); }
    }
  }
  for (var o = 0u; o < OUTPUTS; o++) {
    let column = p.column + min(n0 + o, p.n - 1u);
    for (var m = 0u; m < ROWS; m++) {
      var sum = sums[o * ROWS + m];
      if (p.has_column_scale == 1u) { sum *= column_scale[column] + p.column_scale_offset; }
      for (var r = lane; r < p.rank; r += WG) { sum += low_a[min(m, p.m - 1u) * p.rank + r] * low_w[column * p.rank + r]; }
      partial[lane * OUTPUTS * ROWS + o * ROWS + m] = sum;
    }
  }
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    for (var i = lane; i < half * OUTPUTS * ROWS; i += WG) { partial[i] += partial[half * OUTPUTS * ROWS + i]; }
    workgroupBarrier();
  }
  let n = n0 + lane / ROWS;
  let m = lane % ROWS;
  if (lane >= OUTPUTS * ROWS || n >= p.n || m >= p.m) { return; }
  var value = partial[lane];
  if (p.has_bias == 1u) { value += bias[p.column + n]; }
  value *= p.scale;
  let at = m * p.y_stride + p.column + n;
  if (p.accumulate == 1u) { value += y[at]; }
  y[at] = value;
}
