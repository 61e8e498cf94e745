// dx of rms_norm: with g = dy * (weight + offset), dx = rstd * (g - x * rstd² * mean(g * x)). One workgroup a row.
// uses: reduce
// load: weight
const WG: u32 = 64u;
const WIDE: bool = false;
alias WEIGHT_UNIT = f32;
const WEIGHT_OFFSET: f32 = 0.0;
// check: weight=bf16 WEIGHT_OFFSET=1

struct Params { rows: u32, size: u32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> rstd: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn scaled_dy(base: u32, i: u32) -> f32 {
  return dy[base + i] * (one_of_weight(i) + WEIGHT_OFFSET);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let base = row * p.size;
  var product = 0.0;
  for (var i = lane; i < p.size; i += WG) { product += scaled_dy(base, i) * x[base + i]; }
  let r = rstd[row];
  let mean = workgroup_sum(product, lane) / f32(p.size);
  for (var i = lane; i < p.size; i += WG) {
    let value = r * (scaled_dy(base, i) - x[base + i] * r * r * mean);
    dx[base + i] = select(value, dx[base + i] + value, p.accumulate == 1u);
  }
}
