// attention/query_backward_tile (same bindings, same meaning), laid out as forward_subgroup.wgsl.
// enable: subgroups
// uses: attention_query_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_subgroup, subgroup_product
const SUBGROUP: u32 = 8u;
// One to four times SUBGROUP.
const TM: u32 = 16u;
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 SOFTCAP=50
// check: D=17 Cell=f32
// check: SUBGROUP=4 TM=8 D=8
// check: SUBGROUP=16 TM=16
// check: SUBGROUP=32 TM=32
// check: SUBGROUP=64 TM=64

var<private> gradients: array<vec4f, TM>;
var<private> acc: Sums;

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.queries + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  let first = (tiles - 1u - id / p.heads) * TM;
  let heads = p.heads;
  let kv_heads = p.kv_heads;
  let head = id % heads;
  let kv_head = head / (heads / kv_heads);
  let slices = p.slices;
  let steps = p.blocks / GROUPS;
  let halves = 2u * p.blocks / SUBGROUP;
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + TM, p.queries) - 1u) + 1u];
  // Of the lane's own queries; the last one stands in for those past the end, whose results are not written.
  var low: array<u32, OWN>;
  var high: array<u32, OWN>;
  var start: array<u32, OWN>;
  var largest: array<f32, OWN>;
  var log_total: array<f32, OWN>;
  var delta: array<f32, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let query = min(first + r * SUBGROUP + lane, p.queries - 1u);
    let row = query * heads + head;
    low[r] = ranges[2u * query];
    high[r] = ranges[2u * query + 1u];
    start[r] = row_start(row);
    largest[r] = stats[3u * row];
    log_total[r] = stats[3u * row + 1u];
    delta[r] = stats[3u * row + 2u];
  }

  for (var key = begin; key < end; key += 4u * SUBGROUP) {
    let own = key + 4u * lane;
    let kv_start = four_starts(own, end, kv_heads, kv_head);
    sums = array<vec4f, TM>();
    for (var d = 0u; d < slices; d++) {
      let keys = transpose(k_rows(kv_start, d));
      add_products(0u, q_at(start[0], d), keys);
      if (OWN > 1u) { add_products(SUBGROUP, q_at(start[min(1u, OWN - 1u)], d), keys); }
      if (OWN > 2u) { add_products(2u * SUBGROUP, q_at(start[min(2u, OWN - 1u)], d), keys); }
      if (OWN > 3u) { add_products(3u * SUBGROUP, q_at(start[min(3u, OWN - 1u)], d), keys); }
    }
    let dots = sums;
    sums = array<vec4f, TM>();
    for (var d = 0u; d < slices; d++) {
      let values = transpose(v_rows(kv_start, d));
      add_products(0u, dy_at(start[0], d), values);
      if (OWN > 1u) { add_products(SUBGROUP, dy_at(start[min(1u, OWN - 1u)], d), values); }
      if (OWN > 2u) { add_products(2u * SUBGROUP, dy_at(start[min(2u, OWN - 1u)], d), values); }
      if (OWN > 3u) { add_products(3u * SUBGROUP, dy_at(start[min(3u, OWN - 1u)], d), values); }
    }
    let j = own + vec4u(0u, 1u, 2u, 3u);
    for (var m = 0u; m < TM; m++) {
      let seen = (j >= vec4u(own_u32(low, m))) & (j < vec4u(own_u32(high, m)));
      let weight = probability(dots[m], vec4f(own_f32(largest, m)), vec4f(own_f32(log_total, m)), seen);
      gradients[m] = score_gradient(dots[m], weight, sums[m], vec4f(own_f32(delta, m)));
    }
    for (var half = 0u; half < halves; half++) {
      for (var m = 0u; m < TM; m++) { pairs[m] = select(gradients[m].zw, gradients[m].xy, half == 0u); }
      for (var step = 0u; step < steps; step++) {
        let l = step * GROUPS + lane / CELLS;
        let starts = two_starts(key + 4u * l + 2u * half, end, kv_heads, kv_head);
        for (var c = 0u; c < COLUMNS; c++) {
          let d = cell_of(c, lane);
          met[c] = mat2x4f(k_at(starts.x, d), k_at(starts.y, d));
        }
        add_weighted(l, &acc);
      }
    }
  }

  for (var m = 0u; m < TM; m++) {
    for (var c = 0u; c < COLUMNS; c++) { acc[m][c] = lanes_sum(acc[m][c], CELLS); }
    gradients[m] = vec4f();
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
  var value = four;
  if (p.accumulate == 1u) { value += vec4f(dq[at], dq[at + 1u], dq[at + 2u], dq[at + 3u]); }
  dq[at] = value.x;
  if (d + 1u < D) { dq[at + 1u] = value.y; }
  if (d + 2u < D) { dq[at + 2u] = value.z; }
  if (d + 3u < D) { dq[at + 3u] = value.w; }
}
