// Rows of q (array<Cell>) in vectors of four, zero past the head size D; ROW vectors are a row in workgroup memory.
fn scalar(c: Cell) -> f32 { return vec4f(c).x; }

// Elements past the head size read as zero.
fn trimmed(x: vec4f, d: u32) -> vec4f {
  if (ROW * 4u == D) { return x; }
  return select(vec4f(), x, 4u * d + vec4u(0u, 1u, 2u, 3u) < vec4u(D));
}

// Where a row begins, in cells.
fn row_start(row: u32) -> u32 { return row * select(D, D / 4u, D % 4u == 0u); }

fn q_at(start: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(q[start + d]), d); }
  let i = start + 4u * d;
  return trimmed(vec4f(scalar(q[i]), scalar(q[i + 1u]), scalar(q[i + 2u]), scalar(q[i + 3u])), d);
}

fn q_cell(row: u32, d: u32) -> vec4f { return q_at(row_start(row), d); }
