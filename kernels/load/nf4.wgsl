// How an operand of NF4 is read: four-bit codes of 16 values, each times the scale of its block, rounded to the precision that the weight
// had. The buffer is laid out by src/gpu/packedLayout.ts; `open` reads its header. See load/f32.wgsl.
// unit: u32
// wide unit: u32
var<private> operand_code: u32;
var<private> operand_phase: u32;
var<private> operand_shift: u32;
var<private> operand_rounding: u32;
var<private> operand_nests: bool;
var<private> operand_scale: u32;
var<private> operand_nested: u32;
var<private> operand_nested_shift: u32;
var<private> operand_map: u32;
var<private> operand_offset: f32;

fn open_operand() {
  operand_code = operand[0];
  operand_phase = operand[1];
  let kind = operand[2];
  operand_shift = kind & 255u;
  operand_rounding = (kind >> 8u) & 255u;
  operand_nests = (kind >> 16u) == 1u;
  operand_scale = operand[3];
  operand_nested = operand[4];
  operand_nested_shift = operand[5];
  operand_map = operand[6];
  operand_offset = bitcast<f32>(operand[7]);
}

// Of the block that element i lies in.
fn scale_of_operand(i: u32) -> f32 {
  let block = (operand_phase + i) >> operand_shift;
  let at = operand_scale + block;
  if (!operand_nests) { return bitcast<f32>(operand[at]); }
  let entry = (operand[at / 4u] >> (8u * (at & 3u))) & 255u;
  let nested = bitcast<f32>(operand[(operand_nested + block) >> operand_nested_shift]);
  return bitcast<f32>(operand[operand_map + entry]) * nested + operand_offset;
}

// The value of every code. Selections, because an array that is indexed at run time lies in memory.
fn nf4_of_operand(code: vec4u) -> vec4f {
  let b0 = (code & vec4u(1u)) != vec4u(0u);
  let b1 = (code & vec4u(2u)) != vec4u(0u);
  let b2 = (code & vec4u(4u)) != vec4u(0u);
  let b3 = (code & vec4u(8u)) != vec4u(0u);
  let v0 = select(vec4f(-1.0), vec4f(-0.6961928009986877), b0);
  let v1 = select(vec4f(-0.5250730514526367), vec4f(-0.39491748809814453), b0);
  let v2 = select(vec4f(-0.28444138169288635), vec4f(-0.18477343022823334), b0);
  let v3 = select(vec4f(-0.09105003625154495), vec4f(0.0), b0);
  let v4 = select(vec4f(0.07958029955625534), vec4f(0.16093020141124725), b0);
  let v5 = select(vec4f(0.24611230194568634), vec4f(0.33791524171829224), b0);
  let v6 = select(vec4f(0.44070982933044434), vec4f(0.5626170039176941), b0);
  let v7 = select(vec4f(0.7229568362236023), vec4f(1.0), b0);
  let low = select(select(v0, v1, b1), select(v2, v3, b1), b2);
  let high = select(select(v4, v5, b1), select(v6, v7, b1), b2);
  return select(low, high, b3);
}

// Ties to the even one; in f16 what is below its normal numbers is a multiple of 2⁻²⁴.
fn rounded_of_operand(value: vec4f) -> vec4f {
  if (operand_rounding == 0u) { return value; }
  let bits = bitcast<vec4u>(value);
  if (operand_rounding == 1u) { return bitcast<vec4f>((bits + 0x7fffu + ((bits >> vec4u(16u)) & vec4u(1u))) & vec4u(0xffff0000u)); }
  let normal = bitcast<vec4f>((bits + 0xfffu + ((bits >> vec4u(13u)) & vec4u(1u))) & vec4u(0xffffe000u));
  return select(normal, round(value * 16777216.0) / 16777216.0, abs(value) < vec4f(0.00006103515625));
}

fn code_of_operand(i: u32) -> u32 {
  let at = operand_code + i;
  return (operand[at / 8u] >> (4u * ((at ^ 1u) & 7u))) & 15u;
}

fn one_of_operand(i: u32) -> f32 {
  return rounded_of_operand(nf4_of_operand(vec4u(code_of_operand(i))) * scale_of_operand(i)).x;
}

fn four_of_operand(i: u32) -> vec4f {
  if (WIDE) {
    let at = operand_code + i;
    let codes = (vec4u(operand[at / 8u] >> (4u * (at & 4u))) >> vec4u(4u, 0u, 12u, 8u)) & vec4u(15u);
    return rounded_of_operand(nf4_of_operand(codes) * scale_of_operand(i));
  }
  var codes: vec4u;
  var scales: vec4f;
  for (var j = 0u; j < 4u; j++) {
    codes[j] = code_of_operand(i + j);
    scales[j] = scale_of_operand(i + j);
  }
  return rounded_of_operand(nf4_of_operand(codes) * scales);
}
