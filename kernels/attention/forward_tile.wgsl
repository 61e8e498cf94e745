// y = softmax(scale * q·k) v over the interval of keys each query may see (flash attention: Dao et al. 2022, online softmax).
// A workgroup takes QUERIES queries of one head and walks over tiles of KEYS keys. An invocation keeps one query, its output and its scores
// in registers and reads keys and values from workgroup memory at an address all invocations share, so one load feeds a whole
// subgroup. Large heads are cut into PARTS slices of the head dimension, one an invocation; partial scores then meet in `exchange`.
// stats (T, H, 3), for the backward: the largest score, the log of the softmax denominator relative to it (their sum, the log-sum-exp,
// would lose digits where scores are large), and delta, which delta.wgsl writes.
// uses: attention_operands, softcap, attention_cells, attention_stored_keys
// load: k, v
const D: u32 = 64u;
const PARTS: u32 = 1u;
const QUERIES: u32 = 64u;
// Queries an invocation owns: what is read from workgroup memory serves all of them.
const OWN: u32 = 1u;
const KEYS: u32 = 32u;
const SOFTCAP: f32 = 0.0;
const KEEP_STATS: bool = true;
// false: loops over blocks and slices get run-time bounds (loopsOf), because the software GPU takes minutes to compile them unrolled
const UNROLL: bool = true;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// WIDE: D is a multiple of 4, so that four elements of k and v are one load.
const WIDE: bool = false;
alias K_UNIT = f32;
alias V_UNIT = f32;
// check: D=128 PARTS=2 KEYS=16 SOFTCAP=50 KEEP_STATS=false WIDE=true k=f16 v=f16
// check: D=17 KEYS=32 OWN=4 UNROLL=false Cell=f32

const LANES: u32 = QUERIES / OWN;
const WG: u32 = LANES * PARTS;
const SLICE: u32 = (D + 4u * PARTS - 1u) / (4u * PARTS);
const ROW: u32 = SLICE * PARTS;
const BLOCKS: u32 = KEYS / 4u;
const MASKED: f32 = -3.0e38;

var<workgroup> tile: array<vec4f, KEYS * ROW>;
var<workgroup> exchange: array<vec4f, select(1u, QUERIES * PARTS * BLOCKS, PARTS > 1u)>;

fn put_y(row: u32, d: u32, value: vec4f) {
  for (var c = 0u; c < 4u && 4u * d + c < D; c++) { y[row * D + 4u * d + c] = value[c]; }
}

