// tn_tile.wgsl (same bindings, same meaning) on tensor cores: lib/matrix_product.wgsl. Operands in f16, sums in f32.
// enable: f16, subgroups, chromium_experimental_subgroup_matrix
// uses: matmul_tn_operands, matrix_product, rng
// load: a, b
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
// SPLIT, SPLIT_A: b, a is staged in two halves, so that f32 loses nothing.
const SPLIT: bool = false;
const SPLIT_A: bool = false;
const DROPOUT: bool = false;
// WIDE: rows of a and of b are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias B_UNIT = f32;
// check: M=8 N=16 K=16 WIDE=true DROPOUT=true
// check: M=8 N=8 K=8 SUBGROUP=64
// check: BM=16 BN=128 M=8 N=8 K=8 COMPACT=true
// check: BM=32 BK=16 SPLIT=true SPLIT_A=true

const A_BY_ROWS = false;
const B_BY_COLUMNS = false;
var<private> m0: u32;
var<private> n0: u32;
var<private> t0: u32;

// Elements past the end of a row would count among the magnitudes.
fn within(four: vec4f, k: u32, length: u32) -> vec4f {
  return select(vec4f(), four, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(length));
}

fn a_tile_four(t: u32, row: u32) -> vec4f {
  let m = m0 + row;
  if (t0 + t >= p.t || m >= p.m) { return vec4f(); }
  return within(four_of_a((t0 + t) * p.a_stride + p.column + m), m, p.m);
}

fn b_tile_four(t: u32, column: u32) -> vec4f { return within(b_four(t0 + t, n0 + column), n0 + column, p.n); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32) {
  m0 = wid.x * BM;
  n0 = (p.first_group + wid.y) * BN;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let quarter = quarter_of(lane, size);
  let end = min(p.t, (wid.z + 1u) * p.chunk);
  var sums: Sums;
  for (var t = wid.z * p.chunk; t < end; t += BK) {
    t0 = t;
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
      store(wid.z, m0 + fragment_row(f, e), n0 + fragment_column(f, e), unscaled(fragments[e]));
    }
    workgroupBarrier();
  }
}
