// matmul/nt_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and four columns a
// lane.
// enable: subgroups
// uses: matmul_nt_operands, matmul_loads, subgroup_product, rng
// load: a, w
const SUBGROUP: u32 = 8u;
// One to four times SUBGROUP.
const TM: u32 = 16u;
const DROPOUT: bool = false;
// WIDE: K is a multiple of 4, so that four elements are one load.
const WIDE: bool = false;
// 0: no low-rank term; 1: of any rank; 2: of a multiple of 4, four elements a load (LOW_UNIT vec4f).
const LOW: u32 = 0u;
alias LOW_UNIT = f32;
alias A_UNIT = f32;
alias W_UNIT = f32;
// check: SUBGROUP=16 TM=32 WIDE=true w=bf16 DROPOUT=true LOW=2 LOW_UNIT=vec4f
// check: SUBGROUP=4 TM=4 w=f16 LOW=1
// check: SUBGROUP=32 TM=32
// check: SUBGROUP=64 TM=64 WIDE=true

// Rows and columns past the end are read as whatever is there: they only reach sums that are not written.
fn a_elements(i: u32, k: u32) -> vec4f {
  var four = in_row(four_of_a(i), k);
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

fn w_elements(i: u32, k: u32) -> vec4f { return in_row(four_of_w(i), k); }

fn low_a_elements(i: u32, k: u32) -> vec4f {
  if (LOW == 2u) { return vec4f(low_a[i / 4u]); }
  return within(vec4f(vec4f(low_a[i]).x, vec4f(low_a[i + 1u]).x, vec4f(low_a[i + 2u]).x, vec4f(low_a[i + 3u]).x), k, p.rank);
}

fn low_w_elements(i: u32, k: u32) -> vec4f {
  if (LOW == 2u) { return vec4f(low_w[i / 4u]); }
  return within(vec4f(vec4f(low_w[i]).x, vec4f(low_w[i + 1u]).x, vec4f(low_w[i + 2u]).x, vec4f(low_w[i + 3u]).x), k, p.rank);
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  open_w();
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  let has_columns = n < p.n;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  // What a loop needs of p is read before it, and rows of sums are written out: this compiler moves nothing out of loops and leaves them
  // rolled.
  let length = p.k;
  let begin = wid.z * p.chunk;
  let end = min(length, begin + p.chunk);
  let row = (m0 + lane) * length;
  let next_rows = SUBGROUP * length;
  let column = n * length;
  for (var k = begin; k < end; k += 4u) {
    var b: mat4x4f;
    if (has_columns) {
      let i = column + k;
      b = transpose(mat4x4f(w_elements(i, k), w_elements(i + length, k), w_elements(i + 2u * length, k), w_elements(i + 3u * length, k)));
    }
    let i = row + k;
    add_products(0u, a_elements(i, k), b);
    if (TM > SUBGROUP) { add_products(SUBGROUP, a_elements(i + next_rows, k), b); }
    if (TM > 2u * SUBGROUP) { add_products(2u * SUBGROUP, a_elements(i + 2u * next_rows, k), b); }
    if (TM > 3u * SUBGROUP) { add_products(3u * SUBGROUP, a_elements(i + 3u * next_rows, k), b); }
  }
  if (p.has_column_scale == 1u) {
    let factors = column_factors(n);
    for (var i = 0u; i < TM; i++) { sums[i] *= factors; }
  }
  if (LOW != 0u) {
    let rank = p.rank;
    let low_row = (m0 + lane) * rank;
    let low_next_rows = SUBGROUP * rank;
    let low_column = (p.column + n) * rank;
    for (var k = 0u; k < rank; k += 4u) {
      var b: mat4x4f;
      if (has_columns) {
        let i = low_column + k;
        b = transpose(mat4x4f(low_w_elements(i, k), low_w_elements(i + rank, k), low_w_elements(i + 2u * rank, k),
          low_w_elements(i + 3u * rank, k)));
      }
      let i = low_row + k;
      add_products(0u, low_a_elements(i, k), b);
      if (TM > SUBGROUP) { add_products(SUBGROUP, low_a_elements(i + low_next_rows, k), b); }
      if (TM > 2u * SUBGROUP) { add_products(2u * SUBGROUP, low_a_elements(i + 2u * low_next_rows, k), b); }
      if (TM > 3u * SUBGROUP) { add_products(3u * SUBGROUP, low_a_elements(i + 3u * low_next_rows, k), b); }
    }
  }
  var added = vec4f();
  if (p.has_bias == 1u) {
    let c = p.column + n;
    added = vec4f(bias[c], bias[c + 1u], bias[c + 2u], bias[c + 3u]);
  }
  let scale = p.scale;
  let stride = p.y_stride;
  let first = (wid.z * p.m + m0) * stride + p.column + n;
  // A copy, because this loop indexes it dynamically and the sums must stay in registers.
  var results = sums;
  let rows = min(TM, p.m - m0);
  for (var i = 0u; i < rows; i++) { store_four(first + i * stride, n, (results[i] + added) * scale); }
}
