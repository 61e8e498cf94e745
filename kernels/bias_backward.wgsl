// dbias += column sums of dy (rows, size). A workgroup takes 32 columns; its 8 rows of invocations share the rows and then add up, in
// order.
const COLUMNS: u32 = 32u;
const STRIPS: u32 = 8u;

struct Params { rows: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dbias: array<f32>;

var<workgroup> strips: array<f32, COLUMNS * STRIPS>;

@compute @workgroup_size(COLUMNS, STRIPS)
fn main(
  @builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let column = (wid.x + wid.y * groups.x) * COLUMNS + local.x;
  var total = 0.0;
  if (column < p.size) {
    for (var row = local.y; row < p.rows; row += STRIPS) { total += dy[row * p.size + column]; }
  }
  strips[lane] = total;
  workgroupBarrier();
  if (local.y == 0u && column < p.size) {
    for (var strip = 1u; strip < STRIPS; strip++) { total += strips[strip * COLUMNS + local.x]; }
    dbias[column] += total;
  }
}
