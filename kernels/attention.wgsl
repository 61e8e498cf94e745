// y = softmax(scale * q·k) v over the interval of keys each query may see (flash attention: Dao et al. 2022, online softmax).
// A workgroup takes QUERIES queries of one head and walks over tiles of KEYS keys. An invocation keeps one query, its output and its scores
// in registers and reads keys and values from workgroup memory at an address all invocations share, so one load feeds a whole
// subgroup. Large heads are cut into PARTS slices of the head dimension, one an invocation; partial scores then meet in `exchange`.
// stats (T, H, 3), for the backward: the largest score, the log of the softmax denominator relative to it (their sum, the log-sum-exp, would lose
// digits where scores are large), and delta, which attention_delta.wgsl writes.
// uses: softcap
const D: u32 = 64u;
const PARTS: u32 = 1u;
const QUERIES: u32 = 64u;
const KEYS: u32 = 32u;
const SOFTCAP: f32 = 0.0;
const KEEP_STATS: bool = true;
// false: loops over blocks and slices get run-time bounds (loopsOf), because the software GPU takes minutes to compile them unrolled
const UNROLL: bool = true;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 PARTS=2 KEYS=16 SOFTCAP=50 KEEP_STATS=false
// check: D=17 KEYS=32 Cell=f32

const WG: u32 = QUERIES * PARTS;
const SLICE: u32 = (D + 4u * PARTS - 1u) / (4u * PARTS);
const ROW: u32 = SLICE * PARTS;
const BLOCKS: u32 = KEYS / 4u;
const MASKED: f32 = -3.0e38;

struct Params { blocks: u32, slices: u32, queries: u32, heads: u32, kv_heads: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Cell>;
@group(0) @binding(2) var<storage, read> k: array<Cell>;
@group(0) @binding(3) var<storage, read> v: array<Cell>;
@group(0) @binding(4) var<storage, read> ranges: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;

var<workgroup> tile: array<vec4f, KEYS * ROW>;
var<workgroup> exchange: array<vec4f, select(1u, QUERIES * PARTS * BLOCKS, PARTS > 1u)>;

fn scalar(c: Cell) -> f32 { return vec4f(c).x; }

// Elements past the head size read as zero.
fn trimmed(x: vec4f, d: u32) -> vec4f {
  if (ROW * 4u == D) { return x; }
  return select(vec4f(), x, 4u * d + vec4u(0u, 1u, 2u, 3u) < vec4u(D));
}

fn q_cell(row: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(q[row * (D / 4u) + d]), d); }
  let i = row * D + 4u * d;
  return trimmed(vec4f(scalar(q[i]), scalar(q[i + 1u]), scalar(q[i + 2u]), scalar(q[i + 3u])), d);
}

fn k_cell(row: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(k[row * (D / 4u) + d]), d); }
  let i = row * D + 4u * d;
  return trimmed(vec4f(scalar(k[i]), scalar(k[i + 1u]), scalar(k[i + 2u]), scalar(k[i + 3u])), d);
}

fn v_cell(row: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(v[row * (D / 4u) + d]), d); }
  let i = row * D + 4u * d;
  return trimmed(vec4f(scalar(v[i]), scalar(v[i + 1u]), scalar(v[i + 2u]), scalar(v[i + 3u])), d);
}

