// y = (x - mean) * rsqrt(variance + eps) * weight + bias, one workgroup a row; keeps mean and rstd for the backward. The variance is
// taken about the mean in a second pass: mean(x²) - mean² cancels for rows far from zero.
// uses: reduce
// load: weight, bias
const WG: u32 = 64u;
const WIDE: bool = false;
alias WEIGHT_UNIT = f32;
alias BIAS_UNIT = f32;
// check: weight=f16
// check: weight=bf16 bias=bf16

struct Params { rows: u32, size: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read> bias: array<BIAS_UNIT>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let base = row * p.size;
  var sum = 0.0;
  for (var i = lane; i < p.size; i += WG) { sum += x[base + i]; }
  let m = workgroup_sum(sum, lane) / f32(p.size);
  var squares = 0.0;
  for (var i = lane; i < p.size; i += WG) { squares += (x[base + i] - m) * (x[base + i] - m); }
  let r = inverseSqrt(workgroup_sum(squares, lane) / f32(p.size) + p.eps);
  for (var i = lane; i < p.size; i += WG) {
    y[base + i] = (x[base + i] - m) * r * one_of_weight(i) + one_of_bias(i);
  }
  if (lane == 0u) {
    mean[row] = m;
    rstd[row] = r;
  }
}
