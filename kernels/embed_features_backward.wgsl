// dfeatures[slots[t]] takes dy[t]. A feature stands at one token at most, so no two invocations write one element; rows of features
// that stand nowhere are left alone.
const WG: u32 = 256u;
// vec4f where every extent is a multiple of 4
alias Cell = f32;
// check: Cell=vec4f

struct Params { tokens: u32, size: u32, features: u32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> slots: array<i32>;
@group(0) @binding(2) var<storage, read> dy: array<Cell>;
@group(0) @binding(3) var<storage, read_write> dfeatures: array<Cell>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.tokens * p.size) { return; }
  let slot = slots[i / p.size];
  if (slot < 0 || u32(slot) >= p.features) { return; }
  let at = u32(slot) * p.size + i % p.size;
  dfeatures[at] = select(dy[i], dfeatures[at] + dy[i], p.accumulate == 1u);
}
