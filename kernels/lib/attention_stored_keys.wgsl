// Rows of k and v in the storage that their load files read (a cache may be of 16-bit floats), as lib/attention_cells.wgsl has those of q.
fn element(start: u32, d: u32) -> u32 { return select(start + 4u * d, 4u * (start + d), D % 4u == 0u); }

fn k_at(start: u32, d: u32) -> vec4f { return trimmed(four_of_k(element(start, d)), d); }

fn v_at(start: u32, d: u32) -> vec4f { return trimmed(four_of_v(element(start, d)), d); }

fn k_cell(row: u32, d: u32) -> vec4f { return k_at(row_start(row), d); }

fn v_cell(row: u32, d: u32) -> vec4f { return v_at(row_start(row), d); }
