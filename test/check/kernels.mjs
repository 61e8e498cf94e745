/**
 * Compiles every kernel × specialisation on Dawn's null backend: the whole of Tint and of WebGPU's pipeline validation at the default
 * limits, with no GPU at all. Checked are the default specialisation and those that comment lines on top of the file name:
 *   // check: TILE=16 HAS_BIAS=true
 *   // check: W=f16
 * A kernel that enables no feature is compiled on a device that has none, so the path without f16 and without subgroups stays open.
 *
 * Run: node test/check/kernels.mjs [folder of kernels]. Exit status 1 and, for each failure, its label, the message and the WGSL around it.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';
import { create, globals } from 'webgpu';
import { readKernels, writeKernelTexts } from '../../node/scripts/kernelTexts.mjs';

writeKernelTexts();

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL('../../kernels', import.meta.url)));
const loader = fileURLToPath(new URL('../../src/gpu/kernelSource.ts', import.meta.url));
const { composeSource, parseInterface, numberedSource } = (await runnerImport(loader, { configFile: false, logLevel: 'error' })).module;

// Subgroup matrices are a draft that Dawn keeps behind this toggle.
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
// Held by the global object: Dawn crashes when the instance is garbage collected before its devices.
Object.assign(globalThis, globals, { gpu });
const FEATURES = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];
const adapter = await gpu.requestAdapter();
const missing = FEATURES.filter((feature) => !adapter.features.has(feature));
if (missing.length > 0) throw new Error(`Dawn's null backend lacks ${missing.join(', ')}; update the webgpu package`);
const plainDevice = await adapter.requestDevice();
const featuredDevice = await (await gpu.requestAdapter()).requestDevice({ requiredFeatures: FEATURES });

const sources = readKernels(folder);

/** @param {string} text @returns {[key: string, value: string | number | boolean][]} */
function parseSpecialisation(text) {
  return text
    .trim()
    .split(/[\s,]+/)
    .map((pair) => {
      const [key, value] = pair.split('=');
      if (!key || !value) throw new Error(`'// check: ${text.trim()}' is not a list of NAME=VALUE`);
      if (value === 'true' || value === 'false') return [key, value === 'true'];
      return [key, Number.isNaN(Number(value)) ? value : Number(value)];
    });
}

/** The first complaint about one specialisation, or undefined. The bind group layout is explicit, as the Device makes it. */
async function compile(name, specialisation, label) {
  const code = composeSource(name, specialisation, sources);
  const { params, storage } = parseInterface(name, code);
  const device = /^\s*enable /m.test(code) ? featuredDevice : plainDevice;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code, label });
  const { messages } = await module.getCompilationInfo();
  const entry = (binding, type) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } });
  const uniform = { ...entry(0, 'uniform'), buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: 4 * params.length } };
  const layout = device.createBindGroupLayout({
    entries: [uniform, ...storage.map((one) => entry(one.index, one.writable ? 'storage' : 'read-only-storage'))],
  });
  let refused;
  await device
    .createComputePipelineAsync({ layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }), compute: { module, entryPoint: 'main' } })
    .catch((error) => (refused = String(error.message)));
  const invalid = (await device.popErrorScope())?.message;
  const error = messages.find((message) => message.type === 'error');
  if (error) {
    const around = numberedSource(code).split('\n').slice(Math.max(0, error.lineNum - 4), error.lineNum + 2);
    return `line ${error.lineNum}:${error.linePos}: ${error.message}\n${around.join('\n')}`;
  }
  return invalid ?? refused;
}

const failures = [];
let compiled = 0;
for (const [name, text] of sources) {
  if (name.startsWith('lib/') || name.startsWith('load/')) continue;
  const lists = [...text.matchAll(/^\/\/ check:(.*)$/gm)].map((match) => match[1]);
  for (const list of ['', ...lists]) {
    const label = `kernels/${name}.wgsl${list === '' ? '' : ` [${list.trim()}]`}`;
    try {
      const failure = await compile(name, list === '' ? {} : Object.fromEntries(parseSpecialisation(list)), label);
      if (failure !== undefined) failures.push(`${label}: ${failure}`);
    } catch (error) {
      failures.push(`${label}: ${error.message}`);
    }
    compiled++;
  }
}

for (const failure of failures) console.error(`${failure}\n`);
console.log(`kernels: ${compiled} specialisations, ${failures.length === 0 ? 'all compile' : `${failures.length} do not compile`}`);
plainDevice.destroy();
featuredDevice.destroy();
process.exit(failures.length === 0 ? 0 : 1);
