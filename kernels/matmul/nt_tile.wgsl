// y (M, N) = scale · (a wᵀ · column_scale + low_a low_wᵀ + bias), a (M, K), w (N, K) in the checkpoint's dtype. The low-rank pair is
// LoRA's: R more steps of the same sum instead of a second pass over y. DROPOUT masks a as it is loaded. w may be a run of rows of a split
// weight: its results go to columns p.column… of y. With p.chunk < K, workgroup z sums one range of K into its own (M, N) of y.
// uses: matmul_nt_operands, matmul_loads, matmul_tile, rng
// load: a, w
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const DROPOUT: bool = false;
// WIDE: K is a multiple of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias LOW_UNIT = f32;
alias W_UNIT = f32;
// check: COMPACT=true WIDE=true w=bf16
// check: WIDE=true DROPOUT=true
// check: BM=64 BN=16 TM=4 TN=4 w=f16 DROPOUT=true
// check: BM=16 BN=64 TM=4 TN=4 w=bf16
// check: BM=32 BN=32 TM=4 TN=4

fn scale_columns(n0: u32, lane: u32) {
  for (var j = 0u; j < TN4; j++) {
    let factors = column_factors(n0 + tile_column(lane, j * 4u));
    for (var i = 0u; i < TM; i++) { sums[i * TN4 + j] *= factors; }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_w();
  let m0 = wid.x * BM;
  let n0 = (p.first_group + wid.y) * BN;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the long one, then the low-rank one.
  let long_steps = (min(p.k, begin + p.chunk) - begin + BK - 1u) / BK;
  let steps = long_steps + (p.rank + BK - 1u) / BK;
  for (var step = 0u; step < steps; step++) {
    let is_low = step >= long_steps;
    let k0 = select(begin + step * BK, (step - long_steps) * BK, is_low);
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let k4 = block % (BK / 4u);
      let m4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = a_four(is_low, m0 + m4 * 4u + j, k0 + k4 * 4u); }
      put_a(m4, k4, transpose(rows));
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let k4 = block % (BK / 4u);
      let n4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = w_four(is_low, n0 + n4 * 4u + j, k0 + k4 * 4u); }
      put_b(n4, k4, transpose(rows));
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
    if (step + 1u == long_steps && p.has_column_scale == 1u) { scale_columns(n0, lane); }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    store(wid.z, m0 + tile_row(lane, e), n0 + tile_column(lane, e), results[e / 4u][e % 4u]);
  }
}
