// Row rows[start + i] of y = row i of x (count, size) as 16-bit floats, two in a word; size is even. The others stay. No row is named
// twice, so nothing races.
const WG: u32 = 256u;

struct Params { start: u32, count: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec2f>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  let pairs = p.size / 2u;
  if (i >= p.count * pairs) { return; }
  let row = i / pairs;
  y[rows[p.start + row] * pairs + (i - row * pairs)] = pack2x16float(x[i]);
}
