// dweight += sum over rows of dy * (x - mean) * rstd: one invocation a column.
const WG: u32 = 64u;

struct Params { rows: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> rstd: array<f32>;
@group(0) @binding(5) var<storage, read_write> dweight: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= p.size) { return; }
  var total = 0.0;
  for (var row = 0u; row < p.rows; row++) {
    let at = row * p.size + column;
    total += dy[at] * (x[at] - mean[row]) * rstd[row];
  }
  dweight[column] += total;
}
