/**
 * A model folder of which only the configuration is there: its tensors have names and shapes, and no values. For planning memory before
 * anything is fetched.
 */
import { UserError } from '../platform.ts';
import type { ModelFolder } from './modelFolder.ts';
import type { Naming } from './names.ts';
import { elementBytes, elementCount } from './safetensors.ts';
import type { Dtype, TensorInfo } from './safetensors.ts';

const DTYPES: Readonly<Record<string, Dtype>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };

/** @param shapes of all tensors, by canonical name. Their precision is what config.json states, bfloat16 where it states none. */
export function describedFolder(
  dir: string,
  config: Readonly<Record<string, unknown>>,
  shapes: ReadonlyMap<string, readonly number[]>,
  naming: Naming,
): ModelFolder {
  const dtype = statedDtype(config);
  const shapeOf = (name: string): readonly number[] => {
    const shape = shapes.get(name);
    if (shape === undefined) throw new UserError(`${dir} has no tensor ${name}`);
    return shape;
  };
  const noValues = (name: string): never => {
    throw new Error(`${name}: the weights are not here, only their description`);
  };
  return {
    dir,
    config,
    naming,
    files: [],
    names: () => [...shapes.keys()],
    has: (name) => shapes.has(name),
    info: (name): TensorInfo => ({ dtype, shape: [...shapeOf(name)], offset: 0, bytes: elementCount(shapeOf(name)) * elementBytes(dtype) }),
    storedName: (name) => name,
    alias: noValues,
    readRaw: noValues,
    readRange: noValues,
    close: () => Promise.resolve(),
  };
}

function statedDtype(config: Readonly<Record<string, unknown>>): Dtype {
  const nested = config['text_config'];
  const inner = typeof nested === 'object' && nested !== null ? (nested as Record<string, unknown>) : {};
  const stated = config['torch_dtype'] ?? config['dtype'] ?? inner['torch_dtype'] ?? inner['dtype'];
  return (typeof stated === 'string' ? DTYPES[stated] : undefined) ?? 'BF16';
}
