/** `optimizer.safetensors` of a checkpoint: AdamW's two moments of every trained parameter, under torch's names for them. */
import { openSafetensors, toFloat32, writeSafetensors } from '../io/safetensors.ts';
import type { TensorEntry } from '../io/safetensors.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { ParameterArena, TrainedState } from './parameterArena.ts';

export const OPTIMIZER_STATE = 'optimizer.safetensors';

const NAMES = { m: 'exp_avg', v: 'exp_avg_sq' } as const;

/** @param shapes of the trained parameters, by name */
export async function writeMomentsFile(
  platform: Platform,
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  state: TrainedState,
): Promise<void> {
  const entries = (['m', 'v'] as const).flatMap((moment) =>
    [...shapes].map(([name, shape]): TensorEntry => ({
      name: `${NAMES[moment]}.${name}`,
      dtype: 'F32',
      shape,
      async data() {
        const values = await state.moment(name, moment);
        return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      },
    })),
  );
  await writeSafetensors(platform, path, entries, { format: 'pt' });
}

/** @throws UserError for a file that lacks a parameter of this run */
export async function readMomentsFile(platform: Platform, path: string, arena: ParameterArena): Promise<void> {
  const file = await openSafetensors(platform, path);
  const read = async (name: string): Promise<Float32Array> => {
    const info = file.tensors.get(name);
    if (info === undefined) throw new UserError(`${path} has no ${name}; it is of another model or adapter.`);
    return toFloat32(await file.readRaw(name), info.dtype, `${path}: ${name}`);
  };
  try {
    for (const name of arena.parameters.keys())
      arena.writeMoments(name, { m: await read(`${NAMES.m}.${name}`), v: await read(`${NAMES.v}.${name}`) });
  } finally {
    await file.close();
  }
}
