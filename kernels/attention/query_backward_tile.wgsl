// dq of attention: dq = scale * sum over keys of ds * k with ds = p * (dy·v - delta), p recomputed from the saved statistics (Dao et al.
// 2022). Laid out as forward_tile.wgsl: an invocation keeps one query (or one of its PARTS slices), keys and values are staged.
// uses: attention_query_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient
const D: u32 = 64u;
const PARTS: u32 = 2u;
const QUERIES: u32 = 64u;
// Rows of its own an invocation has: what is read from workgroup memory serves all of them.
const OWN: u32 = 1u;
const KEYS: u32 = 8u;
const SOFTCAP: f32 = 0.0;
// false: loops over blocks and slices get run-time bounds (loopsOf), because the software GPU takes minutes to compile them unrolled
const UNROLL: bool = true;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 PARTS=4 QUERIES=32 KEYS=8 SOFTCAP=50
// check: D=17 PARTS=1 OWN=4 UNROLL=false KEYS=32 Cell=f32

const LANES: u32 = QUERIES / OWN;
const WG: u32 = LANES * PARTS;
const SLICE: u32 = (D + 4u * PARTS - 1u) / (4u * PARTS);
const ROW: u32 = SLICE * PARTS;
const BLOCKS: u32 = KEYS / 4u;

var<workgroup> tile_k: array<vec4f, KEYS * ROW>;
var<workgroup> tile_v: array<vec4f, KEYS * ROW>;
var<workgroup> exchange: array<vec4f, select(1u, 2u * QUERIES * PARTS * BLOCKS, PARTS > 1u)>;

fn put_dq(row: u32, d: u32, value: vec4f, accumulate: bool) {
  for (var c = 0u; c < 4u && 4u * d + c < D; c++) {
    let i = row * D + 4u * d + c;
    dq[i] = select(value[c], dq[i] + value[c], accumulate);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tiles = (p.queries + QUERIES - 1u) / QUERIES;
  let blocks = select(p.blocks, BLOCKS, UNROLL);
  let slices = select(p.slices, SLICE, UNROLL);
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.heads) { return; }
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
  var largest: array<f32, OWN>;
  var log_total: array<f32, OWN>;
  var delta: array<f32, OWN>;
  var x: array<vec4f, OWN * SLICE>;
  var g: array<vec4f, OWN * SLICE>;
  var acc: array<vec4f, OWN * SLICE>;
  for (var o = 0u; o < OWN; o++) {
    let query = first + o * LANES + slot;
    if (query >= p.queries) { continue; }
    let row = query * p.heads + head;
    low[o] = ranges[2u * query];
    high[o] = ranges[2u * query + 1u];
    largest[o] = stats[3u * row];
    log_total[o] = stats[3u * row + 1u];
    delta[o] = stats[3u * row + 2u];
    for (var d = 0u; d < slices; d++) {
      x[OWN * d + o] = q_cell(row, slice + d);
      g[OWN * d + o] = dy_cell(row, slice + d);
    }
  }

  var dots: array<vec4f, OWN * BLOCKS>;
  var dweight: array<vec4f, OWN * BLOCKS>;
  for (var key = begin; key < end; key += KEYS) {
    workgroupBarrier();
    for (var i = lane; i < KEYS * ROW; i += WG) {
      let j = key + i / ROW;
      tile_k[i] = vec4f();
      tile_v[i] = vec4f();
      if (j < end) {
        tile_k[i] = k_cell(j * p.kv_heads + kv_head, i % ROW);
        tile_v[i] = v_cell(j * p.kv_heads + kv_head, i % ROW);
      }
    }
    workgroupBarrier();
    for (var b = 0u; b < blocks; b++) {
      let at = 4u * b * ROW + slice;
      // The zeros are spelt out: without an initialiser Dawn does not clear the variable in every round.
      var a = array<vec4f, OWN>();
      for (var d = 0u; d < slices; d++) {
        let t = transpose(mat4x4f(tile_k[at + d], tile_k[at + ROW + d], tile_k[at + 2u * ROW + d], tile_k[at + 3u * ROW + d]));
        for (var o = 0u; o < OWN; o++) {
          let xd = x[OWN * d + o];
          a[o] = fma(vec4f(xd.w), t[3], fma(vec4f(xd.z), t[2], fma(vec4f(xd.y), t[1], fma(vec4f(xd.x), t[0], a[o]))));
        }
      }
      for (var o = 0u; o < OWN; o++) { dots[OWN * b + o] = a[o]; }
    }
    for (var b = 0u; b < blocks; b++) {
      let at = 4u * b * ROW + slice;
      var a = array<vec4f, OWN>();
      for (var d = 0u; d < slices; d++) {
        let t = transpose(mat4x4f(tile_v[at + d], tile_v[at + ROW + d], tile_v[at + 2u * ROW + d], tile_v[at + 3u * ROW + d]));
        for (var o = 0u; o < OWN; o++) {
          let xd = g[OWN * d + o];
          a[o] = fma(vec4f(xd.w), t[3], fma(vec4f(xd.z), t[2], fma(vec4f(xd.y), t[1], fma(vec4f(xd.x), t[0], a[o]))));
        }
      }
      for (var o = 0u; o < OWN; o++) { dweight[OWN * b + o] = a[o]; }
    }
    if (PARTS > 1u) {
      for (var b = 0u; b < OWN * blocks; b++) {
        let at = 2u * (part * OWN * BLOCKS * LANES + b * LANES + slot);
        exchange[at] = dots[b];
        exchange[at + 1u] = dweight[b];
      }
      workgroupBarrier();
      for (var b = 0u; b < OWN * blocks; b++) {
        dots[b] = vec4f();
        dweight[b] = vec4f();
        for (var other = 0u; other < PARTS; other++) {
          let at = 2u * (other * OWN * BLOCKS * LANES + b * LANES + slot);
          dots[b] += exchange[at];
          dweight[b] += exchange[at + 1u];
        }
      }
    }
    for (var b = 0u; b < blocks; b++) {
      let j = key + 4u * b + vec4u(0u, 1u, 2u, 3u);
      var ds: array<vec4f, OWN>;
      for (var o = 0u; o < OWN; o++) {
        let seen = (j >= vec4u(low[o])) & (j < vec4u(high[o]));
        let weight = probability(dots[OWN * b + o], vec4f(largest[o]), vec4f(log_total[o]), seen);
        ds[o] = score_gradient(dots[OWN * b + o], weight, dweight[OWN * b + o], vec4f(delta[o]));
      }
      let at = 4u * b * ROW + slice;
      for (var d = 0u; d < slices; d++) {
        let t0 = tile_k[at + d];
        let t1 = tile_k[at + ROW + d];
        let t2 = tile_k[at + 2u * ROW + d];
        let t3 = tile_k[at + 3u * ROW + d];
        for (var o = 0u; o < OWN; o++) {
          let f = ds[o];
          acc[OWN * d + o] = fma(vec4f(f.w), t3, fma(vec4f(f.z), t2, fma(vec4f(f.y), t1, fma(vec4f(f.x), t0, acc[OWN * d + o]))));
        }
      }
    }
  }

  for (var o = 0u; o < OWN; o++) {
    let query = first + o * LANES + slot;
    if (query >= p.queries) { continue; }
    for (var d = 0u; d < slices; d++) { put_dq(query * p.heads + head, slice + d, acc[OWN * d + o], p.accumulate == 1u); }
  }
}