fn sum4(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tiles = (p.queries + QUERIES - 1u) / QUERIES;
  let blocks = select(p.blocks, BLOCKS, UNROLL);
  let slices = select(p.slices, SLICE, UNROLL);
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  // Under a causal mask the last tiles see the most keys: they start first.
  let first = (tiles - 1u - id / p.heads) * QUERIES;
  let head = id % p.heads;
  let kv_head = head / (p.heads / p.kv_heads);
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + QUERIES, p.queries) - 1u) + 1u];

  let part = select(0u, lane / LANES, PARTS > 1u);
  let slot = select(lane, lane % LANES, PARTS > 1u);
  let slice = part * SLICE;
  var low: array<u32, OWN>;
  var high: array<u32, OWN>;
  var x: array<vec4f, OWN * SLICE>;
  var acc: array<vec4f, OWN * SLICE>;
  var score: array<vec4f, OWN * BLOCKS>;
  var largest: array<f32, OWN>;
  var total: array<f32, OWN>;
  for (var o = 0u; o < OWN; o++) {
    let query = first + o * LANES + slot;
    largest[o] = MASKED;
    if (query < p.queries) {
      low[o] = ranges[2u * query];
      high[o] = ranges[2u * query + 1u];
      for (var d = 0u; d < slices; d++) { x[OWN * d + o] = q_cell(query * p.heads + head, slice + d); }
    }
  }

  for (var key = begin; key < end; key += KEYS) {
    workgroupBarrier();
    for (var i = lane; i < KEYS * ROW; i += WG) {
      let j = key + i / ROW;
      tile[i] = vec4f();
      if (j < end) { tile[i] = k_cell(j * p.kv_heads + kv_head, i % ROW); }
    }
    workgroupBarrier();
    for (var b = 0u; b < blocks; b++) {
      let at = 4u * b * ROW + slice;
      // The zeros are spelt out: without an initialiser Dawn does not clear the variable in every round.
      var a = array<vec4f, OWN>();
      for (var d = 0u; d < slices; d++) {
        let t = transpose(mat4x4f(tile[at + d], tile[at + ROW + d], tile[at + 2u * ROW + d], tile[at + 3u * ROW + d]));
        for (var o = 0u; o < OWN; o++) {
          let xd = x[OWN * d + o];
          a[o] = fma(vec4f(xd.w), t[3], fma(vec4f(xd.z), t[2], fma(vec4f(xd.y), t[1], fma(vec4f(xd.x), t[0], a[o]))));
        }
      }
      for (var o = 0u; o < OWN; o++) {
        score[OWN * b + o] = a[o];
        if (PARTS > 1u) { exchange[(part * BLOCKS + b) * QUERIES + o * LANES + slot] = a[o]; }
      }
    }
    workgroupBarrier();
    for (var i = lane; i < KEYS * ROW; i += WG) {
      let j = key + i / ROW;
      tile[i] = vec4f();
      if (j < end) { tile[i] = v_cell(j * p.kv_heads + kv_head, i % ROW); }
    }
    for (var o = 0u; o < OWN; o++) {
      var tile_largest = MASKED;
      for (var b = 0u; b < blocks; b++) {
        var s = score[OWN * b + o];
        if (PARTS > 1u) {
          s = exchange[b * QUERIES + o * LANES + slot];
          for (var other = 1u; other < PARTS; other++) { s += exchange[(other * BLOCKS + b) * QUERIES + o * LANES + slot]; }
        }
        s *= p.scale;
        if (SOFTCAP > 0.0) { s = vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
        let j = key + 4u * b + vec4u(0u, 1u, 2u, 3u);
        s = select(vec4f(MASKED), s, (j >= vec4u(low[o])) & (j < vec4u(high[o])));
        score[OWN * b + o] = s;
        tile_largest = max(tile_largest, max(max(s.x, s.y), max(s.z, s.w)));
      }
      if (tile_largest > largest[o]) {
        let shrink = exp(largest[o] - tile_largest);
        largest[o] = tile_largest;
        total[o] *= shrink;
        for (var d = 0u; d < slices; d++) { acc[OWN * d + o] *= shrink; }
      }
    }
    workgroupBarrier();
    for (var b = 0u; b < blocks; b++) {
      var weight: array<vec4f, OWN>;
      for (var o = 0u; o < OWN; o++) {
        let s = score[OWN * b + o];
        weight[o] = select(vec4f(), exp(s - largest[o]), s > vec4f(MASKED));
        total[o] += sum4(weight[o]);
      }
      let at = 4u * b * ROW + slice;
      for (var d = 0u; d < slices; d++) {
        let t0 = tile[at + d];
        let t1 = tile[at + ROW + d];
        let t2 = tile[at + 2u * ROW + d];
        let t3 = tile[at + 3u * ROW + d];
        for (var o = 0u; o < OWN; o++) {
          let w = weight[o];
          acc[OWN * d + o] = fma(vec4f(w.w), t3, fma(vec4f(w.z), t2, fma(vec4f(w.y), t1, fma(vec4f(w.x), t0, acc[OWN * d + o]))));
        }
      }
    }
  }

  for (var o = 0u; o < OWN; o++) {
    let query = first + o * LANES + slot;
    if (query >= p.queries) { continue; }
    let row = query * p.heads + head;
    let inverse = select(0.0, 1.0 / total[o], total[o] > 0.0);
    for (var d = 0u; d < slices; d++) { put_y(row, slice + d, acc[OWN * d + o] * inverse); }
    if (KEEP_STATS && part == 0u) {
      stats[3u * row] = largest[o];
      stats[3u * row + 1u] = select(0.0, log(total[o]), total[o] > 0.0);
    }
  }
}
