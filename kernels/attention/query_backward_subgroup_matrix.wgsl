// query_backward_tile.wgsl (same bindings, same meaning) on tensor cores, operands in f16 and sums in f32: lib/attention_matrix.wgsl.
// enable: f16, subgroups, chromium_experimental_subgroup_matrix
// uses: attention_query_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient, attention_matrix
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

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) size: u32) {
  let tiles = (p.queries + TILE - 1u) / TILE;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  let quarter = quarter_of(lane, size);
  let first = (tiles - 1u - id / p.heads) * TILE;
  query0 = first;
  query_end = p.queries;
  head = id % p.heads;
  kv_head = head / (p.heads / p.kv_heads);
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + TILE, p.queries) - 1u) + 1u];
  key_end = end;
  var low: array<u32, EACH>;
  var high: array<u32, EACH>;
  var largest: array<f32, EACH>;
  var log_total: array<f32, EACH>;
  var delta: array<f32, EACH>;
  for (var e = 0u; e < rolled(EACH); e++) {
    let query = first + (lane + e * THREADS) / 8u;
    if (query >= p.queries) { continue; }
    let row = query * p.heads + head;
    low[e] = ranges[2u * query];
    high[e] = ranges[2u * query + 1u];
    largest[e] = stats[3u * row];
    log_total[e] = stats[3u * row + 1u];
    delta[e] = stats[3u * row + 2u];
  }
  var dots: array<vec4f, EACH>;
  var heads: Heads;

  for (var key = begin; key < end; key += TILE) {
    key0 = key;
    var sums = Sums();
    for (var c = 0u; c < rolled(CHUNKS); c++) {
      load_left(Q, c, lane);
      load_right(KEY, c, lane);
      workgroupBarrier();
      let change_q = settle(Q);
      let change_k = settle(KEY);
      if (change_q * change_k != 1.0) { scale_sums(&sums, change_q * change_k); }
      if (change_k != 1.0) { scale_heads(&heads, change_k); }
      store_left(scale_in(Q), lane);
      store_right(scale_in(KEY), lane);
      workgroupBarrier();
      multiply_transposed(&sums, quarter);
    }
    put_scores(&sums, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(EACH); e++) { dots[e] = score_four(lane + e * THREADS) * scale_out(Q) * scale_out(KEY); }
    var dweights = Sums();
    for (var c = 0u; c < rolled(CHUNKS); c++) {
      load_left(DY, c, lane);
      load_right(VALUE, c, lane);
      workgroupBarrier();
      let change = settle(DY) * settle(VALUE);
      if (change != 1.0) { scale_sums(&dweights, change); }
      store_left(scale_in(DY), lane);
      store_right(scale_in(VALUE), lane);
      workgroupBarrier();
      multiply_transposed(&dweights, quarter);
    }
    put_scores(&dweights, quarter);
    workgroupBarrier();
    var bits = 0u;
    for (var e = 0u; e < rolled(EACH); e++) {
      let i = lane + e * THREADS;
      let j = key + i % 8u * 4u + vec4u(0u, 1u, 2u, 3u);
      let seen = (j >= vec4u(low[e])) & (j < vec4u(high[e]));
      let weight = probability(dots[e], vec4f(largest[e]), vec4f(log_total[e]), seen);
      staged_left[e] = score_gradient(dots[e], weight, score_four(i) * scale_out(DY) * scale_out(VALUE), vec4f(delta[e]));
      bits = max(bits, magnitude(staged_left[e]));
    }
    meet(DS, bits);
    workgroupBarrier();
    let change = settle(DS);
    if (change != 1.0) { scale_heads(&heads, change); }
    store_left(scale_in(DS), lane);
    for (var c = 0u; c < rolled(CHUNKS); c++) {
      load_right(KEY, c, lane);
      workgroupBarrier();
      store_right(scale_in(KEY), lane);
      workgroupBarrier();
      multiply_into(&heads, c, quarter);
    }
  }

  workgroupBarrier();
  for (var c = 0u; c < rolled(CHUNKS); c++) {
    put_chunk(&heads, c, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(TILE * TILE / THREADS); e++) {
      let i = lane + e * THREADS;
      let query = first + i / TILE;
      let d = c * TILE + i % TILE;
      if (query >= p.queries || d >= D) { continue; }
      let at = (query * p.heads + head) * D + d;
      dq[at] = select(0.0, dq[at], p.accumulate == 1u) + scores[i / TILE * SCORE_STRIDE + i % TILE] * scale_out(DS) * scale_out(KEY);
    }
    workgroupBarrier();
  }
}
