// c (M, N) = scale · row_scale · aᵀ b, a (T, A columns), b (T, N): the gradient of a weight. c may be a run of rows of a split tensor: they
// belong to the columns p.column… of a. DROPOUT masks b as it is loaded. With p.chunk < T, workgroup z sums one range of T into
// its own (M, N) of c, so that a gradient of few elements (LoRA) still fills the GPU, and in a fixed order.
// uses: matmul_tile, rng
const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 8u;
const TN: u32 = 8u;
// COMPACT keeps loops rolled, for a compiler that is slow on long code. p.depth is BK.
const COMPACT: bool = false;
const DROPOUT: bool = false;
// WIDE: rows of a and of b are multiples of 4, so that four elements are one load (UNIT vec4f).
const WIDE: bool = false;
alias UNIT = f32;
// check: COMPACT=true WIDE=true UNIT=vec4f DROPOUT=true
// check: BM=64 BN=16 TM=4 TN=4
// check: BM=16 BN=64 TM=4 TN=4 WIDE=true UNIT=vec4f
// check: BM=32 BN=32 TM=4 TN=4 DROPOUT=true

struct Params {
  m: u32, n: u32, t: u32, chunk: u32, a_stride: u32, column: u32, depth: u32, has_row_scale: u32, row_scale_offset: f32, scale: f32, accumulate: u32,
  seed: u32, stream: u32, step: u32, rate: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<UNIT>;
@group(0) @binding(2) var<storage, read> b: array<UNIT>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> row_scale: array<f32>;
var<private> mask_key: u32;

// Past the end of a row these are elements of the next one; they only reach sums that are not written.
fn a_four(t: u32, m: u32) -> vec4f {
  if (t >= p.t || m >= p.m) { return vec4f(); }
  let i = t * p.a_stride + p.column + m;
  if (WIDE) { return vec4f(a[i / 4u]); }
  return vec4f(vec4f(a[i]).x, vec4f(a[i + 1u]).x, vec4f(a[i + 2u]).x, vec4f(a[i + 3u]).x);
}

fn b_four(t: u32, n: u32) -> vec4f {
  if (t >= p.t || n >= p.n) { return vec4f(); }
  let i = t * p.n + n;
  var four: vec4f;
  if (WIDE) {
    four = vec4f(b[i / 4u]);
  } else {
    four = vec4f(vec4f(b[i]).x, vec4f(b[i + 1u]).x, vec4f(b[i + 2u]).x, vec4f(b[i + 3u]).x);
  }
  if (DROPOUT) {
    four *= vec4f(dropout_scale(mask_key, i, p.rate), dropout_scale(mask_key, i + 1u, p.rate), dropout_scale(mask_key, i + 2u, p.rate),
      dropout_scale(mask_key, i + 3u, p.rate));
  }
  return four;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = wid.x * BM;
  let n0 = wid.y * BN;
  if (DROPOUT) { mask_key = counter_key(p.seed, p.stream, p.step); }
  let end = min(p.t, (wid.z + 1u) * p.chunk);
  for (var k0 = wid.z * p.chunk; k0 < end; k0 += BK) {
    for (var block = lane; block < BLOCKS_A; block += THREADS) {
      let m4 = block % (BM / 4u);
      let k4 = block / (BM / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = a_four(k0 + k4 * 4u + j, m0 + m4 * 4u); }
      put_a(m4, k4, columns);
    }
    for (var block = lane; block < BLOCKS_B; block += THREADS) {
      let n4 = block % (BN / 4u);
      let k4 = block / (BN / 4u);
      var columns: mat4x4f;
      for (var j = 0u; j < rolled(4u); j++) { columns[j] = b_four(k0 + k4 * 4u + j, n0 + n4 * 4u); }
      put_b(n4, k4, columns);
    }
    workgroupBarrier();
    multiply_tiles(lane);
    workgroupBarrier();
  }
  // A copy, because this loop may index it dynamically and the sums must stay in registers.
  var results = sums;
  for (var e = 0u; e < rolled(TM * TN); e++) {
    let m = m0 + tile_row(lane, e);
    let n = n0 + tile_column(lane, e);
    if (m < p.m && n < p.n) {
      var value = results[e / 4u][e % 4u];
      value *= p.scale;
      if (p.has_row_scale == 1u) { value *= row_scale[p.column + m] + p.row_scale_offset; }
      let at = (wid.z * p.m + m) * p.n + n;
      if (p.accumulate == 1u) { value += c[at]; }
      c[at] = value;
    }
  }
}
