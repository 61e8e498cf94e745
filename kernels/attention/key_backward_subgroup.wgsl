// attention/key_backward_tile (same bindings, same meaning), laid out as forward_subgroup.wgsl with keys and queries in each other's place.
// enable: subgroups
// uses: attention_key_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_subgroup, subgroup_product
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

// As k_rows and v_rows of lib/attention_subgroup.wgsl.
fn q_rows(starts: vec4u, d: u32) -> mat4x4f { return mat4x4f(q_at(starts.x, d), q_at(starts.y, d), q_at(starts.z, d), q_at(starts.w, d)); }
fn dy_rows(starts: vec4u, d: u32) -> mat4x4f {
  return mat4x4f(dy_at(starts.x, d), dy_at(starts.y, d), dy_at(starts.z, d), dy_at(starts.w, d));
}

var<private> weights: array<vec4f, TM>;
var<private> gradients: array<vec4f, TM>;
var<private> acc_k: Sums;
var<private> acc_v: Sums;

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = (p.keys + TM - 1u) / TM;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.kv_heads) { return; }
  let heads = p.heads;
  let kv_heads = p.kv_heads;
  let first = (id / kv_heads) * TM;
  let kv_head = id % kv_heads;
  let slices = p.slices;
  let steps = p.blocks / GROUPS;
  let halves = 2u * p.blocks / SUBGROUP;
  // Rows past key_rows are unused capacity: nobody sees them and their gradient is zero.
  var begin = 0u;
  var end = 0u;
  if (first < p.key_rows) {
    begin = ranges[2u * first];
    end = ranges[2u * (min(first + TM, p.key_rows) - 1u) + 1u];
  }
  var low: array<u32, OWN>;
  var high: array<u32, OWN>;
  var start: array<u32, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let key = first + r * SUBGROUP + lane;
    if (key < p.key_rows) {
      low[r] = ranges[2u * key];
      high[r] = ranges[2u * key + 1u];
    }
    start[r] = row_start(min(key, p.keys - 1u) * kv_heads + kv_head);
  }

  let shared_by = heads / kv_heads;
  for (var h = 0u; h < shared_by; h++) {
    let head = kv_head * shared_by + h;
    for (var query = begin; query < end; query += 4u * SUBGROUP) {
      let own = query + 4u * lane;
      let q_start = four_starts(own, end, heads, head);
      sums = array<vec4f, TM>();
      for (var d = 0u; d < slices; d++) {
        let queries = transpose(q_rows(q_start, d));
        add_products(0u, k_at(start[0], d), queries);
        if (OWN > 1u) { add_products(SUBGROUP, k_at(start[min(1u, OWN - 1u)], d), queries); }
        if (OWN > 2u) { add_products(2u * SUBGROUP, k_at(start[min(2u, OWN - 1u)], d), queries); }
        if (OWN > 3u) { add_products(3u * SUBGROUP, k_at(start[min(3u, OWN - 1u)], d), queries); }
      }
      let dots = sums;
      sums = array<vec4f, TM>();
      for (var d = 0u; d < slices; d++) {
        let slopes = transpose(dy_rows(q_start, d));
        add_products(0u, v_at(start[0], d), slopes);
        if (OWN > 1u) { add_products(SUBGROUP, v_at(start[min(1u, OWN - 1u)], d), slopes); }
        if (OWN > 2u) { add_products(2u * SUBGROUP, v_at(start[min(2u, OWN - 1u)], d), slopes); }
        if (OWN > 3u) { add_products(3u * SUBGROUP, v_at(start[min(3u, OWN - 1u)], d), slopes); }
      }
      let j = own + vec4u(0u, 1u, 2u, 3u);
      let s = 3u * (min(j, vec4u(end - 1u)) * heads + head);
      let largest = vec4f(stats[s.x], stats[s.y], stats[s.z], stats[s.w]);
      let log_total = vec4f(stats[s.x + 1u], stats[s.y + 1u], stats[s.z + 1u], stats[s.w + 1u]);
      let delta = vec4f(stats[s.x + 2u], stats[s.y + 2u], stats[s.z + 2u], stats[s.w + 2u]);
      for (var m = 0u; m < TM; m++) {
        let seen = (j >= vec4u(own_u32(low, m))) & (j < vec4u(own_u32(high, m)));
        weights[m] = probability(dots[m], largest, log_total, seen);
        gradients[m] = score_gradient(dots[m], weights[m], sums[m], delta);
      }
      for (var half = 0u; half < halves; half++) {
        for (var m = 0u; m < TM; m++) { pairs[m] = select(gradients[m].zw, gradients[m].xy, half == 0u); }
        for (var step = 0u; step < steps; step++) {
          let l = step * GROUPS + lane / CELLS;
          let starts = two_starts(query + 4u * l + 2u * half, end, heads, head);
          for (var c = 0u; c < COLUMNS; c++) {
            let d = cell_of(c, lane);
            met[c] = mat2x4f(q_at(starts.x, d), q_at(starts.y, d));
          }
          add_weighted(l, &acc_k);
        }
        for (var m = 0u; m < TM; m++) { pairs[m] = select(weights[m].zw, weights[m].xy, half == 0u); }
        for (var step = 0u; step < steps; step++) {
          let l = step * GROUPS + lane / CELLS;
          let starts = two_starts(query + 4u * l + 2u * half, end, heads, head);
          for (var c = 0u; c < COLUMNS; c++) {
            let d = cell_of(c, lane);
            met[c] = mat2x4f(dy_at(starts.x, d), dy_at(starts.y, d));
          }
          add_weighted(l, &acc_v);
        }
      }
    }
  }

  for (var m = 0u; m < TM; m++) {
    for (var c = 0u; c < COLUMNS; c++) {
      acc_k[m][c] = lanes_sum(acc_k[m][c], CELLS);
      acc_v[m][c] = lanes_sum(acc_v[m][c], CELLS);
    }
    weights[m] = vec4f();
  }
  // Copies, because this loop indexes them dynamically and the sums must stay in registers.
  var results_k = acc_k;
  var results_v = acc_v;
  let rows = min(TM, p.keys - first);
  for (var e = 0u; e < COLUMNS * rows; e++) {
    let m = e % rows;
    let d = 4u * ((e / rows) * CELLS + lane % CELLS);
    if (lane < CELLS && d < D) {
      store_fours(((first + m) * kv_heads + kv_head) * D + d, d, results_k[m][e / rows], results_v[m][e / rows]);
    }
  }
}

fn store_fours(at: u32, d: u32, k_four: vec4f, v_four: vec4f) {
  var to_k = k_four;
  var to_v = v_four;
  if (p.accumulate_k == 1u) { to_k += vec4f(dk[at], dk[at + 1u], dk[at + 2u], dk[at + 3u]); }
  if (p.accumulate_v == 1u) { to_v += vec4f(dv[at], dv[at + 1u], dv[at + 2u], dv[at + 3u]); }
  for (var i = 0u; i < 4u; i++) {
    if (d + i < D) {
      dk[at + i] = to_k[i];
      dv[at + i] = to_v[i];
    }
  }
}
