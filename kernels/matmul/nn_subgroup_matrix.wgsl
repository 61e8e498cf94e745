// nn_tile.wgsl (same bindings, same meaning) on tensor cores: lib/matrix_product.wgsl. Operands in f16, sums in f32.
// enable: f16, subgroups, chromium_experimental_subgroup_matrix
// uses: matmul_nn_operands, matmul_loads, matrix_product, rng
// load: a, w
diagnostic(off, chromium.subgroup_matrix_uniformity);
const SUBGROUP: u32 = 32u;
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 32u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is 1.
const COMPACT: bool = false;
// SPLIT, SPLIT_A: w, a is staged in two halves, so that f32 loses nothing.
const SPLIT: bool = false;
const SPLIT_A: bool = false;
const MASK: u32 = 0u;
const HAS_A_SCALE: bool = false;
// WIDE: rows of a and of w are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias LOW_UNIT = f32;
alias W_UNIT = f32;
// check: M=8 N=16 K=16 WIDE=true w=bf16 MASK=1
// check: M=8 N=8 K=8 SUBGROUP=64 w=f16 MASK=2 HAS_A_SCALE=true
// check: WIDE=true w=nf4
// check: BM=16 BN=128 BK=16 M=8 N=8 K=8 COMPACT=true SPLIT=true
// check: BM=32 BK=16 SPLIT=true SPLIT_A=true

const A_BY_ROWS = true;
const B_BY_COLUMNS = false;
var<private> is_low: bool;
var<private> m0: u32;
var<private> n0: u32;
var<private> k0: u32;

fn a_tile_four(row: u32, k: u32) -> vec4f { return a_four(is_low, m0 + row, k0 + k); }

fn b_tile_four(k: u32, column: u32) -> vec4f { return within(w_four(is_low, k0 + k, n0 + column), n0 + column, p.n); }

fn mask_factor(m: u32, n: u32) -> f32 { return dropout_scale(mask_key, m * p.n + n, p.rate); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32) {
  open_w();
  m0 = wid.x * BM;
  n0 = (p.first_group + wid.y) * BN;
  if (MASK != 0u) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let quarter = quarter_of(lane, size);
  let begin = wid.z * p.chunk;
  // One loop for both sums: first the low-rank one, which may have to be masked alone.
  let low_steps = (p.rank + BK - 1u) / BK;
  let steps = low_steps + (min(p.k, begin + p.chunk) - begin + BK - 1u) / BK;
  var sums: Sums;
  for (var step = 0u; step < steps; step++) {
    is_low = step < low_steps;
    k0 = select(begin + (step - low_steps) * BK, step * BK, is_low);
    if (MASK == 1u && step == low_steps) {
      for (var f = 0u; f < rolled(FM * FN); f++) {
        put_fragments(&sums, f, quarter);
        workgroupBarrier();
        for (var e = lane; e < rolled(4u * M * N); e += THREADS) {
          fragments[e] *= mask_factor(m0 + fragment_row(f, e), n0 + fragment_column(f, e));
        }
        workgroupBarrier();
        take_fragments(&sums, f, quarter);
        workgroupBarrier();
      }
    }
    load_tiles(lane);
    workgroupBarrier();
    let change = settle();
    if (change != 1.0) { scale_sums(&sums, change); }
    store_tiles(lane);
    workgroupBarrier();
    multiply_tiles(&sums, quarter);
  }
  for (var f = 0u; f < rolled(FM * FN); f++) {
    put_fragments(&sums, f, quarter);
    workgroupBarrier();
    for (var e = lane; e < rolled(4u * M * N); e += THREADS) {
      let m = m0 + fragment_row(f, e);
      let n = n0 + fragment_column(f, e);
      var sum = unscaled(fragments[e]);
      if (MASK == 2u) { sum *= mask_factor(m, n); }
      store(wid.z, m, n, sum);
    }
    workgroupBarrier();
  }
}
