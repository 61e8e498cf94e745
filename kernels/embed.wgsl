// y[t] = scale * table[ids[t]] for the ids whose rows are in this part of the table (rows row_start … row_start + part_rows).
// The first part also zeroes the rows of ids outside the whole table, so that nothing is left undefined. One invocation an element.
// load: table
const WG: u32 = 256u;
const WIDE: bool = false;
alias TABLE_UNIT = f32;
// check: table=f16
// check: table=bf16

struct Params { tokens: u32, size: u32, row_start: u32, part_rows: u32, table_rows: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<TABLE_UNIT>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_table();
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.tokens * p.size) { return; }
  let id = ids[i / p.size];
  if (id >= p.row_start && id - p.row_start < p.part_rows) {
    let element = (id - p.row_start) * p.size + i % p.size;
    y[i] = p.scale * one_of_table(element);
  } else if (p.row_start == 0u && id >= p.table_rows) {
    y[i] = 0.0;
  }
}
