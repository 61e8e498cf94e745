#!/usr/bin/env bash
# Dawn in Node (npm webgpu 0.6.2): while any promise of the GPU is pending (onSubmittedWorkDone, mapAsync), the event loop never rests.
# Expected: an idle loop, as with a pending file or socket; the GPU works, the process waits.
# Seen: the loop's utilisation is 1.0 until the promise settles, and over ten thousand `setImmediate` callbacks run a second: the binding asks for news in
# every turn. A timer that fires every millisecond would do; with one in between (the second line) the wait is just as short and the loop is idle.
# Why it matters: awaiting a GPU costs a whole core. Beside a graphics card that is heat; beside a software GPU, which lives on the same cores, it takes
# a third of the speed on two of them, and a data loader in the same process competes with the waiting.
# Needs linux-x64 and a Vulkan driver, for which a software one does (Mesa 25 or newer).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts webgpu@0.6.2
cat >show.mjs <<'JS'
import { performance } from 'node:perf_hooks';
import { create, globals } from 'webgpu';
let turns = 0, pauseMs = 0;
const own = globalThis.setImmediate;
globalThis.setImmediate = (callback, ...given) => {
  turns++;
  return pauseMs > 0 ? setTimeout(callback, pauseMs, ...given) : own(callback, ...given);
};
Object.assign(globalThis, globals);
const gpu = globalThis.instance = create([]);
const adapter = await gpu.requestAdapter();
if (adapter === null) { console.error('No WebGPU adapter on this machine.'); process.exit(2); }
const device = await adapter.requestDevice();
const code = `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    var a = id.x;
    for (var i = 0u; i < 2000u; i++) { a = a * 1664525u + 1013904223u; }
    x[id.x] = a;
  }`;
const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
const buffer = device.createBuffer({ size: 4 << 20, usage: GPUBufferUsage.STORAGE });
const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
const wait = async (dispatches) => {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups((1 << 20) / 64);
  pass.end();
  device.queue.submit([encoder.finish()]);
  turns = 0;
  const before = performance.eventLoopUtilization(), began = performance.now();
  await device.queue.onSubmittedWorkDone();
  return { ms: performance.now() - began, busy: performance.eventLoopUtilization(before).utilization, turns };
};
let dispatches = 1;
while ((await wait(dispatches)).ms < 500 && dispatches < 2 ** 14) dispatches *= 2;
const asIs = await wait(dispatches);
pauseMs = 1;
const paused = await wait(dispatches);
const line = ({ ms, busy, turns: n }) => `busy ${busy.toFixed(2)} of the time, ${Math.round((n / ms) * 1000)} setImmediate callbacks a second`;
console.log(`  as it is            expected busy near 0, seen ${line(asIs)}`);
console.log(`  a millisecond apart ${line(paused)}`);
device.destroy();
process.exit(asIs.busy > 0.9 && asIs.turns / asIs.ms > 2 && paused.busy < 0.5 ? 0 : 1);
JS
node show.mjs && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
