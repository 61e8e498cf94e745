// Ends a micro-batch, one workgroup: adds log_scale · Σ nll and the number of correct tokens to loss_sum, and gives scale · Σ nll as its
// loss.
// uses: reduce
const WG: u32 = 256u;

struct Params { count: u32, scale: f32, log_scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> nll: array<f32>;
@group(0) @binding(2) var<storage, read> correct: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss_sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var losses = 0.0;
  var hits = 0.0;
  for (var i = lane; i < p.count; i += WG) {
    losses += nll[i];
    hits += correct[i];
  }
  let total = workgroup_sum(losses, lane);
  let right = workgroup_sum(hits, lane);
  if (lane != 0u) { return; }
  loss_sum[0] += p.log_scale * total;
  loss_sum[1] += right;
  loss[0] = p.scale * total;
}
