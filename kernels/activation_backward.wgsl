// dx of activation: dy * act'(x).
// uses: activation
const WG: u32 = 256u;
const ACTIVATION: u32 = 0u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// dx holds dy at first, and dy is not read
const IN_PLACE: bool = false;
// check: ACTIVATION=1 Cell=vec4f
// check: ACTIVATION=1 Cell=vec4f IN_PLACE=true
// check: ACTIVATION=2 Cell=vec4f
// check: ACTIVATION=3

struct Params { size: u32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> dy: array<Cell>;
@group(0) @binding(3) var<storage, read_write> dx: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.size) { return; }
  var d: Cell;
  if (IN_PLACE) { d = dx[i]; } else { d = dy[i]; }
  let value = d * activate_derivative(x[i]);
  dx[i] = select(value, dx[i] + value, p.accumulate == 1u);
}
