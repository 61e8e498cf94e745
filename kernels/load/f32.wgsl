// How an operand of 32-bit floats is read: element i, or the four from i on (i a multiple of 4 where rows are WIDE), of the operand laid
// out flat.
// unit: f32
// wide unit: vec4f
fn open_operand() {}

// The casts keep lines valid where the unit is not theirs.
fn one_of_operand(i: u32) -> f32 {
  if (WIDE) { return vec4f(operand[i / 4u])[i % 4u]; }
  return vec4f(operand[i]).x;
}

fn four_of_operand(i: u32) -> vec4f {
  if (WIDE) { return vec4f(operand[i / 4u]); }
  return vec4f(one_of_operand(i), one_of_operand(i + 1u), one_of_operand(i + 2u), one_of_operand(i + 3u));
}
