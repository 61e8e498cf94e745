// For each row of a chunk of logits, one workgroup: -log softmax at the label, whether the label is the most likely token, and with
// GRADIENT the logits overwritten by their gradient, scale · (softmax - onehot). With WEIGHTED all three times the label's weight.
// uses: reduce, best, softcap
const WG: u32 = 256u;
const GRADIENT: bool = true;
const SOFTCAP: bool = false;
const WEIGHTED: bool = false;
// check: GRADIENT=false SOFTCAP=true
// check: SOFTCAP=true
// check: WEIGHTED=true

struct Params { start: u32, rows: u32, size: u32, scale: f32, cap: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> nll: array<f32>;
@group(0) @binding(4) var<storage, read_write> correct: array<f32>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;

fn logit(i: u32) -> f32 {
  let z = logits[i];
  // What is not finite must reach the loss; softcap would bound it.
  if (!SOFTCAP || (bitcast<u32>(z) & 0x7f800000u) == 0x7f800000u) { return z; }
  return softcap(z, p.cap);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * groups.x;
  if (row >= p.rows) { return; }
  let base = row * p.size;
  let label = labels[p.start + row];
  var weight = 1.0;
  if (WEIGHTED) { weight = weights[p.start + row]; }
  var mine = Best(-3.4e38, 0u);
  for (var i = lane; i < p.size; i += WG) { mine = better(mine, Best(logit(base + i), i)); }
  let best = workgroup_best(mine, lane);
  var mass = 0.0;
  for (var i = lane; i < p.size; i += WG) { mass += exp(logit(base + i) - best.value); }
  let total = workgroup_sum(mass, lane);
  if (lane == 0u) {
    nll[p.start + row] = weight * ((best.value - logit(base + label)) + log(total));
    correct[p.start + row] = select(0.0, weight, best.index == label);
  }
  if (!GRADIENT) { return; }
  // Lane 0 has read the label's logit, which another lane is about to overwrite.
  storageBarrier();
  for (var i = lane; i < p.size; i += WG) {
    let z = logit(base + i);
    var d = exp(z - best.value) / total;
    if (i == label) { d -= 1.0; }
    if (SOFTCAP) { d *= 1.0 - (z / p.cap) * (z / p.cap); }
    logits[base + i] = weight * p.scale * d;
  }
}
