// The inner part of every tiled product: a BM×BK and a BK×BN tile in workgroup memory, k-major, and a TM×TN block of sums an invocation.
// Tiles are filled in 4×4 blocks (a mat4x4f whose column j is k0 + j), which an operand stored the other way round transposes in registers,
// so one inner loop of vec4 serves a·wᵀ, a·w and aᵀ·b. An invocation's rows and columns are groups of four, spread over the tile:
// neighbours read neighbouring vec4s of workgroup memory and write neighbouring results.
const THREADS: u32 = (BM / TM) * (BN / TN);
const ROW_GROUPS: u32 = BM / TM;
const COLUMN_GROUPS: u32 = BN / TN;
const TN4: u32 = TN / 4u;
const BLOCKS_A: u32 = (BM / 4u) * (BK / 4u);
const BLOCKS_B: u32 = (BN / 4u) * (BK / 4u);

var<workgroup> tile_a: array<vec4f, BK * BM / 4u>;
var<workgroup> tile_b: array<vec4f, BK * BN / 4u>;
var<private> sums: array<vec4f, TM * TN4>;

fn put_a(m4: u32, k4: u32, block: mat4x4f) {
  for (var j = 0u; j < 4u; j++) { tile_a[(k4 * 4u + j) * (BM / 4u) + m4] = block[j]; }
}

fn put_b(n4: u32, k4: u32, block: mat4x4f) {
  for (var j = 0u; j < 4u; j++) { tile_b[(k4 * 4u + j) * (BN / 4u) + n4] = block[j]; }
}

// `count`, by way of a uniform when COMPACT: a bound the compiler cannot see keeps it from unrolling the loop. Unrolled, Mesa's software
// GPU compiles one of these kernels for 5 to 20 s, because every access to a storage buffer becomes a loop over lanes of its own.
fn rolled(count: u32) -> u32 { return select(count, count * p.depth / BK, COMPACT); }

// Between two barriers: sums += tile_a · tile_b.
fn multiply_tiles(lane: u32) {
  let x = lane % COLUMN_GROUPS;
  let y = lane / COLUMN_GROUPS;
  for (var k = 0u; k < rolled(BK); k++) {
    var b: array<vec4f, TN4>;
    for (var j = 0u; j < TN4; j++) { b[j] = tile_b[k * (BN / 4u) + x + j * COLUMN_GROUPS]; }
    for (var i = 0u; i < TM / 4u; i++) {
      let a = tile_a[k * (BM / 4u) + y + i * ROW_GROUPS];
      for (var j = 0u; j < TN4; j++) {
        sums[(i * 4u) * TN4 + j] += a.x * b[j];
        sums[(i * 4u + 1u) * TN4 + j] += a.y * b[j];
        sums[(i * 4u + 2u) * TN4 + j] += a.z * b[j];
        sums[(i * 4u + 3u) * TN4 + j] += a.w * b[j];
      }
    }
  }
}

// Row and column in the tile of this invocation's sum e (0..TM*TN): the component e % 4 of sums[e / 4].
fn tile_row(lane: u32, e: u32) -> u32 { return (lane / COLUMN_GROUPS + (e / (4u * TN)) * ROW_GROUPS) * 4u + (e / TN) % 4u; }
fn tile_column(lane: u32, e: u32) -> u32 { return (lane % COLUMN_GROUPS + ((e % TN) / 4u) * COLUMN_GROUPS) * 4u + e % 4u; }
