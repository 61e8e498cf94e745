// y = x * rsqrt(mean(x²) + eps) * (weight + WEIGHT_OFFSET), one workgroup a row; keeps rstd for the backward.
// WEIGHT_OFFSET is 1 for Gemma, whose stored weights are the difference from one.
// uses: reduce
// load: weight
const WG: u32 = 64u;
const WIDE: bool = false;
alias WEIGHT_UNIT = f32;
const WEIGHT_OFFSET: f32 = 0.0;
// check: weight=f16 WEIGHT_OFFSET=1
// check: weight=bf16

struct Params { rows: u32, size: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let base = row * p.size;
  var squares = 0.0;
  for (var i = lane; i < p.size; i += WG) { squares += x[base + i] * x[base + i]; }
  let r = inverseSqrt(workgroup_sum(squares, lane) / f32(p.size) + p.eps);
  for (var i = lane; i < p.size; i += WG) {
    y[base + i] = x[base + i] * r * (one_of_weight(i) + WEIGHT_OFFSET);
  }
  if (lane == 0u) { rstd[row] = r; }
}
