// y = act(gate) * up, element by element: the gated feed-forward of LLaMA-like models.
// uses: activation
const WG: u32 = 256u;
const ACTIVATION: u32 = 0u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// check: ACTIVATION=1 Cell=vec4f

struct Params { size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<Cell>;
@group(0) @binding(2) var<storage, read> up: array<Cell>;
@group(0) @binding(3) var<storage, read_write> y: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i < p.size) { y[i] = activate(gate[i]) * up[i]; }
}
