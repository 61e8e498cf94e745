// attention/key_backward_tile (same bindings, same meaning), laid out as forward_subgroup.wgsl with keys and queries in each other's place.
// enable: subgroups
// uses: attention_key_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_subgroup, subgroup_product
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 SOFTCAP=50
// check: D=17 Cell=f32

// As k_rows and v_rows of lib/attention_subgroup.wgsl.
fn q_rows(query: u32, end: u32, head: u32, d: u32) -> mat4x4f {
  var rows: mat4x4f;
  for (var j = 0u; j < 4u; j++) {
    if (query + j < end && d < ROW) { rows[j] = q_cell((query + j) * p.heads + head, d); }
  }
  return rows;
}

fn dy_rows(query: u32, end: u32, head: u32, d: u32) -> mat4x4f {
  var rows: mat4x4f;
  for (var j = 0u; j < 4u; j++) {
    if (query + j < end && d < ROW) { rows[j] = dy_cell((query + j) * p.heads + head, d); }
  }
  return rows;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.keys + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.kv_heads) { return; }
  let first = (id / p.kv_heads) * TM;
  let kv_head = id % p.kv_heads;
  // Rows past key_rows are unused capacity: nobody sees them and their gradient is zero.
  var begin = 0u;
  var end = 0u;
  var low = 0u;
  var high = 0u;
  if (first < p.key_rows) {
    begin = ranges[2u * first];
    end = ranges[2u * (min(first + TM, p.key_rows) - 1u) + 1u];
  }
  if (first + lane < p.key_rows) {
    low = ranges[2u * (first + lane)];
    high = ranges[2u * (first + lane) + 1u];
  }
  let row = min(first + lane, p.keys - 1u) * p.kv_heads + kv_head;
  var weights: array<vec4f, TM>;
  var gradients: array<vec4f, TM>;
  var acc_k: array<vec4f, TM * COLUMNS>;
  var acc_v: array<vec4f, TM * COLUMNS>;

  let shared_by = p.heads / p.kv_heads;
  for (var h = 0u; h < shared_by; h++) {
    let head = kv_head * shared_by + h;
    for (var query = begin; query < end; query += 4u * SUBGROUP) {
      let own = query + 4u * lane;
      sums = array<vec4f, TM>();
      for (var d = 0u; d < p.slices; d++) {
        let queries = q_rows(own, end, head, d);
        add_products(0u, k_cell(row, d), transpose(queries));
      }
      let dots = sums;
      sums = array<vec4f, TM>();
      for (var d = 0u; d < p.slices; d++) {
        let slopes = dy_rows(own, end, head, d);
        add_products(0u, v_cell(row, d), transpose(slopes));
      }
      let j = own + vec4u(0u, 1u, 2u, 3u);
      let s = 3u * (min(j, vec4u(end - 1u)) * p.heads + head);
      let largest = vec4f(stats[s.x], stats[s.y], stats[s.z], stats[s.w]);
      let log_total = vec4f(stats[s.x + 1u], stats[s.y + 1u], stats[s.z + 1u], stats[s.w + 1u]);
      let delta = vec4f(stats[s.x + 2u], stats[s.y + 2u], stats[s.z + 2u], stats[s.w + 2u]);
      for (var m = 0u; m < TM; m++) {
        let seen = (j >= vec4u(subgroupShuffle(low, m))) & (j < vec4u(subgroupShuffle(high, m)));
        weights[m] = probability(dots[m], largest, log_total, seen);
        gradients[m] = score_gradient(dots[m], weights[m], sums[m], delta);
      }
      for (var l = 0u; l < p.blocks; l++) {
        for (var c = 0u; c < COLUMNS; c++) {
          let d = vector_of(c, lane);
          let at = query + 4u * l;
          let queries = q_rows(at, end, head, d);
          let slopes = dy_rows(at, end, head, d);
          for (var m = 0u; m < TM; m++) {
            acc_k[c * TM + m] += queries * subgroupShuffle(gradients[m], l);
            acc_v[c * TM + m] += slopes * subgroupShuffle(weights[m], l);
          }
        }
      }
    }
  }

  // Copies, because this loop may index them dynamically and the sums must stay in registers.
  var results_k = acc_k;
  var results_v = acc_v;
  for (var e = 0u; e < 4u * COLUMNS * TM * p.blocks / SUBGROUP; e++) {
    let key = first + e / 4u % TM;
    let d = 4u * vector_of(e / (4u * TM), lane) + e % 4u;
    if (key >= p.keys || d >= D) { continue; }
    let i = (key * p.kv_heads + kv_head) * D + d;
    dk[i] = select(0.0, dk[i], p.accumulate_k == 1u) + results_k[e / 4u][e % 4u];
    dv[i] = select(0.0, dv[i], p.accumulate_v == 1u) + results_v[e / 4u][e % 4u];
  }
}
