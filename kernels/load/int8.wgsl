// How an operand of bytes is read, each times the scale of its row; laid out by src/gpu/packedLayout.ts. See load/f32.wgsl.
// unit: u32
// wide unit: u32
var<private> operand_code: u32;
var<private> operand_scale: u32;
var<private> operand_row: u32;

fn open_operand() {
  operand_code = operand[0];
  operand_scale = operand[1];
  operand_row = operand[2];
}

fn one_of_operand(i: u32) -> f32 {
  let at = operand_code + i;
  return f32(extractBits(i32(operand[at / 4u]), 8u * (at & 3u), 8u)) * bitcast<f32>(operand[operand_scale + i / operand_row]);
}

fn four_of_operand(i: u32) -> vec4f {
  if (WIDE) {
    let bytes = vec4i(vec4u(operand[(operand_code + i) / 4u]) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u);
    return vec4f(bytes) * bitcast<f32>(operand[operand_scale + i / operand_row]);
  }
  return vec4f(one_of_operand(i), one_of_operand(i + 1u), one_of_operand(i + 2u), one_of_operand(i + 3u));
}
