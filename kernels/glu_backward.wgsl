// Both gradients of glu at once, as they read the same values: dgate = dy * up * act'(gate), dup = dy * act(gate).
// uses: activation
const WG: u32 = 256u;
const ACTIVATION: u32 = 0u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// dup holds dy at first, and dy is not read
const IN_PLACE: bool = false;
// check: ACTIVATION=1 Cell=vec4f
// check: Cell=vec4f IN_PLACE=true

struct Params { size: u32, accumulate_gate: u32, accumulate_up: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<Cell>;
@group(0) @binding(2) var<storage, read> up: array<Cell>;
@group(0) @binding(3) var<storage, read> dy: array<Cell>;
@group(0) @binding(4) var<storage, read_write> dgate: array<Cell>;
@group(0) @binding(5) var<storage, read_write> dup: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.size) { return; }
  var d: Cell;
  if (IN_PLACE) { d = dup[i]; } else { d = dy[i]; }
  let to_gate = d * up[i] * activate_derivative(gate[i]);
  let to_up = d * activate(gate[i]);
  dgate[i] = select(to_gate, dgate[i] + to_gate, p.accumulate_gate == 1u);
  dup[i] = select(to_up, dup[i] + to_up, p.accumulate_up == 1u);
}
