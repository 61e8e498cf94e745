// dk and dv of attention: dv = sum of p * dy and dk = scale * sum of ds * q, over the queries that see the key and the query heads that
// share its key head. The mirror image of query_backward_tile.wgsl: an invocation keeps one key and value (or one of their PARTS slices),
// queries and dy are staged; no two workgroups write one element, so there are no atomics and the sums have one order.
// uses: attention_key_backward_operands, softcap, attention_cells, attention_keys, attention_score_gradient
const D: u32 = 64u;
const PARTS: u32 = 2u;
// Rows of its own an invocation has: what is read from workgroup memory serves all of them.
const OWN: u32 = 1u;
const QUERIES: u32 = 8u;
const KEYS: u32 = 64u;
const SOFTCAP: f32 = 0.0;
// false: loops over blocks and slices get run-time bounds (loopsOf), because the software GPU takes minutes to compile them unrolled
const UNROLL: bool = true;
// vec4<f32>, or f32 where D is no multiple of 4
alias Cell = vec4<f32>;
// check: D=128 PARTS=4 KEYS=32 QUERIES=8 SOFTCAP=50
// check: D=17 PARTS=1 OWN=4 UNROLL=false QUERIES=32 Cell=f32

const LANES: u32 = KEYS / OWN;
const WG: u32 = LANES * PARTS;
const SLICE: u32 = (D + 4u * PARTS - 1u) / (4u * PARTS);
const ROW: u32 = SLICE * PARTS;
const BLOCKS: u32 = QUERIES / 4u;

var<workgroup> tile_q: array<vec4f, QUERIES * ROW>;
var<workgroup> tile_dy: array<vec4f, QUERIES * ROW>;
var<workgroup> exchange: array<vec4f, select(1u, 2u * KEYS * PARTS * BLOCKS, PARTS > 1u)>;

fn put_dk(row: u32, d: u32, value: vec4f, accumulate: bool) {
  for (var c = 0u; c < 4u && 4u * d + c < D; c++) {
    let i = row * D + 4u * d + c;
    dk[i] = select(value[c], dk[i] + value[c], accumulate);
  }
}

