// dtable[id] += scale * sum of dy over the positions where id stands, for the rows of this part of dtable. Positions come grouped by id
// (positions[offsets[u]] … positions[offsets[u + 1] - 1] hold unique_ids[u]): one workgroup an id, so sums have one order and no atomics.
const WG: u32 = 64u;

struct Params { unique: u32, size: u32, row_start: u32, part_rows: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> unique_ids: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read_write> dtable: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let u = wid.x + wid.y * groups.x;
  if (u >= p.unique) { return; }
  let id = unique_ids[u];
  if (id < p.row_start || id - p.row_start >= p.part_rows) { return; }
  let row = (id - p.row_start) * p.size;
  let first = offsets[u];
  let end = offsets[u + 1u];
  for (var c = lane; c < p.size; c += WG) {
    var total = 0.0;
    for (var at = first; at < end; at++) { total += dy[positions[at] * p.size + c]; }
    dtable[row + c] += p.scale * total;
  }
}
