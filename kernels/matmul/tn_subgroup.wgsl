// matmul/tn_tile (same bindings, same meaning) with the sums of lib/subgroup_product.wgsl. A workgroup takes TM rows and four columns a
// lane of c.
// enable: subgroups
// uses: matmul_tn_operands, subgroup_product, rng
// load: b
const SUBGROUP: u32 = 8u;
// One to four times SUBGROUP.
const TM: u32 = 16u;
const DROPOUT: bool = false;
// WIDE: rows of b are multiples of 4, so that four elements are one load.
const WIDE: bool = false;
alias A_UNIT = f32;
alias B_UNIT = f32;
// check: SUBGROUP=16 TM=32 WIDE=true DROPOUT=true
// check: SUBGROUP=4 TM=4
// check: SUBGROUP=32 TM=32
// check: SUBGROUP=64 TM=64 WIDE=true

// Four rows of one column of a. Rows and columns past the end of c are read as whatever is there: they only reach sums that are not
// written. Terms past the end of the sum are zero.
fn a_column(i: u32, stride: u32, is_term: vec4<bool>) -> vec4f {
  return select(vec4f(), vec4f(a[i], a[i + stride], a[i + 2u * stride], a[i + 3u * stride]), is_term);
}

fn b_elements(i: u32, is_term: bool) -> vec4f {
  var four = select(vec4f(), four_of_b(i), is_term);
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m0 = wid.x * TM;
  let n = ((p.first_group + wid.y) * SUBGROUP + lane) * 4u;
  let columns = p.n;
  let has_columns = n < columns;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  // What a loop needs of p is read before it, and rows of sums are written out: this compiler moves nothing out of loops and leaves them
  // rolled.
  let begin = wid.z * p.chunk;
  let end = min(p.t, begin + p.chunk);
  let stride = p.a_stride;
  let row = p.column + m0 + lane;
  for (var t = begin; t < end; t += 4u) {
    let is_term = vec4u(t, t + 1u, t + 2u, t + 3u) < vec4u(end);
    var b: mat4x4f;
    if (has_columns) {
      let i = t * columns + n;
      b = mat4x4f(b_elements(i, is_term.x), b_elements(i + columns, is_term.y), b_elements(i + 2u * columns, is_term.z),
        b_elements(i + 3u * columns, is_term.w));
    }
    let i = t * stride + row;
    add_products(0u, a_column(i, stride, is_term), b);
    if (TM > SUBGROUP) { add_products(SUBGROUP, a_column(i + SUBGROUP, stride, is_term), b); }
    if (TM > 2u * SUBGROUP) { add_products(2u * SUBGROUP, a_column(i + 2u * SUBGROUP, stride, is_term), b); }
    if (TM > 3u * SUBGROUP) { add_products(3u * SUBGROUP, a_column(i + 3u * SUBGROUP, stride, is_term), b); }
  }
  let scale = p.scale;
  let first = (wid.z * p.m + m0) * columns + n;
  // A copy, because this loop indexes it dynamically and the sums must stay in registers.
  var results = sums;
  let rows = min(TM, p.m - m0);
  for (var i = 0u; i < rows; i++) { store_four(first + i * columns, m0 + i, n, results[i] * scale); }
}
