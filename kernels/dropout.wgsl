// y = x / (1 - rate) where the counter-based draw keeps the element, else 0. The backward is the same with dy: the mask is drawn again
// from (seed, stream, step), not stored.
// uses: rng
const WG: u32 = 256u;

struct Params { size: u32, seed: u32, stream: u32, step: u32, rate: f32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.size) { return; }
  let value = x[i] * dropout_scale(counter_key(p.seed, p.stream, p.step), i, p.rate);
  y[i] = select(value, y[i] + value, p.accumulate == 1u);
}
