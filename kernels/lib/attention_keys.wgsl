// Rows of k and v (array<Cell>), as lib/attention_cells.wgsl has those of q.
fn k_at(start: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(k[start + d]), d); }
  let i = start + 4u * d;
  return trimmed(vec4f(scalar(k[i]), scalar(k[i + 1u]), scalar(k[i + 2u]), scalar(k[i + 3u])), d);
}

fn k_cell(row: u32, d: u32) -> vec4f { return k_at(row_start(row), d); }

fn v_at(start: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(v[start + d]), d); }
  let i = start + 4u * d;
  return trimmed(vec4f(scalar(v[i]), scalar(v[i + 1u]), scalar(v[i + 2u]), scalar(v[i + 3u])), d);
}

fn v_cell(row: u32, d: u32) -> vec4f { return v_at(row_start(row), d); }
