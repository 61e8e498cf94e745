// layer_norm (same bindings, same meaning), laid out as rms_norm_rows.wgsl.
// load: weight, bias
const WG: u32 = 16u;
const WIDE: bool = true;
alias WEIGHT_UNIT = vec4f;
alias BIAS_UNIT = vec4f;
// check: WIDE=true weight=f16 bias=f16
// check: WIDE=true weight=bf16 bias=f32

struct Params { rows: u32, size: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read> bias: array<BIAS_UNIT>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.x + wid.y * groups.x) * WG + lane;
  if (row >= p.rows) { return; }
  open_weight();
  open_bias();
  let fours = p.size / 4u;
  let base = row * fours;
  var total = vec4f();
  for (var i = 0u; i < fours; i++) { total += x[base + i]; }
  let m = dot(total, vec4f(1.0)) / f32(p.size);
  var squares = vec4f();
  for (var i = 0u; i < fours; i++) {
    let value = x[base + i] - m;
    squares += value * value;
  }
  let r = inverseSqrt(dot(squares, vec4f(1.0)) / f32(p.size) + p.eps);
  for (var i = 0u; i < fours; i++) { y[base + i] = (x[base + i] - m) * r * four_of_weight(4u * i) + four_of_bias(4u * i); }
  mean[row] = m;
  rstd[row] = r;
}
