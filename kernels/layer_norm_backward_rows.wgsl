// layer_norm_backward (same bindings, same meaning), laid out as rms_norm_rows.wgsl.
// load: weight
const WG: u32 = 16u;
const WIDE: bool = true;
alias WEIGHT_UNIT = vec4f;
// check: WIDE=true weight=f16
// check: WIDE=true weight=bf16

struct Params { rows: u32, size: u32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.x + wid.y * groups.x) * WG + lane;
  if (row >= p.rows) { return; }
  open_weight();
  let fours = p.size / 4u;
  let base = row * fours;
  let m = mean[row];
  let r = rstd[row];
  var sums = vec4f();
  var products = vec4f();
  for (var i = 0u; i < fours; i++) {
    let g = dy[base + i] * four_of_weight(4u * i);
    sums += g;
    products += g * (x[base + i] - m) * r;
  }
  let mean_g = dot(sums, vec4f(1.0)) / f32(p.size);
  let mean_product = dot(products, vec4f(1.0)) / f32(p.size);
  for (var i = 0u; i < fours; i++) {
    var value = r * (dy[base + i] * four_of_weight(4u * i) - mean_g - (x[base + i] - m) * r * mean_product);
    if (p.accumulate == 1u) { value += dx[base + i]; }
    dx[base + i] = value;
  }
}
