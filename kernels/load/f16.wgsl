// How an operand of 16-bit floats is read, two in a word; it takes no f16 feature. See load/f32.wgsl.
// unit: u32
// wide unit: vec2u
fn open_operand() {}

fn one_of_operand(i: u32) -> f32 {
  if (WIDE) { return unpack2x16float(vec2u(operand[i / 4u])[(i / 2u) & 1u])[i & 1u]; }
  return unpack2x16float(vec2u(operand[i / 2u]).x)[i & 1u];
}

fn four_of_operand(i: u32) -> vec4f {
  if (WIDE) {
    let words = vec2u(operand[i / 4u]);
    return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
  }
  return vec4f(one_of_operand(i), one_of_operand(i + 1u), one_of_operand(i + 2u), one_of_operand(i + 3u));
}
