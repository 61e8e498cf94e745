/**
 * Frozen weights of the base that an adapter brings along: PEFT's `save_embedding_layers` writes the embedding table and the head beside
 * the adapter, and loading it puts them in the place of the base's own.
 */
import { readValues } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { frozenSources } from '../io/peft.ts';
import type { Adapter, AdapterTensor, FittedAdapter } from '../io/peft.ts';
import type { ModelDescription } from '../models/model.ts';

/** Values compared at a time. */
const BLOCK = 2 ** 20;

/** By name in the base: the weights that are not what the base has already. They are written with the adapter again. */
export async function broughtWeights(
  folder: ModelFolder,
  description: ModelDescription,
  adapter: Adapter,
  { replaced }: Pick<FittedAdapter, 'replaced'>,
): Promise<Map<string, AdapterTensor>> {
  const brought = new Map<string, AdapterTensor>();
  for (const [name, source] of frozenSources(replaced, description)) {
    const tensor = adapter.tensors.get(source)!;
    const held = description.shapes.has(name) ? name : description.embedding;
    if (!(await hasValues(folder, held, tensor.data))) brought.set(name, tensor);
  }
  return brought;
}

async function hasValues(folder: ModelFolder, name: string, data: Float32Array): Promise<boolean> {
  if (!folder.has(name)) return false;
  for (let first = 0; first < data.length; first += BLOCK) {
    const wanted = data.subarray(first, first + BLOCK);
    const found = await readValues(folder, name, first, wanted.length);
    if (wanted.some((value, i) => value !== found[i])) return false;
  }
  return true;
}

/** The folder with these weights in the place of its own. */
export function withWeights(folder: ModelFolder, brought: ReadonlyMap<string, AdapterTensor>): ModelFolder {
  if (brought.size === 0) return folder;
  const bytesOf = ({ data }: AdapterTensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    dir: folder.dir,
    config: folder.config,
    naming: folder.naming,
    files: folder.files,
    names: () => folder.names(),
    has: (name) => brought.has(name) || folder.has(name),
    info(name) {
      const tensor = brought.get(name);
      return tensor ? { dtype: 'F32', shape: [...tensor.shape], bytes: tensor.data.byteLength, offset: 0 } : folder.info(name);
    },
    storedName: (name) => folder.storedName(name),
    alias(name, held) {
      folder.alias(name, held);
    },
    async readRaw(name) {
      const tensor = brought.get(name);
      return tensor ? bytesOf(tensor) : folder.readRaw(name);
    },
    async readRange(name, byteOffset, byteLength) {
      const tensor = brought.get(name);
      return tensor ? bytesOf(tensor).subarray(byteOffset, byteOffset + byteLength) : folder.readRange(name, byteOffset, byteLength);
    },
    close: () => folder.close(),
  };
}
