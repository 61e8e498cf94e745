// norm = ‖W_o + scaling · (B A)_o‖ and gain = magnitude / norm for every row o of a run of rows of W: one workgroup a row.
// uses: reduce
// load: weight
const WG: u32 = 64u;
const WIDE: bool = false;
alias WEIGHT_UNIT = f32;
// check: weight=f16
// check: weight=bf16

struct Params { rows: u32, row_start: u32, size: u32, rank: u32, scaling: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weight: array<WEIGHT_UNIT>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> magnitude: array<f32>;
@group(0) @binding(5) var<storage, read_write> norm: array<f32>;
@group(0) @binding(6) var<storage, read_write> gain: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_weight();
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let o = p.row_start + row;
  var squares = 0.0;
  for (var k = lane; k < p.size; k += WG) {
    var delta = 0.0;
    for (var r = 0u; r < p.rank; r++) { delta += b[o * p.rank + r] * a[r * p.size + k]; }
    let i = row * p.size + k;
    let value = one_of_weight(i) + p.scaling * delta;
    squares += value * value;
  }
  let length = sqrt(workgroup_sum(squares, lane));
  if (lane == 0u) {
    norm[o] = length;
    gain[o] = magnitude[o] / length;
  }
}
