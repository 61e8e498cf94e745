// Operands of attention, whichever way the sums are made. `Cell` and the units are the kernel's.
struct Params { first_group: u32, blocks: u32, slices: u32, queries: u32, heads: u32, kv_heads: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Cell>;
@group(0) @binding(2) var<storage, read> k: array<K_UNIT>;
@group(0) @binding(3) var<storage, read> v: array<V_UNIT>;
@group(0) @binding(4) var<storage, read> ranges: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;
