/** For adapter.test.ts: sums `args.values` on the GPU with a workgroup reduction and reports what the adapter is. */
const code = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
var<workgroup> part: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  var sum = 0.0;
  for (var at = i; at < arrayLength(&x); at += 64u) { sum += x[at]; }
  part[i] = sum;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (i < half) { part[i] += part[i + half]; }
  }
  if (i == 0u) { total[0] = part[0]; }
}`;

export default async function sumOnGpu({ runtime, gpu, args, readFile }) {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(`${runtime} has no WebGPU adapter`);
  const device = await adapter.requestDevice();
  const values = new Float32Array(args.values);
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }), entryPoint: 'main' } });
  const x = device.createBuffer({ size: values.byteLength, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const total = device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const readable = device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(x, 0, values);
  const entries = [x, total].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(total, 0, readable, 0, 4);
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(GPUMapMode.READ);
  const sum = new Float32Array(readable.getMappedRange())[0];
  readable.unmap();
  const bytes = await readFile(args.file);
  device.destroy();
  return { runtime, sum, fileBytes: bytes.length, f16: adapter.features.has('shader-f16'), adapter: adapter.info.description || adapter.info.architecture };
}
