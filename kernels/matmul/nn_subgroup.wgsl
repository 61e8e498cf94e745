// matmul/nn_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and 32 columns of y.
// enable: subgroups
// uses: matmul_nn_operands, matmul_loads, subgroup_product, rng
// load: a, w
const TM: u32 = 16u;
const MASK: u32 = 0u;
const HAS_A_SCALE: bool = false;
// WIDE: rows of a and of w are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias W_UNIT = f32;
// check: WIDE=true w=bf16 MASK=1
// check: TM=8 w=f16 MASK=2 HAS_A_SCALE=true

fn mask_sums(m0: u32, n: u32) {
  for (var i = 0u; i < TM; i++) { sums[i] *= mask_factors(m0 + i, n); }
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  open_w();
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  if (MASK != 0u) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the low-rank one, which may have to be masked alone.
  let low_steps = (p.rank + 3u) / 4u;
  let steps = low_steps + (min(p.k, begin + p.chunk) - begin + 3u) / 4u;
  for (var step = 0u; step < steps; step++) {
    let is_low = step < low_steps;
    let k = select(begin + (step - low_steps) * 4u, step * 4u, is_low);
    if (MASK == 1u && step == low_steps) { mask_sums(m0, n); }
    let b = mat4x4f(w_four(is_low, k, n), w_four(is_low, k + 1u, n), w_four(is_low, k + 2u, n), w_four(is_low, k + 3u, n));
    for (var i = 0u; i < TM; i += SUBGROUP) { add_products(i, a_four(is_low, m0 + i + lane, k), b); }
  }
  if (MASK == 2u) { mask_sums(m0, n); }
  // A copy, because this loop may index it dynamically and the sums must stay in registers. p.depth is 1: a bound
  // the compiler cannot see keeps it from unrolling the loop.
  var results = sums;
  for (var e = 0u; e < 4u * TM * p.depth; e++) { store(wid.z, m0 + e / 4u, n + e % 4u, results[e / 4u][e % 4u]); }
}
