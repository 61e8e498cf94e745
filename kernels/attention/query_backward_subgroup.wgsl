// attention/query_backward_tile (same bindings, same meaning), laid out as forward_subgroup.wgsl.
// enable: subgroups
// uses: attention_query_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_subgroup, subgroup_product
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 SOFTCAP=50
// check: D=17 Cell=f32

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.queries + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  let first = (tiles - 1u - id / p.heads) * TM;
  let head = id % p.heads;
  let kv_head = head / (p.heads / p.kv_heads);
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + TM, p.queries) - 1u) + 1u];
  // Of the lane's own query; the last one stands in for those past the end, which see nothing.
  let query = min(first + lane, p.queries - 1u);
  let row = query * p.heads + head;
  let low = ranges[2u * query];
  let high = select(0u, ranges[2u * query + 1u], first + lane < p.queries);
  let largest = stats[3u * row];
  let log_total = stats[3u * row + 1u];
  let delta = stats[3u * row + 2u];
  var gradients: array<vec4f, TM>;
  var acc: array<vec4f, TM * COLUMNS>;

  for (var key = begin; key < end; key += 4u * SUBGROUP) {
    let own = key + 4u * lane;
    sums = array<vec4f, TM>();
    for (var d = 0u; d < p.slices; d++) {
      let keys = k_rows(own, end, kv_head, d);
      add_products(0u, q_cell(row, d), transpose(keys));
    }
    let dots = sums;
    sums = array<vec4f, TM>();
    for (var d = 0u; d < p.slices; d++) {
      let values = v_rows(own, end, kv_head, d);
      add_products(0u, dy_cell(row, d), transpose(values));
    }
    let j = own + vec4u(0u, 1u, 2u, 3u);
    for (var m = 0u; m < TM; m++) {
      let seen = (j >= vec4u(subgroupShuffle(low, m))) & (j < vec4u(subgroupShuffle(high, m)));
      let weight = probability(dots[m], vec4f(subgroupShuffle(largest, m)), vec4f(subgroupShuffle(log_total, m)), seen);
      gradients[m] = score_gradient(dots[m], weight, sums[m], vec4f(subgroupShuffle(delta, m)));
    }
    for (var l = 0u; l < p.blocks; l++) {
      for (var c = 0u; c < COLUMNS; c++) {
        let d = vector_of(c, lane);
        let at = key + 4u * l;
        let keys = k_rows(at, end, kv_head, d);
        for (var m = 0u; m < TM; m++) { acc[c * TM + m] += keys * subgroupShuffle(gradients[m], l); }
      }
    }
  }

  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = acc;
  for (var e = 0u; e < 4u * COLUMNS * TM * p.blocks / SUBGROUP; e++) {
    let target_query = first + e / 4u % TM;
    let d = 4u * vector_of(e / (4u * TM), lane) + e % 4u;
    if (target_query >= p.queries || d >= D) { continue; }
    let i = (target_query * p.heads + head) * D + d;
    dq[i] = select(0.0, dq[i], p.accumulate == 1u) + results[e / 4u][e % 4u];
  }
}
