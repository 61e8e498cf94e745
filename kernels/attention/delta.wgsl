// delta = sum over the head of dy * y, what the softmax backward subtracts; goes into stats[2]. One invocation a query and head.
const WG: u32 = 64u;

struct Params { rows: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (wid.x + wid.y * groups.x) * WG + lane;
  if (row >= p.rows) { return; }
  var total = 0.0;
  for (var d = 0u; d < p.size; d++) { total += y[row * p.size + d] * dy[row * p.size + d]; }
  stats[3u * row + 2u] = total;
}
