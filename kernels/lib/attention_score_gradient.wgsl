// What both backward kernels of attention compute again of a score: its probability from the saved statistics, and its gradient.
fn dy_at(start: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(dy[start + d]), d); }
  let i = start + 4u * d;
  return trimmed(vec4f(scalar(dy[i]), scalar(dy[i + 1u]), scalar(dy[i + 2u]), scalar(dy[i + 3u])), d);
}

fn dy_cell(row: u32, d: u32) -> vec4f { return dy_at(row_start(row), d); }

// From raw dot products q·k and dy·v to the probabilities and the gradient of q·k times scale.
fn probability(dots: vec4f, largest: vec4f, log_total: vec4f, seen: vec4<bool>) -> vec4f {
  return select(vec4f(), exp((capped(dots * p.scale) - largest) - log_total), seen);
}

fn capped(s: vec4f) -> vec4f {
  if (SOFTCAP > 0.0) { return vec4f(softcap(s.x, SOFTCAP), softcap(s.y, SOFTCAP), softcap(s.z, SOFTCAP), softcap(s.w, SOFTCAP)); }
  return s;
}

fn score_gradient(dots: vec4f, weight: vec4f, dweight: vec4f, delta: vec4f) -> vec4f {
  var slope = vec4f(p.scale);
  if (SOFTCAP > 0.0) {
    let bounded = capped(dots * p.scale) / max(SOFTCAP, 1e-30);
    slope *= 1.0 - bounded * bounded;
  }
  return weight * (dweight - delta) * slope;
}
