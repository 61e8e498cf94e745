// Index of the largest element of each row of x (rows, size), one workgroup a row; of equal ones the first.
// uses: best
const WG: u32 = 256u;

struct Params { rows: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let base = row * p.size;
  var mine = Best(-3.4e38, 0u);
  for (var i = lane; i < p.size; i += WG) { mine = better(mine, Best(x[base + i], i)); }
  let best = workgroup_best(mine, lane);
  if (lane == 0u) { index[row] = best.index; }
}
