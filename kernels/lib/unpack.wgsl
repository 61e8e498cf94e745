// Weights keep the checkpoint's precision. They are bound as 32-bit words; W_TYPE says how to read element i.
// 0: f32, one a word. 1: f16, two a word. 2: bf16, two a word (the upper half of an f32, so decoding is exact).
fn decode_weight(word: u32, i: u32) -> f32 {
  if (W_TYPE == 0u) { return bitcast<f32>(word); }
  if (W_TYPE == 1u) { return unpack2x16float(word)[i & 1u]; }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}

fn weight_word(i: u32) -> u32 {
  return select(i >> 1u, i, W_TYPE == 0u);
}
