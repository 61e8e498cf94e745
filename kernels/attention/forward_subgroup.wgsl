// attention/forward_tile (same bindings, same meaning) without workgroup memory or barriers, for a software GPU: lib/subgroup_product.wgsl, and its
// mirror image for weights times values. A workgroup takes 8 queries of one head and walks over tiles of 32 keys.
// enable: subgroups
// uses: attention_operands, softcap, attention_cells, attention_stored_keys, attention_subgroup, subgroup_product
// load: k, v
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
const KEEP_STATS: bool = true;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// WIDE: D is a multiple of 4, so that four elements of k and v are one load.
const WIDE: bool = false;
alias K_UNIT = f32;
alias V_UNIT = f32;
// check: D=128 SOFTCAP=50 KEEP_STATS=false WIDE=true k=f16 v=f16
// check: D=17 Cell=f32

const MASKED: f32 = -3.0e38;

fn query_cell(query: u32, head: u32, d: u32) -> vec4f {
  if (query >= p.queries) { return vec4f(); }
  return q_cell(query * p.heads + head, d);
}

fn largest_of(a: vec4f) -> f32 { return max(max(a.x, a.y), max(a.z, a.w)); }

fn sum4(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.queries + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  // Under a causal mask the last tiles see the most keys: they start first.
  let first = (tiles - 1u - id / p.heads) * TM;
  let head = id % p.heads;
  let kv_head = head / (p.heads / p.kv_heads);
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + TM, p.queries) - 1u) + 1u];
  var low = 0u;
  var high = 0u;
  if (first + lane < p.queries) {
    low = ranges[2u * (first + lane)];
    high = ranges[2u * (first + lane) + 1u];
  }
  var largest: array<f32, TM>;
  var total: array<f32, TM>;
  var weights: array<vec4f, TM>;
  var acc: array<vec4f, TM * COLUMNS>;
  for (var m = 0u; m < TM; m++) { largest[m] = MASKED; }

  for (var key = begin; key < end; key += 4u * SUBGROUP) {
    let own = key + 4u * lane;
    sums = array<vec4f, TM>();
    for (var d = 0u; d < p.slices; d++) {
      let keys = k_rows(own, end, kv_head, d);
      add_products(0u, query_cell(first + lane, head, d), transpose(keys));
    }
    let j = own + vec4u(0u, 1u, 2u, 3u);
    for (var m = 0u; m < TM; m++) {
      var s = sums[m] * p.scale;
      if (SOFTCAP > 0.0) { s = vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
      s = select(vec4f(MASKED), s, (j >= vec4u(subgroupShuffle(low, m))) & (j < vec4u(subgroupShuffle(high, m))));
      let tile_largest = max(largest[m], subgroupMax(largest_of(s)));
      let shrink = exp(largest[m] - tile_largest);
      largest[m] = tile_largest;
      weights[m] = select(vec4f(), exp(s - tile_largest), s > vec4f(MASKED));
      total[m] = total[m] * shrink + sum4(weights[m]);
      for (var c = 0u; c < COLUMNS; c++) { acc[c * TM + m] *= shrink; }
    }
    for (var l = 0u; l < p.blocks; l++) {
      for (var c = 0u; c < COLUMNS; c++) {
        let d = vector_of(c, lane);
        let seen = key + 4u * l;
        let values = v_rows(seen, end, kv_head, d);
        for (var m = 0u; m < TM; m++) { acc[c * TM + m] += values * subgroupShuffle(weights[m], l); }
      }
    }
  }

  for (var m = 0u; m < TM; m++) {
    let denominator = subgroupAdd(total[m]);
    let inverse = select(0.0, 1.0 / denominator, denominator > 0.0);
    let row = (first + m) * p.heads + head;
    for (var c = 0u; c < COLUMNS; c++) { acc[c * TM + m] *= inverse; }
    if (KEEP_STATS && lane == 0u && first + m < p.queries) {
      stats[3u * row] = largest[m];
      stats[3u * row + 1u] = select(0.0, log(denominator), denominator > 0.0);
    }
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = acc;
  for (var e = 0u; e < 4u * COLUMNS * TM * p.blocks / SUBGROUP; e++) {
    let query = first + e / 4u % TM;
    let d = 4u * vector_of(e / (4u * TM), lane) + e % 4u;
    if (query < p.queries && d < D) { y[(query * p.heads + head) * D + d] = results[e / 4u][e % 4u]; }
  }
}
