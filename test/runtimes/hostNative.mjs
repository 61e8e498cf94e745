/**
 * What Node, Deno and Bun run for runIn.ts: `<this file> <script> <args as JSON>`. Gives the script its host, prints what it returns as one marked
 * line of JSON. Deno brings a WebGPU of its own; Node and Bun load Dawn.
 */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [script, args] = process.argv.slice(2);
const runtime = globalThis.Deno ? 'deno' : globalThis.Bun ? 'bun' : 'node';
let gpu = globalThis.navigator?.gpu;
if (runtime !== 'deno') {
  const { create, globals } = await import('webgpu');
  gpu = create((process.env.VERNIER_DAWN_FLAGS ?? '').split(' ').filter(Boolean));
  // Held by the global object: Dawn crashes when the instance is garbage collected before its devices.
  Object.assign(globalThis, globals, { gpu });
}
const host = {
  runtime,
  gpu,
  args: JSON.parse(args),
  readFile: async (path) => new Uint8Array(await readFile(path)),
  library: () => import(new URL('../../dist/vernier.js', import.meta.url).href),
};
const main = (await import(pathToFileURL(script).href)).default;
let code = 0;
try {
  console.log(`@result ${JSON.stringify(await main(host))}`);
} catch (error) {
  console.error(error);
  code = 1;
}
process.exit(code);