fn sum4(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tiles = (p.queries + QUERIES - 1u) / QUERIES;
  let blocks = select(p.blocks, BLOCKS, UNROLL);
  let slices = select(p.slices, SLICE, UNROLL);
  let id = wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
  // Under a causal mask the last tiles see the most keys: they start first.
  let first = (tiles - 1u - id / p.heads) * QUERIES;
  let head = id % p.heads;
  let kv_head = head / (p.heads / p.kv_heads);
  let begin = ranges[2u * first];
  let end = ranges[2u * (min(first + QUERIES, p.queries) - 1u) + 1u];

  // Spelt so that with one part every tile address is the same for all invocations at compile time.
  let part = select(0u, lane / QUERIES, PARTS > 1u);
  let slot = select(lane, lane % QUERIES, PARTS > 1u);
  let slice = part * SLICE;
  let query = first + slot;
  let alive = query < p.queries;
  var low = 0u;
  var high = 0u;
  var x: array<vec4f, SLICE>;
  var acc: array<vec4f, SLICE>;
  if (alive) {
    low = ranges[2u * query];
    high = ranges[2u * query + 1u];
    for (var d = 0u; d < slices; d++) { x[d] = q_cell(query * p.heads + head, slice + d); }
  }

  var score: array<vec4f, BLOCKS>;
  var largest = MASKED;
  var total = 0.0;
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
      var a = vec4f();
      for (var d = 0u; d < slices; d++) {
        let xd = x[d];
        let t0 = tile[at + d];
        let t1 = tile[at + ROW + d];
        let t2 = tile[at + 2u * ROW + d];
        let t3 = tile[at + 3u * ROW + d];
        a = fma(vec4f(xd.x), vec4f(t0.x, t1.x, t2.x, t3.x), a);
        a = fma(vec4f(xd.y), vec4f(t0.y, t1.y, t2.y, t3.y), a);
        a = fma(vec4f(xd.z), vec4f(t0.z, t1.z, t2.z, t3.z), a);
        a = fma(vec4f(xd.w), vec4f(t0.w, t1.w, t2.w, t3.w), a);
      }
      score[b] = a;
      if (PARTS > 1u) { exchange[(part * BLOCKS + b) * QUERIES + slot] = score[b]; }
    }
    workgroupBarrier();
    for (var i = lane; i < KEYS * ROW; i += WG) {
      let j = key + i / ROW;
      tile[i] = vec4f();
      if (j < end) { tile[i] = v_cell(j * p.kv_heads + kv_head, i % ROW); }
    }
    var tile_largest = MASKED;
    for (var b = 0u; b < blocks; b++) {
      var s = score[b];
      if (PARTS > 1u) {
        s = exchange[b * QUERIES + slot];
        for (var other = 1u; other < PARTS; other++) { s += exchange[(other * BLOCKS + b) * QUERIES + slot]; }
      }
      s *= p.scale;
      if (SOFTCAP > 0.0) { s = vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
      let j = key + 4u * b + vec4u(0u, 1u, 2u, 3u);
      s = select(vec4f(MASKED), s, (j >= vec4u(low)) & (j < vec4u(high)));
      score[b] = s;
      tile_largest = max(tile_largest, max(max(s.x, s.y), max(s.z, s.w)));
    }
    if (tile_largest > largest) {
      let shrink = exp(largest - tile_largest);
      largest = tile_largest;
      total *= shrink;
      for (var d = 0u; d < slices; d++) { acc[d] *= shrink; }
    }
    workgroupBarrier();
    for (var b = 0u; b < blocks; b++) {
      let s = score[b];
      let weight = select(vec4f(), exp(s - largest), s > vec4f(MASKED));
      total += sum4(weight);
      let at = 4u * b * ROW + slice;
      for (var d = 0u; d < slices; d++) {
        var a = fma(vec4f(weight.x), tile[at + d], acc[d]);
        a = fma(vec4f(weight.y), tile[at + ROW + d], a);
        a = fma(vec4f(weight.z), tile[at + 2u * ROW + d], a);
        acc[d] = fma(vec4f(weight.w), tile[at + 3u * ROW + d], a);
      }
    }
  }

  if (!alive) { return; }
  let row = query * p.heads + head;
  let inverse = select(0.0, 1.0 / total, total > 0.0);
  for (var d = 0u; d < slices; d++) {
    let out = acc[d] * inverse;
    let c = 4u * (slice + d);
    if (c < D) { y[row * D + c] = out.x; }
    if (c + 1u < D) { y[row * D + c + 1u] = out.y; }
    if (c + 2u < D) { y[row * D + c + 2u] = out.z; }
    if (c + 3u < D) { y[row * D + c + 3u] = out.w; }
  }
  if (KEEP_STATS && part == 0u) {
    stats[3u * row] = largest;
    stats[3u * row + 1u] = select(0.0, log(total), total > 0.0);
  }
}
