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
  return within(vec4f(vec4f(low_a[i]).x, vec4f(low_a[i + 1u]).x, vec4f(low_a[i + 2u]).x, vec4f(low_a[i + 3u]).x), k, p.rank);
}
