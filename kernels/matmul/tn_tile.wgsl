// c (M, N) = scale · row_scale · aᵀ b, a (T, A columns), b (T, N): the gradient of a weight. c may be a run of rows of a split tensor: they
// belong to the columns p.column… of a. DROPOUT masks b as it is loaded. With p.chunk < T, workgroup z sums one range of T into
// its own (M, N) of c, so that a gradient of few elements (LoRA) still fills the GPU, and in a fixed order.
// uses: matmul_tn_operands, matmul_tile, rng
// load: a, b
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const DROPOUT: bool = false;
// WIDE: rows of a and of b are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias B_UNIT = f32;
// check: COMPACT=true WIDE=true DROPOUT=true
// check: BM=64 BN=16 TM=4 TN=4
// check: BM=16 BN=64 TM=4 TN=4 WIDE=true
// check: BM=32 BN=32 TM=4 TN=4 DROPOUT=true

// Past the end of a row these are elements of the next one; they only reach sums that are not written.
fn a_four(t: u32, m: u32) -> vec4f {
  if (t >= p.t || m >= p.m) { return vec4f(); }
  return four_of_a(t * p.a_stride + p.column + m);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = wid.x * BM;
  let n0 = (p.first_group + wid.y) * BN;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let end = min(p.t, (wid.z + 1u) * p.chunk);
  for (var k0 = wid.z * p.chunk; k0 < end; k0 += BK) {
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let m4 = block % (BM / 4u);
      let k4 = block / (BM / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = a_four(k0 + k4 * 4u + j, m0 + m4 * 4u); }
      put_a(m4, k4, columns);
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let n4 = block % (BN / 4u);
      let k4 = block / (BN / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = b_four(k0 + k4 * 4u + j, n0 + n4 * 4u); }
      put_b(n4, k4, columns);
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    store(wid.z, m0 + tile_row(lane, e), n0 + tile_column(lane, e), results[e / 4u][e % 4u]);
  }
}
