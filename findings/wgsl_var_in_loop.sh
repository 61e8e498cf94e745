#!/usr/bin/env bash
# WGSL: a variable declared in a loop without an initializer keeps its value from one pass to the next, in Dawn (npm webgpu 0.6.2) and in Deno 2.9.5 (wgpu).
# Expected: zero in every pass. The WGSL specification: a function-scope variable's lifetime starts when control enters its declaration, and its initial
# value is then the zero value of its type where there is no initializer. `var a = 0.0;` and `var a: f32;` mean the same.
# Seen: with `= 0.0` 1 1 1 1, without 1 2 3 4, on Vulkan. Both compilers turn the declaration into one SPIR-V variable that is zeroed once, when the function
# starts, so it is not the driver's doing. wgpu#9489 is the report for wgpu.
# Why it matters: an accumulator of a tile that is declared in the loop over tiles sums all tiles before it. The kernel compiles without a warning, and
# languages that a loop body is translated to as it stands (Metal's, HLSL) may give what was meant, so that results differ by platform.
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
const run = async (declaration, sum) => {
  const code = `@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
    @compute @workgroup_size(1) fn main() {
      for (var pass_ = 0u; pass_ < 4u; pass_++) { ${declaration} ${sum} += 1.0; sums[pass_] = ${sum}; }
    }`;
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const back = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, back, 0, 16);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  return new Float32Array(back.getMappedRange()).join(' ');
};
const cases = [
  ['var a = 0.0;', 'a', '1 1 1 1'], ['var a: f32;', 'a', '1 2 3 4'], ['var a: vec4f;', 'a.y', '1 2 3 4'], ['var a: array<f32, 8>;', 'a[3]', '1 2 3 4'],
];
let holds = true;
for (const [declaration, sum, before] of cases) {
  const seen = await run(declaration, sum);
  console.log(`  ${declaration.padEnd(22)} expected 1 1 1 1, seen ${seen}`);
  holds &&= seen === before;
}
device.destroy();
process.exit(holds ? 0 : 1);
JS
changed=0
echo 'Dawn'; node show.mjs 2>dawn.log || { cat dawn.log; changed=1; }
echo 'wgpu (Deno)'; node_modules/.bin/deno run --quiet --allow-all show.mjs 2>wgpu.log || { cat wgpu.log; changed=1; }
[ "$changed" = 0 ] && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
