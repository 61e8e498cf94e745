// x = cap · tanh(x / cap) in place: Gemma 2's bounded logits, where they are wanted themselves.
// uses: softcap
const WG: u32 = 256u;

struct Params { size: u32, cap: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i < p.size) { x[i] = softcap(x[i], p.cap); }
}
