// y (M, N) = scale · ((a · a_scale) w + low_a low_w), a (M, K), w (K, N) in the checkpoint's dtype: the gradient of a linear's input. The
// low-rank pair is LoRA's; MASK 1 applies the dropout mask of y's element to it alone, MASK 2 to everything, 0 to nothing. w may
// be a run of rows of a split weight: it meets the columns p.column… of a. With p.chunk < K, workgroup z sums one range of K.
// uses: matmul_nn_operands, matmul_loads, matmul_tile, rng
// load: a, w
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const MASK: u32 = 0u;
const HAS_A_SCALE: bool = false;
// WIDE: rows of a and of w are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias LOW_UNIT = f32;
alias W_UNIT = f32;
// check: COMPACT=true WIDE=true w=bf16 MASK=1
// check: WIDE=true MASK=2 HAS_A_SCALE=true
// check: BM=64 BN=16 TM=4 TN=4 w=f16
// check: BM=16 BN=64 TM=4 TN=4 w=bf16
// check: BM=32 BN=32 TM=4 TN=4

fn mask_sums(m0: u32, n0: u32, lane: u32) {
  for (var i = 0u; i < TM; i++) {
    for (var j = 0u; j < TN4; j++) { sums[i * TN4 + j] *= mask_factors(m0 + tile_row(lane, i * TN), n0 + tile_column(lane, j * 4u)); }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  open_w();
  let m0 = wid.x * BM;
  let n0 = (p.first_group + wid.y) * BN;
  if (MASK != 0u) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let begin = wid.z * p.chunk;
  // One loop for both sums (half the code to compile): first the low-rank one, which may have to be masked alone.
  let low_steps = (p.rank + BK - 1u) / BK;
  let steps = low_steps + (min(p.k, begin + p.chunk) - begin + BK - 1u) / BK;
  for (var step = 0u; step < steps; step++) {
    let is_low = step < low_steps;
    let k0 = select(begin + (step - low_steps) * BK, step * BK, is_low);
    if (MASK == 1u && step == low_steps) { mask_sums(m0, n0, lane); }
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let k4 = block % (BK / 4u);
      let m4 = block / (BK / 4u);
      var rows: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { rows[j] = a_four(is_low, m0 + m4 * 4u + j, k0 + k4 * 4u); }
      put_a(m4, k4, transpose(rows));
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let n4 = block % (BN / 4u);
      let k4 = block / (BN / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = w_four(is_low, k0 + k4 * 4u + j, n0 + n4 * 4u); }
      put_b(n4, k4, columns);
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
  }
  if (MASK == 2u) { mask_sums(m0, n0, lane); }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    store(wid.z, m0 + tile_row(lane, e), n0 + tile_column(lane, e), results[e / 4u][e % 4u]);
  }
}
