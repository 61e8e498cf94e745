// y = x in f32, whatever the storage of x.
// load: x
const WG: u32 = 256u;
const WIDE: bool = false;
alias X_UNIT = f32;
// check: x=bf16

struct Params { size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<X_UNIT>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i < p.size) { y[i] = one_of_x(i); }
}
