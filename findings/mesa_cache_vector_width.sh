#!/usr/bin/env bash
# Mesa 25.0.7 (llvmpipe; Debian 12 has it in backports): the shader cache gives a process the code that was compiled for vectors of another width.
# Expected: subgroupAdd(1u) is the subgroup size that the adapter names: 4, 8 or 16 with LP_NATIVE_VECTOR_WIDTH=128, 256 or 512. So it is where every run
# has a cache of its own.
# Seen: with one cache (as a home folder is) the second width gets the first one's code: the adapter says 8 and subgroups are of 4, or of 16 after a
# run with 512. Nothing is thrown or logged. The width is no part of the cache's key. Mesa 26.1.6 keeps a file a width.
# Why it matters: 256 is the default, and trying 128 or 512 to see what is faster is usual with software GPUs. From then on kernels that reckon with the
# adapter's size sum half the lanes or twice as many, also in later runs without the variable; and a comparison of widths compares the first with itself.
# Emptying ~/.cache/mesa_shader_cache* or MESA_SHADER_CACHE_DISABLE=true helps.
# Needs linux-x64 and that Mesa's software Vulkan (lavapipe).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts webgpu@0.6.2
cat >show.mjs <<'JS'
import { create, globals } from 'webgpu';
Object.assign(globalThis, globals);
const gpu = globalThis.instance = create(['backend=vulkan', 'adapter=llvmpipe']);
const adapter = await gpu.requestAdapter().catch(() => null);
if (!adapter?.features.has('subgroups')) { console.log('no llvmpipe with subgroups on this machine'); process.exit(2); }
const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });
const code = `enable subgroups;
  @group(0) @binding(0) var<storage, read_write> sums: array<u32>;
  @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { sums[i] = subgroupAdd(1u); }`;
const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
const buffer = device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
const back = device.createBuffer({ size: 256, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
pass.dispatchWorkgroups(1);
pass.end();
encoder.copyBufferToBuffer(buffer, 0, back, 0, 256);
device.queue.submit([encoder.finish()]);
await back.mapAsync(GPUMapMode.READ);
const sums = [...new Set(new Uint32Array(back.getMappedRange()))].join(' ');
await new Promise((resolve) => setTimeout(resolve, 300)); // Mesa writes its cache beside us
const { subgroupMinSize: size, description } = adapter.info;
console.error(`Mesa: ${description}`);
console.log(`the adapter says ${size}, subgroupAdd(1u) is ${sums}`);
device.destroy();
process.exit(0);
JS
changed=0
check() { # folder of the cache, width, seen
  local seen
  seen=$(MESA_SHADER_CACHE_DISABLE=false MESA_SHADER_CACHE_DIR="$work/$1" LP_NATIVE_VECTOR_WIDTH=$2 node show.mjs 2>dawn.log) ||
    { cat dawn.log; echo "$seen"; exit 2; }
  echo "  $(printf '%-8s' "$1") width $2: $seen"
  [ "$seen" = "the adapter says $3" ] || changed=1
}
mkdir own128 own256 own512 shared shared2
check own128 128 '4, subgroupAdd(1u) is 4'
grep '^Mesa' dawn.log
check own256 256 '8, subgroupAdd(1u) is 8'
check own512 512 '16, subgroupAdd(1u) is 16'
check shared 128 '4, subgroupAdd(1u) is 4'
check shared 256 '8, subgroupAdd(1u) is 4'
check shared2 512 '16, subgroupAdd(1u) is 16'
check shared2 256 '8, subgroupAdd(1u) is 16'
[ "$changed" = 0 ] && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
