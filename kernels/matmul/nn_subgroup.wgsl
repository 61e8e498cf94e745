// matmul/nn_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and four columns a
// lane.
// enable: subgroups
// uses: matmul_nn_operands, matmul_loads, subgroup_product, rng
// load: a, w
const SUBGROUP: u32 = 8u;
// One to four times SUBGROUP.
const TM: u32 = 16u;
const MASK: u32 = 0u;
const HAS_A_SCALE: bool = false;
// WIDE: rows of a and of w are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
// 0: no low-rank term; 1: of any rank; 2: rank and N are multiples of 4, four elements a load (LOW_UNIT vec4f).
const LOW: u32 = 0u;
alias LOW_UNIT = f32;
alias A_UNIT = f32;
alias W_UNIT = f32;
// check: SUBGROUP=16 TM=32 WIDE=true w=bf16 MASK=1 LOW=2 LOW_UNIT=vec4f
// check: SUBGROUP=4 TM=4 w=f16 MASK=2 HAS_A_SCALE=true LOW=1
// check: SUBGROUP=32 TM=32
// check: SUBGROUP=64 TM=64 WIDE=true

fn mask_sums(m0: u32, n: u32) {
  for (var i = 0u; i < TM; i++) { sums[i] *= mask_factors(m0 + i, n); }
}

// Rows and columns past the end are read as whatever is there: they only reach sums that are not written. Terms past the end of the sum are
// zero.
fn a_elements(i: u32, k: u32) -> vec4f {
  var four = four_of_a(i);
  if (HAS_A_SCALE) {
    let c = p.column + k;
    four *= vec4f(a_scale[c], a_scale[c + 1u], a_scale[c + 2u], a_scale[c + 3u]) + p.a_scale_offset;
  }
  return in_row(four, k);
}

fn w_elements(i: u32, k: u32) -> vec4f {
  if (WIDE) { return four_of_w(i); }
  return select(vec4f(), four_of_w(i), k < p.k);
}

fn low_a_elements(i: u32, k: u32) -> vec4f {
  if (LOW == 2u) { return vec4f(low_a[i / 4u]); }
  return within(vec4f(vec4f(low_a[i]).x, vec4f(low_a[i + 1u]).x, vec4f(low_a[i + 2u]).x, vec4f(low_a[i + 3u]).x), k, p.rank);
}

fn low_w_elements(i: u32, k: u32) -> vec4f {
  if (LOW == 2u) { return vec4f(low_w[i / 4u]); }
  let four = vec4f(vec4f(low_w[i]).x, vec4f(low_w[i + 1u]).x, vec4f(low_w[i + 2u]).x, vec4f(low_w[i + 3u]).x);
  return select(vec4f(), four, k < p.rank);
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  open_w();
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  let columns = p.n;
  let has_columns = n < columns;
  if (MASK != 0u) { mask_key = counter_key(p.seed, p.stream, p.step); }
  // What a loop needs of p is read before it, and rows of sums are written out: this compiler moves nothing out of loops and leaves them
  // rolled. First the low-rank sum, which may have to be masked alone.
  if (LOW != 0u) {
    let rank = p.rank;
    let low_row = (m0 + lane) * rank;
    let low_next_rows = SUBGROUP * rank;
    for (var k = 0u; k < rank; k += 4u) {
      var b: mat4x4f;
      if (has_columns) {
        let i = k * columns + n;
        b = mat4x4f(low_w_elements(i, k), low_w_elements(i + columns, k + 1u), low_w_elements(i + 2u * columns, k + 2u),
          low_w_elements(i + 3u * columns, k + 3u));
      }
      let i = low_row + k;
      add_products(0u, low_a_elements(i, k), b);
      if (TM > SUBGROUP) { add_products(SUBGROUP, low_a_elements(i + low_next_rows, k), b); }
      if (TM > 2u * SUBGROUP) { add_products(2u * SUBGROUP, low_a_elements(i + 2u * low_next_rows, k), b); }
      if (TM > 3u * SUBGROUP) { add_products(3u * SUBGROUP, low_a_elements(i + 3u * low_next_rows, k), b); }
    }
    if (MASK == 1u) { mask_sums(m0, n); }
  }
  let begin = wid.z * p.chunk;
  let end = min(p.k, begin + p.chunk);
  let stride = p.a_stride;
  let row = (m0 + lane) * stride + p.column;
  let next_rows = SUBGROUP * stride;
  for (var k = begin; k < end; k += 4u) {
    var b: mat4x4f;
    if (has_columns) {
      let i = k * columns + n;
      b = mat4x4f(w_elements(i, k), w_elements(i + columns, k + 1u), w_elements(i + 2u * columns, k + 2u),
        w_elements(i + 3u * columns, k + 3u));
    }
    let i = row + k;
    add_products(0u, a_elements(i, k), b);
    if (TM > SUBGROUP) { add_products(SUBGROUP, a_elements(i + next_rows, k), b); }
    if (TM > 2u * SUBGROUP) { add_products(2u * SUBGROUP, a_elements(i + 2u * next_rows, k), b); }
    if (TM > 3u * SUBGROUP) { add_products(3u * SUBGROUP, a_elements(i + 3u * next_rows, k), b); }
  }
  if (MASK == 2u) { mask_sums(m0, n); }
  let scale = p.scale;
  let first = (wid.z * p.m + m0) * columns + n;
  // A copy, because this loop indexes it dynamically and the sums must stay in registers.
  var results = sums;
  let rows = min(TM, p.m - m0);
  for (var i = 0u; i < rows; i++) { store_four(first + i * columns, n, results[i] * scale); }
}
