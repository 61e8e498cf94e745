// y = x in bfloat16, two in a word: rounded to the nearest, to even at a tie; infinities and NaN stay. x may end with half a pair.
const WG: u32 = 256u;

struct Params { size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn rounded(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (2u * i >= p.size) { return; }
  var high = 0u;
  if (2u * i + 1u < p.size) { high = rounded(x[2u * i + 1u]); }
  y[i] = rounded(x[2u * i]) | (high << 16u);
}
