// Sum of squares of one arena of gradients, first stage: a workgroup sums SPAN·WG vectors into one partial, pairwise over the lanes.
// The second half of a partial counts what is not a finite number, by its bits: a compiler may assume that comparisons see no NaN.
// uses: reduce
const WG: u32 = 256u;
const SPAN: u32 = 16u;

struct Params { vectors: u32, first: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec2f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * groups.x;
  let base = group * WG * SPAN;
  if (base >= p.vectors) { return; }
  var squares = 0.0;
  var strange = 0.0;
  for (var k = 0u; k < SPAN; k++) {
    let i = base + k * WG + lane;
    if (i < p.vectors) {
      let g = gradients[i];
      squares += dot(g, g);
      if (any((bitcast<vec4u>(g) & vec4u(0x7f800000u)) == vec4u(0x7f800000u))) { strange += 1.0; }
    }
  }
  let total = workgroup_sum(squares, lane);
  let bad = workgroup_sum(strange, lane);
  if (lane == 0u) { partials[p.first + group] = vec2f(total, bad); }
}
