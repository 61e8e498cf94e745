/**
 * For kernels.test.ts: compiles the WGSL of `args.file` (JSON: `[{ label, code, storage: [{ index, writable }], paramBytes }]`) and returns the
 * complaints, one a kernel that does not compile, and how many were left out because the adapter lacks what they enable.
 */
export default async function compileAll({ gpu, args, readFile }) {
  const kernels = JSON.parse(new TextDecoder().decode(await readFile(args.file)));
  const adapter = await gpu.requestAdapter();
  const requiredFeatures = ['shader-f16', 'subgroups'].filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredFeatures });
  const complaints = [];
  let compiled = 0;
  let leftOut = 0;
  for (const { label, code, storage, paramBytes } of kernels) {
    const enabled = [...code.matchAll(/^\s*enable ([\w, ]+);/gm)].flatMap((match) => match[1].split(/\s*,\s*/));
    if (enabled.some((name) => !requiredFeatures.includes(name === 'f16' ? 'shader-f16' : name))) {
      leftOut++;
      continue;
    }
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code, label });
    const entry = (binding, buffer) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer });
    const layout = device.createBindGroupLayout({
      entries: [
        entry(0, { type: 'uniform', hasDynamicOffset: true, minBindingSize: paramBytes }),
        ...storage.map((one) => entry(one.index, { type: one.writable ? 'storage' : 'read-only-storage' })),
      ],
    });
    device.createComputePipeline({ layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }), compute: { module, entryPoint: 'main' } });
    const error = await device.popErrorScope();
    if (error) complaints.push(`${label}: ${error.message}`);
    else compiled++;
  }
  device.destroy();
  return { compiled, leftOut, complaints };
}
