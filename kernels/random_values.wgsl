// Fills x with values uniform in ±bound, drawn by counter: weights and activations of measurements, which nobody has on a disk. FORM: how a
// word of x is used: 0 one f32, 1 two f16, 2 two bf16 (cut off, not rounded), 3 bits, as codes have them. The words before `first` stay as
// they are.
// uses: rng
const FORM: u32 = 0u;
// check: FORM=1
// check: FORM=2
// check: FORM=3

struct Params { first: u32, words: u32, seed: u32, stream: u32, bound: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<u32>;

fn value(index: u32) -> f32 {
  return (f32(counter_hash(p.seed, p.stream, 0u, index) >> 8u) * (1.0 / 8388608.0) - 1.0) * p.bound;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * groups.x) * 256u + lane;
  if (at >= p.words) { return; }
  let to = p.first + at;
  if (FORM == 0u) {
    x[to] = bitcast<u32>(value(at));
  } else if (FORM == 3u) {
    x[to] = counter_hash(p.seed, p.stream, 0u, at);
  } else {
    let pair = vec2f(value(2u * at), value(2u * at + 1u));
    if (FORM == 1u) { x[to] = pack2x16float(pair); } else { x[to] = (bitcast<u32>(pair.x) >> 16u) | (bitcast<u32>(pair.y) & 0xffff0000u); }
  }
}
