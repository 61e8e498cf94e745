// dx = dy of the patch's square / kernel², and 0 for the rest at the right and the bottom; shapes as in average_pool.wgsl.
const WG: u32 = 256u;

struct Params { count: u32, size: u32, side: u32, pooled: u32, kernel: u32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.count) { return; }
  let patch_at = i / p.size;
  let row = ((patch_at / p.side) % p.side) / p.kernel;
  let column = (patch_at % p.side) / p.kernel;
  let image = patch_at / (p.side * p.side);
  var value = 0.0;
  if (row < p.pooled && column < p.pooled) {
    value = dy[((image * p.pooled + row) * p.pooled + column) * p.size + i % p.size] / f32(p.kernel * p.kernel);
  }
  dx[i] = select(value, dx[i] + value, p.accumulate == 1u);
}
