// matmul_tn (same bindings, same meaning) with the sums of lib/matmul_subgroup.wgsl. A workgroup takes TM rows and 4·WG columns of c.
// enable: subgroups
// uses: matmul_tn_operands, matmul_subgroup, rng
const TM: u32 = 16u;
const WG: u32 = 16u;
const DROPOUT: bool = false;
// WIDE: rows of a and of b are multiples of 4, so that four elements are one load (UNIT vec4f).
const WIDE: bool = false;
alias UNIT = f32;
// check: WIDE=true UNIT=vec4f DROPOUT=true
// check: TM=8 WG=8

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) sid: u32) {
  let m0 = wid.x * TM;
  let n = (wid.y * WG + lane) * 4u;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let end = min(p.t, (wid.z + 1u) * p.chunk);
  for (var t = wid.z * p.chunk; t < end; t += 4u) {
    let b = mat4x4f(b_four(t, n), b_four(t + 1u, n), b_four(t + 2u, n), b_four(t + 3u, n));
    for (var i = 0u; i < TM; i += SUBGROUP) { add_products(i, a_column(t, m0 + i + sid), b); }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(4u * TM); e++) { store(wid.z, m0 + e / 4u, n + e % 4u, results[e / 4u][e % 4u]); }
}
