// y[r] += sum over e in offsets[r] … offsets[r + 1] - 1 of weights[e] * source[columns[e]]: a sparse matrix times the rows of `source`, of
// which this part holds row_start … row_start + part_rows. The rows of y are those from out_start on. One invocation an element, so sums
// have one order. The backward is the same with the transposed matrix.
// load: source
const WG: u32 = 256u;
const WIDE: bool = false;
alias SOURCE_UNIT = f32;
// check: source=f16
// check: source=bf16

struct Params { rows: u32, size: u32, out_start: u32, row_start: u32, part_rows: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> source: array<SOURCE_UNIT>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> columns: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_source();
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.rows * p.size) { return; }
  let row = p.out_start + i / p.size;
  let column = i % p.size;
  var total = 0.0;
  for (var e = offsets[row]; e < offsets[row + 1u]; e++) {
    let taken = columns[e];
    if (taken >= p.row_start && taken - p.row_start < p.part_rows) {
      total += weights[e] * one_of_source((taken - p.row_start) * p.size + column);
    }
  }
  y[i] += total;
}
