// One step of torch.optim.AdamW over one arena. `state` is step_control's: a step that was found not finite changes nothing.
// The moments are moved by (1 - beta) of the difference, torch's lerp: beta itself rounded to f32 would miss 1 - beta2 by 1e-5.
const WG: u32 = 256u;

struct Params { first_group: u32, vectors: u32, lr: f32, shrink: f32, beta1_complement: f32, beta2_complement: f32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> state: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> v: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (p.first_group + wid.x + wid.y * groups.x) * WG + lane;
  if (i >= p.vectors || state[2] == 0.0) { return; }
  let g = gradients[i] * state[1];
  let first = m[i] + (g - m[i]) * p.beta1_complement;
  let second = v[i] + (g * g - v[i]) * p.beta2_complement;
  m[i] = first;
  v[i] = second;
  let denominator = sqrt(second) / sqrt(state[6]) + p.eps;
  values[i] = values[i] * p.shrink - (p.lr / state[5]) * first / denominator;
}
