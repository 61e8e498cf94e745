// y (rows, part) = columns start … start + part of x (rows, columns): what a fused projection computed together, taken apart.
const WG: u32 = 256u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// check: Cell=vec4f

struct Params { rows: u32, columns: u32, start: u32, part: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read_write> y: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i < p.rows * p.part) { y[i] = x[(i / p.part) * p.columns + p.start + i % p.part]; }
}
