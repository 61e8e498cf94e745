// y = mean of x over squares of kernel × kernel patches, image by image: x (images, side, side, size), y (images, pooled, pooled, size).
const WG: u32 = 256u;

struct Params { count: u32, size: u32, side: u32, pooled: u32, kernel: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.count) { return; }
  let square = i / p.size;
  let row = (square / p.pooled) % p.pooled;
  let image = square / (p.pooled * p.pooled);
  let first = (image * p.side + row * p.kernel) * p.side + (square % p.pooled) * p.kernel;
  var sum = 0.0;
  for (var dy = 0u; dy < p.kernel; dy++) {
    for (var dx = 0u; dx < p.kernel; dx++) { sum += x[(first + dy * p.side + dx) * p.size + i % p.size]; }
  }
  y[i] = sum / f32(p.kernel * p.kernel);
}