fn put_dv(row: u32, d: u32, value: vec4f, accumulate: bool) {
  for (var c = 0u; c < 4u && 4u * d + c < D; c++) {
    let i = row * D + 4u * d + c;
    dv[i] = select(value[c], dv[i] + value[c], accumulate);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tiles = (p.keys + KEYS - 1u) / KEYS;
  let blocks = select(p.blocks, BLOCKS, UNROLL);
  let slices = select(p.slices, SLICE, UNROLL);
  let id = p.first_group + wid.x + wid.y * groups.x;
  if (id >= tiles * p.kv_heads) { return; }
  let first = (id / p.kv_heads) * KEYS;
  let kv_head = id % p.kv_heads;
  // Rows past key_rows are unused capacity: nobody sees them and their gradient is zero.
  var begin = 0u;
  var end = 0u;
  if (first < p.key_rows) {
    begin = ranges[2u * first];
    end = ranges[2u * (min(first + KEYS, p.key_rows) - 1u) + 1u];
  }
  let part = select(0u, lane / LANES, PARTS > 1u);
  let slot = select(lane, lane % LANES, PARTS > 1u);
  let slice = part * SLICE;
  var low: array<u32, OWN>;
  var high: array<u32, OWN>;
  var x: array<vec4f, OWN * SLICE>;
  var u: array<vec4f, OWN * SLICE>;
  var acc_k: array<vec4f, OWN * SLICE>;
  var acc_v: array<vec4f, OWN * SLICE>;
  for (var o = 0u; o < OWN; o++) {
    let key = first + o * LANES + slot;
    if (key >= p.key_rows) { continue; }
    low[o] = ranges[2u * key];
    high[o] = ranges[2u * key + 1u];
    for (var d = 0u; d < slices; d++) {
      x[OWN * d + o] = k_cell(key * p.kv_heads + kv_head, slice + d);
      u[OWN * d + o] = v_cell(key * p.kv_heads + kv_head, slice + d);
    }
  }

  var dots: array<vec4f, OWN * BLOCKS>;
  var dweight: array<vec4f, OWN * BLOCKS>;
  let shared_by = p.heads / p.kv_heads;
  for (var h = 0u; h < shared_by; h++) {
    let head = kv_head * shared_by + h;
    for (var query = begin; query < end; query += QUERIES) {
      workgroupBarrier();
      for (var i = lane; i < QUERIES * ROW; i += WG) {
        let j = query + i / ROW;
        tile_q[i] = vec4f();
        tile_dy[i] = vec4f();
        if (j < end) {
          tile_q[i] = q_cell(j * p.heads + head, i % ROW);
          tile_dy[i] = dy_cell(j * p.heads + head, i % ROW);
        }
      }
      workgroupBarrier();
      for (var b = 0u; b < blocks; b++) {
        let at = 4u * b * ROW + slice;
        // The zeros are spelt out: without an initialiser Dawn does not clear the variable in every round.
      var a = array<vec4f, OWN>();
        for (var d = 0u; d < slices; d++) {
          let t = transpose(mat4x4f(tile_q[at + d], tile_q[at + ROW + d], tile_q[at + 2u * ROW + d], tile_q[at + 3u * ROW + d]));
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
          let t = transpose(mat4x4f(tile_dy[at + d], tile_dy[at + ROW + d], tile_dy[at + 2u * ROW + d], tile_dy[at + 3u * ROW + d]));
          for (var o = 0u; o < OWN; o++) {
            let xd = u[OWN * d + o];
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
        let j = query + 4u * b + vec4u(0u, 1u, 2u, 3u);
        let s = 3u * (min(j, vec4u(end - 1u)) * p.heads + head);
        let largest = vec4f(stats[s.x], stats[s.y], stats[s.z], stats[s.w]);
        let log_total = vec4f(stats[s.x + 1u], stats[s.y + 1u], stats[s.z + 1u], stats[s.w + 1u]);
        let delta = vec4f(stats[s.x + 2u], stats[s.y + 2u], stats[s.z + 2u], stats[s.w + 2u]);
        var weight: array<vec4f, OWN>;
        var ds: array<vec4f, OWN>;
        for (var o = 0u; o < OWN; o++) {
          weight[o] = probability(dots[OWN * b + o], largest, log_total, (j >= vec4u(low[o])) & (j < vec4u(high[o])));
          ds[o] = score_gradient(dots[OWN * b + o], weight[o], dweight[OWN * b + o], delta);
        }
        let at = 4u * b * ROW + slice;
        for (var d = 0u; d < slices; d++) {
          let t0 = tile_dy[at + d];
          let t1 = tile_dy[at + ROW + d];
          let t2 = tile_dy[at + 2u * ROW + d];
          let t3 = tile_dy[at + 3u * ROW + d];
          for (var o = 0u; o < OWN; o++) {
            let f = weight[o];
            acc_v[OWN * d + o] = fma(vec4f(f.w), t3, fma(vec4f(f.z), t2, fma(vec4f(f.y), t1, fma(vec4f(f.x), t0, acc_v[OWN * d + o]))));
          }
        }
        for (var d = 0u; d < slices; d++) {
          let t0 = tile_q[at + d];
          let t1 = tile_q[at + ROW + d];
          let t2 = tile_q[at + 2u * ROW + d];
          let t3 = tile_q[at + 3u * ROW + d];
          for (var o = 0u; o < OWN; o++) {
            let f = ds[o];
            acc_k[OWN * d + o] = fma(vec4f(f.w), t3, fma(vec4f(f.z), t2, fma(vec4f(f.y), t1, fma(vec4f(f.x), t0, acc_k[OWN * d + o]))));
          }
        }
      }
    }
  }

  for (var o = 0u; o < OWN; o++) {
    let key = first + o * LANES + slot;
    if (key >= p.keys) { continue; }
    for (var d = 0u; d < slices; d++) {
      put_dk(key * p.kv_heads + kv_head, slice + d, acc_k[OWN * d + o], p.accumulate_k == 1u);
      put_dv(key * p.kv_heads + kv_head, slice + d, acc_v[OWN * d + o], p.accumulate_v == 1u);
    }
  }
}
