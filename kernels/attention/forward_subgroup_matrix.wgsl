// forward_tile.wgsl (same bindings, same meaning) on tensor cores, operands in f16 and sums in f32: lib/attention_matrix.wgsl. A row's
// largest score is raised only where a tile brings one larger by SLACK, because then the sums so far have to go through workgroup memory to
// be scaled down, row by row.
// enable: f16, subgroups, chromium_experimental_subgroup_matrix
// uses: attention_operands, softcap, attention_cells, attention_stored_keys, attention_matrix
// load: k, v
diagnostic(off, chromium.subgroup_matrix_uniformity);
const SUBGROUP: u32 = 32u;
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;
const D: u32 = 64u;
const SOFTCAP: f32 = 0.0;
const KEEP_STATS: bool = true;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.blocks is 1.
const COMPACT: bool = false;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// WIDE: D is a multiple of 4, so that four elements of k and v are one load.
const WIDE: bool = false;
alias K_UNIT = f32;
alias V_UNIT = f32;
// check: M=8 N=16 K=16 D=256 SOFTCAP=50 KEEP_STATS=false WIDE=true k=f16 v=f16
// check: M=8 N=8 K=8 D=17 Cell=f32 SUBGROUP=64 COMPACT=true

const MASKED: f32 = -3.0e38;
// 4 ln 2: weights reach 2⁴, and are staged times 2¹⁰.
const SLACK: f32 = 2.772588722;
const WEIGHT_SCALE: f32 = 1024.0;

var<workgroup> partial: array<f32, FOURS>;
var<workgroup> shrink_of: array<f32, TILE>;
// The last tile of keys that raised a row's largest score, counted from 1.
var<workgroup> raised: atomic<u32>;

fn other_cell(row: u32, d: u32) -> vec4f { return vec4f(); }

fn sum4(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) size: u32) {
  let tiles = (p.queries + TILE - 1u) / TILE;
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  let quarter = quarter_of(lane, size);
  // Under a causal mask the last tiles see the most keys: they start first.
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
  var total: array<f32, EACH>;
  var score: array<vec4f, EACH>;
  for (var e = 0u; e < rolled(EACH); e++) {
    let query = first + (lane + e * THREADS) / 8u;
    largest[e] = MASKED;
    if (query < p.queries) {
      low[e] = ranges[2u * query];
      high[e] = ranges[2u * query + 1u];
    }
  }
  var heads: Heads;

  for (var key = begin; key < end; key += TILE) {
    key0 = key;
    var sums = Sums();
    for (var c = 0u; c < rolled(CHUNKS); c++) {
      load_left(Q, c, lane);
      load_right(KEY, c, lane);
      workgroupBarrier();
      let change = settle(Q) * settle(KEY);
      if (change != 1.0) { scale_sums(&sums, change); }
      store_left(scale_in(Q), lane);
      store_right(scale_in(KEY), lane);
      workgroupBarrier();
      multiply_transposed(&sums, quarter);
    }
    put_scores(&sums, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(EACH); e++) {
      let i = lane + e * THREADS;
      let j = key + i % 8u * 4u + vec4u(0u, 1u, 2u, 3u);
      var s = score_four(i) * scale_out(Q) * scale_out(KEY) * p.scale;
      if (SOFTCAP > 0.0) { s = vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
      s = select(vec4f(MASKED), s, (j >= vec4u(low[e])) & (j < vec4u(high[e])));
      score[e] = s;
      partial[i] = max(max(s.x, s.y), max(s.z, s.w));
    }
    workgroupBarrier();
    let tile_number = (key - begin) / TILE + 1u;
    for (var e = 0u; e < rolled(EACH); e++) {
      let i = lane + e * THREADS;
      var tile_largest = MASKED;
      for (var other = 0u; other < rolled(8u); other++) { tile_largest = max(tile_largest, partial[i / 8u * 8u + other]); }
      var shrink = 1.0;
      if (tile_largest > largest[e] + SLACK) {
        shrink = exp(largest[e] - tile_largest);
        largest[e] = tile_largest;
        atomicMax(&raised, tile_number);
      }
      let s = score[e];
      let weight = select(vec4f(), exp(s - largest[e]), s != vec4f(MASKED));
      total[e] = total[e] * shrink + sum4(weight);
      staged_left[e] = weight;
      if (i % 8u == 0u) { shrink_of[i / 8u] = shrink; }
    }
    store_left(WEIGHT_SCALE, lane);
    workgroupBarrier();
    if (key > begin && workgroupUniformLoad(&raised) == tile_number) {
      for (var c = 0u; c < rolled(CHUNKS); c++) {
        put_chunk(&heads, c, quarter);
        workgroupBarrier();
        for (var e = 0u; e < rolled(TILE * TILE / THREADS); e++) {
          let i = lane + e * THREADS;
          scores[i / TILE * SCORE_STRIDE + i % TILE] *= shrink_of[i / TILE];
        }
        workgroupBarrier();
        take_chunk(&heads, c, quarter);
        workgroupBarrier();
      }
    }
    for (var c = 0u; c < rolled(CHUNKS); c++) {
      load_right(VALUE, c, lane);
      workgroupBarrier();
      let change = settle(VALUE);
      if (change != 1.0) { scale_heads(&heads, change); }
      store_right(scale_in(VALUE), lane);
      workgroupBarrier();
      multiply_into(&heads, c, quarter);
    }
  }

  for (var e = 0u; e < rolled(EACH); e++) { partial[lane + e * THREADS] = total[e]; }
  workgroupBarrier();
  for (var e = 0u; e < rolled(EACH); e++) {
    let i = lane + e * THREADS;
    if (i % 8u != 0u) { continue; }
    var denominator = 0.0;
    for (var other = 0u; other < rolled(8u); other++) { denominator += partial[i + other]; }
    shrink_of[i / 8u] = select(1.0 / denominator, 0.0, denominator == 0.0);
    let query = first + i / 8u;
    if (KEEP_STATS && query < p.queries) {
      let row = query * p.heads + head;
      stats[3u * row] = largest[e];
      stats[3u * row + 1u] = select(log(denominator), 0.0, denominator == 0.0);
    }
  }
  for (var c = 0u; c < rolled(CHUNKS); c++) {
    put_chunk(&heads, c, quarter);
    workgroupBarrier();
    for (var e = 0u; e < rolled(TILE * TILE / THREADS); e++) {
      let i = lane + e * THREADS;
      let query = first + i / TILE;
      let d = c * TILE + i % TILE;
      if (query < p.queries && d < D) {
        y[(query * p.heads + head) * D + d] = scores[i / TILE * SCORE_STRIDE + i % TILE]
          * scale_out(VALUE) / WEIGHT_SCALE * shrink_of[i / TILE];
      }
    }
    workgroupBarrier();
  }
}
