// Rows of k and v in the storage that their load files read (a cache may be of 16-bit floats), as lib/attention_cells.wgsl has those of q.
fn k_cell(row: u32, d: u32) -> vec4f { return trimmed(four_of_k(row * D + 4u * d), d); }

fn v_cell(row: u32, d: u32) -> vec4f { return trimmed(four_of_v(row * D + 4u * d), d); }
