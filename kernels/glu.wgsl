// y = act(gate) * up, element by element: the gated feed-forward of LLaMA-like models.
// uses: activation
const WG: u32 = 256u;
const ACTIVATION: u32 = 0u;
// check: ACTIVATION=1

struct Params { size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i < p.size) { y[i] = activate(gate[i]) * up[i]; }
}
