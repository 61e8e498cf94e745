// y = the elements first…first + size of w, in f32, or packed two in a word as f16 or bf16 where that holds them exactly: for products that
// read every weight many times and have no workgroup memory to keep it in. An invocation has eight elements.
// load: w
const WG: u32 = 64u;
// 0: f32. 1: f16. 2: bf16.
const PRECISION: u32 = 0u;
// WIDE: rows are multiples of 4.
const WIDE: bool = false;
alias W_UNIT = f32;
// check: w=nf4 PRECISION=2 WIDE=true
// check: w=nf4 PRECISION=1
// check: w=int8 WIDE=true

struct Params { first: u32, size: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> w: array<W_UNIT>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn put(i: u32, four: vec4f) {
  if (PRECISION == 0u) {
    let words = bitcast<vec4u>(four);
    for (var j = 0u; j < 4u; j++) { if (i + j < p.size) { y[i + j] = words[j]; } }
    return;
  }
  var words = vec2u(pack2x16float(four.xy), pack2x16float(four.zw));
  if (PRECISION == 2u) {
    let bits = bitcast<vec4u>(four);
    words = vec2u((bits.x >> 16u) | (bits.y & 0xffff0000u), (bits.z >> 16u) | (bits.w & 0xffff0000u));
  }
  if (i < p.size) { y[i / 2u] = words.x; }
  if (i + 2u < p.size) { y[i / 2u + 1u] = words.y; }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_w();
  let i = ((wid.x + wid.y * groups.x) * WG + lane) * 8u;
  if (i >= p.size) { return; }
  put(i, four_of_w(p.first + i));
  put(i + 4u, four_of_w(p.first + i + 4u));
}
