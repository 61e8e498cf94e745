// matmul/nt_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and 32 columns of y.
// enable: subgroups
// uses: matmul_nt_operands, matmul_loads, subgroup_product, rng
// load: a, w
const TM: u32 = 16u;
const DROPOUT: bool = false;
// WIDE: K is a multiple of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias W_UNIT = f32;
// check: WIDE=true w=bf16 DROPOUT=true
// check: TM=8 w=f16

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  open_w();
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the long one, then the low-rank one.
  let long_steps = (min(p.k, begin + p.chunk) - begin + 3u) / 4u;
  let steps = long_steps + (p.rank + 3u) / 4u;
  for (var step = 0u; step < steps; step++) {
    let is_low = step >= long_steps;
    let k = select(begin + step * 4u, (step - long_steps) * 4u, is_low);
    let b = transpose(mat4x4f(w_four(is_low, n, k), w_four(is_low, n + 1u, k), w_four(is_low, n + 2u, k), w_four(is_low, n + 3u, k)));
    for (var i = 0u; i < TM; i += SUBGROUP) { add_products(i, a_four(is_low, m0 + i + lane, k), b); }
    if (step + 1u == long_steps && p.has_column_scale == 1u) {
      let factors = column_factors(n);
      for (var i = 0u; i < TM; i++) { sums[i] *= factors; }
    }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers. p.depth is 1: a bound
  // the compiler cannot see keeps it from unrolling the loop.
  var results = sums;
  for (var e = 0u; e < 4u * TM * p.depth; e++) { store(wid.z, m0 + e / 4u, n + e % 4u, results[e / 4u][e % 4u]); }
}
