// matmul/tn_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and 32 columns of c.
// enable: subgroups
// uses: matmul_tn_operands, subgroup_product, rng
// load: b
const TM: u32 = 16u;
const DROPOUT: bool = false;
// WIDE: rows of b are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias B_UNIT = f32;
// check: WIDE=true DROPOUT=true
// check: TM=8

// Four rows of one column of a.
fn a_column(t: u32, m: u32) -> vec4f { return vec4f(a_one(t, m), a_one(t + 1u, m), a_one(t + 2u, m), a_one(t + 3u, m)); }

fn a_one(t: u32, m: u32) -> f32 {
  if (t >= p.t || m >= p.m) { return 0.0; }
  return a[t * p.a_stride + p.column + m];
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let end = min(p.t, (wid.z + 1u) * p.chunk);
  for (var t = wid.z * p.chunk; t < end; t += 4u) {
    let b = mat4x4f(b_four(t, n), b_four(t + 1u, n), b_four(t + 2u, n), b_four(t + 3u, n));
    for (var i = 0u; i < TM; i += SUBGROUP) { add_products(i, a_column(t, m0 + i + lane), b); }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers. p.depth is 1: a bound
  // the compiler cannot see keeps it from unrolling the loop.
  var results = sums;
  for (var e = 0u; e < 4u * TM * p.depth; e++) { store(wid.z, m0 + e / 4u, n + e % 4u, results[e / 4u][e % 4u]); }
}
