// y (count, size) = rows[start…] of x.
const WG: u32 = 256u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// check: Cell=vec4f

struct Params { start: u32, count: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.count * p.size) { return; }
  let row = i / p.size;
  y[i] = x[rows[p.start + row] * p.size + (i - row * p.size)];
}
