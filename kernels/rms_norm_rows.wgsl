// rms_norm (same bindings, same meaning) for a CPU that plays GPU: one invocation a row, four elements at once, no barriers. Rows are
// multiples of 4.
// load: weight
const WG: u32 = 16u;
const WIDE: bool = true;
alias WEIGHT_UNIT = vec4f;
const WEIGHT_OFFSET: f32 = 0.0;
// check: WIDE=true weight=f16 WEIGHT_OFFSET=1
// check: WIDE=true weight=bf16

struct Params { rows: u32, size: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.x + wid.y * groups.x) * WG + lane;
  if (row >= p.rows) { return; }
  open_weight();
  let fours = p.size / 4u;
  let base = row * fours;
  var squares = vec4f();
  for (var i = 0u; i < fours; i++) {
    let value = x[base + i];
    squares += value * value;
  }
  let r = inverseSqrt(dot(squares, vec4f(1.0)) / f32(p.size) + p.eps);
  for (var i = 0u; i < fours; i++) { y[base + i] = x[base + i] * r * (four_of_weight(4u * i) + WEIGHT_OFFSET); }
  rstd[row] = r;
}
