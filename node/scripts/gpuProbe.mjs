/**
 * Is there a WebGPU adapter that computes? Doubles one number on it and prints one line of JSON, {"adapter": name} or {"problem": why}.
 * A program of its own, because a broken Vulkan driver can take the process down with it.
 */
try {
  const { create, globals } = await import('webgpu');
  const gpu = create([]);
  // Held by the global object: Dawn crashes when the instance is garbage collected before its devices.
  Object.assign(globalThis, globals, { gpu });
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no WebGPU adapter (neither a GPU driver nor a software one)');
  const device = await adapter.requestDevice();
  const code = '@group(0) @binding(0) var<storage, read_write> x: array<f32>; @compute @workgroup_size(1) fn main() { x[0] = 2.0 * x[0]; }';
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const usage = GPUBufferUsage;
  const buffer = device.createBuffer({ size: 4, usage: usage.STORAGE | usage.COPY_DST | usage.COPY_SRC });
  const readable = device.createBuffer({ size: 4, usage: usage.MAP_READ | usage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, new Float32Array([21]));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, readable, 0, 4);
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(GPUMapMode.READ);
  const [value] = new Float32Array(readable.getMappedRange());
  if (value !== 42) throw new Error(`${adapter.info.description} computed 2 × 21 = ${value}`);
  console.log(JSON.stringify({ adapter: adapter.info.description || adapter.info.device || adapter.info.vendor || 'unnamed adapter' }));
} catch (error) {
  console.log(JSON.stringify({ problem: error.message }));
}
process.exit(0);
