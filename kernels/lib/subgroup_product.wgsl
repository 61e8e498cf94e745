// The inner part of a product without workgroup memory or barriers, for a CPU that plays GPU: there a subgroup is one vector register. An
// invocation has TM rows of four columns; the rows of a, one a lane, go round by broadcast, so that every element of a and b is loaded once
// a subgroup. SUBGROUP, the invocations in one, and TM, a multiple of it, are the kernel's.
var<private> sums: array<vec4f, TM>;

// sums of rows first…first + SUBGROUP += a b, for four steps of the sum: `row` is the lane's row of a, the columns of `b` are those steps.
// Broadcasts from fixed lanes are one instruction there; shuffles are a loop over lanes where a register has not exactly eight.
fn add_products(first: u32, row: vec4f, b: mat4x4f) {
  sums[first] += b * subgroupBroadcast(row, 0u);
  sums[first + 1u] += b * subgroupBroadcast(row, 1u);
  sums[first + 2u] += b * subgroupBroadcast(row, 2u);
  sums[first + 3u] += b * subgroupBroadcast(row, 3u);
  if (SUBGROUP > 4u) {
    sums[first + 4u] += b * subgroupBroadcast(row, 4u);
    sums[first + 5u] += b * subgroupBroadcast(row, 5u);
    sums[first + 6u] += b * subgroupBroadcast(row, 6u);
    sums[first + 7u] += b * subgroupBroadcast(row, 7u);
  }
  if (SUBGROUP > 8u) {
    sums[first + 8u] += b * subgroupBroadcast(row, 8u);
    sums[first + 9u] += b * subgroupBroadcast(row, 9u);
    sums[first + 10u] += b * subgroupBroadcast(row, 10u);
    sums[first + 11u] += b * subgroupBroadcast(row, 11u);
    sums[first + 12u] += b * subgroupBroadcast(row, 12u);
    sums[first + 13u] += b * subgroupBroadcast(row, 13u);
    sums[first + 14u] += b * subgroupBroadcast(row, 14u);
    sums[first + 15u] += b * subgroupBroadcast(row, 15u);
  }
  for (var l = 16u; l < SUBGROUP; l++) { sums[first + l] += b * subgroupShuffle(row, l); }
}
