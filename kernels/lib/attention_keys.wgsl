// Rows of k and v (array<Cell>), as lib/attention_cells.wgsl has those of q.
fn k_cell(row: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(k[row * (D / 4u) + d]), d); }
  let i = row * D + 4u * d;
  return trimmed(vec4f(scalar(k[i]), scalar(k[i + 1u]), scalar(k[i + 2u]), scalar(k[i + 3u])), d);
}

fn v_cell(row: u32, d: u32) -> vec4f {
  if (D % 4u == 0u) { return trimmed(vec4f(v[row * (D / 4u) + d]), d); }
  let i = row * D + 4u * d;
  return trimmed(vec4f(scalar(v[i]), scalar(v[i + 1u]), scalar(v[i + 2u]), scalar(v[i + 3u])), d);
}
