// Operands of the gradients of keys and values, whichever way the sums are made. `Cell` is the kernel's.
struct Params {
  first_group: u32, blocks: u32, slices: u32, heads: u32, kv_heads: u32, scale: f32, keys: u32, key_rows: u32, accumulate_k: u32,
  accumulate_v: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Cell>;
@group(0) @binding(2) var<storage, read> k: array<Cell>;
@group(0) @binding(3) var<storage, read> v: array<Cell>;
@group(0) @binding(4) var<storage, read> dy: array<Cell>;
@group(0) @binding(5) var<storage, read> stats: array<f32>;
@group(0) @binding(6) var<storage, read> ranges: array<u32>;
@group(0) @binding(7) var<storage, read_write> dk: array<f32>;
@group(0) @binding(8) var<storage, read_write> dv: array<f32>;
