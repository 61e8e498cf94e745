// What the kernels of attention for a software GPU share. A subgroup, one vector register, has TM = 8 rows; of the 32 rows they meet a lane has
// four columns of every row's scores. In the second product a lane has the vectors lane, lane + 8, … of the head instead.
const ROW: u32 = (D + 3u) / 4u;
const COLUMNS: u32 = (ROW + SUBGROUP - 1u) / SUBGROUP;
const TM: u32 = SUBGROUP;

fn vector_of(column: u32, lane: u32) -> u32 { return column * SUBGROUP + lane; }

// Vector d of four rows that follow one another, zero from row `end` and past the head on; a row is a column of the matrix.
fn k_rows(key: u32, end: u32, head: u32, d: u32) -> mat4x4f {
  var rows: mat4x4f;
  for (var j = 0u; j < 4u; j++) {
    if (key + j < end && d < ROW) { rows[j] = k_cell((key + j) * p.kv_heads + head, d); }
  }
  return rows;
}

fn v_rows(key: u32, end: u32, head: u32, d: u32) -> mat4x4f {
  var rows: mat4x4f;
  for (var j = 0u; j < 4u; j++) {
    if (key + j < end && d < ROW) { rows[j] = v_cell((key + j) * p.kv_heads + head, d); }
  }
  return rows;
}
