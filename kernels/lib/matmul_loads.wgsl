// Four elements of a and of w from element i on, whatever the unit they are bound in, and four of LoRA's narrow operand.
fn a_elements(i: u32) -> vec4f {
  if (WIDE) { return vec4f(a[i / 4u]); }
  // A_UNIT is f32 here; vec4f(…).x keeps the line valid where it is not.
  return vec4f(vec4f(a[i]).x, vec4f(a[i + 1u]).x, vec4f(a[i + 2u]).x, vec4f(a[i + 3u]).x);
}

fn w_elements(i: u32) -> vec4f {
  if (WIDE) {
    if (W_TYPE == 0u) { return bitcast<vec4f>(vec4u(vec2u(w[i / 2u]), vec2u(w[i / 2u + 1u]))); }
    let words = vec2u(w[i / 4u]);
    return vec4f(decode_weight(words.x, 0u), decode_weight(words.x, 1u), decode_weight(words.y, 0u), decode_weight(words.y, 1u));
  }
  return vec4f(decode_weight(vec2u(w[weight_word(i)]).x, i), decode_weight(vec2u(w[weight_word(i + 1u)]).x, i + 1u),
    decode_weight(vec2u(w[weight_word(i + 2u)]).x, i + 2u), decode_weight(vec2u(w[weight_word(i + 3u)]).x, i + 3u));
}

// Elements past the end of a row of `length` count as zero.
fn within(four: vec4f, k: u32, length: u32) -> vec4f {
  return select(vec4f(), four, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(length));
}

// Of a row of K elements; a WIDE one ends with four.
fn in_row(four: vec4f, k: u32) -> vec4f {
  if (WIDE) { return four; }
  return within(four, k, p.k);
}

fn low_a_four(m: u32, k: u32) -> vec4f {
  if (m >= p.m) { return vec4f(); }
  let i = m * p.rank + k;
  return within(vec4f(low_a[i], low_a[i + 1u], low_a[i + 2u], low_a[i + 3u]), k, p.rank);
}
