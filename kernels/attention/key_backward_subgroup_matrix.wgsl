// key_backward_tile.wgsl (same bindings, same meaning) on tensor cores, operands in f16 and sums in f32: lib/attention_matrix.wgsl, whose
// rows are keys here.
// enable: f16, subgroups, chromium_experimental_subgroup_matrix
// uses: attention_key_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_matrix
diagnostic(off, chromium.subgroup_matrix_uniformity);
const SUBGROUP: u32 = 32u;
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.blocks is 1.
const COMPACT: bool = false;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: M=8 N=16 K=16 D=256 SOFTCAP=50
// check: M=8 N=8 K=8 D=17 Cell=f32 SUBGROUP=64 COMPACT=true

fn other_cell(row: u32, d: u32) -> vec4f { return dy_cell(row, d); }

// Probabilities are at most 1.
const WEIGHT_SCALE: f32 = 16384.0;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) size: u32) {
  let tiles = (p.keys + TILE - 1u) / TILE;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.kv_heads) { return; }
  let quarter = quarter_of(lane, size);
  let first = (id / p.kv_heads) * TILE;
  kv_head = id % p.kv_heads;
  key0 = first;
  // Rows past key_rows are unused capacity: nobody sees them and their gradient is zero.
  key_end = p.key_rows;
  var begin = 0u;
  var end = 0u;
  if (first < p.key_rows) {
    begin = ranges[2u * first];
    end = ranges[2u * (min(first + TILE, p.key_rows) - 1u) + 1u];
  }
  query_end = end;
  var low: array<u32, EACH>;
  var high: array<u32, EACH>;
  for (var e = 0u; e < rolled(EACH); e++) {
    let key = first + (lane + e * THREADS) / 8u;
    if (key >= p.key_rows) { continue; }
    low[e] = ranges[2u * key];
    high[e] = ranges[2u * key + 1u];
  }
  var dots: array<vec4f, EACH>;
  var heads_k: Heads;
  var heads_v: Heads;

  let shared_by = p.heads / p.kv_heads;
  for (var h = 0u; h < shared_by; h++) {
    head = kv_head * shared_by + h;
    for (var query = begin; query < end; query += TILE) {
      query0 = query;
      var sums = Sums();
      for (var c = 0u; c < rolled(CHUNKS); c++) {
        load_left(KEY, c, lane);
        load_right(Q, c, lane);
        workgroupBarrier();
        let change_k = settle(KEY);
        let change_q = settle(Q);
        if (change_q * change_k != 1.0) { scale_sums(&sums, change_q * change_k); }
        if (change_q != 1.0) { scale_heads(&heads_k, change_q); }
        store_left(scale_in(KEY), lane);
        store_right(scale_in(Q), lane);
        workgroupBarrier();
        multiply_transposed(&sums, quarter);
      }
      put_scores(&sums, quarter);
      workgroupBarrier();
      for (var e = 0u; e < rolled(EACH); e++) { dots[e] = score_four(lane + e * THREADS) * scale_out(Q) * scale_out(KEY); }
      var dweights = Sums();
      for (var c = 0u; c < rolled(CHUNKS); c++) {
        load_left(VALUE, c, lane);
        load_right(DY, c, lane);
        workgroupBarrier();
        let change_v = settle(VALUE);
        let change_dy = settle(DY);
        if (change_v * change_dy != 1.0) { scale_sums(&dweights, change_v * change_dy); }
        if (change_dy != 1.0) { scale_heads(&heads_v, change_dy); }
        store_left(scale_in(VALUE), lane);
        store_right(scale_in(DY), lane);
        workgroupBarrier();
        multiply_transposed(&dweights, quarter);
      }
      put_scores(&dweights, quarter);
      workgroupBarrier();
      var bits = 0u;
      for (var e = 0u; e < rolled(EACH); e++) {
        let i = lane + e * THREADS;
        let j = query + i % 8u * 4u + vec4u(0u, 1u, 2u, 3u);
        let s = 3u * (min(j, vec4u(end - 1u)) * p.heads + head);
        let largest = vec4f(stats[s.x], stats[s.y], stats[s.z], stats[s.w]);
        let log_total = vec4f(stats[s.x + 1u], stats[s.y + 1u], stats[s.z + 1u], stats[s.w + 1u]);
        let delta = vec4f(stats[s.x + 2u], stats[s.y + 2u], stats[s.z + 2u], stats[s.w + 2u]);
        let weight = probability(dots[e], largest, log_total, (j >= vec4u(low[e])) & (j < vec4u(high[e])));
        staged_left[e] = weight;
        dots[e] = score_gradient(dots[e], weight, score_four(i) * scale_out(DY) * scale_out(VALUE), delta);
        bits = max(bits, magnitude(dots[e]));
      }
      meet(DS, bits);
      workgroupBarrier();
      let change = settle(DS);
      if (change != 1.0) { scale_heads(&heads_k, change); }
      store_left(WEIGHT_SCALE, lane);
      for (var c = 0u; c < rolled(CHUNKS); c++) {
        load_right(DY, c, lane);
        workgroupBarrier();
        store_right(scale_in(DY), lane);
        workgroupBarrier();
        multiply_into(&heads_v, c, quarter);
      }
      for (var e = 0u; e < rolled(EACH); e++) { staged_left[e] = dots[e]; }
      for (var c = 0u; c < rolled(CHUNKS); c++) {
        load_right(Q, c, lane);
        workgroupBarrier();
        if (c == 0u) { store_left(scale_in(DS), lane); }
        store_right(scale_in(Q), lane);
        workgroupBarrier();
        multiply_into(&heads_k, c, quarter);
      }
    }
  }

  workgroupBarrier();
  for (var c = 0u; c < rolled(CHUNKS); c++) {
    put_chunk(&heads_k, c, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(TILE * TILE / THREADS); e++) {
      let i = lane + e * THREADS;
      let key = first + i / TILE;
      let d = c * TILE + i % TILE;
      if (key >= p.keys || d >= D) { continue; }
      let at = (key * p.kv_heads + kv_head) * D + d;
      dk[at] = select(0.0, dk[at], p.accumulate_k == 1u) + scores[i / TILE * SCORE_STRIDE + i % TILE] * scale_out(DS) * scale_out(Q);
    }
    workgroupBarrier();
    put_chunk(&heads_v, c, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(TILE * TILE / THREADS); e++) {
      let i = lane + e * THREADS;
      let key = first + i / TILE;
      let d = c * TILE + i % TILE;
      if (key >= p.keys || d >= D) { continue; }
      let at = (key * p.kv_heads + kv_head) * D + d;
      dv[at] = select(0.0, dv[at], p.accumulate_v == 1u) + scores[i / TILE * SCORE_STRIDE + i % TILE] * scale_out(DY) / WEIGHT_SCALE;
    }
    workgroupBarrier();
  }
}
