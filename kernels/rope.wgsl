// Rotary position embedding, transformers' rotate_half: elements i and i + D/2 of a head are one pair, turned by its angle.
// The backward is the same turn the other way: `direction` is 1 forward and -1 backward. One invocation a pair.
const WG: u32 = 256u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// check: Cell=vec4f

struct Params { pairs: u32, heads: u32, half_size: u32, direction: f32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> cos_table: array<Cell>;
@group(0) @binding(3) var<storage, read> sin_table: array<Cell>;
@group(0) @binding(4) var<storage, read_write> y: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair = (wid.x + wid.y * groups.x) * WG + lane;
  if (pair >= p.pairs) { return; }
  let head = pair / p.half_size;
  let i = pair % p.half_size;
  let first = head * p.half_size * 2u + i;
  let second = first + p.half_size;
  let angle = (head / p.heads) * p.half_size + i;
  let c = cos_table[angle];
  let s = sin_table[angle] * p.direction;
  let y1 = x[first] * c - x[second] * s;
  let y2 = x[second] * c + x[first] * s;
  let adds = p.accumulate == 1u;
  y[first] = select(y1, y[first] + y1, adds);
  y[second] = select(y2, y[second] + y2, adds);
}
