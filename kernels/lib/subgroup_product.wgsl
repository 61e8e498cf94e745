// The inner part of a product without workgroup memory or barriers, for a CPU that plays GPU: there a subgroup is one vector register. An invocation
// has TM rows of four columns; the rows of a, one a lane, go round by broadcast, so that every element of a and b is loaded once a subgroup.
const SUBGROUP: u32 = 8u;
var<private> sums: array<vec4f, TM>;

// sums of rows first…first + 8 += a b, for four steps of the sum: `row` is the lane's row of a, the columns of `b` are those steps.
fn add_products(first: u32, row: vec4f, b: mat4x4f) {
  sums[first] += b * subgroupBroadcast(row, 0u);
  sums[first + 1u] += b * subgroupBroadcast(row, 1u);
  sums[first + 2u] += b * subgroupBroadcast(row, 2u);
  sums[first + 3u] += b * subgroupBroadcast(row, 3u);
  sums[first + 4u] += b * subgroupBroadcast(row, 4u);
  sums[first + 5u] += b * subgroupBroadcast(row, 5u);
  sums[first + 6u] += b * subgroupBroadcast(row, 6u);
  sums[first + 7u] += b * subgroupBroadcast(row, 7u);
}
