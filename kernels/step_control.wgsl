// Second stage of the gradient norm and every decision of an optimizer step, one workgroup: the clip coefficient of torch's
// clip_grad_norm_, whether the step happens at all, Adam's bias corrections, the row of the log. Takes the loss sums and resets them.
// state: norm, coefficient, finite (1 or 0), skipped steps, taken steps, bias corrections 1 and 2, unused.
// uses: reduce
const WG: u32 = 256u;

struct Params { count: u32, row: u32, max_norm: f32, beta1_complement: f32, beta2_complement: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss_sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_rows: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var squares = 0.0;
  var strange = 0.0;
  for (var i = lane; i < p.count; i += WG) {
    squares += partials[i].x;
    strange += partials[i].y;
  }
  let total = workgroup_sum(squares, lane);
  let bad = workgroup_sum(strange, lane);
  if (lane != 0u) { return; }

  let finite = bad == 0.0 && (bitcast<u32>(total) & 0x7f800000u) != 0x7f800000u;
  let norm = sqrt(total);
  state[0] = norm;
  state[1] = 1.0;
  if (p.max_norm > 0.0) { state[1] = min(1.0, p.max_norm / (norm + 1e-6)); }
  state[2] = select(0.0, 1.0, finite);
  if (finite) {
    state[4] += 1.0;
    // 1 - betaᵗ by recurrence, in the form whose fixed point is exactly 1 and that never subtracts nearly equal numbers.
    state[5] += (1.0 - state[5]) * p.beta1_complement;
    state[6] += (1.0 - state[6]) * p.beta2_complement;
  } else {
    state[3] += 1.0;
  }
  log_rows[p.row] = vec4f(loss_sum[0], loss_sum[1], norm, select(1.0, 0.0, finite));
  loss_sum[0] = 0.0;
  loss_sum[1] = 0.0;
}
