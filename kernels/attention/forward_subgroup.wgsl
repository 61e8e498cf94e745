// attention/forward_tile (same bindings, same meaning) without workgroup memory or barriers, for a software GPU: lib/subgroup_product.wgsl,
// and its mirror image for weights times values. A workgroup takes TM queries of one head and walks over tiles of 4·SUBGROUP keys.
// enable: subgroups
// uses: attention_operands, softcap, attention_cells, attention_stored_keys, attention_subgroup, subgroup_product
// load: k, v
const SUBGROUP: u32 = 8u;
// One to four times SUBGROUP.
const TM: u32 = 16u;
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
// check: SUBGROUP=4 TM=8 D=8
// check: SUBGROUP=16 TM=16
// check: SUBGROUP=32 TM=32
// check: SUBGROUP=64 TM=64

const MASKED: f32 = -3.0e38;
var<private> weights: array<vec4f, TM>;
var<private> acc: Sums;

fn largest_of(a: vec4f) -> f32 { return max(max(a.x, a.y), max(a.z, a.w)); }

fn sum4(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.queries + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  // Under a causal mask the last tiles see the most keys: they start first. What loops need of p is read before them.
  let first = (tiles - 1u - id / p.heads) * TM;
  let heads = p.heads;
  let kv_heads = p.kv_heads;
  let head = id % heads;
  let kv_head = head / (heads / kv_heads);
  let slices = p.slices;
  let steps = p.blocks / GROUPS;
  let halves = 2u * p.blocks / SUBGROUP;
  let scale = p.scale;
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + TM, p.queries) - 1u) + 1u];
  var low: array<u32, OWN>;
  var high: array<u32, OWN>;
  var q_start: array<u32, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let query = min(first + r * SUBGROUP + lane, p.queries - 1u);
    low[r] = ranges[2u * query];
    high[r] = ranges[2u * query + 1u];
    q_start[r] = row_start(query * heads + head);
  }
  var largest: array<f32, TM>;
  var total: array<f32, TM>;
  for (var m = 0u; m < TM; m++) { largest[m] = MASKED; }

  for (var key = begin; key < end; key += 4u * SUBGROUP) {
    let own = key + 4u * lane;
    let k_start = four_starts(own, end, kv_heads, kv_head);
    sums = array<vec4f, TM>();
    for (var d = 0u; d < slices; d++) {
      let keys = transpose(k_rows(k_start, d));
      add_products(0u, q_at(q_start[0], d), keys);
      if (OWN > 1u) { add_products(SUBGROUP, q_at(q_start[min(1u, OWN - 1u)], d), keys); }
      if (OWN > 2u) { add_products(2u * SUBGROUP, q_at(q_start[min(2u, OWN - 1u)], d), keys); }
      if (OWN > 3u) { add_products(3u * SUBGROUP, q_at(q_start[min(3u, OWN - 1u)], d), keys); }
    }
    let j = own + vec4u(0u, 1u, 2u, 3u);
    for (var m = 0u; m < TM; m++) {
      var s = sums[m] * scale;
      if (SOFTCAP > 0.0) { s = vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
      s = select(vec4f(MASKED), s, (j >= vec4u(own_u32(low, m))) & (j < vec4u(own_u32(high, m))));
      let tile_largest = max(largest[m], lanes_max(largest_of(s)));
      let shrink = exp(largest[m] - tile_largest);
      largest[m] = tile_largest;
      weights[m] = select(vec4f(), exp(s - tile_largest), s > vec4f(MASKED));
      total[m] = total[m] * shrink + sum4(weights[m]);
      for (var c = 0u; c < COLUMNS; c++) { acc[m][c] *= shrink; }
    }
    for (var half = 0u; half < halves; half++) {
      for (var m = 0u; m < TM; m++) { pairs[m] = select(weights[m].zw, weights[m].xy, half == 0u); }
      for (var step = 0u; step < steps; step++) {
        let l = step * GROUPS + lane / CELLS;
        let starts = two_starts(key + 4u * l + 2u * half, end, kv_heads, kv_head);
        for (var c = 0u; c < COLUMNS; c++) {
          let d = cell_of(c, lane);
          met[c] = mat2x4f(v_at(starts.x, d), v_at(starts.y, d));
        }
        add_weighted(l, &acc);
      }
    }
  }

  var own_largest: array<f32, OWN>;
  var own_total: array<f32, OWN>;
  for (var m = 0u; m < TM; m++) {
    let denominator = lanes_sum(vec4f(total[m]), 1u).x;
    let inverse = select(0.0, 1.0 / denominator, denominator > 0.0);
    for (var c = 0u; c < COLUMNS; c++) { acc[m][c] = lanes_sum(acc[m][c], CELLS) * inverse; }
    if (m % SUBGROUP == lane) {
      own_largest[m / SUBGROUP] = largest[m];
      own_total[m / SUBGROUP] = denominator;
    }
  }
  if (KEEP_STATS) {
    for (var r = 0u; r < OWN; r++) {
      let query = first + r * SUBGROUP + lane;
      if (query < p.queries) {
        let row = 3u * (query * heads + head);
        stats[row] = own_largest[r];
        stats[row + 1u] = select(0.0, log(own_total[r]), own_total[r] > 0.0);
      }
    }
  }
  // A copy, because this loop indexes it dynamically and the sums must stay in registers.
  var results = acc;
  let rows = min(TM, p.queries - first);
  for (var e = 0u; e < COLUMNS * rows; e++) {
    let m = e % rows;
    let d = 4u * ((e / rows) * CELLS + lane % CELLS);
    if (lane < CELLS && d < D) { store_four(((first + m) * heads + head) * D + d, d, results[m][e / rows]); }
  }
}

fn store_four(at: u32, d: u32, four: vec4f) {
  y[at] = four.x;
  if (d + 1u < D) { y[at + 1u] = four.y; }
  if (d + 2u < D) { y[at + 2u] = four.z; }
  if (d + 3u < D) { y[at + 3u] = four.w; }
}
