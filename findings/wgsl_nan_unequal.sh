#!/usr/bin/env bash
# WGSL: x != x is false for a NaN, in Dawn (npm webgpu 0.6.2) and in Deno 2.9.5 (wgpu), while !(x == x) is true.
# Expected: true, and the two the same, as in IEEE 754, C, Python and JavaScript, where x != x is the usual test for a NaN. WGSL leaves it open:
# a compiler may assume that there are none, and isNan was taken out of the language for that.
# Seen: on Vulkan != is the ordered comparison (SPIR-V's OpFOrdNotEqual), which is false as soon as one side is a NaN: 0 for x != x and for x != 1.
# Neither compiler warns. Looking at the bits, or !(abs(x) <= largest), does find it.
# Why it matters: a trainer that skips steps whose gradients are not finite, and tests them so, lets NaN into the weights. A shader compiler that wrote
# isnan as x != x for WGSL had the same hole (slang#6881).
# Needs linux-x64 and a Vulkan driver, for which a software one does (Mesa 25 or newer).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts webgpu@0.6.2 deno@2.9.5
cat >show.mjs <<'JS'
let gpu = globalThis.navigator?.gpu;
if (globalThis.Deno === undefined) {
  const dawn = await import('webgpu');
  Object.assign(globalThis, dawn.globals);
  gpu = globalThis.instance = dawn.create([]);
}
const adapter = await gpu.requestAdapter();
if (adapter === null) { console.error('No WebGPU adapter on this machine.'); process.exit(2); }
const device = await adapter.requestDevice();
const tests = [ // WGSL, what IEEE 754 says of a NaN, seen
  ['x != x', 1, 0], ['x != 1.0', 1, 0], ['x == x', 0, 0], ['!(x == x)', 1, 1], ['!(abs(x) <= 3.4e38)', 1, 1],
  ['(bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u', 1, 1],
];
const code = `@group(0) @binding(0) var<storage, read_write> data: array<f32>; // a NaN, and room for the answers behind it
  @compute @workgroup_size(1) fn main() { let x = data[0]; ${tests.map(([test], i) => `data[${i + 1}] = select(0.0, 1.0, ${test});`).join(' ')} }`;
const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
const buffer = device.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
const back = device.createBuffer({ size: 64, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
device.queue.writeBuffer(buffer, 0, Float32Array.of(NaN));
const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
pass.dispatchWorkgroups(1);
pass.end();
encoder.copyBufferToBuffer(buffer, 0, back, 0, 64);
device.queue.submit([encoder.finish()]);
await back.mapAsync(GPUMapMode.READ);
const data = new Float32Array(back.getMappedRange());
let holds = Number.isNaN(data[0]);
tests.forEach(([test, ieee, before], i) => {
  console.log(`  ${test.padEnd(48)} expected ${ieee}, seen ${data[i + 1]}`);
  holds &&= data[i + 1] === before;
});
device.destroy();
process.exit(holds ? 0 : 1);
JS
changed=0
echo 'Dawn'; node show.mjs 2>dawn.log || { cat dawn.log; changed=1; }
echo 'wgpu (Deno)'; node_modules/.bin/deno run --quiet --allow-all show.mjs 2>wgpu.log || { cat wgpu.log; changed=1; }
[ "$changed" = 0 ] && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
