// How an operand of bfloat16 is read, two in a word: the upper halves of 32-bit floats, so that decoding is exact. See load/f32.wgsl.
// unit: u32
// wide unit: vec2u
fn open_operand() {}

fn one_of_operand(i: u32) -> f32 {
  var word = 0u;
  if (WIDE) { word = vec2u(operand[i / 4u])[(i / 2u) & 1u]; } else { word = vec2u(operand[i / 2u]).x; }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}

fn four_of_operand(i: u32) -> vec4f {
  if (WIDE) {
    let words = vec2u(operand[i / 4u]);
    return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
  }
  return vec4f(one_of_operand(i), one_of_operand(i + 1u), one_of_operand(i + 2u), one_of_operand(i + 3u));
}
