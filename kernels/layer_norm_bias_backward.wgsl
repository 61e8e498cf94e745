// dbias += sum over rows of dy: one invocation a column.
const WG: u32 = 64u;

struct Params { rows: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dbias: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= p.size) { return; }
  var total = 0.0;
  for (var row = 0u; row < p.rows; row++) { total += dy[row * p.size + column]; }
  dbias[column] += total;
}
