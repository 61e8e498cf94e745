// What the kernels of attention for a software GPU share. A subgroup, one vector register, has TM = 8 rows; of the 32 rows they meet a lane has
// four columns of every row's scores. In the second product a lane has the vectors lane, lane + 8, … of the head instead.
const ROW: u32 = (D + 3u) / 4u;
const COLUMNS: u32 = (ROW + SUBGROUP - 1u) / SUBGROUP;
const TM: u32 = SUBGROUP;

fn vector_of(column: u32, lane: u32) -> u32 { return column * SUBGROUP + lane; }
